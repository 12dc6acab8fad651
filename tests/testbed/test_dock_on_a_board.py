"""`kiosk dock`: the board's own devices, but for those that are missing, and TEST everywhere."""

from __future__ import annotations

import asyncio
import socket
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aiohttp import ClientSession

from firmware.service import toml
from firmware.service.config import load
from firmware.service.marked_printer import marked
from firmware.service.under_test import trouble
from firmware.tools.cli import main
from hal.printer.contract import Bitmap
from testbed.customer import Errand, Journey, Watcher
from testbed.demo import FOLDER
from testbed.dock import dock
from testbed.ports import free_port
from testbed.rehearsal import prepare
from testbed.rehearsal_error import RehearsalError
from testbed.system import System

pytestmark = pytest.mark.wires


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """The configuration of a board; its devices are at addresses of its own."""
    made = prepare(FOLDER, tmp_path / "board")
    document = tomllib.loads(made.kiosk_toml.read_text("utf-8"))
    document["sheets"]["address"] = f"127.0.0.1:{free_port()}"
    document["line"]["city"] = "https://192.0.2.1:8443"  # the production city
    document["panel"]["width_mm"] = 400
    made.kiosk_toml.write_text(toml.dumps(document))
    return made.kiosk_toml


def test_what_is_real_and_what_is_not(board: Path, tmp_path: Path) -> None:
    made = load(dock(board, ["receipts"], FOLDER, tmp_path / "run").kiosk_toml)
    own = load(board)
    assert made.kiosk.under_test == ("cash", "cashless", "receipts")
    assert (made.sheets, made.card, made.speaker) == (own.sheets, own.card, own.speaker)
    assert made.receipts != own.receipts
    assert (made.cash, made.kiosk.state) != (own.cash, own.kiosk.state)
    assert made.panel.width_mm == 400
    assert made.line.city.startswith("https://127.0.0.1:")
    # Before its far ends are there, nothing says that the coin unit is virtual.
    assert trouble(made).startswith("[cash] must be virtual too")


def test_a_running_kiosk_is_left_alone(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host, _, port = load(board).panel.listen.rpartition(":")
    with socket.create_server((host, int(port))):
        with pytest.raises(RehearsalError, match="stop the service first"):
            dock(board, ["sheets"], FOLDER, tmp_path / "run")
        assert main(["dock", "--config", str(board), "--device", "sheets"]) == 1
    assert "stop the service first" in capsys.readouterr().err


def test_a_journey_says_test_on_screen_and_paper(board: Path, tmp_path: Path) -> None:
    asyncio.run(_journey(board, tmp_path))


async def _journey(board: Path, folder: Path) -> None:
    made = dock(board, ["card", "receipts", "speaker"], FOLDER, folder / "run")
    host, _, port = load(board).sheets.address.rpartition(":")
    # What stands at the address of the board's own printer.
    at_the_board = replace(made.wiring, sheets=(host, int(port)))
    async with System(replace(made, wiring=at_the_board), 0) as system:
        async with Watcher(system.dock.address.rstrip("/")).watching() as watcher:
            journey = Journey(system, Errand("taro", "juminhyo", folder), watcher)
            await journey.run()
        async with ClientSession() as session:
            shell = await (await session.get(f"{made.panel}/panel")).text()
    assert journey.thanked
    assert "試験中" in shell
    (sheet,) = journey.pages
    black = np.asarray(sheet.image.convert("L")) < 128
    height, width = black.shape
    blank = Bitmap(width, height, bytes((width + 7) // 8 * height))
    mark = np.frombuffer(marked(blank).rows, np.uint8).reshape(height, -1)
    dots = np.unpackbits(mark, axis=1)[:, :width].astype(bool)
    assert dots.any()
    assert black[dots].all()
