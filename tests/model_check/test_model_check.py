"""The journey holds in every state; and a search that finds nothing is believed because it finds
defects.
"""

from __future__ import annotations

import inspect
import json
import random
from pathlib import Path

import msgspec
import pytest

from firmware.flow.machine import Flow
from firmware.flow.states import State
from testbed.model_check import defects, replay
from testbed.model_check.command import main
from testbed.model_check.defects import DEFECTS, Defect
from testbed.model_check.hunt import explore_until_stopped, find_fault
from testbed.model_check.kiosk import Kiosk
from testbed.model_check.properties import PROPERTIES
from testbed.model_check.search import Search, verdicts
from testbed.scenario.command import main as scenario_main
from testbed.scenario_file import Failed, load
from testbed.world.happenings import list_happenings
from testbed.world.state import World

STOPPED_BY_PERMITS = [
    defect for defect in DEFECTS if defect.flow is not Flow and "l" in defect.letters
]


def test_everything_holds_in_every_state() -> None:
    search = Search(Kiosk())
    found = search.run()
    assert found.closed and not found.counterexamples
    assert all(verdict["holds"] for verdict in verdicts(found).values())
    met = {search.kiosk.moments[node.moment].state for node in search.nodes}
    assert met == set(State), "the world is too small"


def test_a_search_that_was_cut_proves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--depth", "3", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert not report["closed"] and not report["violations"]
    assert not any(report["properties"][letter]["holds"] for letter in PROPERTIES)


def test_every_defect_that_is_written_down_is_seeded() -> None:
    """One that is written down and not seeded would never be looked for."""
    written = inspect.getsource(defects).count("Defect(")
    assert len(DEFECTS) == written
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_the_defect_is_found(defect: Defect) -> None:
    found = find_fault(defect)
    assert found.broken() & set(defect.letters), found.counterexamples


@pytest.mark.parametrize("defect", STOPPED_BY_PERMITS, ids=lambda defect: defect.name)
def test_nothing_forbidden_goes_out_of_a_wrong_machine(defect: Defect) -> None:
    """With permits on, the wrong machine is stopped; what goes out until then is allowed by the
    world's own account.
    """
    found = explore_until_stopped(defect).found
    assert found.closed
    assert "b" not in found.broken(), found.counterexamples


@pytest.mark.parametrize(
    "name",
    [
        "half of a transaction outlives its time",
        "a refund is forgotten",
        "a swapped card keeps the PIN",
    ],
)
def test_a_counter_example_is_a_scenario(name: str, tmp_path: Path) -> None:
    """It fails on the defect it is of, and passes on the kiosk."""
    defect = next(defect for defect in DEFECTS if defect.name == name)
    (path,) = find_fault(defect).counterexamples.values()
    file = tmp_path / "found.toml"
    file.write_text(replay.scenario(name, path))
    (script,) = load(file)
    with pytest.raises(Failed, match="property"):
        replay.run(msgspec.structs.replace(script, defect=name))
    assert scenario_main([str(file)]) == 0


def test_a_flow_put_back_goes_on_as_one_that_never_left() -> None:
    """What the search rests on: a moment is all there is."""
    straight, back = Flow(), Flow()
    straight.start(), back.start()
    world, choose = World(), random.Random(7)
    for _ in range(80):
        happening = choose.choice(
            [h for h in list_happenings(world, straight.moment) if h.event is not None]
        )
        moment = back.moment
        back = Flow()
        back.moment = moment
        assert straight.handle(happening.event) == back.handle(happening.event)
        assert straight.moment == back.moment
