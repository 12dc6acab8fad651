"""What the service may ask of a printer. Silence is UNKNOWN, and UNKNOWN is never ready."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


class PrinterState(StrEnum):
    READY = "ready"
    COVER_OPEN = "cover-open"
    OFFLINE = "offline"
    ERROR = "error"
    BUSY = "busy"  # it serves another connection, or still holds the last one: it passes
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
        return self.state is PrinterState.READY and self.paper in (
            PaperSupply.ADEQUATE,
            PaperSupply.NEAR_END,
        )


@dataclass(frozen=True)
class Bitmap:
    """One page of 1-bit pixels, row by row, 8 pixels a byte, leftmost in the highest bit, 1 =
    black.

    `width` and `height` in dots; `len(rows) == ceil(width / 8) * height`.
    """

    width: int
    height: int
    rows: bytes

    def __repr__(self) -> str:  # the pixels are a person's document: never in a log
        return f"Bitmap({self.width}x{self.height})"


@dataclass(frozen=True)
class Capabilities:
    """What a driver can do with its kind of printer (XFS: Capabilities). Asks no device."""

    duplex: bool = False  # prints on both sides of one sheet
    never: tuple[bytes, ...] = ()  # a page whose rows contain one of these is refused


class Printer(Protocol):
    """One printer. Calls block up to their deadline and come from one thread at a time."""

    @property
    def capabilities(self) -> Capabilities: ...

    def status(self) -> PrinterStatus:
        """Ask the printer. Never raises: no answer, half an answer or nonsense is UNKNOWN."""
        ...

    def check(self) -> None:
        """Ask the printer, as `status` does. Raises DeviceFault, which says why it cannot be
        asked.
        """
        ...

    def print_page(self, front: Bitmap, back: Bitmap | None = None) -> None:
        """Print one sheet; return when the printer confirms that it is done and the sheet is out.

        With a `back` both sides of the one sheet are printed; CONFIGURATION from a driver without
        `duplex`.

        Raises PageFault (evidence.py) once the page was begun: it says whether the sheet came out
        all the same, and `reason` is UNCERTAIN when nobody can tell. Raises any other DeviceFault
        when nothing of the page was sent. After a fault the caller must `purge`.
        """
        ...

    def purge(self) -> None:
        """Throw away everything the printer still holds, and prove it.

        A page left in a buffer would come out for the next person. Raises DeviceFault when it
        cannot be proven.
        """
        ...

    @property
    def bytes_sent(self) -> int:
        """Bytes put on the wire since the driver was made."""
        ...

    def close(self) -> None:
        """Never raises."""
        ...


@runtime_checkable
class KeepsConnection(Protocol):
    """A printer whose connection may be used by one driver after the other."""

    def adopt(self, connection: socket.socket) -> None:
        """Use this one first: another driver has opened it, and nothing is under way on it."""
        ...

    def release(self) -> socket.socket | None:
        """The connection, when nothing is under way on it; this driver is not used any more."""
        ...
