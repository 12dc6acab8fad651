"""The world that answers knows every command and event of the flow, and the faults of a scenario
name answers that it has.
"""

from __future__ import annotations

import pytest

from firmware.flow import commands, events
from testbed.scenario.far_ends import FAULTS
from testbed.world import happenings
from testbed.world.answers import TABLE, Happening
from testbed.world.happenings import list_touches

NAMES = {kind: [answer.name for answer in asked.answers] for kind, asked in TABLE.items()}


def _happenings() -> list[Happening]:
    found = [
        *happenings.NEWS,
        *happenings.COINS,
        *happenings.DIGITS.values(),
        *list_touches(("ok",)),
    ]
    for value in vars(happenings).values():
        if isinstance(value, Happening):
            found.append(value)
    return found


def test_every_event_of_the_flow_comes_from_somewhere() -> None:
    answered = [answer.event for asked in TABLE.values() for answer in asked.answers]
    happened = [happening.event for happening in _happenings()]
    known = {*events.TRIGGERS, events.Touch, events.TimerFired}
    assert {type(event) for event in (*answered, *happened) if event is not None} == known


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_the_first_answer_is_the_good_one(kind: type[commands.Command]) -> None:
    asked = TABLE[kind]
    assert (asked.device is None) == (not asked.answers)
    assert not any(answer.anomaly for answer in asked.answers[:1])
    assert len(set(NAMES[kind])) == len(NAMES[kind])


def test_a_fault_names_an_answer_that_there_is() -> None:
    for kind, faults in FAULTS.items():
        for reply in faults.values():
            assert reply is None or reply.name in NAMES[kind]
