"""What is asked of the printers, each in its thread. Every outcome is an event of the journey;
nothing is raised.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from firmware.flow import events
from firmware.service.log import log
from firmware.sheets.prepare import SheetImage
from firmware.sheets.slip import Slip
from hal.faults import DeviceFault, Reason
from hal.printer.contract import Bitmap, Outlet, PaperSupply, Printer, PrinterState, PrinterStatus
from hal.printer.evidence import Out, PageFault


def trouble(status: PrinterStatus) -> str:
    """Why this printer cannot print for a new person, or "". A sheet in the outlet is another
    person's.
    """
    if status.paper is PaperSupply.OUT:
        return "paper-out"
    if status.state is PrinterState.BUSY:
        return "printer-busy"
    if not status.ready:
        return "cover-open" if status.state is PrinterState.COVER_OPEN else "printer"
    return "paper-in-outlet" if status.outlet in (Outlet.PRESENT, Outlet.UNKNOWN) else ""


# Of faults before a page, those that pass by themselves: an answer got lost, a connection ended.
PASSING = frozenset({Reason.SILENT, Reason.GARBLED, Reason.NOT_CONNECTED})


def _print(name: str, printer: Printer, *sides: Bitmap) -> None:
    """Where nothing of the page was sent, and the printer is proven empty, it is begun once more. A
    page that was begun is never printed again. Raises PageFault, DeviceFault.
    """
    try:
        printer.print_page(*sides)
    except PageFault:
        raise
    except DeviceFault as fault:
        if fault.reason not in PASSING:
            raise
        log("device.fault", device=name, reason=fault.reason.value, detail=fault.detail)
        printer.purge()
        printer.print_page(*sides)


# One answer may get lost on its way. The next one may then be counted as the lost one that comes
# late, so that it counts for nothing either; the third is on a new connection.
STATUS_TRIES = 3


def _status(printer: Printer) -> PrinterStatus:
    """A printer that does not tell its state is asked again."""
    status = PrinterStatus()
    for _ in range(STATUS_TRIES):
        status = printer.status()
        if status.state is not PrinterState.UNKNOWN:
            break
    return status


@dataclass(frozen=True)
class PaperDesk:
    sheets: Printer
    receipts: Printer
    _supplies: dict[str, PaperSupply] = field(default_factory=dict)  # as they were logged

    def print_sheet(self, epoch: int, number: int, sheet: SheetImage) -> events.Event:
        sides = [
            Bitmap(sheet.width, sheet.height, rows) for rows in (sheet.rows, sheet.back) if rows
        ]
        try:
            _print("sheets", self.sheets, *sides)
        except PageFault as fault:
            log("device.fault", device="sheets", reason=fault.reason.value, detail=fault.detail)
            if fault.out is not Out.YES:
                certain = fault.out is Out.NO
                return events.SheetFailed(
                    epoch=epoch, sheet=number, reason=fault.reason.value, certain=certain
                )
        except DeviceFault as fault:  # nothing of the page was sent
            log("device.fault", device="sheets", reason=fault.reason.value, detail=fault.detail)
            return events.SheetFailed(
                epoch=epoch, sheet=number, reason=fault.reason.value, certain=True
            )
        return events.SheetPrinted(epoch=epoch, sheet=number)

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
            _print("receipts", self.receipts, Bitmap(slip.width, slip.height, slip.rows))
        except DeviceFault as fault:
            log("device.fault", device="receipts", reason=fault.reason.value, detail=fault.detail)
            return False
        return True

    def outlet(self) -> Outlet:
        return _status(self.sheets).outlet

    def sheets_trouble(self) -> str:
        return trouble(self._look("sheets", self.sheets))

    def receipts_trouble(self) -> str:
        found = trouble(self._look("receipts", self.receipts))
        return f"receipt-{found}" if found else ""

    def supplies(self) -> dict[str, str]:
        """Of each printer that has told it."""
        return {name: supply.value for name, supply in self._supplies.items()}

    def _look(self, name: str, printer: Printer) -> PrinterStatus:
        """Paper that nears its end is in the log before it is out."""
        status = _status(printer)
        if status.paper not in (PaperSupply.UNKNOWN, self._supplies.get(name)):
            self._supplies[name] = status.paper
            log("paper", printer=name, supply=status.paper.value)
        return status
