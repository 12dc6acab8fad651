"""A kiosk that is kept at work between points, on a small disk of its own; two of them side by
side.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import shutil
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from power_cut.campaign import NotReady, Played, play
from power_cut.cuts import CUTS, Site
from power_cut.judge import WRONG, Outcome, Verdict
from power_cut.points import Point
from service.disk import small_disk

from testbed.demo import FOLDER
from testbed.process import ProcessDead
from testbed.rehearsal import merged, prepare
from testbed.rehearsal_error import RehearsalError
from testbed.system import KIOSK, System

WORKERS = 2
PACE = 0.1  # of the kiosk: a customer's limits are short, a device's are what they are
# Slow enough to be cut in the middle of a sheet and of a payout.
LINES_PER_S = 3_000.0
COIN_S = 0.06
DECIDES_S = 0.15  # the payment terminal, when somebody has presented
KIOSK_SETTINGS = {
    "kiosk": {"pace": PACE},
    "line": {"deadline_s": 2.0},
    "sheets": {"page_deadline_s": 8.0},
    "receipts": {"page_deadline_s": 8.0},
}
FREE = "kazei"


def _city() -> dict[str, Any]:
    """One certificate is free here."""
    certificates = merged({})["certificates"]
    for one in certificates:
        if one["kind"] == FREE:
            one["fees"] = [{**fee, "yen": 0} for fee in one["fees"]]
    return {"certificates": certificates}


class SharedKiosk:
    """A context manager. `kiosk`: another program than the kiosk's, as `System` has it; `kept`:
    where logs go.
    """

    def __init__(self, kiosk: tuple[str, ...] = KIOSK, kept: Path | None = None) -> None:
        self._kiosk = kiosk
        self._kept = kept
        self._runner = asyncio.Runner()
        self._site: Site | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._runner.run(self._end())
        self._runner.__exit__(*error)

    def play(self, point: Point) -> Played:
        """Never raises for what the kiosk does: what nobody foresaw is an outcome too."""
        return self._runner.run(self._play(point))

    async def _play(self, point: Point) -> Played:
        try:
            site = self._site or await self._start()
            if CUTS[point.cut].disk and site.disk is None:
                return Played(
                    point,
                    Verdict(Outcome.SKIPPED, "no disk of its own could be mounted"),
                    False,
                    0.0,
                )
            played = await play(site, point)
        except (NotReady, ProcessDead, RehearsalError) as error:
            played = Played(point, Verdict(Outcome.STUCK, str(error)), False, 0.0)
        except Exception:
            played = Played(point, Verdict(Outcome.STUCK, traceback.format_exc()), False, 0.0)
        if played.verdict.outcome in WRONG:
            self._keep(point)
        if played.verdict.outcome is Outcome.STUCK:
            await self._end()
        return played

    async def _start(self) -> Site:
        run = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="power-cut-")))
        try:
            disk = self._stack.enter_context(small_disk(run / "state"))
        except pytest.skip.Exception:
            disk = None
        made = prepare(FOLDER, run, city=_city(), kiosk=KIOSK_SETTINGS, cashless=True)
        system = System(made, None, LINES_PER_S, COIN_S, kiosk=self._kiosk)
        system.bench.terminal.terminal.slow_s = DECIDES_S
        await system.__aenter__()
        self._site = Site(system, disk)
        return self._site

    def _keep(self, point: Point) -> None:
        """The log and the journal of a point that went wrong."""
        if self._kept is not None and self._site is not None:
            run = self._site.system.rehearsal.run
            into = self._kept / f"{point.number:04}"
            shutil.rmtree(into, ignore_errors=True)
            into.mkdir(parents=True)
            for file in (run / "kiosk.log", *(run / "state").glob("journal.*")):
                shutil.copy(file, into)

    async def _end(self) -> None:
        site = self._site
        self._site = None
        if site is not None:
            await site.system.__aexit__(None, None, None)
        self._stack.close()


def side_by_side(
    points: Sequence[Point], kept: Path | None, workers: int = WORKERS
) -> Iterator[Played]:
    """In the order in which they end. Each worker has a kiosk of its own, and every
    second point.
    """
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[Played] = context.Queue()
    shares = [points[first::workers] for first in range(workers)]
    at_work = [
        context.Process(target=_work, args=(share, results, kept)) for share in shares if share
    ]
    for worker in at_work:
        worker.start()
    left = {point.number: point for point in points}
    while left:
        try:
            played = results.get(timeout=1.0)
        except queue.Empty:
            if any(worker.is_alive() for worker in at_work):
                continue
            for point in left.values():
                yield Played(point, Verdict(Outcome.STUCK, "its worker has died"), False, 0.0)
            return
        left.pop(played.point.number)
        yield played
    for worker in at_work:
        worker.join()


def _work(
    points: Sequence[Point], results: multiprocessing.Queue[Played], kept: Path | None
) -> None:
    with SharedKiosk(kept=kept) as shared:
        for point in points:
            results.put(shared.play(point))
