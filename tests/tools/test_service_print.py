"""`kiosk test-print`: a technician's slip, over the kiosk's own wire."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from paper_reader import text
from service.test_service_config import GOOD, IPP, SHEETS

from firmware.service.build import build
from firmware.service.config import load
from firmware.tools import service_print
from firmware.tools.cli import main as kiosk
from firmware.tools.diagnose.system import Listener
from hal.printer.profiles import profile
from hal.sim.printer import PrinterSim
from hal.sim.printer.characters import BOLD, TALL, WIDE

MODES = (0, BOLD | TALL | WIDE, BOLD)


@pytest.fixture
def sim() -> Iterator[PrinterSim]:
    """A receipt printer with characters of its own, in a loop of its own thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    sim = PrinterSim(width=576, text=True)
    asyncio.run_coroutine_threadsafe(sim.start(), loop).result(5)
    yield sim
    asyncio.run_coroutine_threadsafe(sim.stop(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def config(sim: PrinterSim, tmp_path: Path) -> Path:
    path = tmp_path / "kiosk.toml"
    receipts = f'address = "127.0.0.1:{sim.port}"\nprofile = "TM-T20II"'
    path.write_text(GOOD.replace('address = "/dev/usb/lp0"\nwidth = 576', receipts))
    return path


def test_the_slip_says_what_the_kiosk_believes_of_the_printer(
    config: Path, sim: PrinterSim, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kiosk(["test-print", "--config", str(config)]) == 0
    assert capsys.readouterr().out.startswith("試験 TEST  receipts: printed, confirmed")
    assert sim.violations == []
    [page] = sim.pages
    lines = text(page, MODES)
    assert lines[:2] == ["TEST PRINT", f"madoguchi {build()}"]
    for line in (
        "kiosk: kiosk-1",
        "printer: receipts",
        "profile: TM-T20II (Epson TM-T20II)",
        "width: 576 dots, 48 columns",
        "resolution: 203 dpi",
        "paper: adequate",
        "bold",
        "centre",
        "123456789012345678901234567890123456789012345678",
        "TEST PRINT: this is no receipt",
        "The cutter cuts below this line.",
    ):
        assert line in lines, lines
    pages = " ".join(lines)
    assert all(page in pages for page in profile("receipts", "TM-T20II").code_pages)


def test_without_a_profile_the_columns_follow_from_the_width(config: Path, sim: PrinterSim) -> None:
    config.write_text(config.read_text().replace('profile = "TM-T20II"', "width = 480"))
    assert service_print.main(["--config", str(config), "--on", "receipts"]) == 0
    lines = text(sim.pages[0], MODES)
    assert {"profile: none", "width: 480 dots, 40 columns"} <= set(lines)


def test_on_the_printer_of_certificates(config: Path, sim: PrinterSim) -> None:
    receipts = f"127.0.0.1:{sim.port}"
    config.write_text(config.read_text().replace("127.0.0.1:9100", receipts))
    assert service_print.main(["--config", str(config), "--on", "sheets"]) == 0
    assert "printer: sheets" in text(sim.pages[0], MODES)


def test_a_kiosk_s_name_in_japanese_is_no_obstacle(config: Path) -> None:
    section = load(config).receipts
    lines = service_print.slip("窓口-1", "receipts", section, None, "unknown")
    assert "kiosk: ??-1" in [line.text for line in lines]


def test_a_page_printer_has_no_text(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text().replace(SHEETS, IPP))
    assert kiosk(["test-print", "--config", str(config), "--on", "sheets"]) == 2
    assert "kiosk calibrate" in capsys.readouterr().err


def test_a_running_kiosk_keeps_its_printer(
    config: Path,
    sim: PrinterSim,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(service_print, "who_listens", lambda _: Listener.KIOSK)
    assert kiosk(["test-print", "--config", str(config)]) == 2
    assert "systemctl stop" in capsys.readouterr().err
    assert sim.page_count == 0


def test_a_printer_without_paper_is_one_line(
    config: Path, sim: PrinterSim, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.load_paper(0)
    assert kiosk(["test-print", "--config", str(config)]) == 2
    detail = capsys.readouterr().err
    assert "paper-out" in detail and detail.count("\n") == 1


def test_the_command_leaves_no_file_behind(config: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "firmware.tools", "test-print", "--config", config],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(temporary.iterdir()) == []
