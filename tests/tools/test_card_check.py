"""The technician's tool on a private pcscd with a virtual card: what it says, what it costs, what
it never does.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from leaks import shows
from pcsc_daemon import NAME, Daemon, missing

from firmware.tools.card_check import main
from firmware.tools.card_check.prompt import ask_pin
from hal.card.contract import CardPresence
from hal.card.pcsc import PcscReader
from hal.sim.card.flaws import flawed
from hal.sim.card.pki import CardCa, load_card, make_card, make_card_ca, new_card_ca
from hal.sim.card.wire import CardFaults, CardProgram

PIN, CN = "4071", "T0001234567890A"
DAY = timedelta(days=1)
pytestmark = pytest.mark.pcsc


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CardCa:
    return make_card_ca(tmp_path_factory.mktemp("ca") / "ca")


@pytest.fixture(scope="module")
def folder(ca: CardCa, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, now = tmp_path_factory.mktemp("card"), datetime.now(UTC)
    make_card(folder, ca, CN, PIN, now - 400 * DAY, now + 400 * DAY)
    return folder


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    if reason := missing():
        pytest.skip(f"not here: {reason}")
    daemon = Daemon(tmp_path_factory.mktemp("pcsc"))
    os.environ["PCSCLITE_CSOCK_NAME"] = str(daemon.socket)
    daemon.start()
    yield daemon
    daemon.stop()
    del os.environ["PCSCLITE_CSOCK_NAME"]


Lay = Callable[..., CardProgram]


@pytest.fixture
def lay(daemon: Daemon, folder: Path) -> Iterator[Lay]:
    laid: list[CardProgram] = []

    def make(faults: CardFaults | None = None, **card: Any) -> CardProgram:
        program = CardProgram(
            load_card(folder, **card), ("127.0.0.1", daemon.port), faults or CardFaults()
        )
        program.insert()
        laid.append(program)
        return program

    yield make
    for program in laid:
        program.remove()
    with_reader(lambda status: status is CardPresence.ABSENT)


def with_reader(settled: Callable[[CardPresence], bool]) -> PcscReader:
    """Wait until pcscd says so: the next test begins without this one's card."""
    reader, end = PcscReader(NAME), time.monotonic() + 5
    reader.start(lambda _: None)
    try:
        while not settled(reader.status().presence):
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        reader.close()
    return reader


