"""A whole journey on a driver that is not the kiosk's own: the worked example of docs/hal.md."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hal.sim.bench import SHEET_DOTS
from testbed.customer import Errand, Journey, Watcher
from testbed.demo import FOLDER
from testbed.rehearsal import prepare
from testbed.system import System

pytestmark = pytest.mark.wires
DRIVER = "docs.examples.small_printer:SmallPrinter"


def test_a_certificate_comes_out_of_the_examples_printer(tmp_path: Path) -> None:
    asyncio.run(_journey(tmp_path))


async def _journey(folder: Path) -> None:
    host, port = prepare(FOLDER, folder / "run").wiring.sheets
    options = {"address": f"{host}:{port}", "width": SHEET_DOTS}
    other = {"driver": DRIVER, "address": None, "outlet_sensor": None, "options": options}
    rehearsal = prepare(FOLDER, folder / "run", ports={"sheets": port}, kiosk={"sheets": other})
    async with System(rehearsal, 0) as system:
        async with Watcher(system.dock.address.rstrip("/")).watching() as watcher:
            journey = Journey(system, Errand("taro", "juminhyo", folder), watcher)
            await journey.run()
        assert journey.thanked
        assert len(journey.pages) == 1
        assert not system.bench.violations
