"""A kiosk whose whole state folder was put back from an older copy: file and head agree, and
entries are missing.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware.service.cases import list_cases
from testbed.customer import Errand, Watcher, run_errand
from testbed.demo import FOLDER
from testbed.rehearsal import prepare
from testbed.screen import Seen
from testbed.system import System

pytestmark = [pytest.mark.wires, pytest.mark.timeout(300)]


async def run_kiosk(*words: str | Path) -> str:
    """Beside the far ends of the wires, which live in this loop and must go on answering."""
    command = (sys.executable, "-m", "firmware.tools", *map(str, words))
    made = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=True, timeout=60
    )
    return str(made.stdout)


async def shows(system: System, there: Callable[[Seen], bool]) -> None:
    async with (
        asyncio.timeout(60),
        Watcher(system.rehearsal.panel, system.rehearsal.panel_key).watching() as watcher,
    ):
        while not there(await watcher.next(60)):
            pass


def test_it_is_noticed_with_the_city_s_word_and_a_person_puts_it_right(tmp_path: Path) -> None:
    rehearsal = prepare(FOLDER, tmp_path / "run")
    city = ("--config", rehearsal.city_toml)
    kiosk = ("--config", rehearsal.kiosk_toml)

    async def play() -> None:
        async with System(rehearsal, dock_port=0) as system:
            await run_errand(system, Errand("hanako", "inkan", tmp_path))
            await system.kiosk.stop()
            shutil.copytree(rehearsal.state, tmp_path / "older")
            await system.kiosk.start()
            await run_errand(system, Errand("hanako", "inkan", tmp_path))
            await system.kiosk.stop()
            shutil.rmtree(rehearsal.state)
            shutil.copytree(tmp_path / "older", rehearsal.state)
            await system.kiosk.start()
            await shows(
                system, lambda seen: seen.name == "fault" and seen.facts["problem"] == "case-open"
            )
            opened = list_cases(rehearsal.state)
            # The coin unit has counted the lost journey's coin, and no entry speaks of it.
            assert sorted(case.code for case in opened) == [
                "claim",
                "coins.unexpected",
                "journal.behind",
            ]
            for _ in range(100):  # the city hears of it when the kiosk says hello again
                if found := json.loads(await run_kiosk("city", "cases", "list", *city, "--json")):
                    break
            assert [(one["code"], one["kiosk"]) for one in found] == [("journal-behind", "kiosk-1")]
            await run_kiosk("city", "kiosks", "forget-journal", *city, "kiosk-1")
            for case in opened:
                await run_kiosk(
                    "cases", "close", *kiosk, case.id, "--note", "a copy of last week was put back"
                )
            await run_errand(system, Errand("hanako", "inkan", tmp_path))

    asyncio.run(play())
