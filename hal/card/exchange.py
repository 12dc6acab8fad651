"""One layer for every command of a card: what ISO/IEC 7816-4 lets a card answer instead of the
answer.

`61xx` has the rest fetched, `6Cxx` has the command sent again with the right length, and these two
compose: also GET RESPONSE may be answered 6Cxx. A card that refuses a form of a command gets the
next form. `FORMS` is the table of these. Each is tried at most once on a connection and kept from
then on, so that no card can keep the kiosk asking. None of this is done for a command that carries
a PIN: that one is sent as it is, once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from hal.card.contract import CardChannel

GET_RESPONSE: Final = bytes([0x00, 0xC0, 0x00, 0x00])
SELECT, READ, SIGN = 0xA4, 0xB0, 0x2A  # INS
OK: Final = 0x9000
MOST_APDUS = 512  # on one connection: a card that hands out its bytes one by one is not waited for
CURRENT: Final = 0x80  # P2: the file selected before
WHOLE: Final = 256  # Le 00


class Unanswered(Exception):
    """The card answers, but with fewer than two bytes, or without end."""


class Form(StrEnum):
    """How a command is written when the usual form is refused."""

    SELECT_FILE = "select-file"  # a SELECT of the file instead of its short identifier
    WITH_FCI = "with-fci"  # SELECT with P2 00: the card may send its file control information
    WITH_FCI_ASKED = "with-fci-asked"  # and it is asked for
    LE_255 = "le-255"  # a length that is written out, instead of 00
    LE_128 = "le-128"
    NO_LE = "no-le"  # SIGN: no length, the card says 61xx


@dataclass(frozen=True)
class Command:
    """`le`: bytes wanted (1..256), None for none. `file` is the short identifier of the file that
    the command is about, which is written into P1 of READ and into P2 of the others; None when it
    names none.
    """

    head: bytes
    data: bytes = field(default=b"", repr=False)
    le: int | None = None
    file: int | None = None

    @property
    def ins(self) -> int:
        return self.head[1]

    @property
    def offset(self) -> int:
        return int.from_bytes(self.head[2:4], "big")


@dataclass(frozen=True)
class Refusal:
    """`form` is the next one for a command that `concerns` and was answered one of `statuses`."""

    form: Form
    statuses: frozenset[int]
    concerns: Callable[[Command], bool]


NOT_BY_SHORT_EF: Final = frozenset(
    {0x6A80, 0x6A81, 0x6A82, 0x6A86, 0x6A88, 0x6981, 0x6985, 0x6986, 0x6700, 0x6B00, 0x6D00, 0x6F00}
)
WRONG_P2: Final = frozenset({0x6A86, 0x6A81, 0x6A80, 0x6B00})
WRONG_LE: Final = frozenset({0x6700, 0x6A80, 0x6A86, 0x6A87, 0x6B00, 0x6F00})


def _select(command: Command) -> bool:
    return command.ins == SELECT


def _long_read(command: Command) -> bool:
    return command.ins == READ and command.le is not None and command.le > 128


# Of one answer, the first row that fits and was not used yet.
FORMS: Final[tuple[Refusal, ...]] = (
    Refusal(Form.WITH_FCI, WRONG_P2, _select),
    Refusal(Form.WITH_FCI_ASKED, frozenset({0x6700}), _select),
    Refusal(Form.LE_255, frozenset({0x6700}), _long_read),
    Refusal(Form.SELECT_FILE, NOT_BY_SHORT_EF, lambda c: c.file is not None),
    Refusal(Form.LE_255, WRONG_LE, _long_read),
    Refusal(Form.LE_128, WRONG_LE, _long_read),
    Refusal(Form.NO_LE, WRONG_LE, lambda c: c.ins == SIGN),
)


@dataclass
class Exchange:
    """What was learned of one card on one connection."""

    learned: set[Form] = field(default_factory=set)
    selected: int | None = None  # the file that was selected by a SELECT

    def send(self, channel: CardChannel, command: Command) -> tuple[bytes, int]:
        """Data and status word, however the card wants to be asked. Not for a PIN.

        Raises Unanswered; DeviceFault.
        """
        while True:
            status = self.select(channel, command)
            data = b""
            if status == OK:
                data, status = self._whole(channel, self._written(command))
            form = self._next_form(command, status)
            if form is None:
                return data, status
            self.learned.add(form)

    def select(self, channel: CardChannel, command: Command) -> int:
        """Select the command's file, where that is needed: the status word, 9000 when it is not."""
        if command.file is None or self._short(command) or self.selected == command.file:
            return OK
        _, status = self.send(channel, select(0x02, bytes([0x00, command.file])))
        if status == OK:
            self.selected = command.file
        return status

    def head(self, command: Command) -> bytes:
        """CLA INS P1 P2, as this card wants them."""
        cla, ins, p1, _ = command.head
        if ins == SELECT:
            return bytes([cla, ins, p1, 0x00]) if Form.WITH_FCI in self.learned else command.head
        if command.file is None:
            return command.head
        if ins == READ:
            by_name = self._short(command) and command.offset == 0
            return bytes([cla, ins, CURRENT | command.file, 0]) if by_name else command.head
        return bytes([cla, ins, p1, CURRENT | (command.file if self._short(command) else 0)])

    def _short(self, command: Command) -> bool:
        return Form.SELECT_FILE not in self.learned and command.file is not None

    def _written(self, command: Command) -> Command:
        le = command.le
        if command.ins == SELECT and Form.WITH_FCI_ASKED in self.learned:
            le = WHOLE
        if command.ins == SIGN and Form.NO_LE in self.learned:
            le = None
        if command.ins == READ and le is not None:
            le = min(le, *(most for form, most in LE_OF.items() if form in self.learned), WHOLE)
        return replace(command, head=self.head(command), le=le)

    def _next_form(self, command: Command, status: int) -> Form | None:
        return next(
            (
                row.form
                for row in FORMS
                if status in row.statuses
                and row.form not in self.learned
                and row.concerns(command)
                and (row.form is not Form.WITH_FCI_ASKED or Form.WITH_FCI in self.learned)
            ),
            None,
        )

    def _whole(self, channel: CardChannel, command: Command) -> tuple[bytes, int]:
        """One command and all that belongs to its answer. Neither pcsc-lite nor pyscard does
        this.
        """
        body = bytes([len(command.data)]) + command.data if command.data else b""
        data, status = self._ask(channel, command.head + body, command.le)
        while status >> 8 == 0x61:
            more, status = self._ask(channel, GET_RESPONSE, status & 0xFF or WHOLE)
            data += more
        return data, status

    def _ask(self, channel: CardChannel, start: bytes, le: int | None) -> tuple[bytes, int]:
        """`6Cxx` is followed once, and only where data was asked for: it would make another command
        of any other.
        """
        data, status = transmit(channel, start + (b"" if le is None else bytes([le & 0xFF])))
        if le is not None and status >> 8 == 0x6C:
            data, status = transmit(channel, start + bytes([status & 0xFF]))
        return data, status


LE_OF: Final = {Form.LE_255: 255, Form.LE_128: 128}


def select(by: int, name: bytes) -> Command:
    return Command(bytes([0x00, SELECT, by, 0x0C]), name)


def transmit(channel: CardChannel, apdu: bytes | bytearray) -> tuple[bytes, int]:
    """One APDU, sent as it is and once: data and status word. Raises Unanswered; DeviceFault."""
    if channel.exchanged >= MOST_APDUS:
        raise Unanswered
    answer = channel.transmit(apdu)
    if len(answer) < 2:
        raise Unanswered
    return answer[:-2], int.from_bytes(answer[-2:], "big")
