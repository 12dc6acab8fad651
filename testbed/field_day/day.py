"""All residents of a day, on one running system. After every few of them the books are checked."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from testbed.customer import Watcher
from testbed.field_day.judge import FIRST_SCREEN, Finding, Stay, check_stay
from testbed.field_day.troubles import Dice, Troubles
from testbed.field_day.visit import STILL_S, Place, serve
from testbed.field_day.visitors import choose_visitor, make_foreign_cards
from testbed.random_walk import books, judge
from testbed.random_walk.evidence import Evidence
from testbed.rehearsal import prepare
from testbed.system import System

PACE: Final = 0.2
# Short, so that a day is short; longer than every passing trouble.
SETTINGS: Final = {
    "line": {"deadline_s": 3.0},
    "sheets": {"page_deadline_s": 5.0},
    "receipts": {"page_deadline_s": 5.0},
}
BATCH: Final = 20  # residents between two looks at the books
REPORTED_S: Final = 20.0  # for the city to hear the outcomes
CALM_S: Final = 1.0  # for the last trouble to pass
CAUSES: Final = frozenset({"card", "coins", "printer", "line", "terminal", "speaker"})


@dataclass
class Day:
    """What came of it."""

    stays: list[Stay] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    cases: Counter[str] = field(default_factory=Counter)
    injected: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: float = 0.0


async def play_day(
    folder: Path, residents: int, percent: float, seed: int, report: Callable[[str], None]
) -> Day:
    """Raises ProcessDead, RehearsalError when the system does not even start. A day ends early on
    a kiosk that has no way back to its first screen.
    """
    day = Day()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="madoguchi-day-") as run:
        made = prepare(folder, Path(run), pace=PACE, cashless=True, kiosk=SETTINGS)
        system = System(made)
        system.bench.cards |= make_foreign_cards(made)
        dice = Dice(seed, percent)
        troubles = Troubles(system.bench, dice)
        async with system:
            async with Watcher(made.panel, made.panel_key).watching() as watcher:
                await _play(day, system, watcher, troubles, dice, residents, seed, report)
            dice.calm = True
            await asyncio.sleep(CALM_S)
        if day.findings:
            _keep_logs(made.run, folder / "failed-day")
    day.injected = +dice.injected
    day.seconds = time.monotonic() - began
    return day


async def _play(
    day: Day,
    system: System,
    watcher: Watcher,
    troubles: Troubles,
    dice: Dice,
    residents: int,
    seed: int,
    report: Callable[[str], None],
) -> None:
    seen = await watcher.next(STILL_S)
    while seen.name != FIRST_SCREEN:
        seen = await watcher.next(STILL_S)
    for first in range(0, residents, BATCH):
        with closing(Evidence(system)) as evidence:
            place = Place(system, watcher, troubles, evidence, seen)
            for number in range(first, min(first + BATCH, residents)):
                visitor = choose_visitor(seed, number)
                if visitor.card in system.rehearsal.cards:
                    evidence.lay(visitor.card)
                dice.next_visitor(number)
                dice.calm = False
                before = dice.injected.total()
                stay = await serve(place, number, visitor, system.rehearsal.run)
                stay.troubles = dice.injected.total() - before
                day.stays.append(stay)
                day.findings += check_stay(stay)
                if stay.stuck:
                    break
            dice.calm = True
            await _judge_books(day, place)
            seen = place.seen or seen
        report(f"{len(day.stays)} residents, {len(day.findings)} findings")
        if day.stays[-1].stuck:
            return


async def _judge_books(day: Day, place: Place) -> None:
    """What the last resident has begun ends, and the city hears of it: then nothing is wrong."""
    evidence = place.evidence
    evidence.causes |= CAUSES
    number = day.stays[-1].number
    end = time.monotonic() + REPORTED_S
    await place.look(CALM_S)
    while found := list(_afterwards(place)):
        if time.monotonic() > end:
            break
        await place.look(CALM_S)
        place.take(day.stays[-1])
    day.findings += [Finding(number, f"up to here: ({one.letter}) {one.what}") for one in found]
    day.cases.update(e.facts["code"] for e in evidence.walked() if e.kind == "case")


def _afterwards(place: Place) -> Iterator[judge.Violation]:
    evidence = place.evidence
    evidence.trail.read()
    yield from judge.check_log(evidence.trail.lines)
    yield from books.check_books(evidence.left_behind())
    bench = place.system.bench
    yield from (judge.Violation("l", f"on a wire: {what}") for what in bench.violations)


def _keep_logs(run: Path, kept: Path) -> None:
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for log in run.glob("*.log"):
        shutil.copy(log, kept)
