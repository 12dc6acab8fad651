from __future__ import annotations

from docs.generate import journey
from firmware.flow.states import Phase, State


def test_the_page_is_the_table_s() -> None:
    """When this fails: `python -m docs.generate.journey`, and read what changed."""
    assert journey.PAGE.read_text(encoding="utf-8") == journey.page()


def test_every_room_has_its_diagram_and_every_state_its_line() -> None:
    page = journey.page()
    assert page.count("stateDiagram-v2") == len(Phase)
    assert all(page.count(f"\n| **{state.screen}** |") == 1 for state in State)
