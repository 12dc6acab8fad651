"""A handful of points on the wires, points from the data, and products that are wrong
on purpose.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from power_cut.campaign import Played
from power_cut.command import report
from power_cut.cuts import CUTS
from power_cut.instants import WIRES
from power_cut.journeys import JOURNEYS
from power_cut.judge import Outcome, Verdict
from power_cut.points import ELSEWHERE, JOURNALLED, ON_THE_WIRES, Point, draw, instants
from power_cut.shared_kiosk import SharedKiosk
from power_cut.wrong import WAYS, program

from firmware.service.entry import KINDS

MANY = 300
TESTS = Path(__file__).parents[1]


# -- points


def test_the_same_seed_makes_the_same_points() -> None:
    assert draw(MANY, 1) == draw(MANY, 1) != draw(MANY, 2)
    assert draw(40, 1) == draw(MANY, 1)[:40], "a point can be repeated alone"


def test_every_kind_of_entry_is_cut_or_named_with_a_reason() -> None:
    journalled = {kind for kinds in JOURNALLED.values() for kind in kinds}
    assert set(KINDS) <= journalled | set(ELSEWHERE)
    assert not journalled & set(ELSEWHERE)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_campaign_reaches_every_cut_journey_and_step(seed: int) -> None:
    points = draw(MANY, seed)
    assert {point.cut for point in points} == set(CUTS)
    assert {point.journey for point in points} == set(JOURNEYS)
    journalled = {kind for kinds in JOURNALLED.values() for kind in kinds if kind in KINDS}
    assert {point.event for point in points} == journalled | set(WIRES)


def test_phases_and_events_are_known() -> None:
    phases = set(JOURNALLED) | set(ON_THE_WIRES)
    assert {phase for journey in JOURNEYS.values() for phase in journey.phases} == phases
    assert {phase for cut in CUTS.values() for phase in cut.phases} == phases
    assert {event for events in ON_THE_WIRES.values() for event in events} == set(WIRES)
    for journey in JOURNEYS.values():
        assert instants(journey, journey.phases)


# -- on the wires

HOLD = (
    (Point(0, "change", "ended", 1, 0, "nothing"), {"exact"}),
    (Point(1, "exact money", "coin", 1, 0, "kill tree"), {"with_case"}),
    (Point(2, "cancelled", "dispense-heard", 1, 15, "kill child"), {"exact", "with_case"}),
    (Point(3, "the last coin too many", "line-drawn", 1, 0, "disk full"), {"exact", "with_case"}),
)


@pytest.fixture(scope="module")
def shared() -> Iterator[SharedKiosk]:
    with SharedKiosk() as shared:
        yield shared


@pytest.mark.wires
@pytest.mark.parametrize(("point", "outcomes"), HOLD, ids=[str(point) for point, _ in HOLD])
def test_points(shared: SharedKiosk, point: Point, outcomes: set[str]) -> None:
    played = shared.play(point)
    if played.verdict.outcome is Outcome.SKIPPED:
        pytest.skip(played.verdict.why)
    assert played.reached
    assert played.verdict.outcome.value in outcomes, (played.verdict.why, played.evidence)


@pytest.mark.wires
@pytest.mark.parametrize("how", WAYS)
def test_a_product_that_is_wrong_is_found(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes down, and says on the screen, that all is well."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (TESTS.parent, TESTS))))
    with SharedKiosk(program(how)) as shared:
        played = shared.play(Point(0, "change", "ended", 1, 0, "nothing"))
    assert played.verdict.outcome == WAYS[how][1], (played.verdict.why, played.evidence)
    assert played.evidence["cases"] == []


# -- the report


def test_the_report_counts_by_outcome_and_by_kind() -> None:
    points = [Point(number, "change", "coin", 1, 0, "kill tree") for number in range(3)]
    outcomes = (Outcome.EXACT, Outcome.WITH_CASE, Outcome.LOST)
    played = [
        Played(point, Verdict(outcome, "why"), True, 1.0)
        for point, outcome in zip(points, outcomes, strict=True)
    ]
    told = report(played, seed=7)
    assert (told["points"], told["exact"], told["with_case"], told["lost"], told["doubled"]) == (
        3,
        1,
        1,
        1,
        0,
    )
    assert told["by_kind"] == {"kill tree": {"points": 3, "exact": 1, "with_case": 1, "lost": 1}}
    assert [one["point"] for one in told["failures"]] == [str(points[2])]
