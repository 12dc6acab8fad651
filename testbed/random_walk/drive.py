"""Many walks, chosen by hypothesis, on one system that is kept between them; what fails is made
shorter.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from firmware.service import toml
from firmware.service.config import load
from firmware.service.deaths import Deaths
from firmware.tools import incident
from testbed.customer import Watcher
from testbed.process import ProcessDead
from testbed.random_walk import judge, walk
from testbed.random_walk.walk import Violated, Walk
from testbed.rehearsal import Rehearsal, prepare
from testbed.system import KIOSK, System

NUMBERS = 1 << 16
SHORTEN_S = 240.0
INCIDENT = "incident.zip"  # in the folder of a walk that failed
LAST_STEPS = 6  # of a walk that failed: often enough
# Wires at work, not numbers: a walk takes as long as it takes, and what it needs is made once.
CHECKS = tuple(HealthCheck)
# Slow enough that things happen in the middle of a sheet, a payout, an exchange with the card.
LINES_PER_S = 4_000.0
COIN_S = 0.03
APDU_MS = 2.0
SETTINGS = {
    "line": {"deadline_s": 1.0},
    "sheets": {"page_deadline_s": 8.0},
    "receipts": {"page_deadline_s": 8.0},
}
GATEWAY = {"gateway": {"workers": 1, "waiting": 1}}  # soon busy


@dataclass
class Failure:
    """A property that did not hold, and the shortest walk known to lead there."""

    letter: str
    what: str
    numbers: tuple[int, ...]
    did: tuple[str, ...]

    @property
    def replay(self) -> str:
        return f"python -m testbed.random_walk --numbers {','.join(map(str, self.numbers))}"


@dataclass
class Tally:
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    states: set[str] = field(default_factory=set)
    seconds: float = 0.0


class SharedSystem:
    """The system, kept at work between walks, in an event loop that stands still meanwhile; a new
    one after a failure.

    A context manager. `folder` keeps keys, cards and voice; several processes may share it.
    `failed`: the folder for the logs and the incident of the last walk that failed, of this process
    alone. `incident`, where it is given: the file in which each walk leaves its incident.
    `kiosk`: another program than the kiosk's, as `System` has it.
    """

    def __init__(self, folder: Path, failed: Path, kiosk: tuple[str, ...] = KIOSK) -> None:
        self._folder = folder
        self._failed = failed
        self.incident: Path | None = None
        self._kiosk = kiosk
        self._runner = asyncio.Runner()
        self._system: System | None = None
        self._deaths = Deaths()
        self._run: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._runner.run(self._end())
        self._runner.__exit__(kind, error, at)

    def walk(self, numbers: Sequence[int], tally: Tally) -> None:
        """Raises Violated; ProcessDead, RehearsalError when the system does not even start."""
        self._runner.run(self._walk(numbers, tally))

    async def _walk(self, numbers: Sequence[int], tally: Tally) -> None:
        system = self._system or await self._start()
        try:
            async with Watcher(
                system.rehearsal.panel, system.rehearsal.panel_key
            ).watching() as watcher:
                with closing(Walk(system, watcher, self._deaths)) as one:
                    await self._run_walk(one, numbers, tally)
        except BaseException:
            self._keep(system)
            await self._end()
            raise

    async def _run_walk(self, one: Walk, numbers: Sequence[int], tally: Tally) -> None:
        try:
            await one.run(numbers)
        except ProcessDead as error:
            fault = judge.Violation("e", f"it does not start again: {error}")
            raise Violated(fault, one.did) from None
        finally:
            if self.incident is not None:
                _write_incident(self.incident, one.system.rehearsal)
            lines = one.evidence.trail.lines
            tally.counts += one.counted()
            tally.states |= {line.state for line in lines if line.log == "state"}

    async def _start(self) -> System:
        self._deaths = Deaths()
        self._run = tempfile.TemporaryDirectory(prefix="madoguchi-walks-")
        made = prepare(self._folder, Path(self._run.name), pace=walk.PACE, kiosk=SETTINGS)
        city = toml.merge(tomllib.loads(made.city_toml.read_text()), GATEWAY)
        made.city_toml.write_text(toml.dumps(city))
        system = System(made, None, LINES_PER_S, COIN_S, APDU_MS, self._kiosk)
        self._system = await system.__aenter__()
        return self._system

    def _keep(self, system: System) -> None:
        """The logs of the last walk that failed."""
        shutil.rmtree(self._failed, ignore_errors=True)
        shutil.copytree(system.rehearsal.run, self._failed, ignore=_left_out)
        _write_incident(self._failed / INCIDENT, system.rehearsal)

    async def _end(self) -> None:
        system = self._system
        self._system = None
        if system is not None:
            await system.__aexit__(None, None, None)
        if self._run is not None:
            self._run.cleanup()


def _write_incident(out: Path, rehearsal: Rehearsal) -> None:
    """As `kiosk incident` does; `kiosk replay` explains it."""
    out.unlink(missing_ok=True)
    incident.write(out, load(rehearsal.kiosk_toml), rehearsal.kiosk_toml)


def _report_nothing(_: str) -> None:
    """Where nobody reads along."""


def run_walks(
    shared: SharedSystem,
    many: int,
    steps: int,
    first: int,
    until: float = float("inf"),
    enough: int = 1,
    report: Callable[[str], None] = _report_nothing,
) -> Tally:
    """`many` walks of `steps` steps, or as many as begin before `until` (monotonic seconds).
    `first`: the seed.

    No more after `enough` that failed. Hypothesis chooses, the same walks for the same seed; the
    first is all zeros. Its own shrinking wants hundreds of tries, which take a minute each here:
    `shorten` does with few.
    """
    tally = Tally()
    began = time.monotonic()

    @seed(first)
    @settings(
        max_examples=many,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=CHECKS,
    )
    @given(st.lists(st.integers(0, NUMBERS - 1), min_size=steps, max_size=steps))
    def one(numbers: list[int]) -> None:
        if time.monotonic() > until or len(tally.failures) >= enough:
            return
        failure = attempt(shared, numbers, tally)
        tally.counts["walks"] += 1
        if failure is not None:
            report(f"({failure.letter}) {failure.what}")
            tally.failures.append(shorten(shared, failure))
        report(f"walk {tally.counts['walks']}: {tally.counts['steps']} steps")

    one()
    tally.seconds = time.monotonic() - began
    return tally


def _left_out(folder: str, names: list[str]) -> set[str]:
    """The city's files are large, and reading a wire (a device file) would never end."""
    left_out: set[str] = set()
    for name in names:
        path = Path(folder) / name
        is_wire = not path.is_file() and not path.is_dir()
        is_of_the_city = name.startswith("city") and ".sqlite" in name
        if is_wire or is_of_the_city:
            left_out.add(name)
    return left_out


