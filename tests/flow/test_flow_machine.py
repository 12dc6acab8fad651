"""The machine: every state answers every event, whole or not at all; what is old changes nothing;
HOLD remembers.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
from flow_rig import (
    HOLDER,
    OFFERS,
    SHA,
    SPECS,
    at_certificates,
    at_paying,
    at_printing,
    at_remove,
    placed,
    samples,
    session_for,
)

from firmware.flow import commands as flow_commands
from firmware.flow import events, machine
from firmware.flow.machine import Flow
from firmware.flow.session import Presence
from firmware.flow.states import CardPolicy, State
from firmware.flow.timers import Timer

NEEDS_ABSENCE = (CardPolicy.MUST_LEAVE, CardPolicy.MUST_BE_ABSENT)


def held(flow: Flow) -> tuple[object, ...]:
    return flow.state, flow.session, flow.screen, flow.moment.latched


@pytest.mark.parametrize("state", State)
def test_every_state_answers_every_event(state: State) -> None:
    flow = placed(state)
    kinds = {type(event) for event in samples(flow)}
    assert kinds >= {*events.TRIGGERS, events.Touch}
    for number in range(sum(1 for _ in samples(flow))):
        placed(state, flow=flow)
        flow.handle(next(islice(samples(flow), number, None)))
        assert (
            SPECS[flow.state].card is not CardPolicy.MUST_BE_ABSENT
            or flow.session.presence is Presence.ABSENT
        )


@pytest.mark.parametrize("state", [s for s in State if SPECS[s].card in NEEDS_ABSENCE])
def test_not_knowing_never_goes_on(state: State) -> None:
    flow = placed(state)
    flow.handle(events.CardUnknown())
    assert flow.state is (state if SPECS[state].card is CardPolicy.MUST_LEAVE else State.HOLD)


@pytest.mark.parametrize("state", [s for s in State if SPECS[s].card is CardPolicy.MUST_STAY])
@pytest.mark.parametrize(
    "event", [events.CardAbsent(), events.CardUnknown(), events.CardPresent(stay="another")]
)
def test_a_card_that_leaves_ends_its_step(state: State, event: events.Event) -> None:
    flow = placed(state)
    commands = flow.handle(event)
    assert flow.session.epoch > 7
    assert flow_commands.ForgetPin() in commands
    assert flow_commands.ReleaseCard() in commands


@pytest.mark.parametrize("state", State)
def test_what_is_old_changes_nothing(state: State) -> None:
    flow = placed(state, replace(session_for(state), presence=Presence.PRESENT, stay="here"))
    before = held(flow)
    old = flow.session.epoch - 1
    for event in (
        events.SheetPrinted(epoch=old, sheet=3),
        events.DocumentChecked(epoch=old, document=SHA, unique_number="N", sheets=1, fee=100),
        events.SessionOpened(epoch=old, offers=OFFERS, expires_in_days=1, holder=HOLDER),
        events.Released(epoch=old, document=SHA),
        events.CardAuthenticated(epoch=old, card=SHA),
        events.CityRefused(epoch=old, code="line-down"),
        events.TimerFired(name=Timer.LIMIT, generation=flow.moment.limit + 1),
        events.TimerFired(name=Timer.REMIND, generation=flow.moment.remind + 1),
        events.CardPresent(stay="here"),
        events.PinDigit(screen=flow.screen.number - 1, count=1),
        *(
            events.Touch(screen=flow.screen.number - 1, action=action)
            for action in flow.screen.actions
        ),
        events.Touch(screen=flow.screen.number, action="unheard-of"),
    ):
        (note,) = flow.handle(event)
        assert isinstance(note, flow_commands.Note)
        assert held(flow) == before


def test_an_action_that_raises_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = placed(State.CONFIRM, replace(session_for(State.CONFIRM), kind="nothing chosen"))
    before = held(flow)
    with pytest.raises(ValueError, match="no certificate chosen"):
        flow.handle(events.Touch(screen=flow.screen.number, action="confirm"))
    assert held(flow) == before
    flow.handle(events.Touch(screen=flow.screen.number, action="cancel"))
    assert flow.state is State.ENDING


def test_an_event_without_an_answer_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = placed(State.MENU)
    before = held(flow)
    monkeypatch.setattr(machine, "IGNORED", frozenset())
    with pytest.raises(machine.UnhandledEvent, match="welcome/menu: released"):
        flow.handle(events.Released(epoch=flow.session.epoch, document=SHA))
    assert held(flow) == before


# -- a card where none may be


def test_hold_remembers_in_order_and_goes_on() -> None:
    rig = at_printing(sheets=3)
    rig.put_card()
    rig.answer("sheets")
    rig.send(events.CoinReturned())
    assert [type(event) for event in rig.flow.moment.latched] == [
        events.SheetPrinted,
        events.CoinReturned,
    ]
    assert len(rig.all(flow_commands.PrintSheet)) == 1
    rig.send(events.CardAbsent())
    assert rig.flow.state is State.PRINTING
    assert rig.flow.moment.latched == ()
    assert [k.sheet for k in rig.all(flow_commands.PrintSheet)] == [1, 2]


def test_what_hold_remembered_is_void_when_its_transaction_is_over() -> None:
    rig = at_printing(sheets=3)
    rig.put_card()
    rig.answer("sheets")
    rig.fire("limit")
    rig.settle()
    assert rig.flow.state is State.TROUBLE
    assert len(rig.all(flow_commands.PrintSheet)) == 1
    assert (rig.flow.session.returned, rig.flow.session.undecided) == (0, 100), (
        "one sheet of three is out"
    )


def test_two_cards_one_after_the_other_hold_once() -> None:
    rig = at_certificates()
    rig.put_card()
    rig.put_card()
    rig.send(events.CardUnknown())
    assert rig.flow.state is State.HOLD
    rig.send(events.CardAbsent())
    assert rig.flow.state is State.CERTIFICATES


def test_a_swapped_card_is_no_absence() -> None:
    rig = at_remove()
    rig.put_card()
    assert rig.flow.state is State.REMOVE
    assert not rig.all(flow_commands.OpenSession)


# -- time


def test_an_act_of_the_person_starts_the_limit_anew() -> None:
    rig = at_paying()
    first = rig.timers[Timer.LIMIT]
    rig.coin(10)
    assert rig.timers[Timer.LIMIT] != first
    (note,) = rig.send(first)
    assert isinstance(note, flow_commands.Note)
    assert rig.flow.state is State.PAYING


def test_more_time_is_a_new_limit_and_says_nothing() -> None:
    rig = at_certificates()
    first, spoken = (
        rig.timers[Timer.LIMIT],
        len([k for k in rig.all(flow_commands.ShowScreen) if k.speak]),
    )
    rig.touch("more-time")
    assert rig.timers[Timer.LIMIT] != first
    assert len([k for k in rig.all(flow_commands.ShowScreen) if k.speak]) == spoken


def test_the_words_are_said_again_and_again() -> None:
    rig = at_remove()
    for _ in range(3):
        rig.fire("remind")
    assert len(rig.all(flow_commands.Announce)) == 3
    assert {k.screen.name for k in rig.all(flow_commands.Announce)} == {"remove"}


def test_screens_of_one_process_are_unlike_those_of_another() -> None:
    one, other = Flow(first_screen=1000), Flow()
    one.start(), other.start()
    assert one.screen.number > 1000 > other.screen.number
