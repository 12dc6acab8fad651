"""`kiosk calibrate` prints the calibration sheet of the certificate printer, or writes it as a PNG.

Stop the kiosk first: a running kiosk holds the printer, and a resident's sheet may be in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from firmware.service.config import Config, SheetsPrinter, guard_style, load
from firmware.service.devices import printer
from firmware.sheets import calibration
from firmware.sheets.guard import guard
from firmware.sheets.raster import PageArray, pack
from firmware.tools.diagnose.system import Listener, who_listens
from hal.printer.contract import Bitmap

AFTER = (
    "この表の番号から一つを選び、設定ファイルに書いてください。例（番号 1）:",
    "Choose a number and write its values into the configuration. Number 1 is written so:",
)


class CalibrationError(Exception):
    """One line: why no sheet was printed."""


def main(argv: Sequence[str] | None = None) -> int:
    """0 when the sheet is out. Raises CalibrationError, ConfigError, DeviceFault, OSError."""
    parser = argparse.ArgumentParser(
        prog="kiosk calibrate",
        description="print a sheet that shows which copy guard suits the certificate printer",
    )
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="TOML configuration"
    )
    parser.add_argument(
        "--printer",
        choices=("sheets",),
        default="sheets",
        help="whose sheet (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE.png", help="write the sheet there, print nothing"
    )
    given = parser.parse_args(argv)
    config = load(given.config)
    section = config.sheets
    page = calibration.sheet(section.dpi, section.width)
    if given.out is None:
        _print(config, page)
    else:
        Image.fromarray(~page).save(given.out, "PNG", dpi=(section.dpi, section.dpi))
    print(calibration.table(section.dpi), *AFTER, sep="\n")
    print(calibration.example(calibration.fields(section.dpi)[0]))
    return 0


def _print(config: Config, page: PageArray) -> None:
    if who_listens(config) is Listener.KIOSK:
        raise CalibrationError(
            "the kiosk is running and holds the printer: systemctl stop madoguchi-kiosk"
        )
    device = printer("sheets", config.sheets)
    try:
        back = _back(config.sheets, page) if device.capabilities.duplex else None
        device.print_page(_bitmap(page), back)
    finally:
        device.close()


def _back(section: SheetsPrinter, page: PageArray) -> Bitmap:
    """The guard as it stands on the back of a certificate: does it show through?"""
    height, width = page.shape
    return _bitmap(guard(width, height, section.dpi, guard_style(section)).pattern)


def _bitmap(page: PageArray) -> Bitmap:
    height, width = page.shape
    return Bitmap(width, height, pack(page))
