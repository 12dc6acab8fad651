"""What is asked of the printers, each in its lane. Every outcome is an event of the journey; nothing is raised."""

from __future__ import annotations

from dataclasses import dataclass

from firmware.flow import events as e
from firmware.service.log import log
from firmware.sheets.prepare import Sheet
from firmware.sheets.receipt import Slip
from hal.faults import DeviceFault, Reason
from hal.printer.contract import Bitmap, Outlet, PaperSupply, Printer, PrinterState, PrinterStatus

# Faults after which the page did certainly not come out whole. After any other nobody can tell.
CERTAIN = frozenset({Reason.NOT_CONNECTED, Reason.PAPER_OUT, Reason.COVER_OPEN, Reason.JAM, Reason.PRINTER_ERROR})


def trouble(status: PrinterStatus) -> str:
    """Why this printer cannot print for a new person, or "". A sheet in the outlet is another person's."""
    if status.paper is PaperSupply.OUT:
        return "paper-out"
    if not status.ready:
        return "cover-open" if status.state is PrinterState.COVER_OPEN else "printer"
    return "paper-in-outlet" if status.outlet in (Outlet.PRESENT, Outlet.UNKNOWN) else ""


@dataclass(frozen=True)
class PaperDesk:
    sheets: Printer
    receipts: Printer

    def print_sheet(self, epoch: int, number: int, sheet: Sheet) -> e.Event:
        try:
            self.sheets.print_page(Bitmap(sheet.width, sheet.height, sheet.rows))
        except DeviceFault as fault:
            log("device.fault", device="sheets", reason=fault.reason.value, detail=fault.detail)
            certain = fault.reason in CERTAIN
            return e.SheetFailed(epoch=epoch, sheet=number, reason=fault.reason.value, certain=certain)
        return e.SheetPrinted(epoch=epoch, sheet=number)

    def purge(self) -> bool:
        """True when the printer is proven to hold nothing."""
        try:
            self.sheets.purge()
        except DeviceFault as fault:
            log("device.fault", device="sheets", reason=fault.reason.value, detail=fault.detail)
            return False
        return True

    def print_slip(self, slip: Slip) -> bool:
        try:
            self.receipts.print_page(Bitmap(slip.width, slip.height, slip.rows))
        except DeviceFault as fault:
            log("device.fault", device="receipts", reason=fault.reason.value, detail=fault.detail)
            return False
        return True

    def outlet(self) -> Outlet:
        return self.sheets.status().outlet

    def sheets_trouble(self) -> str:
        return trouble(self.sheets.status())

    def receipts_trouble(self) -> str:
        found = trouble(self.receipts.status())
        return f"receipt-{found}" if found else ""
