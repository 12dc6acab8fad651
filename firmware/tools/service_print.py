"""`kiosk test-print`: a slip for the technician, in the printer's own characters.

It says what this kiosk believes of its printer, and shows whether text, sizes, sides and the cutter
are as the model's profile tells. Nothing of a resident is on it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Final

from firmware.service.build import build
from firmware.service.config import Config, EscposReceipts, load
from firmware.service.devices import printer
from firmware.tools.diagnose.system import Listener, who_listens
from hal.printer.escpos import EscposPrinter
from hal.printer.profiles import Profile, profile
from hal.printer.service_text import TextLine, write

CHARACTER: Final = 12  # dots of a character of font A, where no profile tells the columns
ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))


class ServicePrintError(Exception):
    """One line: why nothing was printed."""


def main(argv: Sequence[str] | None = None) -> int:
    """0 when the slip is out. Raises ServicePrintError, ConfigError, DeviceFault."""
    parser = argparse.ArgumentParser(
        prog="kiosk test-print",
        description="print a slip that shows the printer's own text, its sizes and its cutter",
    )
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="TOML configuration"
    )
    parser.add_argument(
        "--on",
        choices=("sheets", "receipts"),
        default="receipts",
        help="which printer (default: %(default)s)",
    )
    given = parser.parse_args(argv)
    config = load(given.config)
    section = config.sheets if given.on == "sheets" else config.receipts
    if not isinstance(section, EscposReceipts):
        raise ServicePrintError(
            f"{given.on}: this driver prints no text; kiosk calibrate prints a sheet"
        )
    if who_listens(config) is Listener.KIOSK:
        raise ServicePrintError(
            "the kiosk is running and holds the printer: systemctl stop madoguchi-kiosk"
        )
    _print(config, given.on, section)
    sys.stdout.write(f"試験 TEST  {given.on}: printed, confirmed and cut off\n")
    return 0


def _print(config: Config, name: str, section: EscposReceipts) -> None:
    model = profile(name, section.profile) if section.profile else None
    device = printer(name, section)
    try:
        if not isinstance(device, EscposPrinter):  # the configuration has no other left
            raise ServicePrintError(f"{name}: this driver prints no text")
        paper = device.status().paper.value  # asked by our own driver: silence is "unknown"
        lines = slip(config.kiosk.id, name, section, model, paper)
        device.print_text(write(name, lines, section.profile))
    finally:
        device.close()


def slip(
    kiosk: str, name: str, section: EscposReceipts, model: Profile | None, paper: str
) -> Iterator[TextLine]:
    """What stands on it, from top to bottom; ASCII alone."""
    columns = model.columns if model else section.width // CHARACTER
    yield TextLine("TEST PRINT", bold=True, centre=True, large=True)
    yield TextLine(f"madoguchi {build()}", centre=True)
    yield TextLine("")
    facts = {
        "kiosk": kiosk.encode("ascii", "replace").decode(),
        "printer": name,
        "profile": f"{section.profile} ({model.model})" if model else "none",
        "width": f"{section.width} dots, {columns} columns",
        "resolution": f"{(model and model.dpi) or section.dpi} dpi",
        "paper": paper,
    }
    for key, value in facts.items():
        for line in wrap(f"{key}: {value}", columns, subsequent_indent="  "):
            yield TextLine(line)
    yield TextLine("")
    yield TextLine("bold", bold=True)
    yield TextLine("left")
    yield TextLine("centre", centre=True)
    yield TextLine(("1234567890" * columns)[:columns])
    for at in range(0, len(ASCII), columns):
        yield TextLine(ASCII[at : at + columns])
    if model:
        yield TextLine("")
        for line in wrap(f"code pages: {', '.join(model.code_pages)}", columns):
            yield TextLine(line)
    yield TextLine("")
    yield TextLine("TEST PRINT: this is no receipt", bold=True)
    yield TextLine("The cutter cuts below this line.")
