"""The technician's ten minutes at a running kiosk: a key, a panel, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware.service.journal import Journal
from firmware.service.status import read as read_status
from testbed.customer import Watcher
from testbed.demo import FOLDER
from testbed.rehearsal import Rehearsal, prepare
from testbed.screen import Seen
from testbed.system import System

pytestmark = pytest.mark.wires
SEE_S = 60.0


class Technician:
    """Hands at the key and on the panel, and eyes."""

    def __init__(self, system: System, watcher: Watcher) -> None:
        self.system, self.watcher = system, watcher

    async def see(self, there: Callable[[Seen], bool]) -> Seen:
        async with asyncio.timeout(SEE_S):
            while not there(found := await self.watcher.next(SEE_S)):
                pass
        return found

    async def page(self, name: str, result: str | None = None) -> Seen:
        return await self.see(
            lambda seen: (
                seen.name == "technician"
                and seen.facts["page"] == name
                and (result is None or seen.facts["result"] == result)
            )
        )

    async def screen(self, name: str, problem: str = "") -> Seen:
        return await self.see(
            lambda seen: seen.name == name and seen.facts.get("problem", "") == problem
        )

    async def touch(self, seen: Seen, action: str, value: str = "") -> None:
        assert seen.offers(action, value), (seen.text, action, value)
        await self.watcher.touch(seen, action, value)

    async def go(self, seen: Seen, page: str) -> Seen:
        await self.touch(seen, "open", page)
        return await self.page(page)

    def turn(self, on: bool) -> None:
        self.system.bench.turn_key(on)


@asynccontextmanager
async def at_the_kiosk(rehearsal: Rehearsal) -> AsyncIterator[Technician]:
    async with System(rehearsal) as system:
        async with Watcher(rehearsal.panel, rehearsal.panel_key).watching() as watcher:
            yield Technician(system, watcher)
        assert not system.bench.violations


def kinds(rehearsal: Rehearsal) -> list[str]:
    journal = Journal(rehearsal.state / "journal.sqlite")
    try:
        return [entry.kind for entry in journal.entries()]
    finally:
        journal.close()


def acts(rehearsal: Rehearsal) -> list[str]:
    """What the log says of the technician, in order."""
    told = []
    for line in (rehearsal.run / "kiosk.log").read_text().splitlines():
        if '"technician.' in line:
            entry = json.loads(line)
            told.append(" ".join([entry["log"].partition(".")[2], *_facts(entry)]))
    return told


def _facts(entry: dict[str, object]) -> list[str]:
    return [str(entry[name]) for name in ("page", "act", "result", "why") if name in entry]


def test_ten_minutes_at_the_kiosk(tmp_path: Path) -> None:
    """Counters, a test print, out of service, restart, still out of service, back in service."""
    asyncio.run(ten_minutes(tmp_path))


async def ten_minutes(tmp_path: Path) -> None:
    rehearsal = prepare(FOLDER, tmp_path)
    async with at_the_kiosk(rehearsal) as technician:
        await technician.screen("menu")
        technician.turn(True)
        home = await technician.page("home")
        status = read_status(tmp_path / "runtime")
        assert status and status.report.problem == "technician"

        counters = await technician.go(home, "counters")
        assert "kiosk-1" in counters.text and "Journeys begun 0" in counters.text
        home = await technician.go(counters, "home")

        prints = await technician.go(home, "print")
        await technician.touch(prints, "do", "test-sheet")
        prints = await technician.page("print", "done")
        [sheet] = technician.system.bench.take_sheets()
        sheet.image.save(tmp_path / "sheet.png")
        await technician.touch(prints, "do", "test-receipt")
        prints = await technician.page("print", "done")
        [slip] = technician.system.bench.take_receipt()
        slip.image.save(tmp_path / "slip.png")
        home = await technician.go(prints, "home")

        stop = await technician.go(home, "stop")
        await technician.touch(stop, "do", "stop")
        home = await technician.page("home", "out-of-service")
        restart = await technician.go(home, "restart")
        await technician.touch(restart, "do", "restart")
        home = await technician.page("home", "")  # the key is turned still, and opens once more
        assert not home.offers("open", "stop")

        technician.turn(False)
        await technician.screen("fault", "suspended")
        technician.turn(True)
        home = await technician.page("home")
        resume = await technician.go(home, "resume")
        await technician.touch(resume, "do", "resume")
        home = await technician.page("home", "in-service")
        await technician.touch(home, "leave")
        await technician.screen("menu")  # with the key in it: it opens once a turn
        status = read_status(tmp_path / "runtime")
        assert status and status.report.problem in ("", "technician")
    assert kinds(rehearsal) == ["service-stopped", "service-resumed"]
    told = acts(rehearsal)
    assert [each for each in told if each.startswith("act")] == [
        "act test-sheet done",
        "act test-receipt done",
        "act stop out-of-service",
        "act restart done",
        "act resume in-service",
    ]
    assert [each for each in told if each.startswith("closed")] == [
        "closed restart",
        "closed key",
        "closed left",
    ]
