"""The page of the scenarios is that of the tables."""

from __future__ import annotations

import re
from pathlib import Path

from docs.generate import scenarios
from hal.sim.breakage import FAR_ENDS
from testbed.scenario.model import ModelRun
from testbed.scenario_file import load


def test_the_page_is_current() -> None:
    written = scenarios.PAGE.read_text("utf-8")
    assert written == scenarios.page(), "python -m docs.generate.scenarios"


def test_every_fault_stands_there_once() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| ●? ?\|", scenarios.page(), re.M)
    assert sorted(rows) == sorted(name for table in FAR_ENDS.values() for name in table)


def test_its_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", scenarios.page(), re.S)
    path = tmp_path / "example.toml"
    path.write_text(example)
    (script,) = load(path)
    ModelRun(script).run()
