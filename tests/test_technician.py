"""The technician's ten minutes at a running kiosk: a key, a panel, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from firmware.service.journal import Journal
from firmware.service.status import read as read_status
from testbed.customer import DOES, Errand, Journey, Watcher
from testbed.demo import FOLDER
from testbed.erasure.people import Needle, prepare_people
from testbed.erasure.search import search_process
from testbed.rehearsal import Rehearsal, prepare
from testbed.screen import Seen
from testbed.system import System

pytestmark = pytest.mark.wires
SEE_S = 60.0


class Technician:
    """Hands at the key and on the panel, and eyes."""

    def __init__(self, system: System, watcher: Watcher) -> None:
        self.system, self.watcher = system, watcher
        self.keep: Callable[[Seen], object] = lambda _: None

    async def see(self, there: Callable[[Seen], bool]) -> Seen:
        async with asyncio.timeout(SEE_S):
            while not there(found := await self.watcher.next(SEE_S)):
                self.keep(found)
        self.keep(found)
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


def logged(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    """The log, with what every restart has added."""
    lines = (rehearsal.run / "kiosk.log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def newest(rehearsal: Rehearsal, event: str) -> dict[str, Any]:
    return next((each for each in reversed(logged(rehearsal)) if each["log"] == event), {})


def acts(rehearsal: Rehearsal) -> list[str]:
    """What the log says of the technician, in order."""
    told = []
    for entry in logged(rehearsal):
        if entry["log"].startswith("technician."):
            told.append(" ".join([entry["log"].partition(".")[2], *_facts(entry)]))
    return told


def _facts(entry: dict[str, object]) -> list[str]:
    return [str(entry[name]) for name in ("page", "act", "result", "why") if name in entry]


async def serve_somebody(technician: Technician, needles: tuple[Needle, ...]) -> None:
    """As far as the choice of a certificate; the key is turned there, and nothing happens until
    the person has gone.
    """
    bench, rehearsal = technician.system.bench, technician.system.rehearsal
    journey = Journey(technician.system, Errand("taro", "juminhyo", Path()), technician.watcher)
    seen = await technician.screen("menu")
    while seen.name != "certificates":
        await DOES.get(seen.name, _nothing)(journey, seen)
        seen = await technician.watcher.next(SEE_S)
    assert search_process(newest(rehearsal, "child.active")["child"], needles, set()).hits
    bench.turn_key(True)
    async with asyncio.timeout(SEE_S):
        while not newest(rehearsal, "service-key").get("turned"):
            await asyncio.sleep(0.1)
    await technician.touch(seen, "choose", "juminhyo")
    seen = await technician.screen("options")
    assert not acts(rehearsal)
    await technician.touch(seen, "cancel")


async def _nothing(_: Journey, __: Seen) -> None:
    """It comes by itself."""


def test_ten_minutes_at_the_kiosk(tmp_path: Path) -> None:
    """A key turned in the middle of a journey, counters, cash, test prints, a wire that is cut, out
    of service, restart, still out of service, back in service.
    """
    asyncio.run(ten_minutes(tmp_path))


async def ten_minutes(folder: Path) -> None:
    rehearsal, needles = prepare_people(prepare(FOLDER, folder))
    seen: list[Seen] = []
    async with at_the_kiosk(rehearsal) as technician:
        technician.keep = seen.append
        await serve_somebody(technician, needles)
        home = await technician.page("home")
        pid = newest(rehearsal, "technician.opened")["pid"]
        assert reported(folder) == "technician"

        counters = await technician.go(home, "counters")
        assert "kiosk-1" in counters.text and "Journeys begun 1" in counters.text
        home = await technician.go(await count_coins(technician, counters), "home")
        home = await print_papers(technician, home, folder)
        assert not search_process(pid, needles, set()).hits

        await technician.system.bench.switch("key-cut", True)
        await technician.screen("menu")
        await technician.system.bench.switch("key-cut", False)
        technician.turn(False)
        await until_the_key_is_known(rehearsal, turned=False)
        technician.turn(True)

        home = await technician.page("home")
        stop = await technician.go(home, "stop")
        await technician.touch(stop, "do", "stop")
        home = await technician.page("home", "out-of-service")
        restart = await technician.go(home, "restart")
        await technician.touch(restart, "do", "restart")
        home = await technician.page("home", "")  # the key is turned still, and opens once more
        assert not home.offers("open", "stop")
        technician.turn(False)
        await technician.screen("fault", "suspended")
        assert reported(folder) == "suspended"

        technician.turn(True)
        home = await technician.page("home")
        resume = await technician.go(home, "resume")
        await technician.touch(resume, "do", "resume")
        home = await technician.page("home", "in-service")
        await technician.touch(home, "leave")
        await technician.screen("menu")  # with the key in it: a turn opens once
    whole = "".join(each.text for each in seen if each.name == "technician").encode()
    assert whole and not [needle.name for needle in needles if needle.content in whole]
    told = acts(rehearsal)
    assert [each for each in told if each.startswith("act")] == [
        "act book difference +600円",
        "act test-sheet done",
        "act test-receipt done",
        "act guard-sheet done",
        "act stop out-of-service",
        "act restart done",
        "act resume in-service",
    ]
    assert [each for each in told if each.startswith("closed")] == [
        "closed key",
        "closed restart",
        "closed key",
        "closed left",
    ]
    written = kinds(rehearsal)
    assert [each for each in written if each.startswith(("service-", "cash-count"))] == [
        "cash-count",
        "service-stopped",
        "service-resumed",
    ]


async def count_coins(technician: Technician, seen: Seen) -> Seen:
    """実査 of a hopper: 60 coins of 10 yen are counted, and booked."""
    cash = await technician.go(await technician.go(seen, "home"), "cash")
    await technician.touch(cash, "choose", "cash-count")
    await technician.touch(await technician.page("places"), "choose", "hopper-3")
    seen = await technician.page("coins")
    for digit in "60":
        await technician.touch(seen, "digit", digit)
        seen = await technician.page("coins")
    assert "60枚" in seen.text
    await technician.touch(seen, "enter")
    await technician.touch(await technician.page("book"), "do", "book")
    cash = await technician.page("cash", "difference +600円")
    assert "ホッパー3　10円" in cash.text and "60枚" in cash.text
    return cash


async def print_papers(technician: Technician, home: Seen, folder: Path) -> Seen:
    """Each is marked, but the sheet whose fields are to be compared."""
    bench = technician.system.bench
    prints = await technician.go(home, "print")
    for act, take in (("test-sheet", bench.take_sheets), ("test-receipt", bench.take_receipt)):
        await technician.touch(prints, "do", act)
        prints = await technician.page("print", "done")
        [paper] = take()
        paper.image.save(folder / f"{act}.png")
    calibrate = await technician.go(await technician.go(prints, "home"), "calibrate")
    await technician.touch(calibrate, "do", "guard-sheet")
    calibrate = await technician.page("calibrate", "done")
    [guard] = bench.take_sheets()
    guard.image.save(folder / "guard.png")
    return await technician.go(calibrate, "home")


async def until_the_key_is_known(rehearsal: Rehearsal, *, turned: bool) -> None:
    async with asyncio.timeout(SEE_S):
        while newest(rehearsal, "service-key").get("turned") is not turned:
            await asyncio.sleep(0.1)


def reported(folder: Path) -> str:
    """Why nobody is served, by the status."""
    status = read_status(folder / "runtime")
    assert status
    return status.report.problem
