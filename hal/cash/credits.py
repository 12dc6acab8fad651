"""What a coin acceptor's buffered credit (header 229) means. Pure.

The answer: an event counter, then the last five events, newest first, two bytes each. The counter
is 0 only after a reset and goes 1..255 and then to 1 again. First byte of an event 0: the second is
an error code; else the first is the coin's position. Source: ccTalk Generic Specification 4.7,
parts 1 and 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hal.cash.contract import CashEvent, CoinAccepted, CoinFault, CoinReturned
from hal.faults import Reason

POSITIONS = range(1, 17)
ANSWER_LENGTH = 11
REMEMBERED = 5

NOTHING = frozenset({0, 254})  # null event; the return lever was pressed
# The coin slides to the cup. Every other code is a coin stuck, lost or tampered with: a fault.
RETURNED = frozenset({1, 2, 3, 5, 8, 9, 10, 11, 12, 24, 25, *range(128, 160)})

Pair = tuple[int, int]


@dataclass(frozen=True)
class Fresh:
    """What is new since the last poll, oldest first, each with the counter it came with.

    `lost`: more happened than the answer can tell.
    """

    counter: int
    events: tuple[tuple[int, Pair], ...] = ()
    lost: bool = False


def fresh(last: int, answer: bytes, before: bytes = b"") -> Fresh:
    """Compare an answer with the counter of the one before it.

    `before` is that answer, when it is known: what is not new must stand in both, or one of them is
    not true.
    """
    counter = answer[0]
    if counter == last:
        return Fresh(counter, lost=bool(before) and answer != before)
    if counter == 0:  # reset on its own: credits between the last poll and the reset are gone
        return Fresh(counter, lost=True)
    new = counter if last == 0 else (counter - last) % 255
    known = min(new, REMEMBERED)
    if before and last and answer[1 + 2 * known :] != before[1 : 1 + 2 * (REMEMBERED - known)]:
        return Fresh(counter, lost=True)
    pairs = [(answer[1 + 2 * n], answer[2 + 2 * n]) for n in range(known)]
    events = tuple((_earlier(counter, n), pair) for n, pair in enumerate(pairs))
    return Fresh(counter, tuple(reversed(events)), lost=new > REMEMBERED)


def _earlier(counter: int, steps: int) -> int:
    return (counter - 1 - steps) % 255 + 1


def meaning(event: tuple[int, Pair], values: Mapping[int, int]) -> CashEvent | None:
    """`values` maps positions to yen. A credit of a position without a value is money nobody can
    count.
    """
    counter, (position, code) = event
    if position:
        if position in values:
            return CoinAccepted(values[position], counter)
        return CoinFault(Reason.CONFIGURATION)
    if code in NOTHING:
        return None
    return CoinReturned() if code in RETURNED else CoinFault(Reason.COIN_JAM)


def coin_value(coin_id: bytes) -> int | None:
    """Yen of a coin id such as `JP100A` (country, value, issue); None for an empty position or
    other money.
    """
    text = coin_id.decode("ascii", "replace")
    digits = text[2:5]
    return (
        int(digits)
        if text[:2] == "JP" and digits.isascii() and digits.isdigit() and int(digits)
        else None
    )


def mask(positions: frozenset[int]) -> bytes:
    """Inhibit mask (header 231): bit 0 of the first byte is position 1, 1 = accept."""
    return sum(1 << (position - 1) for position in positions).to_bytes(2, "little")
