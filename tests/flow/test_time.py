"""The time that a person has: it is said before it runs out, and afterwards what has happened."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flow_rig import at_certificates, at_paying, placed

from firmware.flow import commands, events
from firmware.flow.machine import Flow
from firmware.flow.session import Mode
from firmware.flow.states import State
from firmware.flow.table import SPECS
from firmware.flow.timers import TEN, THIRD, Timer, next_warning, seconds_left

PATIENT = [state for state, spec in SPECS.items() if spec.patient]


def warn(flow: Flow) -> commands.Commands:
    return flow.handle(events.TimerFired(name=Timer.WARNING, generation=flow.moment.warning))


def started(done: commands.Commands) -> dict[Timer, float]:
    return {c.name: c.seconds for c in done if isinstance(c, commands.StartTimer)}


@pytest.mark.parametrize(
    ("limit_s", "warnings"),
    [(90, [(THIRD, 30), (TEN, 10)]), (30, [(THIRD, 10)]), (20, [(TEN, 10)]), (10, []), (0, [])],
)
def test_warnings_come_at_a_third_and_at_ten_seconds(
    limit_s: float, warnings: list[tuple[str, float]]
) -> None:
    warned, found = "", []
    while warned := next_warning(limit_s, warned):
        found.append((warned, seconds_left(limit_s, warned)))
    assert found == warnings


@pytest.mark.parametrize("state", PATIENT)
def test_both_warnings_are_shown_and_said_and_change_nothing_else(state: State) -> None:
    flow = placed(state)
    limit_s, limit = SPECS[state].limit_s or 0, flow.moment.limit
    session = flow.session
    third, ten = warn(flow), warn(flow)
    for done, warning, left in ((third, THIRD, limit_s / 3), (ten, TEN, 10)):
        (show,) = (c for c in done if isinstance(c, commands.ShowScreen))
        assert (show.speak, show.screen.warning, show.screen.limit_s) == (True, warning, left)
    assert started(third) == {Timer.WARNING: limit_s / 3 - 10}
    assert started(ten) == {}
    assert (flow.state, flow.session, flow.moment.limit) == (state, session, limit)


@pytest.mark.parametrize("state", PATIENT)
def test_more_time_starts_the_limit_anew_and_clears_the_warning(state: State) -> None:
    flow = placed(state)
    warn(flow)
    done = flow.handle(events.Touch(screen=flow.screen.number, action="more-time"))
    limit_s = SPECS[state].limit_s or 0
    assert started(done) == {Timer.LIMIT: limit_s, Timer.WARNING: pytest.approx(limit_s * 2 / 3)}
    assert (flow.screen.warning, flow.screen.limit_s) == ("", limit_s)


def test_a_warning_of_an_older_limit_says_nothing() -> None:
    flow = placed(State.CONFIRM)
    old = flow.moment.warning
    flow.handle(events.Touch(screen=flow.screen.number, action="more-time"))
    assert flow.handle(events.TimerFired(name=Timer.WARNING, generation=old)) == (
        commands.Note(what="older timer", event="warn"),
    )


def test_no_warning_where_a_device_is_waited_for() -> None:
    rig = at_certificates()
    assert Timer.WARNING in rig.timers
    rig.touch("choose", "inkan")
    rig.touch("confirm")
    assert rig.flow.state is State.ORDERING
    assert Timer.WARNING not in rig.timers


@pytest.mark.parametrize("state", PATIENT)
def test_who_wants_it_slower_has_twice_the_time_at_once(state: State) -> None:
    flow = placed(state)
    warn(flow)
    done = flow.handle(
        events.Touch(screen=flow.screen.number, action="mode", value=Mode.SLOW.value)
    )
    limit_s = 2 * (SPECS[state].limit_s or 0)
    assert started(done)[Timer.LIMIT] == limit_s == flow.screen.limit_s
    assert flow.screen.warning == ""
    again = flow.handle(
        events.Touch(screen=flow.screen.number, action="mode", value=Mode.SLOW.value)
    )
    assert started(again) == {}


@pytest.mark.parametrize("state", [s for s in State if SPECS[s].limit_s and s not in PATIENT])
def test_the_limit_of_a_device_a_card_or_paper_is_the_same_for_everybody(state: State) -> None:
    flow = placed(state)
    slow = replace(flow.session, modes=frozenset({Mode.SLOW}))
    flow._now(session=slow)
    assert started(flow._start_limit())[Timer.LIMIT] == SPECS[state].limit_s


def test_a_device_has_no_more_time_for_a_slow_person() -> None:
    rig = at_certificates()
    rig.touch("mode", "slow")
    rig.touch("choose", "inkan")
    rig.touch("confirm")
    limits = [c for c in rig.all(commands.StartTimer) if c.name is Timer.LIMIT]
    assert (rig.flow.state, limits[-1].seconds) == (State.ORDERING, SPECS[State.ORDERING].limit_s)
    assert limits[-2].seconds == 2 * (SPECS[State.CONFIRM].limit_s or 0)


def test_a_reminder_does_not_clear_the_warning() -> None:
    rig = at_paying()
    rig.fire(Timer.WARNING)
    rig.send(events.HeadphonesChanged(plugged=True))
    assert rig.flow.screen.warning == THIRD
