"""The simulated printer as a program of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from printer_bench import page_of

from hal.printer.escpos import EscposPrinter
from hal.sim.printer import main

PROGRAM = "import sys; from hal.sim.printer import main; sys.exit(main(sys.argv[1:]))"


def test_sheets_are_written_as_they_come_out(tmp_path: Path) -> None:
    options = [
        "--listen",
        "127.0.0.1:0",
        "--width",
        "64",
        "--dpi",
        "300",
        "--out",
        str(tmp_path / "sheets"),
    ]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *options], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        address = program.stdout.readline().split()[-1]
        printer = EscposPrinter("printer", f"tcp:{address}", 64)
        printer.print_page(page_of(0xF0, 40))
        printer.print_page(page_of(0x0F, 50))
        assert printer.status().ready  # answered after the second sheet was written
        printer.close()
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
    files = sorted((tmp_path / "sheets").iterdir())
    assert [file.name for file in files] == ["001.png", "002.png"]
    with Image.open(files[1]) as image:
        assert (image.size, image.getpixel((0, 0)), image.getpixel((4, 0))) == ((64, 50), 255, 0)


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--listen", f"127.0.0.1:{taken.getsockname()[1]}"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Traceback" not in error
