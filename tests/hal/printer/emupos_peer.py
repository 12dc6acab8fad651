"""A certificate on an ESC/POS printer that was not written here: emupos, which needs Python 3.13
and so lives in an environment of its own. It is not part of the suite, and run like this:

    python3.13 -m venv /opt/emupos && /opt/emupos/bin/pip install emupos==0.4.0
    EMUPOS=/opt/emupos/bin/emupos pytest tests/hal/printer/emupos_peer.py
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from printer_bench import eventually
from sheets.sheet_cases import juminhyo

from firmware.link.sheet_code import address
from firmware.sheets.prepare import Target, prepare
from firmware.sheets.raster import dots
from hal.printer.contract import Bitmap
from hal.printer.escpos import EscposPrinter

PROGRAM = os.environ.get("EMUPOS") or shutil.which("emupos")
DPI = 203
WIDTH = dots(210, DPI)
PROFILE = f"""
type: printer
name: Wide
dpi: {DPI}
width_dots: {WIDTH}
font_a: {{ width: 12, height: 24 }}
font_b: {{ width: 9, height: 17 }}
code_pages: {{ 0: PC437 }}
default_code_page: 0
drawer_sensor_open_level: high
printer_id: {{ model: 0x63, autocutter: true, maker: X, name: X, column_emulation_mode: true }}
serial: {{ baud: 9600, data_bits: 8, parity: none, stop_bits: 1 }}
"""
CONFIGURATION = """
schema: 1
api: {{ host: 127.0.0.1, port: {api} }}
devices:
  - id: front
    type: printer
    profile: ./wide.yaml
    connections: [{{ tcp: {{ port: {port} }} }}]
    receipts_dir: ./receipts
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def emupos(tmp_path: Path) -> Iterator[int]:
    """Its port; its receipts are in `tmp_path`."""
    if PROGRAM is None:
        pytest.fail("not installed: emupos (see the top of this file)")
    port, api = free_port(), free_port()
    (tmp_path / "wide.yaml").write_text(PROFILE)
    (tmp_path / "emupos.yaml").write_text(CONFIGURATION.format(port=port, api=api))
    with subprocess.Popen(
        [PROGRAM, "run"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as program:
        try:
            eventually(lambda: listens(api), 60.0)
            yield port
        finally:
            program.terminate()


def test_it_draws_the_dots_that_were_checked(emupos: int, tmp_path: Path) -> None:
    expected = address("https://verify.akashi.example/v", bytes(range(147)))
    [sheet] = prepare(juminhyo().pdf, [expected], Target(DPI, WIDTH))
    printer = EscposPrinter("sheets", f"tcp:127.0.0.1:{emupos}", WIDTH)
    assert printer.status().ready
    printer.print_page(Bitmap(sheet.width, sheet.height, sheet.rows))
    printer.close()
    eventually(lambda: bool(list(tmp_path.glob("receipts/*.json"))), 30.0)
    [drawn] = tmp_path.glob("receipts/*.png")
    with Image.open(drawn) as picture:
        black = np.asarray(picture.convert("L")) < 128
    assert np.packbits(black, axis=1).tobytes() == sheet.rows
