"""Many walks, chosen by hypothesis, on one system that is kept between them; what fails is made shorter."""

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

from madoguchi import toml
from madoguchi.part import PartDead
from madoguchi.person import Watcher
from madoguchi.rehearsal import prepare
from madoguchi.system import KIOSK, System
from madoguchi.walks import judge, walk
from madoguchi.walks.walk import Violated, Walk

NUMBERS = 1 << 16
SHORTEN_S = 240.0
LAST_STEPS = 6  # of a walk that failed: often enough
# Wires at work, not numbers: a walk takes as long as it takes, and what it needs is made once.
CHECKS = tuple(HealthCheck)
# Slow enough that things happen in the middle of a sheet, a payout, an exchange with the card.
LINES_S, COIN_S, APDU_MS = 4_000.0, 0.03, 2.0
SETTINGS = {"line": {"deadline_s": 1.0}, "sheets": {"page_deadline_s": 8.0}, "receipts": {"page_deadline_s": 8.0}}
GATEWAY = {"gateway": {"workers": 1, "waiting": 1}}  # soon busy


@dataclass
class Found:
    """A property that did not hold, and the shortest walk known to lead there."""

    letter: str
    what: str
    numbers: tuple[int, ...]
    did: tuple[str, ...]

    @property
    def replay(self) -> str:
        return f"python -m madoguchi.walks --numbers {','.join(map(str, self.numbers))}"


@dataclass
class Tally:
    counts: Counter[str] = field(default_factory=Counter)
    found: list[Found] = field(default_factory=list)
    states: set[str] = field(default_factory=set)
    seconds: float = 0.0


class House:
    """The system, kept at work between walks, in an event loop that stands still meanwhile; a new one after a failure.

    A context manager. `folder` keeps keys, cards and voice. `kiosk`: another program than the kiosk's, as `System` has
    it.
    """

    def __init__(self, folder: Path, kiosk: tuple[str, ...] = KIOSK) -> None:
        self._folder, self._kiosk = folder, kiosk
        self._runner = asyncio.Runner()
        self._system: System | None = None
        self._run: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._runner.run(self._end())
        self._runner.__exit__(kind, error, at)

    def walk(self, numbers: Sequence[int], tally: Tally) -> None:
        """Raises Violated; PartDead, RehearsalError when the system does not even start."""
        self._runner.run(self._walk(numbers, tally))

    async def _walk(self, numbers: Sequence[int], tally: Tally) -> None:
        system = self._system or await self._start()
        try:
            async with Watcher(system.rehearsal.panel).watching() as watcher:
                with closing(Walk(system, watcher)) as one:
                    try:
                        await one.run(numbers)
                    except PartDead as error:
                        raise Violated(judge.Fault("e", f"it does not start again: {error}"), one.did) from None
                    finally:
                        tally.counts += one.counted()
                        tally.states |= {line.state for line in one.evidence.trail.lines if line.log == "state"}
        except BaseException:
            self._keep(system)
            await self._end()
            raise

    async def _start(self) -> System:
        self._run = tempfile.TemporaryDirectory(prefix="madoguchi-walks-")
        made = prepare(self._folder, Path(self._run.name), pace=walk.PACE, kiosk=SETTINGS)
        made.city_toml.write_text(toml.dumps(toml.merge(tomllib.loads(made.city_toml.read_text()), GATEWAY)))
        self._system = await System(made, None, LINES_S, COIN_S, APDU_MS, self._kiosk).__aenter__()
        return self._system

    def _keep(self, system: System) -> None:
        """The logs of the last walk that failed."""
        kept = self._folder / "failed-walk"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(system.rehearsal.run, kept, ignore=shutil.ignore_patterns("city*.sqlite*", "coins", "lock"))

    async def _end(self) -> None:
        system, self._system = self._system, None
        if system is not None:
            await system.__aexit__(None, None, None)
        if self._run is not None:
            self._run.cleanup()


def walks(
    house: House,
    many: int,
    steps: int,
    first: int,
    until: float = float("inf"),
    enough: int = 1,
    tell: Callable[[str], None] = lambda _: None,
) -> Tally:
    """`many` walks of `steps` steps, or as many as begin before `until` (monotonic seconds). `first`: the seed.

    No more after `enough` that failed.
    Hypothesis chooses, the same walks for the same seed; the first is all zeros. Its own shrinking wants hundreds of
    tries, which take a minute each here: `shorten` does with few.
    """
    tally, began = Tally(), time.monotonic()

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
        if time.monotonic() > until or len(tally.found) >= enough:
            return
        found = attempt(house, numbers, tally)
        tally.counts["walks"] += 1
        if found is not None:
            tell(f"({found.letter}) {found.what}")
            tally.found.append(shorten(house, found))
        tell(f"walk {tally.counts['walks']}: {tally.counts['steps']} steps")

    one()
    tally.seconds = time.monotonic() - began
    return tally


def attempt(house: House, numbers: Sequence[int], tally: Tally) -> Found | None:
    try:
        house.walk(numbers, tally)
    except Violated as violated:
        made = tuple(numbers[: len(violated.did)])
        return Found(violated.fault.letter, violated.fault.what, made, violated.did)
    return None


def shorten(house: House, found: Found, seconds: float = SHORTEN_S) -> Found:
    """The same property broken by fewer steps: by the last ones alone, or by leaving pieces out, as long as time lasts.

    Short walks are tried first, they take least.
    """
    end = time.monotonic() + seconds

    def breaks(numbers: Sequence[int]) -> Found | None:
        again = attempt(house, numbers, Tally()) if time.monotonic() < end else None
        shorter = again is not None and again.letter == found.letter and len(again.numbers) < len(found.numbers)
        return again if shorter else None

    size = LAST_STEPS
    while size < len(found.numbers):
        found = breaks(found.numbers[-size:]) or found
        size *= 2
    size = len(found.numbers) // 2
    while size and time.monotonic() < end:
        pieces = range(0, len(found.numbers), size)
        fewer = (breaks(found.numbers[:at] + found.numbers[at + size :]) for at in pieces)
        again = next((one for one in fewer if one), None)
        found, size = (again, min(size, len(again.numbers))) if again else (found, size // 2)
    return found
