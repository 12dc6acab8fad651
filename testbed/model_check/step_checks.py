"""What must hold at every step from one moment to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from firmware.flow import events
from firmware.flow.commands import AcceptCoins, Commands, OpenTechnician
from firmware.flow.machine import Moment
from firmware.flow.session import Presence
from firmware.flow.states import Phase, State
from testbed.model_check.command_rules import is_forbidden
from testbed.model_check.properties import NEEDS_ABSENCE, Breach
from testbed.model_check.state_checks import is_empty
from testbed.world.answers import Happening
from testbed.world.state import IDLE, NOW, World


class Move(NamedTuple):
    """One step: the journey and the world before and after it."""

    before: Moment
    world_before: World
    happening: Happening
    commands: Commands
    after: Moment
    world_after: World
    has_new_epoch: bool


Predicate = Callable[[Move], bool]


@dataclass(frozen=True)
class StepCheck:
    """`is_wrong` says whether the property does not hold there; `fault` is reported then."""

    fault: Breach
    is_wrong: Predicate


AT_EVERY_STEP: list[StepCheck] = []


def faults_at_step(move: Move) -> Iterator[Breach]:
    for check in AT_EVERY_STEP:
        if check.is_wrong(move):
            yield check.fault


def _at_every_step(letter: str, what: str) -> Callable[[Predicate], Predicate]:
    """The decorated predicate is asked at every step."""

    def add(is_wrong: Predicate) -> Predicate:
        AT_EVERY_STEP.append(StepCheck(Breach(letter, what), is_wrong))
        return is_wrong

    return add


@_at_every_step("j", "something of the transaction is left after its time")
def _transaction_outlives_its_time(move: Move) -> bool:
    return _limit_ended_a_transaction(move) and not _is_void(move)


def _limit_ended_a_transaction(move: Move) -> bool:
    """A limit ran out in the middle of a transaction, where the sheets were not all out."""
    if move.happening.label != "limit" or move.world_before.complete:
        return False
    state = move.before.state
    return state.phase in NEEDS_ABSENCE | {Phase.CARD} or state in (State.HOLD, State.REMOVEALARM)


def _is_void(move: Move) -> bool:
    """Nothing of the transaction is left, and answers to it are of an older epoch."""
    session = move.after.session
    left = (
        session.authenticated
        or session.card
        or session.holder
        or session.offers
        or session.document
    )
    return move.has_new_epoch and not left


@_at_every_step("k", "somebody is served while a case is open")
def _served_while_a_case_is_open(move: Move) -> bool:
    return (
        move.world_before.paused
        and move.before.state.phase in IDLE
        and move.after.state.phase not in IDLE | {Phase.END}
    )


@_at_every_step("k", "coins are asked for while a case is open")
def _coins_while_a_case_is_open(move: Move) -> bool:
    asks_for_coins = any(isinstance(command, AcceptCoins) for command in move.commands)
    return move.world_before.paused and asks_for_coins


@_at_every_step("e", "the session ends and a card may still lie there")
def _ends_beside_a_card(move: Move) -> bool:
    return (
        move.after.state is State.ENDING
        and move.before.state.phase not in IDLE
        and move.world_after.card is not Presence.ABSENT
    )


@_at_every_step("h", "digits stay for another card")
def _digits_stay_for_another_card(move: Move) -> bool:
    if not (move.world_before.pin and move.world_after.pin):
        return False
    other_presence = move.world_after.card != move.world_before.card
    return other_presence or move.happening.label == "card-swapped"


@_at_every_step("m", "the technician's screens open, and somebody is served")
def _technician_beside_a_person(move: Move) -> bool:
    opens = any(isinstance(command, OpenTechnician) for command in move.commands)
    return opens and not (
        move.before.state.phase in IDLE
        and move.after.state is State.ENDING
        and is_empty(move.before.session)
        and is_empty(move.after.session)
        and not is_forbidden(move.world_after, OpenTechnician())
    )


@_at_every_step("d", "a second document")
def _second_document(move: Move) -> bool:
    event = move.happening.event
    return (
        move.world_before.sheets > 0
        and isinstance(event, events.DocumentChecked)
        and event.epoch == NOW
    )
