"""Every journey of tests/scenarios, and every variant of it, on the pure machine in
virtual time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed.scenario.model import ModelRun
from testbed.scenario_file import Script, load

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.toml"))


def _name(path: Path, script: Script, several: bool) -> str:
    return f"{path.stem}-{script.title.rpartition(': ')[2]}" if several else path.stem


def _journeys(path: Path) -> list[Any]:
    scripts = load(path)
    return [pytest.param(script, id=_name(path, script, len(scripts) > 1)) for script in scripts]


JOURNEYS = [journey for path in SCENARIOS for journey in _journeys(path)]


@pytest.mark.parametrize("script", JOURNEYS)
def test_journey(script: Script) -> None:
    ModelRun(script).run()
