"""pyscard's low-level functions, with faults instead of codes and exceptions.

Codes and flags are pcsc-lite's (pcsclite.h, winscard.h); pyscard hands codes out as signed numbers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import IntEnum, IntFlag
from typing import Any, Final

from hal.card.pcsc.names import choose
from hal.faults import DeviceFault, Reason

SCOPE_SYSTEM, SHARE_EXCLUSIVE, SHARE_DIRECT, LEAVE, UNPOWER = 2, 1, 3, 0, 2
SERIAL_NUMBER: Final = 0x00010103  # SCARD_ATTR_VENDOR_IFD_SERIAL_NO
T0, T1 = 1, 2
COUNT_SHIFT: Final = 16  # dwEventState: insertions and removals are counted in the upper half
# MAX_READERNAME without its NUL: pcsc-lite would cut a longer one and look for another reader
LONGEST_NAME = 127


class ReaderState(IntFlag):
    """Lower half of dwEventState."""

    UNAWARE = 0
    IGNORE = 0x001
    CHANGED = 0x002
    UNKNOWN = 0x004
    UNAVAILABLE = 0x008
    EMPTY = 0x010
    PRESENT = 0x020
    EXCLUSIVE = 0x080
    INUSE = 0x100
    MUTE = 0x200


# nothing is known of any card
LOST: Final = int(ReaderState.UNKNOWN | ReaderState.UNAVAILABLE | ReaderState.IGNORE)
HELD: Final = int(ReaderState.EXCLUSIVE | ReaderState.INUSE)
SETTLED: Final = ~int(ReaderState.CHANGED)  # mask (as a number: ~ of a flag would drop the count)


class Code(IntEnum):
    """What a call returns, as far as it makes a difference."""

    SUCCESS = 0
    UNKNOWN_READER = 0x80100009
    TIMEOUT = 0x8010000A
    SHARING_VIOLATION = 0x8010000B
    NO_SMARTCARD = 0x8010000C
    PROTO_MISMATCH = 0x8010000F
    COMM_ERROR = 0x80100013
    NOT_TRANSACTED = 0x80100016
    READER_UNAVAILABLE = 0x80100017
    NO_SERVICE = 0x8010001D
    SERVICE_STOPPED = 0x8010001E
    NO_READERS = 0x8010002E
    UNRESPONSIVE_CARD = 0x80100066
    UNPOWERED_CARD = 0x80100067
    RESET_CARD = 0x80100068
    REMOVED_CARD = 0x80100069
    SECURITY_VIOLATION = 0x8010006A


REASONS: Final[dict[int, Reason]] = {
    Code.TIMEOUT: Reason.SILENT,
    Code.SHARING_VIOLATION: Reason.IN_USE,
    Code.NO_SMARTCARD: Reason.REMOVED,
    Code.PROTO_MISMATCH: Reason.GARBLED,  # an answer to reset that names no known protocol
    Code.NOT_TRANSACTED: Reason.REMOVED,
    Code.UNRESPONSIVE_CARD: Reason.MUTE,
    Code.UNPOWERED_CARD: Reason.MUTE,
    Code.RESET_CARD: Reason.REMOVED,  # this session is over
    Code.REMOVED_CARD: Reason.REMOVED,
    Code.NO_SERVICE: Reason.SERVICE_DOWN,
    Code.SERVICE_STOPPED: Reason.SERVICE_DOWN,
    Code.COMM_ERROR: Reason.SERVICE_DOWN,
    Code.SECURITY_VIOLATION: Reason.DENIED,  # polkit: access_pcsc or access_card
}  # everything else: the reader is gone


class Calls:
    """PC/SC for the reader of this name, which may be its beginning (`names.choose`). Raises
    DeviceFault CONFIGURATION when pyscard is not installed.
    """

    def __init__(self, reader: str, serial: str = "") -> None:
        if not 0 < len(reader.encode()) <= LONGEST_NAME:
            raise DeviceFault(reader, Reason.CONFIGURATION, "not a reader's name")
        try:
            from smartcard import scard
        except ImportError:
            raise DeviceFault(reader, Reason.CONFIGURATION, "pyscard is not installed") from None
        self.reader = reader
        self.found = reader  # its name of now
        self.trouble: Reason | None = None  # why nothing is known of it
        self._serial = serial
        self._scard: Any = scard

    def ask(self, function: str, *arguments: Any) -> tuple[int, Any]:
        """The code of one call and what came with it, which is worth nothing unless the code is
        SUCCESS.

        After a failed SCardTransmit pyscard can return 64 KiB of foreign memory: never look at it.
        Raises DeviceFault NOT_CONNECTED for whatever the library raises.
        """
        try:
            answer = getattr(self._scard, function)(*arguments)
        except Exception as error:
            # two unrelated families, and SystemError for a handle that is none
            raise DeviceFault(self.reader, Reason.NOT_CONNECTED, type(error).__name__) from None
        code, *rest = answer if isinstance(answer, list | tuple) else [answer]
        return code & 0xFFFFFFFF, rest[0] if len(rest) == 1 else rest

    def __call__(self, function: str, *arguments: Any) -> Any:
        """What a call that must succeed returns. Raises DeviceFault."""
        code, value = self.ask(function, *arguments)
        if code != Code.SUCCESS:
            raise self.fault(code)
        return value

    def find(self, context: Any) -> str:
        """Look for our reader; `found` is its name from then on. Raises DeviceFault."""
        code, names = self.ask("SCardListReaders", context, [])
        if code not in (Code.SUCCESS, Code.NO_READERS):
            raise self.fault(code)
        listed = list(names) if code == Code.SUCCESS else []
        self.found = choose(
            self.reader, self._serial, listed, lambda name: self._serial_of(context, name)
        )
        return self.found

    def _serial_of(self, context: Any, name: str) -> str:
        """ "" when the reader does not tell it."""
        with self.held(context, name) as handle:
            code, value = self.ask("SCardGetAttrib", handle, SERIAL_NUMBER)
        return bytes(value).rstrip(b"\0").decode("latin-1") if code == Code.SUCCESS else ""

    @contextlib.contextmanager
    def held(self, context: Any, name: str) -> Iterator[Any]:
        """A connection to the reader itself, whatever lies on it. Raises DeviceFault."""
        handle, _ = self("SCardConnect", context, name, SHARE_DIRECT, 0)
        try:
            yield handle
        finally:
            self.ask("SCardDisconnect", handle, LEAVE)

    def fault(self, code: int) -> DeviceFault:
        return DeviceFault(self.reader, REASONS.get(code, Reason.NOT_CONNECTED), f"{code:08X}")

    def pci(self, protocol: int) -> Any:
        """The protocol control information SCardTransmit wants."""
        return self._scard.SCARD_PCI_T1 if protocol == T1 else self._scard.SCARD_PCI_T0
