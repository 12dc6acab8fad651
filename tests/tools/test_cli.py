"""The command line: late imports, one line for each error, no traceback."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.service.build import build
from firmware.service.cases import journal_path
from firmware.service.journal import Journal
from firmware.tools.cli import commands, main
from testbed.demo import FOLDER
from testbed.rehearsal import prepare


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--config", "/nowhere/kiosk.toml"),
        ("city", "--config", "/nowhere/city.toml"),
        (
            "city",
            "enroll",
            "--config",
            "/nowhere/city.toml",
            "--card",
            "x.pem",
            "--resident",
            "taro",
        ),
        ("cases", "list", "--config", "/nowhere/kiosk.toml"),
        ("cases", "close", "--config", "/nowhere/kiosk.toml", "--all", "--note", "seen"),
        ("sim", "card", "--card", "/nowhere", "--connect", "127.0.0.1:9"),
    ],
)
def test_what_is_missing_is_told_in_one_line(
    words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(words) in (1, 2)
    output = capfd.readouterr().err
    assert output.count("\n") == 1 and "Traceback" not in output


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("bogus",),
        ("city",),
        ("sim",),
        ("cases",),
        ("run",),
        ("cases", "close", "--config", "x"),
    ],
)
def test_misuse_ends_with_2(words: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "Traceback" not in capfd.readouterr().err


def test_an_unknown_key_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "kiosk.toml"
    config.write_text("[kiosk]\nid = 'k'\nstate = 'state'\ncolour = 'blue'\n")
    assert main(("run", "--config", str(config))) == 2
    assert "colour" in capfd.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("version",)) == 0
    assert capsys.readouterr().out == f"madoguchi {build()}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(("--help",))
    output = capsys.readouterr().out
    assert all(command[0] in output for command in commands())


def test_the_command_itself_imports_nothing_heavy() -> None:
    heavy = (
        "aiohttp",
        "cryptography",
        "msgspec",
        "numpy",
        "PIL",
        "sqlalchemy",
        "firmware.service",
        "firmware.link",
    )
    code = (
        "import sys, firmware.tools.cli as cli; cli.commands(); "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_cases_are_listed_and_closed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = prepare(FOLDER, tmp_path).kiosk_toml
    state = tmp_path / "state"
    journal = Journal(journal_path(state))
    first = journal.open_case("", "coin-jam", pauses=True)
    journal.open_case("", "paper-left", pauses=False)
    journal.close()
    assert main(("cases", "list", "--config", str(config))) == 0
    assert "coin-jam" in capsys.readouterr().out
    close = ("cases", "close", "--config", str(config), "--note", "coin taken out")
    assert main((*close, first)) == 0
    assert main((*close, first)) == 2
    assert "no open case" in capsys.readouterr().err
    assert main((*close, "--all")) == 0
    assert capsys.readouterr().out == "1 closed\n"
    assert main(("cases", "list", "--config", str(config))) == 0
    assert capsys.readouterr().out == "no open case\n"


def test_open_cases_as_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """For whoever gathers them: every field, and an empty list when there is none."""
    made = prepare(FOLDER, tmp_path / "run")
    listing = ("cases", "list", "--json", "--config", str(made.kiosk_toml))
    assert main(listing) == 0
    assert json.loads(capfd.readouterr().out) == []
    with contextlib.closing(Journal(journal_path(made.state))) as book:
        case = book.open_case("", "child.silent", pauses=True)
    assert main(listing) == 0
    [told] = json.loads(capfd.readouterr().out)
    assert (told["id"], told["code"], told["pauses"]) == (case, "child.silent", True)
