"""The terminal's wire: frames, and the fixed fields in them. Pure: bytes in, messages out.

    STX | length | sequence | body ... | CRC high | CRC low

`length` counts sequence and body, one byte each. The CRC is CRC-16 CCITT (start 0xFFFF) over
length, sequence and body. A whole frame is answered with ACK, a damaged one with NAK; the frame
behind the ACK is the answer, and carries the request's sequence number. ENQ asks whether anybody is
there, and makes the far end forget the last sequence.

A body is one letter and fields of fixed width, ASCII digits and hexadecimal digits only: there is
no field that could hold a card number, a name or free text.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

STX, ENQ, ACK, NAK = 0x02, 0x05, 0x06, 0x15
OVERHEAD = 4  # STX, length, CRC
LONGEST = 128  # bytes that `length` may count
DIGITS, HEX = frozenset("0123456789"), frozenset("0123456789abcdef")


class TerminalFrameError(ValueError):
    """Bytes that are not a frame, or a body that is none of the protocol's."""


class MessageKind(StrEnum):
    """The letter of a body: the host's are capitals, the terminal's small."""

    STATUS = "S"
    CHARGE = "C"
    QUERY = "Q"
    CANCEL = "X"
    REVERSE = "R"
    STATUS_IS = "s"
    CHARGE_IS = "q"  # the answer to CHARGE, QUERY and CANCEL
    REVERSAL_IS = "r"


class ChargeState(StrEnum):
    """The terminal's word on one charge. Only A and D are final."""

    NONE = "N"  # it knows of no such charge
    WAITING = "W"  # nobody has presented yet
    PRESENTED = "P"  # being decided; it can no longer be cancelled
    APPROVED = "A"
    DECLINED = "D"
    UNKNOWN = "U"  # it does not know itself


class ReversalState(StrEnum):
    DONE = "V"
    REFUSED = "D"
    NONE = "N"  # it knows of no such transaction
    UNKNOWN = "U"


@dataclass(frozen=True)
class FieldFormat:
    width: int
    chars: frozenset[str]


REFERENCE, TRANSACTION = FieldFormat(32, HEX), FieldFormat(12, DIGITS)
AMOUNT, COUNT, REASON, STATE = (
    FieldFormat(6, DIGITS),
    FieldFormat(5, DIGITS),
    FieldFormat(2, DIGITS),
    FieldFormat(1, frozenset("NWPADUVRBO")),
)
NO_TRANSACTION = "0" * TRANSACTION.width

# The fields of each body, in order. `boots` counts the terminal's own restarts, and survives them.
LAYOUT: Mapping[MessageKind, Mapping[str, FieldFormat]] = MappingProxyType(
    {
        MessageKind.STATUS: {},
        MessageKind.CHARGE: {"reference": REFERENCE, "amount": AMOUNT},
        MessageKind.QUERY: {"reference": REFERENCE},
        MessageKind.CANCEL: {"reference": REFERENCE},
        MessageKind.REVERSE: {"transaction": TRANSACTION, "amount": AMOUNT},
        MessageKind.STATUS_IS: {"state": STATE, "boots": COUNT},
        MessageKind.CHARGE_IS: {
            "reference": REFERENCE,
            "amount": AMOUNT,
            "state": STATE,
            "reason": REASON,
            "transaction": TRANSACTION,
            "boots": COUNT,
        },
        MessageKind.REVERSAL_IS: {"transaction": TRANSACTION, "amount": AMOUNT, "state": STATE},
    }
)


@dataclass(frozen=True)
class TerminalMessage:
    """One body: its letter, and its fields by name as they stand on the wire."""

    kind: MessageKind
    fields: Mapping[str, str]

    def number(self, name: str) -> int:
        return int(self.fields[name])


def message(kind: MessageKind, **values: str | int) -> TerminalMessage:
    """Numbers are padded with zeros. Raises FrameError for what does not fit its field."""
    layout = LAYOUT[kind]
    fields = {name: str(values[name]).rjust(layout[name].width, "0") for name in layout}
    made = TerminalMessage(kind, fields)
    if parse(body(made)) != made or values.keys() != layout.keys():
        raise TerminalFrameError(f"{kind.value}: fields do not fit")
    return made


def body(given: TerminalMessage) -> bytes:
    return (given.kind.value + "".join(given.fields[name] for name in LAYOUT[given.kind])).encode(
        "ascii", "replace"
    )


def parse(raw: bytes) -> TerminalMessage:
    """Raises FrameError."""
    text = raw.decode("ascii", "replace")
    try:
        kind = MessageKind(text[:1])
    except ValueError:
        raise TerminalFrameError("no such body") from None
    fields, at = {}, 1
    for name, field in LAYOUT[kind].items():
        fields[name] = text[at : at + field.width]
        at += field.width
        if not set(fields[name]) <= field.chars:
            raise TerminalFrameError(f"{kind.value}: {name} holds other characters")
    if at != len(text):
        raise TerminalFrameError(f"{kind.value}: {len(text)} characters")
    return TerminalMessage(kind, fields)


def encode(sequence: int, content: bytes) -> bytes:
    """Raises FrameError when it is too long."""
    if not 0 <= sequence <= 255 or not 0 < len(content) < LONGEST:
        raise TerminalFrameError("field out of range")
    inner = bytes([len(content) + 1, sequence]) + content
    return bytes([STX]) + inner + _crc(inner)


def decode(raw: bytes) -> tuple[int, bytes]:
    """Sequence and body of exactly one whole frame. Raises FrameError."""
    if len(raw) < OVERHEAD + 2 or raw[0] != STX or len(raw) != OVERHEAD + raw[1]:
        raise TerminalFrameError("not a whole frame")
    if _crc(raw[1:-2]) != raw[-2:]:
        raise TerminalFrameError("wrong checksum")
    return raw[2], raw[3:-2]


def missing(start: bytes | bytearray) -> int:
    """How many bytes the frame that begins so still wants; 0 when it is whole.
    Raises FrameError.
    """
    if len(start) < 2:
        return 2 - len(start)
    if start[0] != STX or not 2 <= start[1] <= LONGEST:
        raise TerminalFrameError("not the start of a frame")
    return OVERHEAD + start[1] - len(start)


def _crc(raw: bytes) -> bytes:
    return crc_hqx(raw, 0xFFFF).to_bytes(2, "big")
