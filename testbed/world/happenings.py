"""Everything that can happen at a moment: by itself, by a customer's hand, or as an answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from firmware.flow import commands, events
from firmware.flow.machine import Moment
from firmware.flow.session import Presence
from firmware.flow.states import State
from firmware.flow.timers import Timer
from testbed.world import effects
from testbed.world.answers import TABLE, Happening, list_answers
from testbed.world.effects import Effect, change_nothing, set_fields
from testbed.world.state import ANOTHER, IDLE, LIMIT, REMIND, SCREEN, WARNING, Device, World


def _by_itself(
    label: str, event: events.Event | None, effect: Effect = change_nothing, anomaly: bool = False
) -> Happening:
    return Happening(label, event, effect=effect, anomaly=anomaly)


def _news(kind: type[commands.Command]) -> dict[str, Happening]:
    """They come by themselves, too."""
    return {each.name: _by_itself(each.name, each.event) for each in TABLE[kind].answers}


CARD_PRESENT = _by_itself(
    "card-present", events.CardPresent(stay=ANOTHER), set_fields(card=Presence.PRESENT)
)
CARD_SWAPPED = CARD_PRESENT._replace(label="card-swapped")
CARD_ABSENT = _by_itself("card-absent", events.CardAbsent(), set_fields(card=Presence.ABSENT))
CARD_UNKNOWN = _by_itself("card-unknown", events.CardUnknown(), set_fields(card=Presence.UNKNOWN))
CARD: dict[Presence, tuple[Happening, ...]] = {
    Presence.ABSENT: (CARD_PRESENT, CARD_UNKNOWN),
    Presence.PRESENT: (CARD_ABSENT, CARD_SWAPPED, CARD_UNKNOWN),
    Presence.UNKNOWN: (CARD_ABSENT, CARD_PRESENT),
}
HEALTH = _news(commands.CheckHealth)
FIT = HEALTH["health"]
CASE_OPEN = HEALTH["health case-open"]
NEWS = (
    *_news(commands.FetchTerms).values(),
    HEALTH["health paper-out"],
    _by_itself("headphones", events.HeadphonesChanged(plugged=True)),
    _by_itself("service-key on", events.ServiceKeyTurned(on=True)),
    _by_itself("service-key off", events.ServiceKeyTurned(on=False)),
    _by_itself("shutdown", events.Shutdown()),
)
OPERATOR_CLOSES_THE_CASE = _by_itself("operator", None, set_fields(paused=False))
LIMIT_IS_OVER = _by_itself("limit", events.TimerFired(name=Timer.LIMIT, generation=LIMIT))
REMINDER_IS_DUE = _by_itself("remind", events.TimerFired(name=Timer.REMIND, generation=REMIND))
WARNING_IS_DUE = _by_itself("warn", events.TimerFired(name=Timer.WARNING, generation=WARNING))
COIN = _by_itself("coin 50", events.CoinInserted(value=50), effects.insert_coin)
COINS = (COIN, COIN._replace(label="coin 500", event=events.CoinInserted(value=500)))
RETURNED = _by_itself("coin-returned", events.CoinReturned(), effects.return_coin)
# Swallowed before the slot was shut.
FALLING = COIN._replace(label="falling-coin 50", effect=effects.insert_unexpected_coin)
STRAY = FALLING._replace(label="stray-coin 50", anomaly=True)
JAM = _by_itself("coins-failed", events.CoinsFailed(reason="jam"), anomaly=True)
DIGITS = {
    count: _by_itself(
        f"digit {count}", events.PinDigit(screen=SCREEN, count=count), set_fields(pin=True)
    )
    for count in (1, 4)
}
# The values of the touches that have some.
VALUES = {
    "language": ("en",),
    "mode": ("slow",),
    "choose": ("asked", "barred", "plain"),
    "pick": ("a",),
}


@cache
def list_touches(actions: tuple[str, ...]) -> tuple[Happening, ...]:
    return tuple(
        Happening(
            f"touch {action} {value}".rstrip(),
            events.Touch(screen=SCREEN, action=action, value=value),
        )
        for action in actions
        for value in VALUES.get(action, ("",))
    )


def list_happenings(world: World, moment: Moment) -> Iterator[Happening]:
    """Everything that can happen now. Silence is that it does not."""
    yield from CARD[world.card]
    yield from list_touches(moment.screen.actions)
    if moment.state is State.PIN:
        yield from (digit for count, digit in DIGITS.items() if count > moment.session.digits)
    if moment.limit:
        yield LIMIT_IS_OVER
    if moment.remind:
        yield REMINDER_IS_DUE
    if moment.warning:
        yield WARNING_IS_DUE
    yield from _answers(world)
    yield from _coins(world, moment)
    yield from NEWS
    yield CASE_OPEN if world.paused else FIT
    if world.paused and not world.inserted and moment.state.phase in IDLE:
        yield OPERATOR_CLOSES_THE_CASE


def _answers(world: World) -> Iterator[Happening]:
    """The coin unit does one thing after the other: it answers the first that it was asked."""
    cash_is_busy = False
    for ask in world.asks:
        if ask.device is Device.CASH:
            if cash_is_busy:
                continue
            cash_is_busy = True
        yield from list_answers(ask)


def _coins(world: World, moment: Moment) -> Iterator[Happening]:
    if world.slot and not world.waiting(commands.StopCoins):
        yield from COINS
        yield RETURNED
    elif not world.extra:
        # Until the journey knows that the slot is shut, it may take a coin for one that was
        # falling.
        shutting = world.waiting(commands.StopCoins) or events.CoinsStopped() in moment.latched
        if shutting:
            yield FALLING
            yield RETURNED
        else:
            yield STRAY
    yield JAM
