"""Command APDUs and status words as a card sees them (ISO/IEC 7816-3 clause 12.1, 7816-4
clause 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class SW(IntEnum):
    """Status words (7816-4, 5.6); some carry a number in their last digits."""

    OK = 0x9000
    MORE_DATA = 0x6100
    END_OF_FILE = 0x6282
    TRIES = 0x63C0
    WRONG_LENGTH = 0x6700
    NOT_TRANSPARENT = 0x6981
    NOT_PERMITTED = 0x6982
    LOCKED = 0x6984
    NOT_NOW = 0x6985
    NO_FILE_SELECTED = 0x6986
    WRONG_DATA = 0x6A80
    NOT_SUPPORTED = 0x6A81
    NOT_FOUND = 0x6A82
    WRONG_P1P2 = 0x6A86
    WRONG_OFFSET = 0x6B00
    WRONG_LE = 0x6C00
    WRONG_INS = 0x6D00
    WRONG_CLA = 0x6E00
    NO_DIAGNOSIS = 0x6F00


class ApduRefused(Exception):
    """A status word on its way out."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:04X}")
        self.status = status


@dataclass(frozen=True)
class CommandApdu:
    """`le` is None when no answer data is asked for, 256 for the byte 00, 65536 for the
    bytes 0000.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes
    le: int | None


def parse(apdu: bytes, extended: bool = False) -> CommandApdu:
    """Cases 1 to 4 with short lengths, and with extended ones when the card takes them. Raises
    Refused 6700.
    """
    if len(apdu) < 4:
        raise ApduRefused(SW.WRONG_LENGTH)
    (cla, ins, p1, p2), body = apdu[:4], apdu[4:]
    long = len(body) > 1 and body[0] == 0
    if long and not extended:
        raise ApduRefused(SW.WRONG_LENGTH)
    data, le = _lengths(body[1:], 2) if long else _lengths(body, 1)
    return CommandApdu(cla, ins, p1, p2, data, le)


def _lengths(body: bytes, width: int) -> tuple[bytes, int | None]:
    """Data and Le of a body whose lengths take `width` bytes."""
    data, rest = b"", body
    if len(body) > width:
        size = int.from_bytes(body[:width], "big")
        data, rest = body[width : width + size], body[width + size :]
        if size == 0 or len(data) < size:
            raise ApduRefused(SW.WRONG_LENGTH)
    if len(rest) not in (0, width):
        raise ApduRefused(SW.WRONG_LENGTH)
    return data, (int.from_bytes(rest, "big") or 256**width) if rest else None
