"""`kiosk calibrate` prints the calibration sheet of the certificate printer, or writes it as a PNG.

Stop the kiosk first: a running kiosk holds the printer, and a resident's sheet may be in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from firmware.service.calibration_print import print_calibration
from firmware.service.config import Config, load
from firmware.sheets import calibration
from firmware.tools.diagnose.system import Listener, who_listens

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
    if given.out is None:
        _print(config)
        print(calibration.MARK, "sheets: printed", sep="  ")
    else:
        page = calibration.sheet(section.dpi, section.width)
        Image.fromarray(~page).save(given.out, "PNG", dpi=(section.dpi, section.dpi))
    print(calibration.table(section.dpi), *AFTER, sep="\n")
    print(calibration.example(calibration.fields(section.dpi)[0]))
    return 0


def _print(config: Config) -> None:
    if who_listens(config) is Listener.KIOSK:
        raise CalibrationError(
            "the kiosk is running and holds the printer: systemctl stop madoguchi-kiosk"
        )
    print_calibration(config)
