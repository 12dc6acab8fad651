"""OpenSC, a client written elsewhere, with the virtual card: what it understands a real card may be
taken for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from card_bench import PIN, Direct, until
from cryptography import x509
from pcsc_daemon import Daemon, missing

from hal.card import jpki
from hal.card.jpki import CardCause, CardRefused
from hal.sim.card.applet import Applet
from hal.sim.card.pki import load_card
from hal.sim.card.wire import CardProgram

pytestmark = pytest.mark.pcsc

PROGRAMS = ("opensc-tool", "pkcs15-tool", "pkcs11-tool", "openssl")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    absent = [program for program in PROGRAMS if not shutil.which(program)]
    if reason := ", ".join(filter(None, [missing(), *absent])):
        pytest.skip(f"not here: {reason}")
    daemon = Daemon(tmp_path_factory.mktemp("opensc"))
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def run(daemon: Daemon, tmp_path: Path) -> Run:
    """Run a program that finds this daemon."""
    environment = {**os.environ, "PCSCLITE_CSOCK_NAME": str(daemon.socket), "LC_ALL": "C"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )

    return run


@pytest.fixture
def program(daemon: Daemon, folder: Path, run: Run) -> Iterator[CardProgram]:
    """A card that the daemon has seen, after it saw the one before leave: it looks but every
    0.4 s.
    """
    until(lambda: run("opensc-tool", "--name").returncode != 0, 10.0)
    program = CardProgram(load_card(folder), ("127.0.0.1", daemon.port))
    program.insert()
    until(lambda: run("opensc-tool", "--name").returncode == 0, 10.0)
    yield program
    program.remove()


@pytest.mark.usefixtures("program")
def test_it_knows_the_card_and_lists_what_is_on_it(run: Run) -> None:
    assert run("opensc-tool", "--name").stdout.strip() == "jpki"
    told = run("pkcs15-tool", "--dump")
    assert told.returncode == 0
    for wanted in (
        "PKCS#15 Card [JPKI]",
        "Tries left     : 3",
        "Tries left     : 5",
        "Path           : 000a",
    ):
        assert wanted in told.stdout
    assert told.stdout.count("X.509 Certificate [") == 4
    assert told.stdout.count("Private RSA Key [") == 2
    assert told.stdout.count("Encoded serial") == 3  # the signing certificate wants its own PIN


@pytest.mark.usefixtures("program")
def test_it_signs_and_openssl_verifies(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"transcript")
    sign = (
        "--login",
        "--pin",
        PIN,
        "--id",
        "01",
        "--sign",
        "-m",
        "SHA256-RSA-PKCS",
        "-i",
        "data",
        "-o",
        "signature",
    )
    assert run("pkcs11-tool", *sign).returncode == 0
    assert run("pkcs15-tool", "--read-certificate", "1", "-o", "certificate.pem").returncode == 0
    certificate = x509.load_pem_x509_certificate((tmp_path / "certificate.pem").read_bytes())
    assert certificate == x509.load_der_x509_certificate((folder / "certificate.der").read_bytes())
    (tmp_path / "key.pem").write_text(
        run("openssl", "x509", "-in", "certificate.pem", "-pubkey", "-noout").stdout
    )
    verified = run(
        "openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "data"
    )
    assert verified.stdout == "Verified OK\n"


def test_three_wrong_pins_lock_it_for_everybody(run: Run, program: CardProgram) -> None:
    for left in (2, 1, 0):
        assert run("pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", "9999").returncode != 0
        assert program.applet.tries == left
        assert f"Tries left     : {left}" in run("pkcs15-tool", "--dump").stdout
    assert run("pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", PIN).returncode != 0
    program.remove()
    ours = Direct(program.applet)
    facts = jpki.begin(ours)
    assert facts.tries == 0
    with pytest.raises(CardRefused) as refused:
        jpki.verify(ours, bytearray(PIN.encode()), facts)
    assert refused.value.cause is CardCause.PIN_LOCKED


def test_what_it_asks_of_the_files(applet: Applet) -> None:
    """Both PIN files answer the empty VERIFY with 63xx; four files begin as certificates."""
    select = bytes.fromhex("00A4040C0AD392F000260100000001")
    assert applet.handle(select) == b"\x90\x00"
    for file in (0x18, 0x1B):
        assert applet.handle(bytes([0x00, 0xA4, 0x02, 0x0C, 0x02, 0x00, file])) == b"\x90\x00"
        assert applet.handle(bytes.fromhex("00200080"))[0] == 0x63
    assert {applet._files[file][:2] for file in (0x01, 0x02, 0x0A, 0x0B)} == {b"\x30\x82"}
