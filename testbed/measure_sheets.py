"""`kiosk measure sheets [--dpi N] [--times N]`: milliseconds and peak memory of one sheet, stage by
stage, beside python-escpos, pdftoppm and Ghostscript on the same page, as one JSON object.

Each line is measured in a process of its own: the median of the times, the resident memory that the
work added at its peak, and the longest pause of a second thread meanwhile (the panel lives in one).
A program that is not installed is named as missing.
"""

from __future__ import annotations

import argparse
import ctypes
import io
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median

import numpy as np
import typst
from PIL import Image

from city.typesetting import FONT
from firmware.link.sheet_code import address
from firmware.sheets import code
from firmware.sheets.guard import guard
from firmware.sheets.prepare import Target, prepare
from firmware.sheets.raster import bands, dots, pack, rasterise
from hal.printer.contract import Bitmap
from hal.printer.escpos_commands import page_job
from hal.sim.printer.engine import Engine

TICK_S = 0.001
ADDRESS = address("https://verify.example/v", bytes(range(147)))
TEXT = """#set page("a4", margin: 20mm)
#set text(font: "IPAmjMincho", size: 10.5pt)
#align(center, text(18pt)[住民票])
#let row(n) = ([第#(n + 1)項], [兵庫県明石市中崎一丁目])
#table(columns: (40mm, 1fr), ..range(12).map(row).flatten())
"""
Work = Callable[[], object]


def main(argv: Sequence[str] | None = None) -> int:
    """0, always: figures are no verdict."""
    parser = argparse.ArgumentParser(
        prog="kiosk measure sheets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dpi", type=int, action="append", choices=(203, 300, 600))
    parser.add_argument("--times", type=int, default=5, metavar="N", help="default: %(default)s")
    given = parser.parse_args(argv)
    pdf: bytes = typst.compile(TEXT.encode(), font_paths=[FONT.parent])  # type: ignore[misc]
    found = {
        str(dpi): {name: measured(work, given.times) for name, work in lines(pdf, dpi).items()}
        for dpi in given.dpi or (203, 300, 600)
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


def lines(pdf: bytes, dpi: int) -> dict[str, Work | str]:
    """What is measured; a text names what is missing."""
    target = Target(dpi, dots(210, dpi))
    page = rasterise(pdf, 1, dpi, target.width, target.height)
    shield = guard(target.width, target.height, dpi)
    [sheet] = prepare(pdf, [ADDRESS], target)
    bitmap = Bitmap(sheet.width, sheet.height, sheet.rows)

    def drawn() -> None:
        for _ in bands(pdf, 1, dpi, target.width, target.height):
            pass

    def coded() -> None:
        place = np.zeros((target.height, target.width), np.bool_)
        code.draw(place, ADDRESS, dpi)
        code.read_back(place, dpi)

    def printed() -> None:
        engine = Engine(target.width)
        for command, rows in page_job(bitmap).pieces:
            engine.feed(command + rows)

    return {
        "raster, in bands": drawn,
        "copy guard": lambda: shield.apply(page),
        "code, drawn and read back": coded,
        "packing": lambda: pack(page),
        "a whole sheet, in bands": lambda: prepare(pdf, [ADDRESS], target),
        "to the printer's far end, and drawn there": printed,
        "python-escpos image()": _library(sheet.rows, target),
        "pdftoppm -mono": _program("pdftoppm", pdf, "-mono", "-r", str(dpi), "{pdf}", "{out}"),
        "gs pbmraw": _program(
            "gs", pdf, "-q", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pbmraw", f"-r{dpi}",
            "-sOutputFile={out}", "{pdf}",
        ),
    }  # fmt: skip


def _library(rows: bytes, target: Target) -> Work | str:
    try:
        from hal.printer.service_text import library_printer
    except ImportError:
        return "missing: python-escpos"
    picture = Image.frombytes("1", (target.width, target.height), rows, "raw", "1;I")

    def made() -> None:
        with redirect_stdout(io.StringIO()):  # it prints a warning for every band
            library_printer().image(picture, impl="bitImageRaster", fragment_height=128)

    return made


def _program(name: str, pdf: bytes, *arguments: str) -> Work | str:
    path = shutil.which(name)
    if path is None:
        return f"missing: {name}"

    def run() -> None:
        with tempfile.TemporaryDirectory(prefix="madoguchi-") as folder:
            source, out = Path(folder, "page.pdf"), Path(folder, "out")
            source.write_bytes(pdf)
            given = [each.format(pdf=source, out=out) for each in arguments]
            subprocess.run([path, *given], check=True, capture_output=True)

    return run


def measured(work: Work | str, times: int) -> dict[str, float] | str:
    if isinstance(work, str):
        return work
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(work, times, theirs))
    process.start()
    theirs.close()
    try:
        found: dict[str, float] = ours.recv()
    except EOFError:
        return "failed"
    finally:
        process.join()
    return found


def _measure(work: Work, times: int, out: object) -> None:
    ctypes.CDLL(None).malloc_trim(0)  # what was given back to the heap is not there any more
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    work()
    with _Pauses() as pauses:
        spent = [_milliseconds(work) for _ in range(times)]
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    out.send(  # type: ignore[attr-defined]
        {
            "ms": round(median(spent), 1),
            "peak_mib": round(children or max(0.0, _resident("VmHWM") - before), 1),
            "pause_ms": round(pauses.longest * 1000, 1),
        }
    )


def _milliseconds(work: Work) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _resident(key: str) -> float:
    """MiB of this process."""
    for line in Path(f"/proc/{os.getpid()}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    return 0.0


class _Pauses:
    """A second thread that wants to run every millisecond, and how long it once could not."""

    longest = 0.0

    def __enter__(self) -> _Pauses:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _tick(self) -> None:
        last = time.perf_counter()
        while not self._ended.wait(TICK_S):
            now = time.perf_counter()
            self.longest, last = max(self.longest, now - last - TICK_S), now
