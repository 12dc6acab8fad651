"""The whole kiosk on its wires, at a city that mixes people up: what a person there sees
and gets.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from firmware.service.cases import journal_path
from firmware.service.journal import Journal
from testbed.customer import Errand, Journey, JourneyFailed, Watcher
from testbed.demo import FOLDER
from testbed.process import Process
from testbed.rehearsal import prepare
from testbed.system import System

SEE_S = 25.0
TESTS = Path(__file__).parents[1]
pytestmark = pytest.mark.wires


@pytest.mark.parametrize(
    ("how", "case"),
    [
        ("previous_person", "document.page-text"),  # Munakata
        ("earlier_answer", "line.other-order"),  # Yokohama
    ],
)
def test_the_next_person_gets_nothing_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, case: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (TESTS, TESTS / "attacks"))))

    async def errand(system: System, resident: str) -> Journey:
        async with Watcher(
            system.rehearsal.panel, system.rehearsal.panel_key
        ).watching() as watcher:
            journey = Journey(system, Errand(resident, "juminhyo", tmp_path), watcher)
            await journey.run()
            return journey

    async def play() -> None:
        system = System(prepare(FOLDER, tmp_path / "run"))
        arguments = (how, "--config", str(system.rehearsal.city_toml))
        system.city = Process(
            "city", arguments, "city ready", system.rehearsal.run / "city.log", "mixed_up_city"
        )
        async with system:
            assert len((await errand(system, "yoshiko")).pages) == 1
            with pytest.raises(JourneyFailed, match=r"^refused: "):
                await errand(system, "taro")
            assert system.bench.sheets.engine.page_count == 1
            assert system.bench.take_sheets() == []
            async with (
                Watcher(system.rehearsal.panel, system.rehearsal.panel_key).watching() as watcher,
                asyncio.timeout(SEE_S),
            ):
                seen = await watcher.next(SEE_S)
                if seen.offers("ok"):
                    await watcher.touch(seen, "ok")
                while seen.name != "fault":
                    seen = await watcher.next(SEE_S)
                assert seen.facts["problem"] == "case-open"
        journal = Journal(journal_path(system.rehearsal.state))
        assert [(found.code, found.pauses) for found in journal.cases()] == [(case, True)]
        assert sum(entry.kind == "coin" for entry in journal.entries()) == 1, "the first person's"
        journal.close()

    asyncio.run(play())
