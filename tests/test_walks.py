"""Long random walks over the whole system: nothing is lost, nobody gets another's paper, there is always a way home.

`./scripts/walks --minutes 30` is a night's worth.
"""

from __future__ import annotations

import pytest

from madoguchi.demo import FOLDER
from madoguchi.walks.drive import House, walks

WALKS, STEPS = 3, 40


@pytest.mark.wires
@pytest.mark.timeout(600)  # a walk that fails is made shorter first
def test_walks() -> None:
    with House(FOLDER) as house:
        tally = walks(house, WALKS, STEPS, first=2)
    assert not tally.found, "\n".join(f"({one.letter}) {one.what}: {one.replay}" for one in tally.found)
    assert tally.counts["steps"] == WALKS * STEPS
    assert tally.counts["journeys"] >= 2, "the first walk is one errand after the other"
