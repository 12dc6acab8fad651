"""What must hold, judged from the outside; the letters are those of the properties that the whole
journey has.

`check_moment` looks at one moment: what it finds may last while the kiosk notices, and no longer.
`check_log` looks at the kiosk's log. books.py looks at everything that a walk left behind. All of
it is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from firmware.flow.states import CardPolicy, Phase, State
from firmware.flow.table import SPECS
from firmware.service.journal import Entry

PROPERTIES = {
    "a": (
        "with a card on the reader, or nobody knowing, no screen of choosing, ordering, paying "
        "or printing lasts"
    ),
    "b": (
        "a sheet comes out only of an order that was paid and issued, to the card that asked "
        "for it, and once"
    ),
    "c": (
        "no coin is lost: what went in is kept for whole sheets, came back, or is recorded as "
        "owed or held"
    ),
    "d": (
        "idle is empty: nothing in the outlet or the printer, no session open here or at the "
        "city, no name in memory"
    ),
    "e": "no screen is a dead end, and a card left behind is never at the menu",
    "f": "a touch on an older screen, or of what is not offered, changes nothing",
    "g": "every state answers every event: no error",
    "h": "digits of a PIN are there only while it is typed",
    "i": "a coin can fall in only while paying",
    "j": "a time that runs out ends the whole transaction",
    "k": "an anomaly opens a case, nothing else does, and nobody is served until it is closed",
    "l": "no wire carries what must not go out, and no permit has to refuse it",
    "p": "no name, number or PIN of a person in journal and logs",
}
CARD_FREE = frozenset(
    state.screen for state, spec in SPECS.items() if spec.card is CardPolicy.MUST_BE_ABSENT
)
MIDDLE = frozenset({Phase.CARD, Phase.CHOOSE, Phase.ORDER, Phase.PAY, Phase.ISSUE})
FORWARD = frozenset({Phase.CHOOSE, Phase.ORDER, Phase.PAY, Phase.ISSUE})
NEVER_BESIDE_A_CARD = frozenset({"release-asked", "sheet-begun"})


class Violation(NamedTuple):
    """A property that does not hold, and in what way."""

    letter: str
    what: str


# -- one moment


@dataclass(frozen=True)
class Now:
    """What can be seen at one moment. `screen` is "" while no process serves."""

    screen: str = ""
    digits: int = 0
    card: bool = False
    reader: bool = True  # plugged in
    outlet: int = 0  # sheets in it
    held: bool = False  # the printer holds something of a page
    slot: bool = False  # a coin can fall in
    coins_obey: bool = True  # the coin unit takes orders
    paused: bool = False  # a case is open that keeps the kiosk out of service
    unfinished: bool = False  # a session is open in the journal


Momentary = Callable[[Now], bool]


def _shown_beside_a_card(now: Now) -> bool:
    return now.screen in CARD_FREE and now.card and now.reader


def _shown_without_a_reader(now: Now) -> bool:
    return now.screen in CARD_FREE and not now.reader


def _sheet_in_the_outlet(now: Now) -> bool:
    return now.screen == "menu" and now.outlet > 0


def _printer_holds_something(now: Now) -> bool:
    return now.screen == "menu" and now.held


def _session_is_unfinished(now: Now) -> bool:
    return now.screen == "menu" and now.unfinished


def _card_at_the_menu(now: Now) -> bool:
    return now.screen == "menu" and now.card


def _digits_are_shown(now: Now) -> bool:
    return now.digits > 0 and (now.screen != "pin" or not now.card)


def _coin_can_fall_in(now: Now) -> bool:
    return now.slot and now.coins_obey and now.screen not in ("paying", "")


def _case_at_the_menu(now: Now) -> bool:
    return now.screen == "menu" and now.paused


class MomentCheck(NamedTuple):
    """`what` completes "the screen is …, and"."""

    letter: str
    what: str
    is_wrong: Momentary


MOMENT_CHECKS = (
    MomentCheck("a", "a card lies there", _shown_beside_a_card),
    MomentCheck("a", "the reader is gone", _shown_without_a_reader),
    MomentCheck("d", "a sheet lies in the outlet", _sheet_in_the_outlet),
    MomentCheck("d", "the printer holds something", _printer_holds_something),
    MomentCheck("d", "a session is open in the journal", _session_is_unfinished),
    MomentCheck("e", "a card lies there", _card_at_the_menu),
    MomentCheck("h", "digits are shown", _digits_are_shown),
    MomentCheck("i", "a coin can fall in", _coin_can_fall_in),
    MomentCheck("k", "a case is open", _case_at_the_menu),
)


def check_moment(now: Now) -> Iterator[Violation]:
    """What must not last."""
    for check in MOMENT_CHECKS:
        if check.is_wrong(now):
            yield Violation(check.letter, f"the screen is {now.screen or 'dark'} and {check.what}")


def check_beside_a_card(entries: Iterable[Entry]) -> Iterator[Violation]:
    """`entries`: written while a card had lain on the reader for so long that the kiosk
    must know.
    """
    for entry in entries:
        if entry.kind in NEVER_BESIDE_A_CARD:
            yield Violation("b", f"{entry.kind} while a card lay on the reader")


# -- the kiosk's log


class LogLine(NamedTuple):
    """One line of the log: which process, which event of the log's catalogue, and two of
    its facts.
    """

    pid: int
    log: str
    state: str = ""
    event: str = ""


def check_log(lines: Sequence[LogLine]) -> Iterator[Violation]:
    """`lines`: of whole lives of processes."""
    last: dict[int, State] = {}
    ended: set[int] = set()
    for line in lines:
        if line.log == "error":
            yield Violation("g", f"an error in {line.state}: {line.event}")
        if line.log == "command.refused":
            yield Violation("l", f"{line.state} was refused: {line.event}")
        if line.log != "state":
            continue
        before = last.get(line.pid)
        state = State(line.state)
        if line.pid in ended and state.phase in FORWARD:
            yield Violation("j", f"{line.event} leads to {state.screen} after the time had run out")
        in_the_middle = before is not None and (before.phase in MIDDLE or before is State.HOLD)
        if line.event == "time-up" and in_the_middle:
            ended.add(line.pid)
        last[line.pid] = state
