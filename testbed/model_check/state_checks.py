"""What must hold in every state: the checks look at one moment and at the world beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware.flow import commands
from firmware.flow.machine import Moment
from firmware.flow.session import Presence, Session
from firmware.flow.states import State
from testbed.model_check.properties import NEEDS_ABSENCE, Breach
from testbed.world.state import IDLE, World

Predicate = Callable[[Moment, World], bool]


@dataclass(frozen=True)
class StateCheck:
    """`is_wrong` says whether the property does not hold there; `fault` is reported then."""

    fault: Breach
    is_wrong: Predicate


IN_EVERY_STATE: list[StateCheck] = []
WHERE_A_SESSION_ENDS: list[StateCheck] = []


def faults_in_state(moment: Moment, world: World) -> Iterator[Breach]:
    for check in IN_EVERY_STATE:
        if check.is_wrong(moment, world):
            yield check.fault
    if moment.state is State.ENDING:
        for check in WHERE_A_SESSION_ENDS:
            if check.is_wrong(moment, world):
                yield check.fault


def _in_every_state(letter: str, what: str) -> Callable[[Predicate], Predicate]:
    """The decorated predicate is asked in every state."""

    def add(is_wrong: Predicate) -> Predicate:
        IN_EVERY_STATE.append(StateCheck(Breach(letter, what), is_wrong))
        return is_wrong

    return add


def _where_a_session_ends(letter: str, what: str) -> Callable[[Predicate], Predicate]:
    """The decorated predicate is asked where a session ends."""

    def add(is_wrong: Predicate) -> Predicate:
        WHERE_A_SESSION_ENDS.append(StateCheck(Breach(letter, what), is_wrong))
        return is_wrong

    return add


# -- in every state


@_in_every_state("a", "this screen, and the card is not known to be absent")
def _shown_beside_a_card(moment: Moment, world: World) -> bool:
    return world.card is not Presence.ABSENT and moment.state.phase in NEEDS_ABSENCE


@_in_every_state("c", "the books do not agree with what went through the slot")
def _coins_differ(moment: Moment, world: World) -> bool:
    session = moment.session
    return session.inserted != world.inserted or session.returned != world.returned


@_in_every_state("c", "sheet and money are both given")
def _sheet_and_money_are_given(moment: Moment, world: World) -> bool:
    given_back = world.gone + world.reversed + moment.session.owed
    return given_back > world.inserted + world.charged - world.sold


@_in_every_state("c", "the books do not agree with the payment terminal")
def _charges_differ(moment: Moment, world: World) -> bool:
    session = moment.session
    return session.charged != world.charged or session.reversed != world.reversed


@_in_every_state("c", "more is owed or returned than was taken")
def _more_is_owed_than_was_taken(moment: Moment, _: World) -> bool:
    session = moment.session
    return session.owed < 0 or session.held < 0 or session.credit < 0


@_in_every_state("c", "a charge under way, and nobody waits for it")
def _nobody_waits_for_a_charge(moment: Moment, world: World) -> bool:
    return world.charging > 0 and not moment.session.charging and not world.case_held


@_in_every_state("d", "idle with something of a person")
def _idle_with_something_of_a_person(moment: Moment, _: World) -> bool:
    return moment.state.phase in IDLE and not is_empty(moment.session)


def is_empty(session: Session) -> bool:
    """Nothing of a person is known."""
    return not (
        session.authenticated
        or session.card
        or session.holder
        or session.offers
        or session.kind
        or session.answers
        or session.document
        or session.digits
        or session.held
    )


@_in_every_state("d", "idle while a device is still asked")
def _idle_while_a_device_is_asked(moment: Moment, world: World) -> bool:
    return moment.state.phase in IDLE and bool(world.asks)


@_in_every_state("d", "idle with a limit")
def _idle_with_a_limit(moment: Moment, _: World) -> bool:
    if moment.state is State.STARTING:
        return False
    return moment.state.phase in IDLE and moment.limit > 0


@_in_every_state("h", "digits are in the buffer")
def _digits_are_in_the_buffer(moment: Moment, world: World) -> bool:
    return world.pin and moment.state is not State.PIN


@_in_every_state("i", "the slot is open")
def _slot_is_open(moment: Moment, world: World) -> bool:
    return world.slot and moment.state is not State.PAYING and not world.waiting(commands.StopCoins)


@_in_every_state("k", "an anomaly without a case")
def _anomaly_without_a_case(moment: Moment, world: World) -> bool:
    return world.case_due and not moment.latched


# -- where a session ends


@_where_a_session_ends("c", "the money does not balance")
def _money_does_not_balance(moment: Moment, world: World) -> bool:
    accounted = moment.session.owed + moment.session.undecided + (world.kept or 0)
    return world.taken + world.charging != accounted


@_where_a_session_ends("c", "more is kept than the copies that are out are worth")
def _too_much_is_kept(_: Moment, world: World) -> bool:
    return (world.kept or 0) * world.bought.sheets > world.bought.fee * world.out


@_where_a_session_ends("c", "what nobody can tell is not held")
def _uncertain_money_is_not_held(moment: Moment, world: World) -> bool:
    return moment.session.undecided < world.doubted + world.charging


@_where_a_session_ends("c", "a released order without an outcome")
def _released_without_an_outcome(_: Moment, world: World) -> bool:
    return world.release_asked and world.kept is None


@_where_a_session_ends("d", "the city still holds the order")
def _city_still_holds_the_order(_: Moment, world: World) -> bool:
    return world.at_city


@_where_a_session_ends("k", "money is owed and nobody knows")
def _nobody_knows_of_owed_money(moment: Moment, world: World) -> bool:
    return moment.session.owed + moment.session.undecided > 0 and not world.paused
