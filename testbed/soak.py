"""`kiosk soak` sends many residents to one kiosk, and says what grows with them.

After each it measures memory, open files, the journal's disk and the seconds of the journey. A
straight line is fitted through each (least squares), without the first residents, who fill caches.
A measure is beyond its limit when even the lower end of its slope's 95 % interval is: what only
varies is not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from testbed.customer import Errand, run_errand
from testbed.demo import FOLDER
from testbed.erasure.search import family
from testbed.process import ProcessDead
from testbed.rehearsal import prepare
from testbed.rehearsal_error import RehearsalError
from testbed.system import System

ERRANDS: Final = (("taro", "juminhyo"), ("hanako", "inkan"), ("taro", "kazei"))
WARM_UP: Final = 10  # residents
LEAST: Final = 20  # residents behind them, for a line
SURE: Final = 1.96  # standard errors


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

    start: float
    slope: float
    error: float

    @property
    def at_least(self) -> float:
        return self.slope - SURE * self.error


def fit(values: Sequence[float]) -> Line:
    """Least squares over 0, 1, 2, … Raises ValueError for fewer than three."""
    count = len(values)
    if count < 3:
        raise ValueError("a line needs three points")
    middle = (count - 1) / 2
    mean = sum(values) / count
    spread = sum((n - middle) ** 2 for n in range(count))
    slope = sum((n - middle) * (value - mean) for n, value in enumerate(values)) / spread
    start = mean - slope * middle
    rest = sum((value - start - slope * n) ** 2 for n, value in enumerate(values))
    return Line(start, slope, math.sqrt(rest / (count - 2) / spread))


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
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON object")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="keys, cards and voice (default: %(default)s)"
    )
    given = parser.parse_args(argv)
    if given.residents < least:
        parser.error(f"--residents: a line needs at least {least}")
    run = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        found = asyncio.run(_soak(given.folder, run, given.residents))
    except (RehearsalError, ProcessDead) as error:
        sys.stderr.write(f"soak: {error}\n")
        return 2
    finally:
        shutil.rmtree(run, ignore_errors=True)
    print(json.dumps(found) if given.json else _text(found))
    return 0 if found["within_limits"] else 1


async def _soak(folder: Path, run: Path, residents: int) -> dict[str, Any]:
    made = prepare(folder, run)
    samples: dict[str, list[float]] = {name: [] for name in LIMITS}
    async with System(made, 0) as system:
        pid = system.kiosk.pid
        assert pid is not None  # noqa: S101 - it is ready
        for number in range(residents):
            resident, certificate = ERRANDS[number % len(ERRANDS)]
            out = run / "pages"
            done = await run_errand(system, Errand(resident, certificate, out))
            system.bench.load_paper()
            samples["latency"].append(float(done["total_seconds"]))
            samples["memory"].append(_memory_kib(pid))
            samples["open_files"].append(_open_files(pid))
            samples["disk"].append(_disk_kib(made.state))
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{number + 1} of {residents}")
        members = len(family(pid))
    return {"residents": residents, "processes": members, **judge(samples)}


def judge(samples: dict[str, list[float]]) -> dict[str, Any]:
    """Each measure's line, and whether it is within its limit."""
    found: dict[str, Any] = {}
    for name, limit in LIMITS.items():
        values = samples[name][WARM_UP:]
        line = fit(values)
        found[name] = {
            "unit": limit.unit,
            "first": round(values[0], 3),
            "last": round(values[-1], 3),
            "a_resident": round(line.slope, 5),
            "standard_error": round(line.error, 5),
            "limit": limit.most,
            "within": line.at_least <= limit.most,
        }
    return {"measures": found, "within_limits": all(one["within"] for one in found.values())}


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
    lines = [f"{found['residents']} residents, {found['processes']} processes at the end"]
    for name, one in found["measures"].items():
        verdict = "within" if one["within"] else "BEYOND"
        lines.append(
            f"{name:12}{one['first']:>12g} -> {one['last']:<12g}{one['unit']:6}"
            f"{one['a_resident']:+.5f} ± {SURE * one['standard_error']:.5f} a resident, "
            f"{verdict} {one['limit']:g}"
        )
    return "\n".join(lines)
