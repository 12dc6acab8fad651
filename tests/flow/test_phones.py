"""A phone in place of the card: other words, one refusal, and not one step otherwise."""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from typing import Any

import pytest
from flow_rig import OPEN, at_menu, at_remove, placed, samples, session_for

from firmware.flow import commands, events, guards, permits, table
from firmware.flow.machine import Flow
from firmware.flow.screens import CARD, EITHER, PHONE, about
from firmware.flow.session import Presence, Session, Token
from firmware.flow.states import State

PHONES = (Token.ANDROID, Token.IPHONE)
TAKEN = replace(OPEN, phones=True)
FLOW = Flow()  # to build one takes a tenth of a second
START = FLOW.moment
WORDS = (commands.ShowScreen, commands.Announce)


def fresh() -> Flow:
    FLOW.moment = START
    return FLOW


def steps(flow: Flow, event: events.Event) -> tuple[Any, ...]:
    """What an event leads to, without what is shown and said."""
    done = tuple(k for k in flow.handle(event) if not isinstance(k, WORDS))
    session = replace(flow.session, lying=Token.UNKNOWN, token=Token.UNKNOWN)
    return flow.state, session, done, flow.screen.actions


@pytest.mark.parametrize("state", list(State))
def test_every_step_is_the_card_s(state: State) -> None:
    """Where phones are taken: every event in every state does the same with either."""
    taken = replace(session_for(state), terms=TAKEN)
    with_card = replace(taken, lying=Token.CARD, token=Token.CARD)
    with_phone = replace(taken, lying=Token.ANDROID, token=Token.ANDROID)
    for event in list(samples(placed(state, taken, fresh()))):
        of_phone = event
        if isinstance(event, events.CardRead):
            of_phone = replace(event, token=Token.ANDROID)
        one = steps(placed(state, with_card, fresh()), event)
        assert steps(placed(state, with_phone, fresh()), of_phone) == one, event


def test_one_guard_and_no_permit_looks_at_what_it_is() -> None:
    """So nothing but that refusal can depend on it, in any state."""
    names = {"token", "lying", "is_phone", "phones"}
    looking = {
        function.name
        for module in (guards, permits, table)
        for function in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(function, ast.FunctionDef)
        and any(isinstance(n, ast.Attribute) and n.attr in names for n in ast.walk(function))
    }
    assert looking == {"phone_not_accepted"}


@pytest.mark.parametrize("token", PHONES)
@pytest.mark.parametrize("tries", [0, 1, 3])
def test_where_none_is_taken_it_is_told_before_a_pin(token: Token, tries: int) -> None:
    rig = at_menu()
    rig.put_card()
    rig.send(events.CardRead(epoch=rig.flow.session.epoch, tries=tries, token=token))
    assert rig.flow.state is State.REFUSED
    assert rig.flow.session.refusal == "phone-not-accepted"
    assert rig.flow.screen.about == PHONE
    assert not rig.all(commands.Authenticate) and not rig.flow.session.authenticated
    rig.touch("ok")
    assert (rig.flow.state, rig.flow.screen.about) == (State.TAKECARD, PHONE)


@pytest.mark.parametrize("token", [Token.CARD, Token.UNKNOWN])
def test_a_card_is_not_taken_for_a_phone(token: Token) -> None:
    """What does not say what it is goes on: its certificate will tell, after the PIN."""
    rig = at_menu()
    rig.put_card()
    rig.send(events.CardRead(epoch=rig.flow.session.epoch, tries=3, token=token))
    assert rig.flow.state is State.PIN


@pytest.mark.parametrize("event", [events.CardPresent(stay="again"), events.CardUnknown()])
def test_nothing_goes_on_while_a_phone_lies_there(event: events.Event) -> None:
    rig = at_remove()
    rig.send(event)
    assert rig.flow.state is State.REMOVE
    rig.send(events.CardAbsent())
    assert rig.flow.state is State.OPENING


@pytest.mark.parametrize(
    ("taken", "presence", "lying", "token", "words"),
    [
        (False, Presence.ABSENT, Token.UNKNOWN, Token.UNKNOWN, CARD),
        (True, Presence.ABSENT, Token.UNKNOWN, Token.UNKNOWN, EITHER),
        (True, Presence.PRESENT, Token.UNKNOWN, Token.UNKNOWN, EITHER),
        (True, Presence.PRESENT, Token.CARD, Token.CARD, CARD),
        (True, Presence.PRESENT, Token.IPHONE, Token.IPHONE, PHONE),
        (True, Presence.ABSENT, Token.UNKNOWN, Token.ANDROID, PHONE),
        (True, Presence.ABSENT, Token.UNKNOWN, Token.CARD, CARD),
        # something that nobody has read lies there now, whoever this is
        (True, Presence.PRESENT, Token.UNKNOWN, Token.CARD, EITHER),
        (True, Presence.PRESENT, Token.UNKNOWN, Token.ANDROID, EITHER),
        # a phone that bounces where none is taken
        (False, Presence.PRESENT, Token.UNKNOWN, Token.ANDROID, PHONE),
        (False, Presence.PRESENT, Token.UNKNOWN, Token.CARD, CARD),
    ],
)
def test_what_the_words_are_about(
    taken: bool, presence: Presence, lying: Token, token: Token, words: str
) -> None:
    terms = TAKEN if taken else OPEN
    assert about(Session(presence=presence, lying=lying, token=token, terms=terms)) == words


def test_a_new_stay_is_nothing_that_was_read() -> None:
    rig = at_menu()
    rig.send(events.TermsReceived(terms=TAKEN))
    rig.put_card()
    rig.send(events.CardRead(epoch=rig.flow.session.epoch, tries=3, token=Token.ANDROID))
    assert rig.flow.screen.about == PHONE
    rig.put_card()
    assert (rig.flow.state, rig.flow.screen.about) == (State.READING, EITHER)
