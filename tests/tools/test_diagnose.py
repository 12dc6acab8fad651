"""Diagnose against the far ends at work, and against each of them broken."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from city import pki
from firmware.service.build import build
from firmware.service.cases import journal_path
from firmware.service.config import AlsaSection, Cashless, Config, Fonts, IppSection, PcscCard, load
from firmware.service.journal import Journal
from firmware.sheets import guard
from firmware.texts import fonts as screen_fonts
from firmware.texts import recordings
from firmware.texts.texts import Texts
from firmware.texts.voice import phrases
from firmware.tools import diagnose
from firmware.tools.cli import main as kiosk
from firmware.tools.diagnose import devices, finding, line, system
from hal.faults import DeviceFault, Reason
from hal.printer.contract import Outlet, PaperSupply, PrinterState, PrinterStatus
from hal.sim.bench import Bench
from hal.speaker import wav
from testbed import rehearsal
from testbed.process import Process

CHECKS = {check.name: check for check in diagnose.CHECKS}


class Site:
    """Far ends and city in a loop of their own; the diagnosis is the caller's."""

    def __init__(self, made: rehearsal.Rehearsal) -> None:
        self.made = made
        self.config = load(made.kiosk_toml)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.bench = Bench(made.wiring, made.cards, rehearsal.HOPPERS)
        self.city = Process(
            "city", ("city", "--config", str(made.city_toml)), "city ready", made.run / "city.log"
        )
        self.do(self.bench.start())
        self.do(self.city.start())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def hand(self, method: str, *given: Any) -> None:
        """Something the bench wants done in its own loop."""

        async def act() -> None:
            getattr(self.bench, method)(*given)

        self.do(act())

    def close(self) -> None:
        self.do(self.city.stop())
        self.do(self.bench.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def record(folder: Path, _tell: object, _of: object) -> None:
    """Every phrase as a tenth of a second: the words do not matter here."""
    sound = wav.encode(wav.Recording(8000, wav.np.zeros(800, wav.np.int16), "x"))
    for language in ("ja", "en"):
        for phrase in phrases(Texts.load(language)):
            path = recordings._path(folder, recordings.VOICES[language], phrase)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sound)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal, "_voice", record)
        made = rehearsal.prepare(
            tmp_path_factory.mktemp("diagnose"),
            start=datetime.now(UTC),
            kiosk={"line": {"deadline_s": 2.0}},
        )
    running = Site(made)
    yield running
    running.close()


@pytest.fixture
def config(site: Site) -> Config:
    return site.config


def look(name: str, config: Config) -> finding.Finding:
    return diagnose.examine(CHECKS[name], config)


def changed(config: Config, section: str, **values: Any) -> Config:
    part = msgspec.structs.replace(getattr(config, section), **values)
    return msgspec.structs.replace(config, **{section: part})


def ng(found: finding.Finding, *words: str) -> None:
    assert not found.ok
    assert found.remedy is not None
    assert found.remedy.ja
    assert found.remedy.en
    for word in words:
        assert word in found.detail, found.detail


# -- names


