"""What must hold of each resident of a day, judged by what was shown and what the card was sent.

The money and the paper are judged by the books of the random walks. All of it is pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_SCREENS: Final = 30  # between the resident's going and the first screen
FIRST_SCREEN: Final = "menu"
OUT_OF_SERVICE: Final = "fault"
PIN_WRONG: Final = "pin-wrong"
# What a refusal may say when something has gone wrong for a moment. It says nothing about the card.
PASSING: Final = frozenset(
    {
        "busy",
        "cancelled",
        "card-left",
        "card-reader",
        "card-unconfirmed",
        "card-unreadable",
        "change-owed",
        "charge-held",
        "coins",
        "line-down",
        "money-held",
        "print-failed",
        "print-held",
        "print-part",
        "printer",
        "reversal-held",
        "too-slow",
    }
)


class Told(NamedTuple):
    """A refusal: on which screen, and its code."""

    screen: str
    code: str


@dataclass
class Stay:
    """What is known of one resident's visit. `right`: the code that is right to say about this
    card; "" for a good one. `home`: the screens between the resident's going and the next one's
    coming; `stuck`: the one on which the kiosk made no progress.
    """

    number: int
    card: str
    certificate: str = ""
    right: str = ""
    told: list[Told] = field(default_factory=list)
    called_wrong: int = 0  # the right PIN was
    typed: int = 0  # PINs
    sent: int = 0  # PINs, to the card
    tries_before: int | None = None
    tries_after: int | None = None
    pages: int = 0
    thanked: bool = False
    home: list[str] = field(default_factory=list)
    stuck: str = ""
    no_reason: int = 0  # screens that said "out of service" and not why
    reasons: Counter[str] = field(default_factory=Counter)  # for which it was out of service
    operator: Counter[str] = field(default_factory=Counter)  # what an operator did
    troubles: int = 0
    seconds: float = 0.0

    @property
    def served(self) -> bool:
        return self.thanked and self.pages > 0


class Finding(NamedTuple):
    """What does not hold, and with which resident."""

    number: int
    what: str


def check_stay(stay: Stay) -> Iterator[Finding]:
    checks = (_wedged, _try_spent, _blamed, _served_rightly)
    yield from (Finding(stay.number, what) for check in checks for what in check(stay))


def _wedged(stay: Stay) -> Iterator[str]:
    if stay.stuck:
        yield f"no way back to the first screen: no progress on {stay.stuck!r}"
    if len(stay.home) > MOST_SCREENS:
        yield f"{len(stay.home)} screens, and none was the first one"
    if stay.no_reason:
        yield "out of service without a reason"


def _try_spent(stay: Stay) -> Iterator[str]:
    before, after = stay.tries_before, stay.tries_after
    if before is not None and after is not None and after < before:
        yield f"the card had {before} tries before, and has {after}"
    if stay.sent > stay.typed:
        yield f"{stay.typed} PINs were typed, and the card got {stay.sent}"


def _blamed(stay: Stay) -> Iterator[str]:
    for told in stay.told:
        if told.code not in PASSING and told.code != stay.right:
            card = f"a card that is {stay.right}" if stay.right else "a good card"
            yield f"{told.screen} says {told.code!r} of {card}"
    if stay.called_wrong:
        yield "the right PIN was called wrong"


def _served_rightly(stay: Stay) -> Iterator[str]:
    if stay.right and stay.pages:
        yield f"{stay.pages} sheets came out for a card that is {stay.right}"
    if stay.thanked and not stay.pages:
        yield "thanked, and there was no paper"
