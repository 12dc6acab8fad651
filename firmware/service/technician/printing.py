"""The technician's papers: two test prints, each marked TEST, and the copy guard's sheet. Nothing
on them belongs to anybody.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from firmware.service.build import build
from firmware.service.calibration_print import calibration_page
from firmware.service.config import Config
from firmware.service.devices import Devices
from firmware.service.journal import Journal
from firmware.service.log import log
from firmware.service.marked_printer import MarkedPrinter
from firmware.service.paper_desk import PaperDesk
from firmware.service.slips import look
from firmware.sheets.slip import RULE, Slip, SlipLine, draw
from hal.faults import DeviceFault
from hal.printer.contract import Bitmap, Printer

DONE: Final = "done"
A4_MM: Final = 297  # as long as a certificate
INCH_MM: Final = 25.4


def slip_of(config: Config, name: str) -> Slip:
    """What stands on it."""
    lines = [
        SlipLine("試　験　印　字", "TEST PRINT", size=44, bold=True, centre=True),
        RULE,
        SlipLine("番号", "kiosk", config.kiosk.id),
        SlipLine("プリンター", "printer", name),
        SlipLine("ビルド", "build", build()),
        RULE,
        SlipLine("アイウエオ　漢字かな　０１２３４５６７８９", "ABCDEFGHIJKLM 0123456789", size=22),
        SlipLine("証明書ではありません", "This is no certificate", centre=True),
    ]
    return draw(lines, config.fonts.gothic, look(config).width)


def receipt(config: Config, devices: Devices) -> str:
    """DONE, or the code of why not. Blocks until the printer says that it is out."""
    slip = slip_of(config, "receipts")
    marked = MarkedPrinter(devices.receipts)
    if trouble := PaperDesk(marked, marked).receipts_trouble():
        return trouble
    return _print("receipts", marked, None, Bitmap(slip.width, slip.height, slip.rows))


def sheet(config: Config, devices: Devices, journal: Journal) -> str:
    """As `receipt`, on the certificate printer."""
    slip = slip_of(config, "sheets")
    height = round(A4_MM * config.sheets.dpi / INCH_MM)
    page = _on_paper(slip, config.sheets.width, height)
    return _on_sheets(MarkedPrinter(devices.sheets), journal, page)


def guard_sheet(config: Config, devices: Devices, journal: Journal) -> str:
    """The fields of which the technician chooses one; both sides where the printer has both. The
    sheet says itself that it is a test: a mark over the fields could not be told from them.
    """
    front, back = calibration_page(config, duplex=devices.sheets.capabilities.duplex)
    return _on_sheets(devices.sheets, journal, front, back)


def _on_paper(slip: Slip, width: int, height: int) -> Bitmap:
    """The slip in the middle of a white page."""
    page = np.zeros((height, width), np.bool_)
    dots = np.unpackbits(
        np.frombuffer(slip.rows, np.uint8).reshape(slip.height, -1), axis=1, count=slip.width
    )
    left = max(0, (width - slip.width) // 2)
    page[: slip.height, left : left + slip.width] = dots[:, : width - left]
    return Bitmap(width, height, np.packbits(page, axis=1).tobytes())


def _on_sheets(
    printer: Printer, journal: Journal, front: Bitmap, back: Bitmap | None = None
) -> str:
    """A printer that may hold a person's page prints nothing, and a sheet in the outlet is first
    taken away.
    """
    if journal.purge_due():
        return "purge-needed"
    if trouble := PaperDesk(printer, printer).sheets_trouble():
        return trouble
    return _print("sheets", printer, journal, front, *([back] if back else []))


def _print(name: str, printer: Printer, journal: Journal | None, *sides: Bitmap) -> str:
    """What was not proven out is purged, so that nobody else gets it. `journal`: where it is
    written that this must still be done, when it could not be.
    """
    try:
        printer.print_page(*sides)
    except DeviceFault as fault:
        log("device.fault", device=name, reason=fault.reason.value, detail=fault.detail)
        try:
            printer.purge()
        except DeviceFault:
            if journal is not None:
                journal.write("", "purge-needed")
        return fault.reason.value
    return DONE
