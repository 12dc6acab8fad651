"""Defects that the search found on the model, confirmed on the wires: the whole system with a kiosk that is wrong.

Each journey is told twice: with `defect` on the wrong machine, where what must not be is seen from outside or the
permits stop it; and without, on the kiosk as it is, where it is not.
"""

from __future__ import annotations

import asyncio
import tempfile
from itertools import groupby
from pathlib import Path

import pytest

from madoguchi.demo import FOLDER
from madoguchi.proof.defects import DEFECTS, named
from madoguchi.scenario import wires
from madoguchi.scenario.script import Script, load

pytestmark = pytest.mark.wires
SCRIPTS = [script for path in sorted((Path(__file__).parent / "wrong").glob("*.toml")) for script in load(path)]
WRONG = [script for script in SCRIPTS if script.defect]
RIGHT = sorted((script for script in SCRIPTS if not script.defect), key=wires.setting)


def _journey(script: Script) -> str:
    return script.title.removesuffix(", wrong machine")


async def _play(*scripts: Script) -> None:
    with tempfile.TemporaryDirectory(prefix="madoguchi-") as run:
        async with wires.system_for(scripts[0], FOLDER, Path(run)) as system:
            for script in scripts:
                await wires.run(script, system)


def test_every_confirmation_has_its_control() -> None:
    names = [script.defect for script in WRONG]
    assert len(names) == len(set(names)) >= 20
    assert set(names) <= {defect.name for defect in DEFECTS}
    journeys = {_journey(script).rpartition(": ")[2].partition(", ")[2] for script in RIGHT}
    assert {_journey(script).rpartition(": ")[2].partition(", ")[2] for script in WRONG} <= journeys


@pytest.mark.parametrize("script", WRONG, ids=lambda script: script.defect)
def test_it_is_seen_from_outside(script: Script) -> None:
    assert named(script.defect)
    asyncio.run(_play(script))


@pytest.mark.parametrize("scripts", [list(group) for _, group in groupby(RIGHT, wires.setting)], ids=len)
def test_the_same_journeys_on_the_right_machine(scripts: list[Script]) -> None:
    asyncio.run(_play(*scripts))
