"""What `transitions` is kept for: it picks the row, by hierarchy and by the order of guards."""

from __future__ import annotations

from itertools import islice

import pytest
from flow_rig import placed, samples

from firmware.flow import events, lint
from firmware.flow.machine import observe
from firmware.flow.states import State
from firmware.flow.table import ROWS


@pytest.mark.parametrize("state", State)
def test_the_row_that_is_picked_is_the_first_that_applies(state: State) -> None:
    flow = placed(state)
    answers = lint.answering(state, ROWS)
    for number in range(sum(1 for _ in samples(flow))):
        placed(state, flow=flow)
        event = next(islice(samples(flow), number, None))
        session, name = observe(flow.session, event), events.trigger(event)
        rows = answers.get(name, [])
        first = next((row for row in rows if not row.when or row.when(session, event)), None)
        assert flow._row(name, event, session) is first
        assert flow.state is state, "picking a row moves nothing"
