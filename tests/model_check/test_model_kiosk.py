"""What the search leaves out is nothing that counts: a flow with everything in it goes the same
ways.
"""

from __future__ import annotations

import random
from dataclasses import replace

from firmware.flow import events
from firmware.flow.machine import Flow
from firmware.flow.session import Session
from firmware.flow.states import State
from testbed.model_check.kiosk import Kiosk, relative
from testbed.model_check.search import Search
from testbed.world.happenings import list_happenings
from testbed.world.state import HERE, NOW

STEPS, WALKS = 60, 80
# A walk from the door seldom gets to the till: each goes this way for a while first.
WAY = (
    "card-absent; terms; health; card-present; card-read 3; digit 4; touch enter; "
    "card-authenticated; "
    "card-absent; session-opened asked; touch choose asked; touch pick a; touch next; touch "
    "confirm; "
    "document-checked 2 1 100; printers-ready sensor; coin 50; coin 500; coins-stopped; released; "
    "sheet-printed 1; sheet-printed 2; paid-out 450; receipt-done; paper-taken"
).split("; ")


def real(event: events.Event, flow: Flow, number: int) -> events.Event:
    """The event as this flow would hear it, with its own epochs, screens, timers and stays."""
    moment = flow.moment
    match event:
        case events.Answer():
            return replace(event, epoch=moment.session.epoch - (NOW - event.epoch))
        case events.Touch() | events.PinDigit():
            return replace(event, screen=moment.screen.number)
        case events.TimerFired(name=name):
            return replace(event, generation=getattr(moment, name))
        case events.CardPresent(stay=stay):
            return replace(event, stay=moment.session.stay if stay == HERE else f"reader#{number}")
    return event


def counted(session: Session) -> Session:
    """How many sheets there were is nothing once they are all out."""
    return replace(session, printed=0, sheet=0, document=None)


def walk(search: Search, number: int, choose: random.Random) -> set[State]:
    flow, seen = Flow(first_screen=7_000), set()
    flow.start()
    way = WAY[: choose.randrange(len(WAY))]
    for count in range(STEPS):
        node = search.nodes[number]
        moment = search.kiosk.moments[node.moment]
        possible = list(list_happenings(node.world, moment))
        if not possible or moment.state is State.ENDING:
            break
        on_the_way = (
            [h for h in possible if h.label == way[count]] if count < len(way) else possible
        )
        happening = choose.choice(on_the_way)
        if happening.event is not None:
            flow.handle(real(happening.event, flow, count))
        number = search.follow(number, happening)
        after = search.kiosk.moments[search.nodes[number].moment]
        mine = relative(flow.moment)
        assert (mine.state, mine.latched) == (after.state, after.latched), happening.label
        assert counted(mine.session) == counted(after.session), happening.label
        assert (mine.limit, mine.remind, mine.screen.actions) == (
            after.limit,
            after.remind,
            after.screen.actions,
        )
        seen.add(after.state)
    return seen


def test_a_flow_with_everything_in_it_goes_the_same_ways() -> None:
    search, seen = Search(Kiosk()), set()
    root = search.begin()
    for seed in range(WALKS):
        seen |= walk(search, root, random.Random(seed))
    assert not search.found.counterexamples
    assert len(seen) > 30, seen
