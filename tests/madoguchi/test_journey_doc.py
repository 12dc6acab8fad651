from __future__ import annotations

from firmware.flow.states import Phase, State
from madoguchi import journey_doc


def test_the_page_is_the_table_s() -> None:
    """When this fails: `python -m madoguchi.journey_doc`, and read what changed."""
    assert journey_doc.PAGE.read_text(encoding="utf-8") == journey_doc.page()


def test_every_room_has_its_diagram_and_every_state_its_line() -> None:
    page = journey_doc.page()
    assert page.count("stateDiagram-v2") == len(Phase)
    assert all(page.count(f"\n| **{state.screen}** |") == 1 for state in State)
