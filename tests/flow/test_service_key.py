"""The technician's key opens from idle only, and the permits know no other way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flow_rig import at_menu, placed

from firmware.flow import commands, events
from firmware.flow.permits import Permits
from firmware.flow.session import Presence, Session
from firmware.flow.states import Phase, State
from testbed.world.samples import OPEN

IDLE = (Phase.OUT, Phase.WELCOME)
TURNED = events.ServiceKeyTurned(on=True)
WAITING = Session(presence=Presence.ABSENT, terms=OPEN, problem="")


def opens(done: commands.Commands) -> bool:
    return any(isinstance(command, commands.OpenTechnician) for command in done)


@pytest.mark.parametrize("state", State)
def test_it_opens_where_nobody_is_served_and_nowhere_else(state: State) -> None:
    idle = state.phase in IDLE
    flow = placed(state, WAITING if idle else None)
    before = flow.state
    assert opens(flow.handle(TURNED)) is idle
    assert flow.state is (State.ENDING if idle else before)


@pytest.mark.parametrize("state", [s for s in State if s.phase in IDLE])
@pytest.mark.parametrize(
    "known",
    [
        {"presence": Presence.PRESENT, "stay": "here"},
        {"problem": None},
        {"stopping": True},
    ],
    ids=["a card lies there", "the devices were not looked at", "the service is ending"],
)
def test_it_waits(state: State, known: dict[str, object]) -> None:
    flow = placed(state, replace(WAITING, **known))  # type: ignore[arg-type]
    assert not opens(flow.handle(TURNED))


def test_coins_of_nobody_are_booked_first() -> None:
    flow = placed(State.FAULT, replace(WAITING, inserted=50, owed=50))
    done = flow.handle(TURNED)
    assert not opens(done) and isinstance(done[0], commands.EndSession)


def test_turned_in_a_journey_and_turned_back_it_is_nothing() -> None:
    rig = at_menu()
    rig.put_card()
    for on in (True, False):
        assert not opens(rig.send(events.ServiceKeyTurned(on=on)))
    assert not rig.flow.session.service_key


def test_a_key_that_is_turned_opens_at_the_next_piece_of_news() -> None:
    """As in STARTING, before the devices were looked at."""
    flow = placed(State.STARTING, replace(WAITING, problem=None))
    assert not opens(flow.handle(TURNED))
    assert opens(flow.handle(events.Health(problem="printer")))


def test_the_permits_refuse_it_beside_a_person() -> None:
    permits = Permits()
    assert permits.refuse(commands.OpenTechnician()) == ""
    permits.observe(events.CardPresent(stay="here"))
    assert permits.refuse(commands.OpenTechnician()) == "a card lies there"
    permits.issued(commands.ReadCard(epoch=1, stay="here"))
    permits.observe(events.CardAbsent())
    assert permits.refuse(commands.OpenTechnician()) == "somebody is, or was, served here"
    permits = Permits()
    permits.observe(events.CoinInserted(value=10))
    assert permits.refuse(commands.OpenTechnician()) == "money is in the machine"