def test_a_number_that_moves_is_ng_and_the_socket_is_told(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look("names", config).ok
    monkeypatch.setattr(devices, "STEADY", (str(tmp_path),))
    (tmp_path / "coins").symlink_to("/dev/ttyUSB7")
    ng(look("names", changed(config, "cash", port="/dev/ttyUSB7")), f"now {tmp_path}/coins")
    ng(look("names", changed(config, "receipts", address="/dev/usb/lp1")), "/dev/usb/lp1: such")
    serial = "serial:/dev/ttyACM0?baud=115200"
    ng(look("names", changed(config, "sheets", address=serial)), "/dev/ttyACM0")
    for steady in ("/dev/madoguchi/coins", "/dev/serial/by-path/pci-0:1", "/dev/ttyAMA0"):
        assert look("names", changed(config, "cash", port=steady)).ok


# -- all is well


def test_all_is_well(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "SYSTEMD", Path("/nowhere"))
    assert kiosk(["diagnose", "--config", str(site.made.kiosk_toml)]) == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    assert all(text.startswith("OK  ") for text in lines[:-1])
    assert lines[-1] == f"{len(CHECKS) + 2} OK, 0 NG"
    assert not site.bench.violations
    assert not site.bench.waiting, "diagnosing printed something"


def test_as_json(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.hand("load_paper")
    diagnose.main(["--config", str(site.made.kiosk_toml), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert [found["name"] for found in report["findings"]] == ["build", "configuration", *CHECKS]
    assert report["findings"][0]["detail"] == build()


def test_the_payment_terminal(site: Site) -> None:
    assert "coins only" in look("cashless", site.config).detail
    with_one = msgspec.structs.replace(
        site.config, cashless=Cashless(address=str(site.made.wiring.terminal))
    )
    assert look("cashless", with_one).detail == "ready"
    site.do(_broken(site.bench, busy=True))
    ng(look("cashless", with_one), "not ready")
    site.do(_broken(site.bench, busy=False))
    assert not site.bench.violations
    gone = msgspec.structs.replace(site.config, cashless=Cashless(address="/nowhere"))
    ng(look("cashless", gone), "not-connected")


async def _broken(bench: Bench, busy: bool) -> None:
    bench.terminal.terminal.busy = busy


def test_a_card_on_the_reader_is_said(site: Site) -> None:
    site.hand("insert_card", "taro")
    try:
        assert "a card lies on it" in look("card", site.config).detail
    finally:
        site.hand("remove_card")


def test_looking_leaves_no_journal_behind(site: Site, tmp_path: Path) -> None:
    state = tmp_path / "never-run"
    ng(look("journal", changed(site.config, "kiosk", state=state)), "none yet")
    assert not state.exists()


# -- each far end broken


@pytest.mark.parametrize(
    ("fault", "check", "detail"),
    [
        ("reader-lost", "card", "unknown"),
        ("line-cut", "city", "unreachable"),
        ("line-stalled", "city", "timeout"),
        ("paper-out", "sheets", "paper out"),
        ("printer-mute", "sheets", "busy (connected, not served"),
        ("printer-cover", "sheets", "cover-open"),
        ("printer-jam", "sheets", "error"),
        ("receipt-paper-out", "receipts", "paper out"),
        ("receipt-mute", "receipts", "busy (connected, not served"),
        ("coins-mute", "coins", "silent"),
        ("change-empty", "coins", "change low: 10 yen, 50 yen, 100 yen"),
    ],
)
def test_each_fault_is_found(
    site: Site, monkeypatch: pytest.MonkeyPatch, fault: str, check: str, detail: str
) -> None:
    monkeypatch.setattr(devices, "CARD_S", 0.5)
    site.do(site.bench.switch(fault, True))
    try:
        ng(look(check, site.config), detail)
    finally:
        site.do(site.bench.mend())
    assert look(check, site.config).ok


def test_an_ipp_printer_says_what_is_wrong(config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    there = IppSection(address=f"ipp://127.0.0.1:{port}/ipp/print")
    found = look("sheets", msgspec.structs.replace(config, sheets=there))
    assert not found.ok
    assert found.detail.startswith("not-connected")
    assert found.remedy == finding.FAULTS[Reason.NOT_CONNECTED]


def test_paper_that_runs_out_soon_is_a_task_for_this_visit() -> None:
    near = PrinterStatus(PrinterState.READY, PaperSupply.NEAR_END, Outlet.CLEAR)
    assert devices._printer_remedy(near) == devices.NEAR_END
    enough = PrinterStatus(PrinterState.READY, PaperSupply.ADEQUATE, Outlet.CLEAR)
    assert devices._printer_remedy(enough) is None


@pytest.mark.parametrize("section", ["sheets", "receipts"])
def test_no_printer_there(config: Config, section: str) -> None:
    ng(
        look(section, changed(config, section, address=f"127.0.0.1:{free_port()}")),
        "busy",
        "refused",
    )
    ng(look(section, changed(config, section, address="/dev/nowhere")), "not-connected")


def test_no_coin_unit_there(config: Config, tmp_path: Path) -> None:
    ng(look("coins", changed(config, "cash", port=str(tmp_path / "none"))), "not-connected")


def test_a_hopper_that_is_none(config: Config) -> None:
    wrong = tuple(msgspec.structs.replace(hopper, address=9) for hopper in config.cash.hoppers)
    ng(look("coins", changed(config, "cash", hoppers=wrong)), "silent")


def test_no_speaker_there(config: Config) -> None:
    ng(
        look("speaker", changed(config, "speaker", address=f"127.0.0.1:{free_port()}")),
        "not-connected",
    )
    none = msgspec.structs.replace(config, speaker=AlsaSection(device="no-such-device"))
    ng(look("speaker", none), "not-connected")


def test_no_such_pcsc_reader(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "CARD_S", 0.3)
    ng(look("card", msgspec.structs.replace(config, card=PcscCard(reader="no such reader"))))


class FakeScard(ModuleType):
    """A PC/SC with these readers, where one call is answered with a code."""

    def __init__(
        self, function: str, code: int, names: tuple[str, ...] = ("Reader 00 00",)
    ) -> None:
        super().__init__("smartcard.scard")
        self.answers = {
            "SCardEstablishContext": (0, 5),
            "SCardListReaders": (0, list(names)),
            "SCardConnect": (0, 7, 2),
            function: (code - (1 << 32), 0, 0),
        }

    def SCardGetStatusChange(  # noqa: N802
        self, _: int, wait_ms: int, states: list[tuple[str, int]]
    ) -> tuple[int, list[Any]]:
        time.sleep(min(wait_ms, 50) / 1000)
        return 0, [(name, 0x10, []) for name, _ in states]

    def __getattr__(self, function: str) -> Callable[..., Any]:
        if not function.startswith("SCard"):
            raise AttributeError(function)
        answer = self.answers.get(function, 0)
        return lambda *_: answer


@pytest.mark.parametrize(
    ("function", "code", "reason"),
    [
        ("SCardConnect", 0x8010006A, Reason.DENIED),  # the reader is seen, and may not be used
        ("SCardEstablishContext", 0x8010006A, Reason.DENIED),
        ("SCardEstablishContext", 0x8010001D, Reason.SERVICE_DOWN),
    ],
)
def test_what_pcsc_says_has_its_own_remedy(
    config: Config, monkeypatch: pytest.MonkeyPatch, function: str, code: int, reason: Reason
) -> None:
    found = look_at_pcsc(config, monkeypatch, FakeScard(function, code))
    assert (found.ok, found.remedy) == (False, finding.FAULTS[reason])
    assert found.detail.startswith(f"{reason.value} ({code:08X})")


def test_two_readers_of_one_name(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeScard("", 0, ("Reader 00 00", "Reader 01 00"))
    found = look_at_pcsc(config, monkeypatch, fake)
    assert not found.ok
    assert found.detail.startswith("configuration (ambiguous: Reader 00 00, Reader 01 00)")


def look_at_pcsc(
    config: Config, monkeypatch: pytest.MonkeyPatch, fake: FakeScard
) -> finding.Finding:
    package = ModuleType("smartcard")
    package.scard = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "smartcard", package)
    monkeypatch.setitem(sys.modules, "smartcard.scard", fake)
    monkeypatch.setattr(devices, "CARD_S", 0.2)
    return look("card", msgspec.structs.replace(config, card=PcscCard(reader="Reader")))


def test_the_readers_port_is_taken(config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = changed(config, "card", listen=f"127.0.0.1:{other.getsockname()[1]}")
        ng(look("card", taken), "in use")


# -- files


@pytest.mark.parametrize("content", [None, b"no font"])
def test_fonts(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    broken = tmp_path / "font.ttf"
    if content:
        broken.write_bytes(content)
    ng(look("mincho", msgspec.structs.replace(config, fonts=Fonts(mincho=broken))), str(broken))
    ng(look("gothic", msgspec.structs.replace(config, fonts=Fonts(gothic=broken))), str(broken))
    monkeypatch.setattr(guard, "GOTHIC", str(broken))
    ng(look("gothic", config), str(broken))


def test_fonts_of_the_languages_on_the_panel(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = screen_fonts.Font("Noto Sans", tmp_path / "absent.ttf", "fonts-noto-core")
    monkeypatch.setattr(screen_fonts, "FONTS", {"en": (absent,)})
    ng(look("screen-fonts", config), "absent.ttf")


def test_recordings(config: Config, tmp_path: Path) -> None:
    copy = tmp_path / "voice"
    shutil.copytree(config.voice.recordings, copy)
    next((copy / "ja").iterdir()).unlink()
    next((copy / "en").iterdir()).write_bytes(b"RIFF")
    ng(look("recordings", changed(config, "voice", recordings=copy)), "ja 1", "en 1")
    ng(look("recordings", changed(config, "kiosk", languages=("ja", "xx"))), "xx")


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN nonsense"])
def test_trust(config: Config, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "trusted.pem"
    if content is not None:
        path.write_bytes(content)
    ng(look("card-ca", changed(config, "trust", card_ca=(path,))), str(path))
    ng(look("issuing-keys", changed(config, "trust", issuing_keys=(path,))), str(path))
    ng(look("terms-keys", changed(config, "trust", terms_keys=(path,))), str(path))


def test_keys_of_another_kind_are_not_taken(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "rsa.pem"
    public = generate_private_key(65537, 2048).public_key()
    path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for check, field in (("issuing-keys", "issuing_keys"), ("terms-keys", "terms_keys")):
        both = (*getattr(config.trust, field), path)
        ng(
            look(check, changed(config, "trust", **{field: both})),
            f"{path}: not an Ed25519 public key",
        )


def test_the_pinned_edition_is_told(config: Config) -> None:
    found = look("terms-keys", changed(config, "trust", terms_edition=7))
    assert found.ok
    assert "edition 7" in found.detail


def test_an_empty_trust_is_none(config: Config) -> None:
    ng(look("card-ca", changed(config, "trust", card_ca=())))
    ng(look("issuing-keys", changed(config, "trust", issuing_keys=())))
    ng(look("terms-keys", changed(config, "trust", terms_keys=())))
    leaf = config.line.certificate
    ng(look("card-ca", changed(config, "trust", card_ca=(leaf,))), "0 of 1")


@pytest.fixture
def state(config: Config, tmp_path: Path) -> Config:
    with contextlib.closing(Journal.create(journal_path(tmp_path))) as book:
        book.write("0" * 32, "begun")
        book.write("0" * 32, "ended", kept=0, returned=0, owed=0, held=0)
    return changed(config, "kiosk", state=tmp_path)


def test_a_sound_journal(state: Config) -> None:
    found = look("journal", state)
    assert found.ok
    assert found.detail.startswith("2 entries")


def test_open_cases_are_listed(state: Config) -> None:
    with contextlib.closing(Journal(journal_path(state.kiosk.state))) as book:
        case = book.open_case("", "child.silent", pauses=True)
    ng(look("journal", state), f"child.silent {case} (out of service)")


def test_a_changed_entry_breaks_the_chain(state: Config) -> None:
    with contextlib.closing(sqlite3.connect(journal_path(state.kiosk.state))) as database, database:
        database.execute(
            'UPDATE entry SET facts=\'{"kept":100,"owed":0,"returned":0}\' WHERE kind=\'ended\''
        )
    ng(look("journal", state), "entry 2", "chain")


def test_a_journal_that_is_none(state: Config) -> None:
    for path in state.kiosk.state.iterdir():
        path.write_bytes(b"nothing of the kind" * 400)
    ng(look("journal", state))


# -- the line


def test_papers(config: Config, tmp_path: Path) -> None:
    other = pki.make(tmp_path, ("kiosk-1", "kiosk-2"))
    certificate, key = other.kiosk("kiosk-1")
    ng(look("certificate", changed(config, "line", key=tmp_path / "none.key")), "none.key")
    ng(look("certificate", changed(config, "line", key=key)), "line certificates not usable")
    ng(
        look("certificate", changed(config, "line", certificate=key)),
        "line certificates not usable",
    )
    ng(look("certificate", changed(config, "kiosk", id="kiosk-9")), "kiosk-9")
    key.chmod(0o644)
    ng(
        look("certificate", changed(config, "line", certificate=certificate, key=key)),
        "others may read",
    )


def test_a_certificate_that_ends_soon(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "RENEW", pki.LIFE)
    ng(look("certificate", config), "until")


def test_strangers_on_the_line(config: Config, tmp_path: Path) -> None:
    other = pki.make(tmp_path, ("kiosk-1",))
    certificate, key = other.kiosk("kiosk-1")
    ng(look("city", changed(config, "line", city_ca=other.city_ca)), "tls")
    ng(look("city", changed(config, "line", certificate=certificate, key=key)))
    ng(look("city", changed(config, "line", city="http://127.0.0.1:1")), "https")
    ng(look("city", changed(config, "line", interface="nowhere0")), "nowhere0")


def test_the_citys_terms_are_those_the_kiosk_takes(config: Config) -> None:
    """A city whose terms this kiosk refuses is out of service here, however well its line works."""
    newer = look("city", changed(config, "trust", terms_edition=2))
    ng(newer, "edition 2")
    assert newer.remedy == line.REASONS[line.LineReason.TERMS]
    ng(look("city", changed(config, "trust", terms_keys=config.trust.issuing_keys)), "terms")


def test_clocks(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = changed(config, "trust", allow_test_cards=False)
    assert look("city", strict).ok
    monkeypatch.setattr(line, "MOST_APART", -line.MOST_APART)
    ng(look("city", strict), "apart")
    assert look("city", config).ok, "a rehearsal's city has a date of its own"


# -- the machine


def test_a_stranger_has_the_panels_port(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "ANSWER_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = changed(config, "panel", listen=f"127.0.0.1:{other.getsockname()[1]}")
        ng(look("panel", taken), "does not answer")
        threading.Thread(target=hang_up, args=(other,), daemon=True).start()
        ng(look("panel", taken), "another program")


def hang_up(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            wire, _ = listener.accept()
            with wire:
                wire.sendall(b"220 mail\r\n")


def test_an_address_that_is_not_ours(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "who_listens", lambda _: system.Listener.NOBODY)
    ng(look("panel", changed(config, "panel", listen="192.0.2.1:80")))


def test_a_running_kiosk_keeps_its_devices(site: Site) -> None:
    run = Process(
        "kiosk",
        ("run", "--config", str(site.made.kiosk_toml)),
        "kiosk ready",
        site.made.run / "kiosk.log",
    )
    site.do(run.start())
    try:
        found = {one.name: one for one in diagnose.diagnose(site.made.kiosk_toml)}
    finally:
        site.do(run.stop())
        shutil.rmtree(site.config.kiosk.state)
    assert found["panel"].ok
    assert "running kiosk" in found["panel"].detail
    held = {name for name, one in found.items() if one.remedy == diagnose.STOP_KIOSK}
    assert held == {"card", "sheets", "receipts", "coins", "cashless", "speaker"}
    assert found["city"].ok


def test_swap(config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    swaps = tmp_path / "swaps"
    swaps.write_text("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
    monkeypatch.setattr(system, "SWAPS", swaps)
    monkeypatch.setattr(system, "_harden", lambda: ({"mlockall"}, "0 0"))
    ng(look("swap", config), "/dev/sda2")
    monkeypatch.setattr(system, "_harden", lambda: (set(), "0 0"))
    assert look("swap", config).ok


def test_core_dumps(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look("core", config).ok
    monkeypatch.setattr(system, "_harden", lambda: ({"dumpable"}, "0 0"))
    ng(look("core", config), "dumpable")
    monkeypatch.setattr(system, "_harden", lambda: (set(), "-1 -1"))
    ng(look("core", config), "-1")


def test_the_clock_needs_systemd(
    config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(system, "SYSTEMD", tmp_path / "none")
    assert "not checked" in look("clock", config).detail
    monkeypatch.setattr(system, "SYSTEMD", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    ng(look("clock", config))
    (tmp_path / "timedatectl").write_text("#!/bin/sh\necho no\n")
    (tmp_path / "timedatectl").chmod(0o755)
    ng(look("clock", config), "no")


# -- how it is report


@pytest.mark.parametrize("content", ["", "[kiosk]\nid = 1\n", "[nonsense]\n", "= ="])
def test_a_bad_configuration_ends_it(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kiosk.toml"
    path.write_text(content)
    assert diagnose.main(["--config", str(path)]) == 1
    out = capsys.readouterr().out
    assert out.splitlines()[1].startswith("NG  configuration")
    assert "Traceback" not in out


@pytest.mark.parametrize("reason", Reason)
def test_every_fault_has_a_remedy(config: Config, reason: Reason) -> None:
    def fail(_: Config) -> str:
        raise DeviceFault("x", reason, "detail")

    ng(diagnose.examine(diagnose.Check("x", "x", fail), config), reason.value, "detail")


def test_every_trouble_of_the_line_has_a_remedy() -> None:
    assert set(line.REASONS) == set(line.LineReason)


def test_a_mistake_of_ours_is_a_line_too(config: Config) -> None:
    def fail(_: Config) -> str:
        raise ZeroDivisionError("oops")

    ng(diagnose.examine(diagnose.Check("x", "x", fail), config), "ZeroDivisionError")


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    found = finding.Finding("city", True, "open")
    for out, coloured in ((Terminal(), True), (io.StringIO(), False)):
        diagnose.write(found, out)
        assert ("\x1b" in out.getvalue()) == coloured


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