@pytest.fixture
def check(
    capfd: pytest.CaptureFixture[str], ca: CardCa
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Exit status and JSON object. Whatever was asked: no PIN, nothing of the holder, no traceback
    is shown.
    """
    serial = hex(ca.certificate.serial_number)

    def run(*words: str, reader: str = NAME) -> tuple[int, dict[str, Any]]:
        capfd.readouterr()
        code = main(["--reader", reader, "--json", "--wait", "3", *words])
        out, err = capfd.readouterr()
        assert not shows(PIN, out + err) and not shows("9999", out + err)
        for secret in (CN, serial, "Traceback"):
            assert secret not in out + err
        return code, json.loads(out)

    return run


Check = Callable[..., tuple[int, dict[str, Any]]]


def wrong(summary: dict[str, Any]) -> list[str]:
    """The steps that are NG; each says what to do, in two languages."""
    found = [finding for finding in summary["findings"] if not finding["ok"]]
    assert all(
        finding["detail"] and finding["remedy"]["ja"] and finding["remedy"]["en"]
        for finding in found
    )
    return [finding["name"] for finding in found]


@pytest.fixture(scope="module")
def ca_file(ca: CardCa, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two generations in one file, as they are handed out; the card is of the second."""
    path = tmp_path_factory.mktemp("trust") / "ca.pem"
    generations = (new_card_ca().certificate, ca.certificate)
    path.write_bytes(b"".join(generation.public_bytes(Encoding.PEM) for generation in generations))
    return str(path)


def test_a_whole_good_session(lay: Lay, check: Check, ca_file: str) -> None:
    program = lay()
    code, summary = check("--pin", PIN, "--trust", ca_file)
    assert (code, summary["ok"], wrong(summary)) == (0, True, [])
    assert (summary["signature_verified"], summary["power"], summary["tries"]) == (True, "off", 3)
    assert summary["apdus"] == program.apdus <= 11
    profile = summary["certificate"]
    assert (profile["key"], profile["validity"], profile["test"]) == ("RSA-2048", "valid", True)
    assert (profile["for_authentication"], profile["trusted"], profile["generation"]) == (
        True,
        True,
        2015,
    )
    assert set(summary["milliseconds"]) >= {
        "connect",
        "applet",
        "tries",
        "certificate",
        "verify",
        "sign",
        "power",
    }
    assert (
        0
        < sum(summary["milliseconds"][step] for step in ("verify", "sign"))
        < summary["session_ms"]
    )


def test_without_a_pin_nothing_is_spent_and_nothing_is_whole(lay: Lay, check: Check) -> None:
    program = lay(tries=1)
    code, summary = check()
    assert (code, summary["ok"], wrong(summary)) == (3, False, [])
    assert (summary["tries"], summary["power"], program.applet.tries) == (1, "off", 1)


def test_a_wrong_pin_costs_one_try(lay: Lay, check: Check) -> None:
    program = lay()
    code, summary = check("--pin", "9999")
    assert (code, wrong(summary), summary["power"], program.applet.tries) == (
        1,
        ["verify"],
        "off",
        2,
    )


@pytest.mark.parametrize("left", [1, 0])
def test_the_last_try_is_not_spent_here(lay: Lay, check: Check, left: int) -> None:
    program = lay(tries=left)
    code, summary = check("--pin", PIN)
    assert (code, wrong(summary), summary["tries"], program.applet.tries) == (
        1,
        ["tries"],
        left,
        left,
    )


def test_a_phone_is_read_after_the_pin(lay: Lay, check: Check, ca_file: str) -> None:
    lay(options={"kind": "android"})
    code, summary = check()
    assert code == 3
    assert "android" in str(summary)
    code, summary = check("--pin", PIN, "--trust", ca_file)
    assert (code, wrong(summary), summary["certificate"]["trusted"]) == (0, [], True)
    policy = summary["certificate"]["policies"][0]
    assert f"phone_policies must name {policy}" in str(summary)


@pytest.mark.parametrize(
    ("flaw", "step"),
    [
        ("no-certificate", "certificate"),
        ("expired", "certificate"),
        ("not-yet-valid", "certificate"),
        ("rubbish", "certificate"),
        ("wrong-ca", "issuer"),
        ("p384-key", "certificate"),
        ("other-key", "signature"),
    ],
)
def test_what_is_wrong_with_a_card_is_found_where_it_is(
    lay: Lay, check: Check, ca: CardCa, ca_file: str, flaw: str, step: str
) -> None:
    program = lay(change=flawed(flaw, ca))
    code, summary = check("--pin", PIN, "--trust", ca_file)
    assert (code, summary["ok"], wrong(summary), summary["power"]) == (1, False, [step], "off")
    assert program.applet.tries == 3


def test_another_kind_of_card(lay: Lay, check: Check) -> None:
    lay(options={"applet": False})
    code, summary = check("--pin", PIN)
    assert (code, wrong(summary), summary["apdus"]) == (1, ["applet"], 2)


@pytest.mark.skipif(not shutil.which("gcc"), reason="not here: gcc")
def test_a_mute_card(daemon: Daemon, lay: Lay, check: Check) -> None:
    daemon.trouble("mute")
    try:
        lay()
        code, summary = check()
    finally:
        daemon.trouble("mute", False)
    assert (code, wrong(summary), summary["findings"][-1]["detail"]) == (1, ["status"], "mute")


@pytest.mark.parametrize("apdu", [1, 2, 5, 9, 10])
def test_a_card_taken_in_the_middle(lay: Lay, check: Check, apdu: int) -> None:
    lay(CardFaults(yank_after=apdu))
    code, summary = check("--pin", PIN)
    assert code == 1 and wrong(summary)[0] in ("applet", "certificate", "verify", "sign")
    assert summary["power"] == "unknown"
    if apdu == 9:  # VERIFY itself: the card has executed it, and nobody knows
        verify = {finding["name"]: finding for finding in summary["findings"]}["verify"]
        assert "may be spent" in verify["detail"] and "without --pin" in verify["remedy"]["en"]


def test_a_card_that_another_program_holds(lay: Lay, check: Check) -> None:
    lay()
    holder = PcscReader(NAME)
    holder.start(lambda _: None)
    try:
        with_reader(lambda presence: presence is CardPresence.PRESENT)
        stay = holder.status().stay
        assert stay is not None
        channel = holder.connect(stay)
        code, summary = check()
        channel.disconnect()
    finally:
        holder.close()
    assert code == 1 and wrong(summary)[0] in ("status", "connect")


def test_no_card(lay: Lay, check: Check) -> None:
    code, summary = check("--wait", "0.2")
    assert (code, wrong(summary), summary["apdus"]) == (1, ["status"], 0)


def test_a_reader_that_is_not_there_lists_those_that_are(daemon: Daemon, check: Check) -> None:
    code, summary = check(reader="Nowhere 00 00")
    assert (code, wrong(summary)) == (1, ["readers"])
    assert NAME in summary["findings"][-1]["detail"]


def test_no_daemon(daemon: Daemon, check: Check) -> None:
    daemon.stop()
    try:
        code, summary = check("--pin", PIN)
    finally:
        daemon.start()
    assert (code, wrong(summary)) == (1, ["context"])
    assert "pcscd" in summary["findings"][0]["remedy"]["en"]


def test_no_pyscard(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    code, summary = check()
    assert (code, wrong(summary)) == (1, ["context"])
    assert "pyscard" in summary["findings"][0]["detail"]


@pytest.mark.parametrize(
    "words",
    [
        ("--reader", NAME, PIN),
        ("--reader", NAME, "--pin", PIN + "9"),
        ("--reader", NAME, f"--pni={PIN}"),
        ("--reader", NAME, "--json", f"--pin={PIN}x"),
        ("--reader", NAME, "--wait", "-1"),
        ("--reader", NAME, "--wait", "nan"),
        ("--reader", NAME, "--trust", "/nowhere"),
        ("--reader", NAME, "--trust", __file__),
        ("--pin", PIN),
    ],
)
def test_misuse_is_told_without_repeating_it(
    words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    output = capfd.readouterr()
    assert PIN not in output.out + output.err


@pytest.mark.parametrize(
    ("typed", "taken"), [(b"4071\n", b"4071"), (b"4071", b"4071"), (b"\n", b""), (b"", b"")]
)
def test_a_pin_that_is_typed(typed: bytes, taken: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.write(write, typed)
    os.close(write)
    with os.fdopen(read) as end:
        monkeypatch.setattr(sys, "stdin", end)
        digits = ask_pin()
    assert digits == taken and isinstance(digits, bytearray)


def test_for_eyes(
    lay: Lay, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lay()
    assert main(["--reader", NAME, "--pin", PIN]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert all(line.startswith("OK  ") for line in lines)
    assert "10 APDUs" in lines[-1]
