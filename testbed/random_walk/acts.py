"""What can be done at a moment, and how likely it is: what a customer would do next comes first and
counts most.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from math import log
from typing import TYPE_CHECKING, NamedTuple

from firmware.flow.states import CardPolicy, Phase
from firmware.flow.table import SPECS
from testbed.random_walk import disturbances

if TYPE_CHECKING:
    from testbed.random_walk.walk import Walk
    from testbed.screen import Touchable

CARDS = (
    "taro",
    "hanako",
    "yoshiko",
    "chie",
    "genzo",
    "sakura",
    "misaki",
    "sachiko",
    "hanako-phone",
    "kenta-phone",
)
SCREENS = {state.screen: spec.card for state, spec in SPECS.items()}
MUST_LEAVE = frozenset(name for name, policy in SCREENS.items() if policy is CardPolicy.MUST_LEAVE)
MONEY_OR_PAPER = frozenset(
    state.screen
    for state in SPECS
    if state.phase in (Phase.PAY, Phase.ISSUE, Phase.UNWIND, Phase.COLLECT)
)
# Touches that the panel handles itself.
OF_THE_PANEL = ("repeat", "volume")
# How likely each act is, beside the others that are possible: what leads on counts about as much as
# all the rest.
LEADS_ON = 100.0
NEXT = 60.0
OFTEN = 20.0
SOMETIMES = 10.0
RARE = 5.0
DISTURBANCE = 0.5
TOUCHES = {
    "choose": LEADS_ON,
    "next": LEADS_ON,
    "confirm": LEADS_ON,
    "ok": LEADS_ON,
    "try": LEADS_ON,
    "start": OFTEN,
    "pick": OFTEN,
    "taken": OFTEN,
    "stop": OFTEN,
    "cancel": SOMETIMES,
    "back": SOMETIMES,
    "more-time": SOMETIMES,
    "enter": SOMETIMES,
    "clear": SOMETIMES,
    "digit": 2.0,  # there are ten
}
COINS = {100: NEXT, 500: NEXT, 50: OFTEN, 10: OFTEN, 0: SOMETIMES}  # 0: a button
MOST_BROKEN = 2
STILL_EVERY = 40  # steps: standing still takes its time


class Act(NamedTuple):
    name: str
    weight: float
    do: Callable[[], Awaitable[None]]


def possible(walk: Walk) -> list[Act]:
    """The first is what a customer would do: a walk of nothing but zeros is one errand after the
    other.
    """
    return [act for rule in RULES for act in rule(walk)]


def choose(acts: Sequence[Act], number: int) -> Act:
    """By weight, and the same one whatever else is possible: steps can be left out and the others
    mean what they did.

    Weighted rendezvous hashing. 0 is the first.
    """
    if not number:
        return acts[0]

    def rank(act: Act) -> float:
        return -log(_chance(number, act.name)) / act.weight

    return min(acts, key=rank)


def _chance(number: int, name: str) -> float:
    """Between 0 and 1, both excluded."""
    digest = hashlib.blake2b(f"{number} {name}".encode(), digest_size=6).digest()
    return (int.from_bytes(digest, "big") + 1) / (2**48 + 1)


# -- the customer


def _onward(walk: Walk) -> Iterator[Act]:
    seen = walk.seen
    bench = walk.bench
    if bench.waiting:
        yield Act("take what is there", NEXT, walk.take)
    if seen is None:
        return
    if seen.name == "pin" and bench.on_reader:
        yield Act("type the PIN", LEADS_ON, partial(walk.type_pin, True))
    if seen.name in MUST_LEAVE and bench.on_reader:
        yield Act("card off", LEADS_ON, walk.lift)
    if seen.name in ("menu", "place") and bench.on_reader is None:
        for name in CARDS:
            yield Act(f"card {name}", SOMETIMES, partial(walk.lay, name))
    if seen.name == "paying":
        for value, weight in COINS.items():
            yield Act(f"coin {value}", weight, partial(walk.coin, value))
    for button in sorted(seen.buttons, key=_unlikeliness):
        if button.action in OF_THE_PANEL:
            continue
        shown = "a digit" if button.action == "digit" else f"{button.action} {button.value}".strip()
        act = partial(walk.touch, seen, button.action, button.value)
        yield Act(f"touch {shown}", TOUCHES.get(button.action, RARE), act)


def _unlikeliness(button: Touchable) -> float:
    return -TOUCHES.get(button.action, RARE)


def _clumsy(walk: Walk) -> Iterator[Act]:
    """What people do too."""
    seen = walk.seen
    bench = walk.bench
    yield Act("wait", RARE, partial(walk.look, 0.3))
    yield Act("coin 10", RARE, partial(walk.coin, 10))
    if bench.on_reader is None:
        barred = seen is not None and SCREENS.get(seen.name) is CardPolicy.MUST_BE_ABSENT
        yield Act("card hanako", OFTEN if barred else RARE, partial(walk.lay, "hanako"))
    else:
        yield Act("card off", SOMETIMES, walk.lift)
        yield Act("swap the card for yoshiko's", SOMETIMES, partial(walk.swap, "yoshiko"))
    if seen is not None:
        yield Act("touch an older screen", RARE, partial(walk.touch_aside, -1))
        yield Act("touch a later screen", RARE, partial(walk.touch_aside, 1))
        yield Act("touch what is not offered", RARE, partial(walk.touch_aside, 0))
        if seen.name == "pin" and bench.on_reader:
            yield Act("type a wrong PIN", OFTEN, partial(walk.type_pin, False))
    if len(walk.did) > STILL_EVERY * (walk.stood_still + 1):
        yield Act("stand still", OFTEN, walk.stand_still)


# -- the operator, and disturbances


def _operator(walk: Walk) -> Iterator[Act]:
    if walk.evidence.journal.cases():
        yield Act("look into the cases", OFTEN if walk.broken else LEADS_ON, walk.close_cases)
    if not walk.bench.sheets.paper_left or not walk.bench.receipts.paper_left:
        yield Act("load paper", NEXT, walk.load_paper)
    for name in sorted(walk.broken):
        yield Act(f"mend {name}", OFTEN, partial(walk.switch, name, False))


def _disturbances(walk: Walk) -> Iterator[Act]:
    if len(walk.broken) < MOST_BROKEN:
        for name in disturbances.BREAKS:
            if name not in walk.broken:
                yield Act(f"break {name}", DISTURBANCE, partial(walk.switch, name, True))
    for name in disturbances.ONCE:
        yield Act(name, DISTURBANCE, partial(walk.once, name))
    if not walk.evidence.trail.serving:
        return
    money_or_paper = walk.seen is not None and walk.seen.name in MONEY_OR_PAPER
    likelier = 2 if money_or_paper else 1
    for name, killing in disturbances.KILLS.items():
        if name == "kill the process" and not walk.may_kill_a_process:
            continue
        yield Act(name, killing.weight * DISTURBANCE * likelier, partial(walk.kill, name))


RULES: tuple[Callable[[Walk], Iterator[Act]], ...] = (_onward, _clumsy, _operator, _disturbances)
