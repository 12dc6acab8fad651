"""A disk that fills while somebody pays, on the simulated wires: nothing lost, nobody served on a
disk that is full.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from service.disk import Disk, small_disk

from firmware.service.cases import create_journal, journal_path
from firmware.service.journal import Journal
from testbed.customer import Watcher
from testbed.demo import FOLDER
from testbed.rehearsal import prepare
from testbed.scenario import wires
from testbed.scenario_file import Step, load
from testbed.screen import Seen
from testbed.system import System

pytestmark = pytest.mark.wires

JOURNEY = load(Path(__file__).parents[1] / "scenarios" / "juminhyo-self.toml")[0]
PHONE = "078-000-0000"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") as disk:
        create_journal(disk.folder / "state")
        yield disk


class Visit:
    """One person on the wires, up to the till."""

    def __init__(self, system: System, watcher: Watcher, disk: Disk) -> None:
        self.bench, self.disk = system.bench, disk
        self.run = wires.WireRun(JOURNEY, system, watcher)
        self.log = journal_path(disk.folder / "state").with_name("journal.sqlite-wal")

    async def to_the_open_slot(self) -> None:
        for step in JOURNEY.steps:
            if step.coin:
                break
            await wires.STEPS[step.verb](self.run, step)
        await self.run._slot(accepting=True)

    async def on(self) -> None:
        """From the coin to the end."""
        steps = list(JOURNEY.steps)
        after = next(number for number, step in enumerate(steps) if step.coin)
        for step in steps[after:-1]:
            await wires.STEPS[step.verb](self.run, step)

    async def see(self, name: str, **facts: Any) -> Seen:
        self.run._seen = None
        await wires.STEPS["see"](self.run, Step(see=name, facts=facts))
        seen = self.run._seen
        assert seen is not None
        return seen


def play(tmp_path: Path, disk: Disk, act: Any, **slow: Any) -> System:
    made = prepare(
        FOLDER,
        tmp_path,
        kiosk={"kiosk": {"state": disk.folder / "state", "phone": PHONE, "pace": 0.3}},
    )
    made = type(made)(**{**vars(made), "state": disk.folder / "state"})

    async def whole() -> System:
        async with System(made, **slow) as system:
            async with Watcher(
                system.rehearsal.panel, system.rehearsal.panel_key
            ).watching() as watcher:
                await act(Visit(system, watcher, disk))
            return system

    return asyncio.run(whole())


def entries(disk: Disk) -> list[tuple[str, dict[str, Any]]]:
    with closing(Journal(journal_path(disk.folder / "state"))) as journal:
        assert journal.verify()
        return [(entry.kind, dict(entry.facts)) for entry in journal.entries()]


def test_room_was_made_before_the_slot_opened(tmp_path: Path, disk: Disk) -> None:
    """The disk is full from the first coin on: the journey ends as if it were not, and nobody
    begins another.
    """

    async def act(visit: Visit) -> None:
        await visit.to_the_open_slot()
        disk.fill()
        await visit.on()
        await visit.see("fault", problem="storage")
        disk.free()
        await visit.see("menu")

    play(tmp_path, disk, act)
    told = entries(disk)
    assert ("ended", {"kept": 100, "returned": 0, "owed": 0, "held": 0}) in told
    assert [facts["result"] for kind, facts in told if kind == "outcome"] == ["printed"]


def test_a_coin_that_cannot_be_written_down_is_paid_back(tmp_path: Path, disk: Disk) -> None:
    """Even the reserve is gone: the coin comes back, the screen names a number, and all of it is
    written in the end.
    """

    async def act(visit: Visit) -> None:
        await visit.to_the_open_slot()
        disk.rob(visit.log)
        disk.fill()
        assert visit.bench.coin(100)
        assert await visit.bench.until(lambda bench: sum(bench.take_coins()) == 100, 20), (
            "the coin came back"
        )
        seen = await visit.see("fault", problem="storage", returned=100, owed=0)
        while PHONE not in seen.text:  # the supervisor's own screen
            seen = await visit.see("fault", problem="storage")
        number.append(seen.text)
        await visit.run._slot(accepting=False)
        assert not visit.bench.coin(100), "and nobody can put more in"
        disk.free()
        await visit.see("menu")

    number: list[str] = []
    play(tmp_path, disk, act)
    told = entries(disk)
    assert [facts for kind, facts in told if kind == "ended"] == [
        {"kept": 0, "returned": 100, "owed": 0, "held": 0}
    ]
    [case] = [facts for kind, facts in told if kind == "case"]
    assert (case["code"], case["pauses"]) == ("journal.broken", False)
    assert str(case["case"])[:12] in number[0]
    kinds = [kind for kind, _ in told]
    assert (
        kinds.index("coin")
        < kinds.index("payout-begun")
        < kinds.index("payout-done")
        < kinds.index("ended")
    )


def test_what_cannot_be_written_down_is_told_to_the_city(tmp_path: Path, disk: Disk) -> None:
    """The sheet is out, the disk is full: the city hears of it before the journal can."""

    async def act(visit: Visit) -> None:
        await visit.to_the_open_slot()
        await visit.run.coin(Step(coin=500))
        await visit.see("printing")
        disk.rob(visit.log)
        disk.fill()
        await visit.see("fault", problem="storage")
        database = tmp_path / "city.sqlite"
        for _ in range(400):
            with closing(sqlite3.connect(database)) as city:
                heard = [json.loads(body) for (body,) in city.execute("SELECT body FROM outcomes")]
            if heard:
                break
            await asyncio.sleep(0.05)
        told.extend(heard)
        assert visit.bench.take_sheets()
        disk.free()
        await visit.see("menu")

    told: list[Any] = []
    play(tmp_path, disk, act, lines_s=3000.0)
    [one] = told
    assert (one["result"], one["sheets"], one["kept"], one["returned"], one["owed"]) == (
        "printed",
        1,
        100,
        400,
        0,
    )
    assert [facts for kind, facts in entries(disk) if kind == "ended"] == [
        {"kept": 100, "returned": 400, "owed": 0, "held": 0}
    ]
    assert [kind for kind, _ in entries(disk)].count("delivered") == 1


def test_a_disk_that_is_read_only_from_the_start_is_told_on_the_screen(
    tmp_path: Path, disk: Disk
) -> None:
    """After a power cut some file systems come back like that: the kiosk says so, and goes on once
    it is mended.
    """
    made = prepare(
        FOLDER, tmp_path, kiosk={"kiosk": {"state": disk.folder / "state", "phone": PHONE}}
    )
    disk.read_only(True)

    async def whole() -> None:
        async with (
            System(made) as system,
            Watcher(system.rehearsal.panel, system.rehearsal.panel_key).watching() as watcher,
        ):

            async def until(name: str) -> Seen:
                while (seen := await watcher.next(30)).name != name:
                    pass
                return seen

            seen = await until("fault")
            assert (seen.facts["problem"], PHONE in seen.text) == ("storage", True)
            disk.read_only(False)
            await until("menu")

    asyncio.run(whole())
