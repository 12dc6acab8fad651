"""What an ESC/POS printer's status bytes mean. Pure.

Bits from Epson's ESC/POS reference (`DLE EOT`, `GS r`) and Custom's command manual for the wide
printers (`DLE EOT 20`, full status). A byte whose fixed bits are wrong is no status.
"""

from __future__ import annotations

from dataclasses import dataclass

from hal.faults import Reason
from hal.printer.contract import Outlet, PaperSupply, PrinterState, PrinterStatus
from hal.printer.escpos_answers import FULL_HEADER, FULL_LENGTH, Garbled, is_realtime

PRINTER, OFFLINE_CAUSE, ERROR_CAUSE, PAPER, FULL = 1, 2, 3, 4, 20  # n of DLE EOT n
QUESTIONS = (PRINTER, OFFLINE_CAUSE, ERROR_CAUSE, PAPER)

NOT_ONLINE = 0x08 | 0x20 | 0x40  # n=1: offline, waiting for recovery, feed key held
COVER, FEEDING, PAPER_STOP, ERROR = 0x04, 0x08, 0x20, 0x40  # n=2
MECHANICAL, CUTTER, UNRECOVERABLE, AUTO_RECOVERABLE = 0x04, 0x08, 0x20, 0x40  # n=3
NEAR_END, PAPER_END = 0x0C, 0x60  # n=4: each sensor has two bits

FULL_NO_PAPER, FULL_NEAR_END, FULL_AT_OUTLET, FULL_VIRTUAL_END = (
    0x01,
    0x04,
    0x20,
    0x40,
)  # paper byte
FULL_HEAD_UP, FULL_COVER = 0x01, 0x02  # user byte
FULL_JAM = 0x40  # recoverable byte
FULL_CUTTER = 0x01  # unrecoverable byte


@dataclass(frozen=True)
class Reading:
    """One complete status and, where the printer will not print, why. `answers` to `QUESTIONS` and
    `full` are the bytes as they came.
    """

    status: PrinterStatus
    cause: Reason | None
    answers: bytes = b""
    full: bytes | None = None


def read(answers: bytes, full: bytes | None = None) -> Reading:
    """The answers to `QUESTIONS` and, from models with an outlet sensor, the six bytes of the full
    status.
    """
    if len(answers) != len(QUESTIONS) or not all(map(is_realtime, answers)):
        raise Garbled("fixed bits")
    printer, offline, error, paper = answers
    user, recoverable, unrecoverable, sheet = (0, 0, 0, 0) if full is None else _split(full)
    facts = {  # worst first: the first that holds names the state and the cause
        PrinterState.COVER_OPEN: (
            offline & COVER or user & (FULL_COVER | FULL_HEAD_UP),
            Reason.COVER_OPEN,
        ),
        PrinterState.ERROR: (
            offline & ERROR or error & ~0x12 or recoverable or unrecoverable,
            _error_reason(error, recoverable, unrecoverable),
        ),
        PrinterState.OFFLINE: (
            printer & NOT_ONLINE or offline & (FEEDING | PAPER_STOP),
            Reason.PRINTER_ERROR,
        ),
    }
    state, cause = next(
        ((s, why) for s, (holds, why) in facts.items() if holds), (PrinterState.READY, None)
    )
    supply = _supply(offline, paper, sheet)
    if supply is PaperSupply.OUT and state in (PrinterState.READY, PrinterState.OFFLINE):
        cause = Reason.PAPER_OUT
    elif supply is PaperSupply.UNKNOWN:
        cause = cause or Reason.GARBLED
    return Reading(PrinterStatus(state, supply, _outlet(full, sheet)), cause, answers, full)


def stop_cause(offline: int, error: int) -> Reason | None:
    """Why printing has stopped in the middle, from DLE EOT 2 and 3; None when it has not."""
    if offline & COVER:
        return Reason.COVER_OPEN
    if offline & ERROR:
        return _error_reason(error, 0, 0)
    return Reason.PAPER_OUT if offline & PAPER_STOP else None


def _split(full: bytes) -> tuple[int, int, int, int]:
    if len(full) != FULL_LENGTH or full[:2] != FULL_HEADER:
        raise Garbled("full status")
    sheet, user, recoverable, unrecoverable = full[2:]
    return user, recoverable, unrecoverable, sheet


def _error_reason(error: int, recoverable: int, unrecoverable: int) -> Reason:
    stuck = error & (MECHANICAL | CUTTER) or recoverable & FULL_JAM or unrecoverable & FULL_CUTTER
    return Reason.JAM if stuck else Reason.PRINTER_ERROR


def _supply(offline: int, paper: int, sheet: int) -> PaperSupply:
    if offline & PAPER_STOP or paper & PAPER_END or sheet & FULL_NO_PAPER:
        return PaperSupply.OUT
    if paper & NEAR_END not in (0, NEAR_END):
        return PaperSupply.UNKNOWN
    near = paper & NEAR_END or sheet & (FULL_NEAR_END | FULL_VIRTUAL_END)
    return PaperSupply.NEAR_END if near else PaperSupply.ADEQUATE


def _outlet(full: bytes | None, sheet: int) -> Outlet:
    if full is None:
        return Outlet.NOT_SUPPORTED
    return Outlet.PRESENT if sheet & FULL_AT_OUTLET else Outlet.CLEAR
