"""How a screen is shown, in which language, and whether somebody listens in private: on every
screen, and without losing the place.
"""

from __future__ import annotations

import pytest
from flow_rig import at_menu, at_paying, placed, session_for

from firmware.flow import commands, events
from firmware.flow.machine import Flow
from firmware.flow.session import Mode
from firmware.flow.states import SETTINGS, State
from firmware.flow.table import SPECS

SILENT = {State.STARTING, State.READING, State.VERIFYING, State.ENDING}
TOUCHED = [state for state in State if state not in SILENT]


def touch(flow: Flow, action: str, value: str) -> commands.Commands:
    return flow.handle(events.Touch(screen=flow.screen.number, action=action, value=value))


def test_only_a_screen_that_takes_no_touch_at_all_offers_no_settings() -> None:
    assert {state for state, spec in SPECS.items() if not spec.settings} == SILENT
    assert not any(SPECS[state].offered for state in SILENT)


@pytest.mark.parametrize("state", TOUCHED)
def test_modes_and_language_change_nothing_but_how_it_is_shown(state: State) -> None:
    flow = placed(state)
    before = flow.moment
    for action, value in (("mode", "large"), ("mode", "contrast"), ("language", "en")):
        done = touch(flow, action, value)
        assert [type(command) for command in done] == [commands.ShowScreen]
    after = flow.moment
    assert (after.state, after.limit, after.remind) == (state, before.limit, before.remind)
    assert after.screen.modes == after.session.modes == {Mode.LARGE, Mode.CONTRAST}
    assert after.screen.language == "en"
    assert after.session.answers == before.session.answers
    assert after.session.resume == before.session.resume


@pytest.mark.parametrize("state", sorted(SILENT))
def test_a_screen_without_settings_passes_them_over(state: State) -> None:
    flow = placed(state)
    before = flow.moment
    for setting in SETTINGS:
        assert touch(flow, setting, "en") == (
            commands.Note(what="not offered", event=f"touch.{setting}"),
        )
    assert flow.moment == before


def test_a_mode_is_switched_off_by_the_second_touch() -> None:
    flow = placed(State.OPTIONS)
    touch(flow, "mode", "low")
    touch(flow, "mode", "low")
    assert flow.session.modes == frozenset()


@pytest.mark.parametrize("value", ["", "unheard-of", "LARGE"])
def test_a_mode_that_nobody_knows_changes_nothing(value: str) -> None:
    flow = placed(State.OPTIONS)
    before = flow.moment
    assert touch(flow, "mode", value) == ()
    assert flow.moment == before


def test_what_was_typed_stays() -> None:
    rig = at_menu()
    rig.put_card()
    rig.settle()
    rig.type_digit(1)
    rig.type_digit(2)
    issued = len(rig.issued)
    rig.touch("mode", "contrast")
    rig.touch("language", "en")
    assert rig.flow.session.digits == 2
    assert all(isinstance(each, commands.ShowScreen) for each in rig.issued[issued:])


def test_after_a_hold_the_journey_goes_on_in_the_new_language() -> None:
    rig = at_paying()
    rig.put_card()
    assert rig.flow.state is State.HOLD
    rig.touch("language", "en")
    rig.send(events.CardAbsent())
    rig.settle()
    assert (rig.flow.state, rig.flow.screen.language) == (State.PAYING, "en")


@pytest.mark.parametrize("state", list(State))
def test_headphones_are_remembered_in_every_state(state: State) -> None:
    flow = placed(state, session_for(state))
    flow.handle(events.HeadphonesChanged(plugged=True))
    assert (flow.state, flow.session.private, flow.screen.private) == (state, True, True)
    flow.handle(events.HeadphonesChanged(plugged=False))
    assert not flow.session.private
