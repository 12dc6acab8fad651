"""Processes full of kiosks: each kiosk serves one resident after another, without a pause between
them.

Who meets a busy city, or none, comes back a little later, as a resident would. All processes begin
together.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import multiprocessing
import random
import resource
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing.synchronize import Barrier
from types import TracebackType
from typing import Final, Self

from firmware.service.city_desk import line_config, trust
from firmware.sheets.admit import Trust
from firmware.sheets.glyphs import load_glyphs
from testbed.load.customers import Customer
from testbed.load.desk import Call, Place, TimedLine
from testbed.load.visit import Visit, visit

ATTEMPTS: Final = 30  # of one resident
# After so long, on average, somebody comes back; each time longer, up to so many times.
BACK_S: Final = 1.0
LONGER: Final = 5
TICK_S: Final = 0.05  # how late the loop wakes up tells whether this process is the bottleneck
READY_S: Final = 60.0
BUSY: Final = "busy"
UNREACHED: Final = frozenset(
    {BUSY, "unreachable", "timeout", "tls", "truncated", "malformed", "http"}
)
_together: Barrier  # of the processes of one crowd


@dataclass(frozen=True)
class Task:
    """What one process does: `journeys` residents in all, or as many as begin within `seconds`."""

    places: tuple[Place, ...]
    customers: tuple[Customer, ...] = field(repr=False)
    seconds: float
    journeys: int
    seed: int


@dataclass(frozen=True)
class Journey:
    """A resident's whole stay, coming back included, in seconds; `last` visit alone, which says how
    it ended.
    """

    end: str
    visits: int
    seconds: float
    last: float


@dataclass(frozen=True)
class CrowdReport:
    """What a crowd did. `began` and `ended` by the machine's monotonic clock, `cpu` in seconds,
    `late` of its loops.
    """

    visits: list[Visit]
    journeys: list[Journey]
    calls: list[Call]
    began: float
    ended: float
    cpu: float
    late: list[float]


class Crowd:
    """So many processes, kept for several runs."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(processes, context, _ready, (context.Barrier(processes),))

    def run(
        self,
        places: Sequence[Place],
        customers: Sequence[Customer],
        seconds: float,
        journeys: int,
        seed: int,
    ) -> CrowdReport:
        """Blocks until the last resident has gone."""
        n = self._processes
        tasks = [
            Task(
                tuple(places[i::n]),
                tuple(customers[i::n]),
                seconds,
                -(-(journeys - i) // n),
                seed * n + i,
            )
            for i in range(n)
        ]
        return together(self._pool.map(_serve, tasks))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


def together(parts: Iterable[CrowdReport]) -> CrowdReport:
    parts = list(parts)
    return CrowdReport(
        visits=list(itertools.chain.from_iterable(part.visits for part in parts)),
        journeys=list(itertools.chain.from_iterable(part.journeys for part in parts)),
        calls=list(itertools.chain.from_iterable(part.calls for part in parts)),
        began=min(part.began for part in parts),
        ended=max(part.ended for part in parts),
        cpu=sum(part.cpu for part in parts),
        late=list(itertools.chain.from_iterable(part.late for part in parts)),
    )


# -- in a process of the crowd


def _ready(barrier: Barrier) -> None:
    global _together
    _together = barrier
    logging.getLogger().addHandler(logging.NullHandler())
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    load_glyphs()


def _serve(task: Task) -> CrowdReport:
    _together.wait(READY_S)
    return asyncio.run(serve(task))


async def serve(task: Task) -> CrowdReport:
    """All kiosks of one task, in this loop. Documents are read on one thread beside it (pdfium has
    one anyway).
    """
    report = CrowdReport([], [], [], time.monotonic(), 0.0, 0.0, [])
    cpu = time.process_time()
    waiting = deque(task.customers)
    chance = random.Random(task.seed)  # noqa: S311
    if not task.places:
        return report
    trusted = trust(task.places[0].config())
    left = itertools.count(task.journeys, -1)

    def goes_on() -> bool:
        if task.journeys:
            enough = next(left) <= 0
        else:
            enough = time.monotonic() - report.began > task.seconds
        return not enough and bool(waiting)

    with ThreadPoolExecutor(1) as thread:

        async def kiosk(place: Place, own: random.Random) -> None:
            while goes_on():
                customer = waiting.popleft()
                report.journeys.append(
                    await _journey(place, customer, trusted, own, thread, report)
                )
                waiting.append(customer)

        ticking = asyncio.create_task(_tick(report.late))
        own = [random.Random(chance.random()) for _ in task.places]  # noqa: S311
        await asyncio.gather(*map(kiosk, task.places, own))
        ticking.cancel()
    return replace(report, ended=time.monotonic(), cpu=time.process_time() - cpu)


async def _journey(
    place: Place,
    customer: Customer,
    trusted: Trust,
    chance: random.Random,
    thread: ThreadPoolExecutor,
    report: CrowdReport,
) -> Journey:
    began = time.monotonic()
    visits = 0
    async with TimedLine(line_config(place.config()), report.calls) as line:
        while True:
            seen = await visit(place, customer, line, trusted, chance, thread)
            report.visits.append(seen)
            visits += 1
            if seen.end not in UNREACHED or visits == ATTEMPTS:
                return Journey(seen.end, visits, time.monotonic() - began, seen.seconds)
            await asyncio.sleep(chance.uniform(0, 2 * BACK_S * min(visits, LONGER)))


async def _tick(late: list[float]) -> None:
    while True:
        began = time.monotonic()
        await asyncio.sleep(TICK_S)
        late.append(time.monotonic() - began - TICK_S)
