"""Defects that the search found on the model, confirmed on the wires: the whole system with a kiosk
that is wrong.

Each journey is told twice: with `defect` on the wrong machine, where what must not be is seen from
outside or the permits stop it; and without, on the kiosk as it is, where it is not.

The suite plays some of them; `WRONG_ON_WIRES=1` in the environment plays all. The model has every
defect in any case (test_model_check.py).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from itertools import groupby
from pathlib import Path

import msgspec
import pytest

from testbed.demo import FOLDER
from testbed.model_check.defects import DEFECTS
from testbed.scenario import wires
from testbed.scenario_file import Failed, Script, load
from testbed.system import System

pytestmark = pytest.mark.wires
SCRIPTS = [
    script
    for path in sorted((Path(__file__).parent / "wrong").glob("*.toml"))
    for script in load(path)
]
WRONG = [script for script in SCRIPTS if script.defect]
FEW = 6
EVERY = 1 if os.environ.get("WRONG_ON_WIRES") else 3
RIGHT = sorted((script for script in SCRIPTS if not script.defect), key=wires.setting)


def _journey(script: Script) -> str:
    return script.title.removesuffix(", wrong machine")


async def _play(*scripts: Script) -> None:
    with tempfile.TemporaryDirectory(prefix="madoguchi-") as run:
        async with wires.system_for(scripts[0], FOLDER, Path(run)) as system:
            for script in scripts:
                await wires.run(script, system)


def _setting(script: Script) -> tuple[bytes, str | None, bool, str]:
    """The same as on the right machine: a new kiosk comes for each, and finds everything mended."""
    return wires.setting(msgspec.structs.replace(script, defect=""))


def _groups(scripts: list[Script]) -> list[list[Script]]:
    """A few of one setting share wires and a city."""
    groups = [list(group) for _, group in groupby(sorted(scripts, key=_setting), _setting)]
    return [group[at : at + FEW] for group in groups for at in range(0, len(group), FEW)]


def _controls() -> list[Script]:
    """The journeys on the right machine that are told of the wrong ones, too."""
    told = {_told(script) for script in WRONG[::EVERY]}
    return [script for script in RIGHT if _told(script) in told]


def _told(script: Script) -> str:
    """Where the journey turns, and how: without its title."""
    return _journey(script).rpartition(": ")[2].partition(", ")[2]


def test_every_confirmation_has_its_control() -> None:
    names = [script.defect for script in WRONG]
    assert len(names) == len(set(names)) >= 20
    assert set(names) <= {defect.name for defect in DEFECTS}
    assert {_told(script) for script in WRONG} <= {_told(script) for script in RIGHT}


@pytest.mark.parametrize("scripts", _groups(WRONG[::EVERY]), ids=lambda scripts: scripts[0].defect)
def test_it_is_seen_from_outside(scripts: list[Script]) -> None:
    """One wrong machine after the other, at the same wires and in front of the same city."""

    async def play() -> None:
        with tempfile.TemporaryDirectory(prefix="madoguchi-") as run:
            async with wires.system_for(scripts[0], FOLDER, Path(run)) as system:
                for script in scripts:
                    if script is not scripts[0]:
                        await wires.change_kiosk(script, system)
                    await _play_one(script, system)

    asyncio.run(play())


async def _play_one(script: Script, system: System) -> None:
    try:
        await wires.run(script, system)
    except Failed as failed:
        raise Failed(f"{script.title} ({script.defect}): {failed}") from None


@pytest.mark.parametrize(
    "scripts", [list(group) for _, group in groupby(_controls(), wires.setting)], ids=len
)
def test_the_same_journeys_on_the_right_machine(scripts: list[Script]) -> None:
    asyncio.run(_play(*scripts))
