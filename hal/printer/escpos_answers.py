"""What comes from an ESC/POS printer: bytes become answers, and answers meet their questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

CLEAR_RESPONSE: Final = b"\x37\x25\x00"
FULL_HEADER: Final = b"\x10\x0f"
FULL_LENGTH: Final = 6
AUTO_LENGTH: Final = 4


class Garbled(Exception):
    """An answer that is not of the protocol, or one that nobody asked for."""


class Kind(StrEnum):
    REALTIME = "realtime"  # one byte: DLE EOT 1 to 4
    FENCE = "fence"  # one byte: GS r 1
    CLEARED = "cleared"  # three bytes: the buffers were cleared
    FULL = "full"  # six bytes: DLE EOT 20
    AUTO = "auto"  # four bytes that nobody asked for: automatic status


def is_realtime(byte: int) -> bool:
    """Answers to DLE EOT n carry 0..1..10: bits 1 and 4 on, 0 and 7 off."""
    return byte & 0x93 == 0x12


def is_fence(byte: int) -> bool:
    """Answers to GS r n have bits 4 and 7 off."""
    return byte & 0x90 == 0


def is_head(byte: int) -> bool:
    """The first byte of automatic status, and of a full status, carries 0..1..00."""
    return byte & 0x93 == 0x10


@dataclass
class AnswerReader:
    """Splits bytes into answers, however they are cut into pieces."""

    _begun: bytes = b""  # of an answer that is not complete yet

    @property
    def between_answers(self) -> bool:
        return not self._begun

    def read(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """Raises Garbled at a byte that belongs to no answer, and forgets what it belonged to."""
        for byte in data:
            self._begun += bytes([byte])
            kind, length = self._classify()
            if len(self._begun) == length:
                answer, self._begun = self._begun, b""
                yield kind, answer

    def _classify(self) -> tuple[Kind, int]:
        """What the bytes so far are the beginning of, and how long it is."""
        begun = self._begun
        first = begun[0]
        if CLEAR_RESPONSE.startswith(begun):
            return Kind.CLEARED, len(CLEAR_RESPONSE)
        if len(begun) == 1 and is_realtime(first):
            return Kind.REALTIME, 1
        if len(begun) == 1 and is_fence(first):
            return Kind.FENCE, 1
        if is_head(first) and begun[:2] == FULL_HEADER:
            return Kind.FULL, FULL_LENGTH
        if is_head(first) and all(map(is_fence, begun[1:])):
            return Kind.AUTO, AUTO_LENGTH
        self._begun = b""
        raise Garbled("a byte that belongs to no answer")


@dataclass
class Ledger:
    """Which questions are not answered yet. The answers of one kind come in the order of the
    questions, so an answer counts for the last question only when all before it are answered.

    `by_chance`: some of the questions stand in a bitmap. Not every printer answers those.
    """

    due: Counter[Kind] = field(default_factory=Counter)
    last: dict[Kind, bytes] = field(default_factory=dict)
    by_chance: bool = False
    fences: int = 0  # answered
    doubt: bool = False  # what was skipped may have held the answer to a fence

    def settled(self) -> bool:
        return not any(self.due.values())

    def count(self, kind: Kind, answer: bytes) -> None:
        """Raises Garbled for an answer that nobody asked for.

        A frame of which bytes were lost takes the bytes of the next answers.
        """
        self.doubt |= kind in (Kind.AUTO, Kind.FULL) and self.due[Kind.FENCE] > 0
        if kind is Kind.AUTO:
            return
        if not self.due[kind]:
            raise Garbled(f"nobody asked for this: {kind.value}")
        self.due[kind] -= 1
        self.last[kind] = answer
        self.fences += kind is Kind.FENCE
        if kind is Kind.CLEARED:
            self.due[Kind.FENCE] = 0  # a fence that was in the buffer is answered no more
