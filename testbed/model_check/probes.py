"""What is tried at every moment, whether or not the journey would ever ask for it: commands that
the permits must judge, events that are old, and events that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from firmware.flow import commands, events
from firmware.flow.machine import Moment
from firmware.flow.session import Presence
from firmware.flow.timers import Timer
from testbed.world.answers import TABLE
from testbed.world.state import DEAD, DOCUMENT, HERE, NOW, SCREEN, WRONG

ELSEWHERE = "elsewhere"
# What is held before the permits in every state.
COMMANDS: tuple[commands.Command, ...] = (
    commands.ReadCard(epoch=NOW, stay=HERE),
    commands.ReadCard(epoch=NOW, stay=ELSEWHERE),
    commands.Authenticate(epoch=NOW, stay=HERE),
    commands.Authenticate(epoch=NOW, stay=ELSEWHERE),
    commands.OpenSession(epoch=NOW),
    commands.PlaceOrder(epoch=NOW, kind="asked", choices=(), copies=1),
    commands.AcceptCoins(due=100),
    commands.ReleaseOrder(epoch=NOW, document=DOCUMENT, paid=100),
    commands.ReleaseOrder(epoch=NOW, document=WRONG, paid=100),
    commands.ReleaseOrder(epoch=DEAD, document=DOCUMENT, paid=100),
    *(commands.PrintSheet(epoch=NOW, document=DOCUMENT, sheet=sheet) for sheet in (1, 2, 3)),
    *(commands.PrintSheet(epoch=NOW, document=WRONG, sheet=sheet) for sheet in (1, 2, 3)),
    *(commands.PrintSheet(epoch=DEAD, document=DOCUMENT, sheet=sheet) for sheet in (1, 2, 3)),
    *(commands.PayOut(amount=amount) for amount in (50, 100, 450, 500)),
    commands.Charge(epoch=NOW, document=DOCUMENT, amount=100),
    commands.Charge(epoch=NOW, document=DOCUMENT, amount=50),
    commands.Charge(epoch=NOW, document=WRONG, amount=100),
    commands.Charge(epoch=DEAD, document=DOCUMENT, amount=100),
    *(commands.Reverse(transaction="1", amount=amount) for amount in (50, 100, 150)),
    commands.PrintReceipt(epoch=NOW, copies=1, fee=100, inserted=100, change=0),
    commands.OpenTechnician(),
)
OLDER = NOW - 1
# One of each kind of answer, whoever gives it.
ANSWERS = {type(answer.event): answer.event for asked in TABLE.values() for answer in asked.answers}
OLD_EVENTS: tuple[events.Event, ...] = (
    *(replace(each, epoch=OLDER) for each in ANSWERS.values() if isinstance(each, events.Answer)),
    events.PinDigit(screen=SCREEN - 1, count=1),
    events.TimerFired(name=Timer.LIMIT, generation=-1),
    events.TimerFired(name=Timer.REMIND, generation=-1),
    events.Touch(screen=SCREEN, action="unheard-of"),
)


def old_events(moment: Moment) -> Iterator[events.Event]:
    yield from OLD_EVENTS
    yield from (events.Touch(screen=SCREEN - 1, action=action) for action in moment.screen.actions)
    if moment.session.presence is Presence.PRESENT:
        yield events.CardPresent(stay=HERE)


# Nobody asked for these.
UNASKED: tuple[events.Event, ...] = (
    *ANSWERS.values(),
    events.PinDigit(screen=SCREEN, count=1),
    events.CoinReturned(),
    events.CoinInserted(value=50),
    events.ServiceKeyTurned(on=True),
    events.Shutdown(),
)
