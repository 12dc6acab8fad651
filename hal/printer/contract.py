"""What the service may ask of a printer. Silence is UNKNOWN, and UNKNOWN is never ready."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class PrinterState(StrEnum):
    READY = "ready"
    COVER_OPEN = "cover-open"
    OFFLINE = "offline"
    ERROR = "error"
    UNKNOWN = "unknown"


class PaperSupply(StrEnum):
    ADEQUATE = "adequate"
    NEAR_END = "near-end"
    OUT = "out"
    UNKNOWN = "unknown"


class Outlet(StrEnum):
    """Whether a printed sheet waits to be taken (XFS: MediaPresented / MediaTaken)."""

    CLEAR = "clear"
    PRESENT = "present"
    UNKNOWN = "unknown"
    NOT_SUPPORTED = "not-supported"  # the model has no sensor there


@dataclass(frozen=True)
class PrinterStatus:
    state: PrinterState = PrinterState.UNKNOWN
    paper: PaperSupply = PaperSupply.UNKNOWN
    outlet: Outlet = Outlet.UNKNOWN

    @property
    def ready(self) -> bool:
        """True only when the printer itself said so and has paper."""
        return self.state is PrinterState.READY and self.paper in (PaperSupply.ADEQUATE, PaperSupply.NEAR_END)


@dataclass(frozen=True)
class Bitmap:
    """One page of 1-bit pixels, row by row, 8 pixels a byte, leftmost in the highest bit, 1 = black.

    `width` and `height` in dots; `len(rows) == ceil(width / 8) * height`.
    """

    width: int
    height: int
    rows: bytes

    def __repr__(self) -> str:  # the pixels are a person's document: never in a log
        return f"Bitmap({self.width}x{self.height})"


class Printer(Protocol):
    """One printer. Calls block up to their deadline and come from one thread at a time."""

    def status(self) -> PrinterStatus:
        """Ask the printer. Never raises: no answer, half an answer or nonsense is UNKNOWN."""
        ...

    def print_page(self, page: Bitmap) -> None:
        """Print and cut one page; return when the printer confirms that it is done (the fence's answer).

        Raises DeviceFault: NOT_CONNECTED, PAPER_OUT, COVER_OPEN, JAM, PRINTER_ERROR when the page did certainly
        not come out whole; UNCERTAIN when nobody can tell. After a fault the caller must `purge`.
        """
        ...

    def purge(self) -> None:
        """Throw away everything the printer still holds, and prove it.

        A page left in a buffer would come out for the next person. Raises DeviceFault when it cannot be proven.
        """
        ...

    @property
    def bytes_sent(self) -> int:
        """Bytes put on the wire since the driver was made."""
        ...

    def close(self) -> None:
        """Never raises."""
        ...
