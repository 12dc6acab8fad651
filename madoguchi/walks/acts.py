"""What can be done at a moment, and how likely it is: what a person would do next comes first and counts most."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from math import log
from typing import TYPE_CHECKING, NamedTuple

from firmware.flow.states import CardPolicy, Phase
from firmware.flow.table import SPECS
from madoguchi.screen import Seen
from madoguchi.walks import luck

if TYPE_CHECKING:
    from madoguchi.walks.walk import Walk

CARDS = ("taro", "hanako", "yoshiko", "chie", "genzo", "sakura", "misaki", "sachiko")
COINS = (100, 500, 50, 10, 0)  # 0: a button
MUST_LEAVE = frozenset(state.screen for state, spec in SPECS.items() if spec.card is CardPolicy.MUST_LEAVE)
MONEY_OR_PAPER = frozenset(
    state.screen for state in SPECS if state.phase in (Phase.PAY, Phase.ISSUE, Phase.UNWIND, Phase.COLLECT)
)
FORWARD = ("start", "choose", "next", "confirm", "ok", "try", "pick")
NOT_ITS = ("repeat", "volume")  # the panel's own
FAR, OFTEN, NORMAL, RARE = 100, 40, 8, 1
MOST_BROKEN = 2
STILL_EVERY = 60  # steps: standing still takes its time


class Act(NamedTuple):
    name: str
    weight: int
    do: Callable[[], Awaitable[None]]


def possible(walk: Walk) -> list[Act]:
    """The first is what a person would do: a walk of nothing but zeros is one errand after the other."""
    return [act for rule in RULES for act in rule(walk)]


def choose(acts: Sequence[Act], number: int) -> Act:
    """By weight, and the same one whatever else is possible: steps can be left out and the others mean what they did.

    Weighted rendezvous hashing. 0 is the first.
    """
    return min(acts, key=lambda act: -log(_chance(number, act.name)) / act.weight) if number else acts[0]


def _chance(number: int, name: str) -> float:
    """Between 0 and 1, both excluded."""
    digest = hashlib.blake2b(f"{number} {name}".encode(), digest_size=6).digest()
    return (int.from_bytes(digest, "big") + 1) / (2**48 + 1)


# -- the person


def _onward(walk: Walk) -> Iterator[Act]:
    seen, bench = walk.seen, walk.bench
    if bench.waiting:
        yield Act("take what is there", FAR, walk.take)
    if seen is None:
        return
    if seen.name == "pin" and bench.on_reader:
        yield Act("type the PIN", 3 * FAR, partial(walk.type_pin, True))
    if seen.name in MUST_LEAVE and bench.on_reader:
        yield Act("card off", 3 * FAR, walk.lift)
    if seen.name in ("menu", "place") and bench.on_reader is None:
        for name in CARDS:
            yield Act(f"card {name}", OFTEN, partial(walk.lay, name))
    if seen.name == "paying":
        for value in COINS:
            yield Act(f"coin {value}", FAR if value else NORMAL, partial(walk.coin, value))
    touches = [b for b in seen.buttons if b.action not in NOT_ITS]
    for forward in FORWARD:
        for button in touches:
            if button.action == forward:
                yield _touch(walk, seen, button.action, button.value, FAR)
    for button in touches:
        if button.action not in FORWARD:
            yield _touch(walk, seen, button.action, button.value, NORMAL)


def _touch(walk: Walk, seen: Seen, action: str, value: str, weight: int) -> Act:
    shown = "a digit" if action == "digit" else f"{action} {value}".strip()
    return Act(f"touch {shown}", weight, partial(walk.touch, seen, action, value))


def _clumsy(walk: Walk) -> Iterator[Act]:
    """What people do too."""
    seen, bench = walk.seen, walk.bench
    yield Act("wait", NORMAL, partial(walk.look, 0.3))
    yield Act("coin 10", NORMAL, partial(walk.coin, 10))
    if bench.on_reader is None:
        yield Act("card hanako", NORMAL, partial(walk.lay, "hanako"))
    else:
        yield Act("card off", NORMAL, walk.lift)
        yield Act("swap the card for yoshiko's", NORMAL, partial(walk.swap, "yoshiko"))
    if seen is not None:
        yield Act("touch an older screen", NORMAL, partial(walk.touch_aside, -1))
        yield Act("touch a later screen", RARE, partial(walk.touch_aside, 1))
        yield Act("touch what is not offered", RARE, partial(walk.touch_aside, 0))
        if seen.name == "pin" and bench.on_reader:
            yield Act("type a wrong PIN", NORMAL, partial(walk.type_pin, False))
    if len(walk.did) > STILL_EVERY * (walk.stood_still + 1):
        yield Act("stand still", NORMAL, walk.stand_still)


# -- the operator, and luck


def _operator(walk: Walk) -> Iterator[Act]:
    if walk.evidence.journal.cases():
        yield Act("look into the cases", OFTEN if walk.broken else 3 * FAR, walk.close_cases)
    bench = walk.bench
    if not bench.sheets.paper_left or not bench.receipts.paper_left:
        yield Act("load paper", FAR, walk.load_paper)
    for name in sorted(walk.broken):
        yield Act(f"mend {name}", OFTEN, partial(walk.switch, name, False))


def _luck(walk: Walk) -> Iterator[Act]:
    for name in luck.BREAKS if len(walk.broken) < MOST_BROKEN else ():
        if name not in walk.broken:
            yield Act(f"break {name}", RARE, partial(walk.switch, name, True))
    for name in luck.ONCE:
        yield Act(name, RARE, partial(walk.once, name))
    tender = walk.seen is not None and walk.seen.name in MONEY_OR_PAPER
    for name, (weight, _, _) in luck.KILLS.items():
        if walk.evidence.trail.serving:
            yield Act(name, weight * (2 if tender else 1), partial(walk.kill, name))


RULES: tuple[Callable[[Walk], Iterator[Act]], ...] = (_onward, _clumsy, _operator, _luck)