def attempt(shared: SharedSystem, numbers: Sequence[int], tally: Tally) -> Failure | None:
    try:
        shared.walk(numbers, tally)
    except Violated as violated:
        made = tuple(numbers[: len(violated.did)])
        return Failure(violated.fault.letter, violated.fault.what, made, violated.did)
    return None


def shorten(shared: SharedSystem, failure: Failure, seconds: float = SHORTEN_S) -> Failure:
    """The same property broken by fewer steps: by the last ones alone, or by leaving pieces out, as
    long as time lasts.

    Short walks are tried first, they take least.
    """
    end = time.monotonic() + seconds

    def fail_again(numbers: Sequence[int]) -> Failure | None:
        """The same failure by fewer numbers, if these lead to it."""
        if time.monotonic() >= end:
            return None
        again = attempt(shared, numbers, Tally())
        if again is None or again.letter != failure.letter:
            return None
        return again if len(again.numbers) < len(failure.numbers) else None

    size = LAST_STEPS
    while size < len(failure.numbers):
        failure = fail_again(failure.numbers[-size:]) or failure
        size *= 2
    size = len(failure.numbers) // 2
    while size and time.monotonic() < end:
        pieces = range(0, len(failure.numbers), size)
        fewer = (fail_again(failure.numbers[:at] + failure.numbers[at + size :]) for at in pieces)
        again = next((one for one in fewer if one is not None), None)
        if again is None:
            size //= 2
        else:
            failure = again
            size = min(size, len(failure.numbers))
    return failure
