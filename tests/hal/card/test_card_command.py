from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from card_bench import Watched

from hal.card.contract import Presence
from hal.sim.card.command import main


def test_a_card_program_lays_its_card_on_the_reader(watched: Watched, folder: Path) -> None:
    address = "{}:{}".format(*watched.reader._listener.getsockname())  # type: ignore[attr-defined]
    command = [sys.executable, "-m", "hal.sim.card", "--card", str(folder), "--connect", address]
    with subprocess.Popen(command) as program:
        watched.wait(Presence.PRESENT, 20.0)
        program.terminate()
    watched.wait(Presence.ABSENT)


@pytest.mark.parametrize("content", ["", "pin = 1234", 'pin = "12345"', 'pin = "1234"\nunknown = 1', "pin ="])
def test_a_folder_that_is_no_card_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (tmp_path / "card.toml").write_text(content)
    assert main(["--card", str(tmp_path), "--connect", "127.0.0.1:1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("address", ["nowhere", ":1", "host:0", "host:65536", "host:x"])
def test_an_address_that_is_none(tmp_path: Path, address: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--card", str(tmp_path), "--connect", address])
    assert end.value.code == 2
