"""`kiosk measure [--idle S]`: the figures of this machine, each beside what it is compared with, as
one JSON object.

seconds to the first screen kiosk process started -> first screen served; beside a bare
interpreter's start idle processor use kiosk and city, percent of one processor, over `--idle`
seconds; beside this program resident memory PSS in MiB of the kiosk (supervisor, serving child,
child ahead) and of the city lines of code by folder, without blank lines
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from testbed.customer import Errand, Watcher, run_errand
from testbed.demo import FOLDER
from testbed.rehearsal import prepare
from testbed.system import System

HOUSE = Path(__file__).parents[1]
FOLDERS = ("firmware", "hal", "city", "testbed", "docs", "scripts", "systemd", "tests")
ENDINGS = (".py", ".jinja", ".css", ".js", ".typ", ".toml", ".service", ".html", ".conf", "")
TICKS = os.sysconf("SC_CLK_TCK")


def main(argv: Sequence[str] | None = None) -> int:
    """0, always: figures are no verdict."""
    parser = argparse.ArgumentParser(
        prog="kiosk measure",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--idle",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds of idling (default: %(default)s)",
    )
    parser.add_argument(
        "--journeys", type=int, default=5, metavar="N", help="how many (default: %(default)s)"
    )
    given = parser.parse_args(argv)
    found = asyncio.run(_measure(given.idle, given.journeys))
    print(
        json.dumps({**found, "lines": {name: _lines(HOUSE / name) for name in FOLDERS}}, indent=2)
    )
    return 0


async def _measure(idle_s: float, journeys: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="madoguchi-") as run:
        made = prepare(FOLDER, Path(run))
        bare = _bare_start()
        async with System(made, 0) as system:
            async with Watcher(made.panel, made.panel_key).watching() as watcher:
                while (await watcher.next(30)).name != "menu":
                    pass
            kiosk = system.kiosk.pid or 0
            city = system.city.pid or 0
            memory = {"kiosk": _memory(kiosk), "city": _memory(city)}
            before = {"kiosk": _cpu(kiosk), "city": _cpu(city), "this": _cpu(os.getpid())}
            await asyncio.sleep(idle_s)
            used = {
                "kiosk": _cpu(kiosk) - before["kiosk"],
                "city": _cpu(city) - before["city"],
                "far ends (this process)": _cpu(os.getpid()) - before["this"],
            }
            seconds = sorted([await _journey(system, Path(run)) for _ in range(journeys)])
            after = {"kiosk": _memory(kiosk), "city": _memory(city)}
        return {
            "start_to_first_screen_s": round(system.kiosk.ready_s, 3),
            "bare_interpreter_start_s": round(bare, 3),
            "journey_s": {
                "min": seconds[0],
                "median": seconds[len(seconds) // 2],
                "max": seconds[-1],
            },
            "idle_s": idle_s,
            "idle_percent_of_a_processor": {
                name: round(100 * s / idle_s, 2) for name, s in used.items()
            },
            "memory_pss_mib": memory,
            "memory_pss_mib_after_journeys": after,
        }


async def _journey(system: System, out: Path) -> float:
    found = await run_errand(system, Errand("taro", "juminhyo", out))
    return float(found["total_seconds"])


def _bare_start() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.monotonic() - began


def _family(pid: int) -> list[int]:
    """The process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _cpu(pid: int) -> float:
    """Seconds of processor used by the family, those of dead children included."""
    total = 0
    for member in _family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(") ")[2].split()
        total += sum(int(value) for value in fields[11:15])  # utime, stime, cutime, cstime
    return total / TICKS


def _memory(pid: int) -> list[float]:
    """PSS in MiB of each process of the family."""
    found = []
    for member in _family(pid):
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                found.append(round(int(line.split()[1]) / 1024, 1))
    return found


def _lines(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix in ENDINGS)
    return sum(
        bool(line.strip())
        for path in files
        for line in path.read_text(errors="ignore").splitlines()
    )
