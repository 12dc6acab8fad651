"""What an IPP printer and its job say about themselves (RFC 8011), in the words of the contract."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from hal.faults import Reason
from hal.printer.contract import Outlet, PaperSupply, PrinterState, PrinterStatus
from hal.printer.ipp_message import Attributes
from hal.printer.ipp_sheet import MEDIA

SEVERITIES: Final = ("-error", "-warning", "-report")
A4_SIDES: Final = {"21000", "29700"}  # hundredths of a millimetre
UNKNOWN_LEVEL, SOME = -2, -3  # of a tray that cannot count its sheets
MOST_NAMED: Final = 5  # reasons in the detail of a fault
IDLE, PROCESSING, STOPPED = 3, 4, 5  # printer-state
JOB_CANCELED, JOB_ABORTED, JOB_COMPLETED = 7, 8, 9  # job-state
ENDED: Final = frozenset({JOB_CANCELED, JOB_ABORTED, JOB_COMPLETED})
NOT_AT_REST: Final = frozenset({"processing-to-stop-point"})  # job-state-reasons: paper still moves
# job-state-reasons with which "completed" proves nothing: the printer has lost sight of the job, or
# says two things at once.
SPOILT: Final = frozenset(
    {
        "job-completed-with-errors",
        "errors-detected",
        "document-format-error",
        "document-unprintable-error",
        "unsupported-document-format",
        "compression-error",
        "aborted-by-system",
        "job-canceled-by-user",
        "job-canceled-by-operator",
        "job-canceled-at-device",
        "queued-in-device",
    }
)


class Meaning(NamedTuple):
    state: PrinterState
    paper: PaperSupply
    cause: Reason | None  # None: it goes on printing


_OUT: Final = Meaning(PrinterState.READY, PaperSupply.OUT, Reason.PAPER_OUT)
_OPEN: Final = Meaning(PrinterState.COVER_OPEN, PaperSupply.ADEQUATE, Reason.COVER_OPEN)
_JAM: Final = Meaning(PrinterState.ERROR, PaperSupply.ADEQUATE, Reason.JAM)
_OFFLINE: Final = Meaning(PrinterState.OFFLINE, PaperSupply.ADEQUATE, Reason.PRINTER_ERROR)
_ERROR: Final = Meaning(PrinterState.ERROR, PaperSupply.ADEQUATE, Reason.PRINTER_ERROR)
_FINE: Final = Meaning(PrinterState.READY, PaperSupply.ADEQUATE, None)
_LOW: Final = _FINE._replace(paper=PaperSupply.NEAR_END)

# printer-state-reasons by keyword, whatever severity the printer gives it.
MEANINGS: Final = {
    "none": _FINE,
    "media-empty": _OUT,
    "media-needed": _OUT,
    "input-tray-missing": _OUT,
    "media-low": _LOW,
    "media-jam": _JAM,
    "output-media-jam": _JAM,
    "cover-open": _OPEN,
    "door-open": _OPEN,
    "interlock-open": _OPEN,
    "paused": _OFFLINE,
    "moving-to-paused": _OFFLINE,
    "shutdown": _OFFLINE,
    "timed-out": _OFFLINE,
    "connecting-to-device": _OFFLINE,
    "stopping": _OFFLINE,
    "stopped-partly": _OFFLINE,
    "toner-empty": _ERROR,
    "marker-supply-empty": _ERROR,
    "power-down": _FINE,  # asleep: wakes up with the job
    "hibernate": _FINE,
    "suspend": _FINE,
    "standby": _FINE,
    "resuming": _FINE,
    "configuration-change": _FINE,
    "identify-printer-requested": _FINE,
}
# Families of keywords that end alike (PWG 5100.9: "output-cover-open", "cleaner-life-almost-over").
ENDINGS: Final = {
    "-cover-open": _OPEN,
    "-door-open": _OPEN,
    "-interlock-open": _OPEN,
    "-jam": _JAM,
    "-low": _FINE,
    "-almost-empty": _FINE,
    "-almost-full": _FINE,
    "-almost-over": _FINE,
    "-near-eol": _FINE,
}
# Said of any tray. As a warning or a report it need not be the tray of A4.
OF_ANY_TRAY: Final = frozenset({"media-empty", "input-tray-missing"})
_WORST_STATE: Final = (
    PrinterState.COVER_OPEN,
    PrinterState.ERROR,
    PrinterState.OFFLINE,
    PrinterState.READY,
)
_WORST_PAPER: Final = (PaperSupply.OUT, PaperSupply.NEAR_END, PaperSupply.ADEQUATE)
_FIRST_CAUSE: Final = (Reason.JAM, Reason.COVER_OPEN, Reason.PAPER_OUT, Reason.PRINTER_ERROR)


@dataclass(frozen=True)
class PrinterReading:
    """`cause`: why it cannot print, None when it can. `named`: in the printer's own keywords.

    `idle`: it says itself that it does nothing. `stopped`: it says itself that it has stopped.
    A printer that names a cause and goes on may still put out the sheet.
    """

    status: PrinterStatus
    cause: Reason | None
    idle: bool
    stopped: bool = False
    named: str = ""


def meaning(reason: str) -> Meaning:
    """Of one printer-state-reason. One that we do not know is harmless only when the printer calls
    it so.
    """
    keyword = keyword_of(reason)
    if keyword in MEANINGS:
        return MEANINGS[keyword]
    family = (found for ending, found in ENDINGS.items() if keyword.endswith(ending))
    return next(family, _FINE if reason.endswith(SEVERITIES[1:]) else _ERROR)


def keyword_of(reason: str) -> str:
    for severity in SEVERITIES:
        reason = reason.removesuffix(severity)
    return reason


def read(printer: Attributes) -> PrinterReading:
    """What printer-state, its reasons, its trays and printer-is-accepting-jobs mean. Missing:
    UNKNOWN, never ready. Trays and media-ready may be missing: old printers do not tell of them.
    """
    state = _number(printer, "printer-state")
    values = printer.get("printer-state-reasons", ())
    reasons = [reason for reason in values if isinstance(reason, str)]
    if state not in (IDLE, PROCESSING, STOPPED) or not reasons or len(reasons) < len(values):
        named = "no printer-state or no printer-state-reasons"
        return PrinterReading(PrinterStatus(), Reason.GARBLED, False, named=named)
    filled = _a4_trays(printer)
    apart = state != STOPPED and True in filled
    found = [
        (_LOW if apart and _of_any_tray(reason) else meaning(reason), _printable(reason))
        for reason in reasons
    ]
    loaded = [str(one) for one in printer.get("media-ready", ())]
    if loaded and not any(one.startswith(MEDIA) for one in loaded):
        found.append((_OUT, f"{MEDIA} is not loaded"))
    if filled and True not in filled:
        found.append((_OUT, f"no paper in the tray of {MEDIA}"))
    if state == STOPPED and all(one.cause is None for one, _ in found):
        found.append((_OFFLINE, "stopped"))
    if printer.get("printer-is-accepting-jobs") != (True,):
        found.append((_OFFLINE, "not accepting jobs"))
    states = {one.state for one, _ in found}
    papers = {one.paper for one, _ in found}
    causes = {one.cause for one, _ in found}
    status = PrinterStatus(
        next(one for one in _WORST_STATE if one in states),
        next(one for one in _WORST_PAPER if one in papers),
        Outlet.NOT_SUPPORTED,
    )
    return PrinterReading(
        status,
        next((one for one in _FIRST_CAUSE if one in causes), None),
        state == IDLE,
        state == STOPPED,
        ", ".join([name for one, name in found if one.cause is not None][:MOST_NAMED]),
    )


def _of_any_tray(reason: str) -> bool:
    return keyword_of(reason) in OF_ANY_TRAY and reason.endswith(SEVERITIES[1:])


def _a4_trays(printer: Attributes) -> list[bool]:
    """Of each tray that holds A4 and knows its level (printer-input-tray, PWG 5100.13): whether
    there is paper in it.
    """
    found = []
    for tray in printer.get("printer-input-tray", ()):
        text = tray.decode("ascii", "replace") if isinstance(tray, bytes) else str(tray)
        facts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
        size = {facts.get("mediafeed", ""), facts.get("mediaxfeed", "")}
        level = facts.get("level", "")
        if size == A4_SIDES and re.fullmatch(r"-?\d{1,9}", level) and int(level) != UNKNOWN_LEVEL:
            found.append(int(level) > 0 or int(level) == SOME)
    return found


def _printable(reason: str) -> str:
    """A keyword as the standard spells it; a printer may send anything."""
    return re.sub(r"[^a-z0-9._-]", "?", reason[:60])


@dataclass(frozen=True)
class Job:
    """`printed`: sides that the printer counted, `sheets`: sheets; None when it does not say."""

    state: int
    ended: bool
    spoilt: bool
    printed: int | None
    sheets: int | None = None

    def has_printed(self, sides: int) -> bool:
        """One whole sheet, by the printer's own count. Sheets count where it counts no sides."""
        return self.sheets == 1 if self.printed is None else self.printed == sides

    def may_count_on(self, sides: int) -> bool:
        """It has counted less than the sheet: some printers count after the job has ended."""
        return (self.printed or 0) < sides and (self.sheets or 0) <= 1

    @property
    def has_printed_nothing(self) -> bool:
        return self.printed == 0 and not self.sheets


def read_job(job: Attributes) -> Job | None:
    """None when the printer does not report the job's state."""
    state = _number(job, "job-state")
    if state is None:
        return None
    reasons = {reason for reason in job.get("job-state-reasons", ()) if isinstance(reason, str)}
    return Job(
        state,
        ended=state in ENDED and not reasons & NOT_AT_REST,
        spoilt=bool(reasons & SPOILT),
        printed=_number(job, "job-impressions-completed"),
        sheets=_number(job, "job-media-sheets-completed"),
    )


def _number(attributes: Attributes, name: str) -> int | None:
    values = attributes.get(name, ())
    number = values[0] if len(values) == 1 else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None
