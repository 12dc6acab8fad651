"""All journeys of an inspection: every kiosk at once, the city asked beside them, each sheet read
back while the next resident is served.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from firmware.link import signing
from firmware.sheets.prepare import Target
from hal.sim.bench import SHEET_DOTS, PrintedSheet
from testbed.customer import Watcher
from testbed.field_day.judge import FIRST_SCREEN, Stay, check_stay
from testbed.field_day.visit import STILL_S, Place
from testbed.inspection import kiosks as line_up
from testbed.inspection import plan
from testbed.inspection.errand import Errand
from testbed.inspection.journey import Notes, serve
from testbed.inspection.kiosks import Kiosk
from testbed.inspection.paper import blank_sheet
from testbed.inspection.paper_judge import Dots, Judge
from testbed.inspection.sheet_code import read_with_zbar
from testbed.inspection.state import Result, State
from testbed.inspection.truths import Truths
from testbed.random_walk.evidence import WHOLE_SHEET, Evidence

DPI: Final = 203
BLACK: Final = 128  # of 255
CODE: Final = re.compile(r"[a-z0-9-]{1,40}")
SERVED: Final = "served"
AT_THE_MONEY: Final = "stopped before the money"
Report = Callable[[State], None]


@dataclass
class Inspection:
    """`note` hears of every journey that was judged. `mistake`: see `kiosks.running`."""

    folder: Path
    run: Path
    state: State
    note: Report
    mistake: str = ""
    desks: int = 1  # that ask the city beside the kiosks
    errands: tuple[Errand, ...] = plan.ERRANDS
    _reading: set[asyncio.Task[None]] = field(default_factory=set)

    async def inspect(self) -> None:
        """What is not done yet. Raises ProcessDead, RehearsalError, Unanswered, OSError."""
        order = self.state.order
        rehearsals = line_up.made(self.folder, self.run, order.kiosks, order.trouble)
        truths = Truths(line_up.desk(rehearsals[0]))
        keys = signing.load_public([truths.desk.keys.issuing])
        judge = Judge(blank_sheet(Target(DPI, SHEET_DOTS)), keys, DPI, read_with_zbar)
        running = line_up.running(rehearsals, order.trouble, order.seed, self.mistake)
        try:
            with ThreadPoolExecutor(1) as eyes:
                async with running as started:
                    await truths.learn(self._wanted())
                    try:
                        await self._all(started, truths, judge, eyes)
                    finally:
                        for kiosk in started:
                            self._count(kiosk)
        finally:
            judge.close()
            self.state.compared += truths.asked
            self.state.unanswered += truths.unanswered
            self.state.city_faults += truths.faults
            self.note(self.state)

    def _wanted(self) -> list[Errand]:
        """Those that will be asked for."""
        order = self.state.order
        chosen = (
            plan.choose(order.seed, kiosk, number, self.errands)
            for kiosk in range(order.kiosks)
            for number in range(order.journeys)
        )
        wanted = {errand.name for errand in chosen}
        return [errand for errand in self.errands if errand.name in wanted]

    async def _all(
        self, started: list[Kiosk], truths: Truths, judge: Judge, eyes: ThreadPoolExecutor
    ) -> None:
        asking = [
            asyncio.create_task(truths.keep_asking(self._wanted())) for _ in range(self.desks)
        ]
        serving = [
            asyncio.create_task(self._serve(n, kiosk, truths, judge, eyes))
            for n, kiosk in enumerate(started)
        ]
        try:
            await asyncio.gather(*serving)
            await asyncio.gather(*self._reading)
        finally:
            left = (*asking, *serving, *self._reading)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _serve(
        self, n: int, kiosk: Kiosk, truths: Truths, judge: Judge, eyes: ThreadPoolExecutor
    ) -> None:
        """One resident after the other at one kiosk."""
        order = self.state.order
        system = kiosk.system
        made = system.rehearsal
        done = self.state.done(n + 1)
        async with Watcher(made.panel, made.panel_key).watching() as watcher:
            seen = await watcher.next(STILL_S)
            while seen.name != FIRST_SCREEN:
                seen = await watcher.next(STILL_S)
            with closing(Evidence(system)) as evidence:
                place = Place(system, watcher, kiosk.troubles, evidence, seen)
                for number in range(order.journeys):
                    if number + 1 in done:
                        continue
                    errand = plan.choose(order.seed, n, number, self.errands)
                    kiosk.dice.next_visitor(number)
                    kiosk.dice.calm = False
                    stay, notes = await serve(place, number, errand, order.dry)
                    stay.troubles = self._count(kiosk)
                    sheets, place.sheets = place.sheets, []
                    evidence.papers.clear()
                    reading = asyncio.create_task(
                        self._read(n, errand, stay, notes, sheets, truths, judge, eyes)
                    )
                    self._reading.add(reading)
                    if stay.stuck:
                        return

    def _count(self, kiosk: Kiosk) -> int:
        """Writes down the disturbances since the last call, and says how many there were."""
        found = kiosk.dice.injected.copy()
        kiosk.dice.injected.clear()
        self.state.add_disturbances(found)
        return found.total()

    async def _read(
        self,
        n: int,
        errand: Errand,
        stay: Stay,
        notes: Notes,
        sheets: list[PrintedSheet],
        truths: Truths,
        judge: Judge,
        eyes: ThreadPoolExecutor,
    ) -> None:
        """Everything about one journey; written down when it is judged."""
        result = Result(n + 1, stay.number + 1, plan.described(errand), _ended(stay, notes))
        stay.told = [told._replace(code=_code(told.code)) for told in stay.told]
        order, truth = self.state.order, truths.of[errand.name]
        whole = [sheet for sheet in sheets if sheet.image.height >= WHOLE_SHEET]
        result.torn = len(sheets) - len(whole)
        result.sheets = len(whole)
        result.faults += [finding.what for finding in check_stay(stay)]
        result.faults += _amiss(stay, notes, order.dry, truth.fee, len(sheets), result.torn)
        if whole:
            dots = [dots_of_paper(sheet) for sheet in whole]
            verdict = await asyncio.get_running_loop().run_in_executor(
                eyes, lambda: judge.judge(truth, dots, part=not stay.thanked)
            )
            result.faults += verdict.faults
        self.state.results.append(result)
        self.note(self.state)


def dots_of_paper(sheet: PrintedSheet) -> Dots:
    return np.asarray(sheet.image.convert("L")) < BLACK


def _code(told: str) -> str:
    """Whatever else it is may be the text of a screen, and name somebody."""
    return told if CODE.fullmatch(told) else "no-way-on"


def _ended(stay: Stay, notes: Notes) -> str:
    if stay.served:
        return SERVED
    if notes.at_the_money:
        return AT_THE_MONEY
    return stay.told[-1].code if stay.told else next(iter(stay.reasons), "left")


def _amiss(stay: Stay, notes: Notes, dry: bool, fee: int, sheets: int, torn: int) -> Iterator[str]:
    """What no disturbance explains."""
    if notes.total is not None and notes.total != fee:
        yield f"{notes.total} yen are asked for instead of {fee}"
    if dry and sheets:
        yield f"{sheets} sheets on a dry run"
    if torn and not stay.troubles:
        yield f"{torn} torn sheets, and nothing was disturbed"
