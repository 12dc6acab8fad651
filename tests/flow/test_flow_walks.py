"""Random walks of a person, a card, a city and devices that answer in any order, well, badly or too
late.

Whatever happens: money is conserved, no permit is ever refused, no step that needs an empty reader
lasts with a card or an unknown reader, and at the end nothing is outstanding. A walk is a list of
numbers, each of which picks one of the things that can happen at that moment.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from flow_rig import (
    SPECS,
    VALUES,
    Ended,
    Rig,
    at_certificates,
    at_charging,
    at_confirm,
    at_menu,
    at_ordering,
    at_paying,
    at_payway,
    at_printing,
    at_remove,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.flow import commands, events
from firmware.flow.session import Presence
from firmware.flow.states import CardPolicy, Phase, State
from testbed.world.answers import list_possible
from testbed.world.journey import Refused
from testbed.world.samples import OPEN

# A walk from the door seldom gets to the till: most begin further in.
STARTS: dict[str, Callable[[], Rig]] = {
    "menu": at_menu,
    "remove": at_remove,
    "certificates": at_certificates,
    "confirm": at_confirm,
    "ordering": at_ordering,
    "paying": at_paying,
    "paying for three": partial(at_paying, 3),
    "way of paying": at_payway,
    "charging": at_charging,
    "charging for three": partial(at_charging, 3),
    "printing": at_printing,
    "printing, change due": partial(at_printing, 1, 500),
    "printing three, change due": partial(at_printing, 3, 500),
}
NEWS = (
    events.TermsReceived(terms=OPEN),
    events.LineLost(),
    events.Health(problem=""),
    events.Health(problem="paper-out"),
    events.CoinsFailed(reason="silent"),
    events.CoinReturned(),
    events.CoinInserted(value=10),  # out of nowhere
    events.Shutdown(),
)
COINS = (10, 50, 100, 500)

Choose = Callable[[int], int]  # how many there are -> which one
Move = Callable[[Rig, Choose], None]


def card(rig: Rig, choose: Choose) -> None:
    (
        rig.put_card,
        rig.put_card,
        partial(rig.send, events.CardAbsent()),
        partial(rig.send, events.CardUnknown()),
    )[choose(4)]()


def touch(rig: Rig, choose: Choose) -> None:
    actions = rig.flow.screen.actions
    action = actions[choose(len(actions))]
    values = VALUES.get(action, ("",))
    rig.touch(action, values[choose(len(values))])


def pin(rig: Rig, choose: Choose) -> None:
    for count in range(1, 5 - choose(5) // 4):
        rig.send(events.PinDigit(screen=rig.flow.screen.number, count=count))
    rig.touch("enter")


def coin(rig: Rig, choose: Choose) -> None:
    rig.coin(COINS[choose(len(COINS))])


def answer(rig: Rig, choose: Choose) -> None:
    """The good answer in three of five; every one of the table may come."""
    devices = sorted({ask.device for ask in rig.waiting()})
    device = devices[choose(len(devices))]
    (ask, *_) = rig.waiting(device)
    names = [answer.name for answer in list_possible(ask)]
    name = "" if choose(5) < 3 else names[choose(len(names))]
    facts = {"sheets": 1 + choose(3)} if ask.kind is commands.PlaceOrder and not name else {}
    rig.answer(device, name, **facts)


def timer(rig: Rig, choose: Choose) -> None:
    timers = sorted(rig.timers)
    rig.fire(timers[choose(len(timers))])


def news(rig: Rig, choose: Choose) -> None:
    rig.send(NEWS[choose(len(NEWS))])


def possible(rig: Rig) -> list[Move]:
    moves: list[Move] = [card]
    if rig.flow.screen.actions:
        moves += [touch, touch]
    if rig.flow.state is State.PIN:
        moves += [pin, pin]
    if rig.world.slot:
        moves += [coin, coin]
    if rig.waiting():
        moves += [answer, answer, answer, answer]
    if rig.timers:
        moves += [timer]
    if rig.flow.state.phase not in (Phase.OUT, Phase.WELCOME):
        moves += [news]
    return moves


def walk(start: str, choose: Choose, steps: int) -> set[State]:
    """The states it came through."""
    rig, seen = STARTS[start](), set()
    try:
        for _ in range(steps):
            moves = possible(rig)
            moves[choose(len(moves))](rig, choose)
            check(rig)
            seen.add(rig.flow.state)
    except Ended:
        check_the_end(rig)
    return seen


def check(rig: Rig) -> None:
    state, session, facts = rig.flow.state, rig.flow.session, rig.permits.facts
    if SPECS[state].card is CardPolicy.MUST_BE_ABSENT:
        assert session.presence is Presence.ABSENT
    assert session.digits == 0 or state is State.PIN
    assert (session.inserted, session.returned) == (facts.inserted, facts.returned)
    assert (session.charged, session.reversed) == (facts.charged, facts.reversed)
    assert session.owed >= 0 <= session.held
    if state.phase is Phase.ISSUE:
        assert not rig.world.slot, "a coin can fall in after the release was asked for"


def check_the_end(rig: Rig) -> None:
    session, outcomes = rig.flow.session, rig.all(commands.ReportOutcome)
    kept = sum(outcome.kept for outcome in outcomes)
    taken, returned = (
        session.inserted + session.charged + session.doubted,
        session.returned + session.reversed,
    )
    assert taken == returned + session.owed + session.undecided + kept
    assert len(outcomes) == bool(rig.all(commands.ReleaseOrder)), (
        "a released order is reported exactly once"
    )
    assert bool(kept) <= rig.permits.facts.complete, "paid for sheets that are not out"
    if rig.all(commands.OpenSession) and not outcomes:
        assert rig.all(commands.CancelAtCity), "the city still holds a session"
    if rig.all(commands.ReadCard):
        assert session.presence is Presence.ABSENT, "a card is left behind"
    if session.owed or session.undecided:
        assert rig.all(commands.OpenCase), "money is owed and nobody knows"


def test_walks() -> None:
    """The same walks everywhere and always; together they come through every state of
    the journey.
    """
    seen = set()
    for start in STARTS:
        for seed in range(25):
            try:
                seen |= walk(start, random.Random(seed).randrange, 60)
            except (AssertionError, Refused) as error:
                raise AssertionError(f"walk {seed} from {start}: {error}") from error
    assert set(State) - seen <= {State.STARTING, State.FAULT, State.CLOSED, State.ENDING}


@settings(max_examples=40, derandomize=True)
@given(st.sampled_from(sorted(STARTS)), st.lists(st.integers(0, 59), min_size=5, max_size=60))
def test_walks_that_shrink(start: str, numbers: list[int]) -> None:
    """Fewer, but hypothesis finds the shortest that fails."""
    left = iter(numbers)
    walk(start, lambda many: next(left, 0) % many, len(numbers) // 2)
