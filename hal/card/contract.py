"""What the service may ask of a card reader, and what a reader reports.

Unknown is a value of its own: a reader that is unplugged, or a daemon that is gone, is never
"absent".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hal.faults import Reason


class CardPresence(StrEnum):
    """What lies on the reader. Only ABSENT means that no card is there."""

    ABSENT = "absent"
    PRESENT = "present"
    MUTE = "mute"  # something is there and gives no answer to reset, or not any more
    IN_USE = "in-use"  # held by another program
    UNKNOWN = "unknown"  # reader lost, daemon gone, not asked yet


class TokenKind(StrEnum):
    """What answers as a My Number card. The label in its own file says so: words depend on it,
    trust never does.
    """

    CARD = "card"
    ANDROID = "android"
    IPHONE = "iphone"
    UNKNOWN = "unknown"  # not asked, or a label that nobody has published


@dataclass(frozen=True)
class Stay:
    """One stay of one card on the reader, from insertion to removal.

    Two cards of one model swapped quickly differ in `count` and in nothing else
    (upper 16 bits of PC/SC's dwEventState, or the number of connections a socket reader has taken).
    """

    reader: str
    count: int

    def __str__(self) -> str:
        return f"{self.reader}#{self.count}"


@dataclass(frozen=True)
class CardStatus:
    """`stay` is set when, and only when, something is on the reader. `reason`: why the presence is
    UNKNOWN, where that is known.
    """

    presence: CardPresence
    stay: Stay | None = None
    reason: Reason | None = None


class CardChannel(Protocol):
    """An exclusive connection to the card of one stay."""

    @property
    def exchanged(self) -> int:
        """APDUs sent so far."""
        ...

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        """Send one command APDU, return data + SW1 SW2 (2..258 bytes).

        Raises DeviceFault: REMOVED when the card left (the command may have been executed), SILENT
        when it lies there and gives no answer within the deadline (the status is MUTE from then
        on), NOT_CONNECTED, GARBLED. After a fault the channel gives no other answer; it is still to
        be disconnected.
        """
        ...

    def disconnect(self) -> None:
        """Cut the card's power, always: a verified PIN can outlive everything else. Never raises.

        A call that is stuck is not waited for: the power is cut when it returns.
        """
        ...


class CardReader(Protocol):
    """A slot. All methods may be called from any thread; none blocks longer than its deadline."""

    def start(self, notify: Callable[[CardStatus], None]) -> None:
        """Begin watching. `notify` is called from the reader's own thread at every change, first at
        once.

        Raises DeviceFault CONFIGURATION when this reader cannot be driven here at all. Call it
        after the fork.
        """
        ...

    def status(self) -> CardStatus:
        """What the watcher knows now; UNKNOWN before the first answer. Never raises."""
        ...

    def connect(self, stay: Stay) -> CardChannel:
        """Power up the card of exactly this stay. May be tried again, also when it is MUTE.

        Raises DeviceFault: REMOVED when this stay is over, MUTE, IN_USE, GARBLED (no proper answer
        to reset), SILENT when the reader itself is stuck, perhaps still with an earlier command,
        NOT_CONNECTED.
        """
        ...

    def check(self) -> None:
        """Ask the reader itself, whether or not a card lies there; before `start` too.

        Raises DeviceFault: NOT_CONNECTED, SERVICE_DOWN, DENIED, IN_USE, SILENT, CONFIGURATION (the
        name fits two readers).
        """
        ...

    def close(self) -> None:
        """Stop watching and free everything. Never raises."""
        ...
