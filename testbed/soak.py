"""`kiosk soak` sends many residents to one kiosk, and says what grows with them.

After each it measures memory, open files, the journal's disk and the seconds of the journey. Two
straight lines are fitted through each (least squares), without the first residents, who fill
caches: one through all of them, and one with the same slope in each life of the supervisor, which
executes itself anew after some residents. Without the second, what piles up within a life would
look like a saw that leads nowhere. A measure is beyond its limit when even the lower end of a
slope's 95 % interval is: what only varies is not.

The far ends are in this process. On a machine with too much other work they answer too late, which
a driver cannot tell from a fault: the resident is refused and gets the money back. Such visits are
counted, and few of them are allowed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from testbed.customer import Errand, JourneyFailed, Watcher, run_errand
from testbed.demo import FOLDER
from testbed.erasure.search import family
from testbed.process import ProcessDead
from testbed.rehearsal import prepare
from testbed.rehearsal_error import RehearsalError
from testbed.system import System, reconcile_command

ERRANDS: Final = (("taro", "juminhyo"), ("hanako", "inkan"), ("taro", "kazei"))
WARM_UP: Final = 10  # residents
LEAST: Final = 20  # residents behind them, for a line
LEAST_FAILED: Final = 2
MOST_FAILED: Final = 0.01  # of all residents
AGAIN_S: Final = 120.0  # until the kiosk has looked at its devices again
SURE: Final = 1.96  # standard errors
STACK: Final = 25  # proc(5): startstack, counted from the state


@dataclass(frozen=True)
class Limit:
    """The most that one resident may add."""

    most: float
    unit: str


# A supervisor executes itself anew after 200 residents: within that life nothing may pile up. The
# journal keeps what a journey wrote, about 4 KiB; 10,000 residents need 80 MiB at most.
LIMITS: Final = {
    "memory": Limit(8.0, "KiB"),
    "open_files": Limit(0.005, "files"),
    "disk": Limit(8.0, "KiB"),
    "latency": Limit(0.001, "s"),
}


@dataclass(frozen=True)
class Line:
    """`slope` for each resident, and its standard error."""

    slope: float
    error: float

    @property
    def at_least(self) -> float:
        return self.slope - SURE * self.error


def fit(values: Sequence[float], lives: Sequence[Hashable] = ()) -> Line:
    """Least squares over 0, 1, 2, …: one slope, and a level of its own for each of `lives`, which
    names that of each value; without it all are of one. Raises ValueError where no slope follows.
    """
    groups: dict[Hashable, list[tuple[int, float]]] = defaultdict(list)
    for number, value in enumerate(values):
        groups[lives[number] if lives else None].append((number, value))
    points = [point for group in groups.values() for point in _from_their_mean(group)]
    spread = sum(n * n for n, _ in points)
    free = len(points) - len(groups) - 1
    if free < 1 or not spread:
        raise ValueError("a line needs three points, two of them of one life")
    slope = sum(n * value for n, value in points) / spread
    rest = sum((value - slope * n) ** 2 for n, value in points)
    return Line(slope, math.sqrt(rest / free / spread))


def _from_their_mean(points: Sequence[tuple[int, float]]) -> Iterator[tuple[float, float]]:
    middle, mean = (sum(column) / len(points) for column in zip(*points, strict=True))
    return ((n - middle, value - mean) for n, value in points)


def main(argv: Sequence[str]) -> int:
    """0 when nothing grows beyond its limit, 1 when something does, 2 when it could not be run."""
    parser = argparse.ArgumentParser(prog="kiosk soak", description=__doc__)
    least = WARM_UP + LEAST
    parser.add_argument(
        "--residents",
        type=int,
        default=1000,
        metavar="N",
        help=f"at least {least} (default: %(default)s)",
    )
    parser.add_argument(
        "--minutes", type=float, default=math.inf, metavar="M", help="nobody comes after this time"
    )
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON object")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="keys, cards and voice (default: %(default)s)"
    )
    given = parser.parse_args(argv)
    if given.residents < least:
        parser.error(f"--residents: a line needs at least {least}")
    run = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        found = asyncio.run(_soak(given.folder, run, given.residents, given.minutes * 60))
    except (RehearsalError, ProcessDead) as error:
        sys.stderr.write(f"soak: {error}\n")
        return 2
    finally:
        shutil.rmtree(run, ignore_errors=True)
    print(json.dumps(found) if given.json else _text(found))
    return 0 if found["within_limits"] else 1


async def _soak(folder: Path, run: Path, residents: int, seconds: float) -> dict[str, Any]:
    made = prepare(folder, run)
    samples = Samples()
    end = time.monotonic() + seconds
    async with System(made, 0) as system:
        pid = system.kiosk.pid
        assert pid is not None  # noqa: S101 - it is ready
        for number in range(residents):
            if time.monotonic() > end and len(samples.lives) >= WARM_UP + LEAST:
                break
            resident, certificate = ERRANDS[number % len(ERRANDS)]
            try:
                done = await run_errand(system, Errand(resident, certificate, run / "pages"))
            except JourneyFailed as error:
                samples.failed.append(str(error))
                if len(samples.failed) > LEAST_FAILED + number * MOST_FAILED:
                    raise
                await _next_can_come(system)
                continue
            samples.take(pid, made.state, float(done["total_seconds"]))
            system.bench.load_paper()
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{number + 1} of {residents}")
        members = len(family(pid))
    return {"processes": members, **samples.judged()}


async def _next_can_come(system: System) -> None:
    """The one who was refused takes everything and goes, an operator closes the case if there is
    one, and the kiosk finds its devices well again. Raises JourneyFailed.
    """
    system.bench.remove_card()
    system.bench.take_coins()
    system.bench.take_sheets()
    system.bench.take_receipt()
    closing = await asyncio.create_subprocess_exec(*reconcile_command(system.rehearsal), stdout=2)
    await closing.wait()
    async with Watcher(system.dock.address.rstrip("/")).watching() as watcher:
        name = ""
        while name != "menu":
            try:
                seen = await watcher.next(AGAIN_S)
            except TimeoutError:
                raise JourneyFailed(f"not ready again, but {name!r}") from None
            name = seen.name
            if seen.offers("ok"):
                await watcher.touch(seen, "ok")


@dataclass
class Samples:
    """One of each measure after each resident, and the life of the supervisor that it is of."""

    of: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in LIMITS})
    lives: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # what the screens said

    def take(self, pid: int, state: Path, seconds: float) -> None:
        """`pid`: the supervisor; `state`: the kiosk's folder; `seconds`: of the journey."""
        self.lives.append(_life(pid))
        self.of["memory"].append(_memory_kib(pid))
        self.of["open_files"].append(_open_files(pid))
        self.of["disk"].append(_disk_kib(state))
        self.of["latency"].append(seconds)

    def judged(self) -> dict[str, Any]:
        """Each measure's lines, and whether both are within its limit."""
        lives = self.lives[WARM_UP:]
        found = {name: _judged(self.of[name][WARM_UP:], lives, LIMITS[name]) for name in LIMITS}
        return {
            "residents": len(self.lives),
            "lives": len(set(self.lives)),
            "refused": len(self.failed),
            "refusals": sorted(set(self.failed)),
            "measures": found,
            "within_limits": all(one["within"] for one in found.values()),
        }


