from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from card_bench import Watched
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from hal.card.contract import CardPresence
from hal.sim.card import command
from hal.sim.card.command import main
from hal.sim.card.flaws import FLAWS
from hal.sim.card.options import CardFaults, Options
from hal.sim.card.wire import CardProgram


def test_a_card_program_lays_its_card_on_the_reader(watched: Watched, folder: Path) -> None:
    address = "{}:{}".format(*watched.reader._listener.getsockname())  # type: ignore[attr-defined]
    words = [sys.executable, "-m", "hal.sim.card", "--card", str(folder), "--connect", address]
    with subprocess.Popen(words) as program:
        watched.wait(CardPresence.PRESENT, 20.0)
        program.terminate()
    watched.wait(CardPresence.ABSENT)


def test_what_is_said_goes_over_what_the_folder_says(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very card that the words describe is laid down; the folder stays as it is."""
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    laid: list[CardProgram] = []
    monkeypatch.setattr(command, "run", lambda stand, _: laid.append(stand.program))
    words = (
        "--flaw p384-key --kind android --no-short-ef --chunk 99 "
        "--tries 2 --yank-after 4 --apdu-ms 1.5 --revoked"
    )
    where = ["--card", str(folder), "--connect", "127.0.0.1:1", "--ca", str(tmp_path / "ca")]
    assert main([*where, *words.split()]) == 0
    applet, faults = laid[0].applet, laid[0].faults
    assert applet.options == Options(kind="android", short_ef=False, chunk=99)
    assert faults == CardFaults(yank_after=4, apdu_ms=1.5)
    assert applet.tries == 2
    assert isinstance(applet._key, ec.EllipticCurvePrivateKey)
    listed = x509.load_der_x509_crl((tmp_path / "ca" / "ca.crl").read_bytes())
    issued = x509.load_der_x509_certificate(applet._files[0x0A].rstrip(b"\xff"))
    assert [entry.serial_number for entry in listed] == [issued.serial_number]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize(
    "words", ["--read-limit 0", "--read-limit 257", "--chunk 300", "--tries 4", "--tries -1"]
)
def test_a_card_that_cannot_be_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    assert main(["--card", str(folder), "--connect", "127.0.0.1:1", *words.split()]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help_names_every_option_and_every_flaw(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for name in (*(option.name for of in (Options, CardFaults) for option in fields(of)), *FLAWS):
        assert name.replace("_", "-") in shown


@pytest.mark.parametrize(
    "content", ["", "pin = 1234", 'pin = "12345"', 'pin = "1234"\nunknown = 1', "pin ="]
)
def test_a_folder_that_is_no_card_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "card.toml").write_text(content)
    assert main(["--card", str(tmp_path), "--connect", "127.0.0.1:1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("address", ["nowhere", ":1", "host:0", "host:65536", "host:x"])
def test_an_address_that_is_none(tmp_path: Path, address: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--card", str(tmp_path), "--connect", address])
    assert end.value.code == 2
