"""`kiosk measure-ipp`: what a sheet on an IPP printer costs on this machine, as one JSON object.

The printer is CUPS's ippeveprinter, which takes no time to print. A sheet is an A4 page of noise
and white with a back, at `--dpi`.

- `page_ms`, `three_pages_ms`: from handing the dots to the driver until the printer has counted
  them, for one sheet and for three, each a job of its own. The driver writes the raster, checks
  the printer before every sheet, and follows every job.
- `beside`: the same document sent and waited for by ipptool, which asks nothing before and counts
  nothing; its start as a program, which is in it, is told apart.
- `raster_ms`, `raster_bytes`: writing the document alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from hal.printer import pwg_raster
from hal.printer.contract import Bitmap
from hal.printer.ipp import IppPrinter
from testbed.ippeveprinter import PATH, Peer, ipp_peer, missing

A4_MM = (210, 297)
POLL_S = 0.01  # of both
HEAD = """GROUP operation-attributes-tag
ATTR charset attributes-charset utf-8
ATTR language attributes-natural-language en
ATTR uri printer-uri $uri
ATTR name requesting-user-name madoguchi
"""
PRINT_AND_WAIT = f"""{{ NAME "Print" OPERATION Print-Job
{HEAD}ATTR mimeMediaType document-format image/pwg-raster
GROUP job-attributes-tag
ATTR keyword sides two-sided-long-edge
ATTR keyword media iso_a4_210x297mm
FILE $filename STATUS successful-ok EXPECT job-id }}
{{ NAME "Wait" OPERATION Get-Job-Attributes DELAY {POLL_S}
{HEAD}ATTR integer job-id $job-id
STATUS successful-ok EXPECT job-state WITH-VALUE >5 REPEAT-NO-MATCH }}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """1 when the printer is not installed; figures are no verdict."""
    parser = argparse.ArgumentParser(
        prog="kiosk measure-ipp",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dpi", type=int, choices=(300, 600), default=300)
    parser.add_argument(
        "--times", type=int, default=10, metavar="N", help="how often (default: %(default)s)"
    )
    given = parser.parse_args(argv)
    if lacking := missing():
        sys.stderr.write(f"not installed: {lacking} (Debian: cups-ipp-utils, dbus)\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="madoguchi-") as folder, ipp_peer(Path(folder)) as peer:
        peer.behave(printed=2)
        print(json.dumps(_measure(peer, given.dpi, given.times), indent=2))
    return 0


def _measure(peer: Peer, dpi: int, times: int) -> dict[str, Any]:
    sides = (_page(dpi, 1), _page(dpi, 2))
    document = pwg_raster.document(sides, dpi, "black_1", "normal")
    file = peer.folder / "document"
    file.write_bytes(document)
    wait = peer.folder / "wait.test"
    wait.write_text(PRINT_AND_WAIT)
    driver = IppPrinter("sheets", peer.address, dpi, duplex=True, poll_s=POLL_S)

    def ours(sheets: int) -> None:
        for _ in range(sheets):
            driver.print_page(*sides)

    def ipptool(sheets: int) -> None:
        for _ in range(sheets):
            _ipptool("-f", str(file), peer.address, str(wait))

    try:
        return {
            "dpi": dpi,
            "page_ms": _ms(lambda: ours(1), times),
            "three_pages_ms": _ms(lambda: ours(3), times),
            "beside": {
                "ipptool_page_ms": _ms(lambda: ipptool(1), times),
                "ipptool_three_pages_ms": _ms(lambda: ipptool(3), times),
                "ipptool_start_ms": _ms(lambda: _ipptool("--version"), times),
            },
            "raster_ms": _ms(lambda: pwg_raster.document(sides, dpi, "black_1", "normal"), times),
            "raster_bytes": len(document),
        }
    finally:
        driver.close()


def _ipptool(*arguments: str) -> None:
    environment = {**os.environ, "PATH": PATH}
    subprocess.run(("ipptool", *arguments), check=True, env=environment, capture_output=True)


def _ms(action: Callable[[], object], times: int) -> dict[str, float]:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        found.append(1000 * (time.perf_counter() - began))
    return {"min": round(min(found), 1), "median": round(median(found), 1)}


def _page(dpi: int, seed: int) -> Bitmap:
    """A fifth of it is noise, as dense as a page with a copy guard; the rest is white."""
    width, height = (round(mm / 25.4 * dpi) for mm in A4_MM)
    rows = np.zeros((height, (width + 7) // 8), np.uint8)
    noise = np.random.default_rng(seed).integers(0, 256, (height // 5, rows.shape[1]), np.uint8)
    rows[: len(noise)] = noise
    return Bitmap(width, height, rows.tobytes())