def _judged(values: Sequence[float], lives: Sequence[str], limit: Limit) -> dict[str, Any]:
    lines = {"a_resident": fit(values), "in_a_life": fit(values, lives)}
    return {
        "unit": limit.unit,
        "first": round(values[0], 3),
        "last": round(values[-1], 3),
        **{
            name: {"slope": round(line.slope, 5), "standard_error": round(line.error, 5)}
            for name, line in lines.items()
        },
        "limit": limit.most,
        "within": all(line.at_least <= limit.most for line in lines.values()),
    }


def _life(pid: int) -> str:
    """Where its stack begins: a process that executes itself anew gets another place."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return after_name[STACK]


def _memory_kib(pid: int) -> float:
    """Of the supervisor alone, in memory of its own: the others end with their resident."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = dict(line.split(":") for line in rollup.splitlines()[1:])
    return float(fields["Private_Dirty"].split()[0]) + float(fields["Shared_Dirty"].split()[0])


def _open_files(pid: int) -> float:
    return float(len(list(Path(f"/proc/{pid}/fd").iterdir())))


def _disk_kib(state: Path) -> float:
    return sum(path.stat().st_blocks for path in state.iterdir()) / 2


def _text(found: dict[str, Any]) -> str:
    lines = [
        f"{found['residents']} residents in {found['lives']} lives of the supervisor, "
        f"{found['refused']} more refused, {found['processes']} processes at the end",
        *(f"refused: {said}" for said in found["refusals"]),
    ]
    for name, one in found["measures"].items():
        verdict = "within" if one["within"] else "BEYOND"
        every, each = (_slope(one[line]) for line in ("a_resident", "in_a_life"))
        lines.append(
            f"{name:12}{one['first']:>12g} -> {one['last']:<12g}{one['unit']:6}"
            f"{every} a resident, {each} in a life, {verdict} {one['limit']:g}"
        )
    return "\n".join(lines)


def _slope(line: dict[str, float]) -> str:
    return f"{line['slope']:+.5f} ± {SURE * line['standard_error']:.5f}"
