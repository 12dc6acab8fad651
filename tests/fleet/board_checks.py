"""On one board of the fleet, with the image's own services: whether anything of a person stays,
what grows with many residents, and what the services cost.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from container import Board
from town import PEOPLE, Town

from testbed import soak as limits
from testbed.erasure import controls
from testbed.erasure.command import LOOKED_AT, SHOWN
from testbed.erasure.people import CERTIFICATES, Needle
from testbed.erasure.search import Searched, search_files, search_process, written_since

T = TypeVar("T")
IDLE_S = 30.0
WRITTEN = ("tmp", "run", "dev/shm", "var/tmp")  # beside the data partition
UNITS = (
    *("madoguchi-kiosk", "madoguchi-panel", "madoguchi-metrics", "madoguchi-screen@out-of-service"),
    *("systemd-timesyncd", "systemd-networkd"),  # Debian's own, to compare
)


class Looking:
    """In the middle of a visit the needles must be found: on the screens of `LOOKED_AT`."""

    def __init__(self, board: Board, needles: Sequence[Needle]) -> None:
        self.board, self.needles = board, needles
        self.seen: dict[str, set[str]] = {}
        self.looked: set[str] = set()

    async def at(self, screen: str) -> None:
        if screen not in LOOKED_AT or screen in self.looked:
            return
        self.looked.add(screen)
        for one in await elsewhere(look, self.board.pids(), self.needles):
            for hit in one.hits:
                self.seen.setdefault(one.name.rpartition(" (")[0], set()).add(hit.needle.what)


async def erasure(town: Town, board: Board) -> dict[str, Any]:
    """`clean`: nothing of two residents is in any process of the board or in any file that was
    written, and the search is proven to find each needle.
    """
    began = time.time()
    needles = town.needles
    blind = controls.missed(needles)
    seen: dict[str, set[str]] = {}
    for person, certificate in zip(PEOPLE, CERTIFICATES, strict=False):
        looking = Looking(board, needles)
        await town.stands[board.name].serve(town.rehearsal, person, certificate, looking)
        for where, what in looking.seen.items():
            seen.setdefault(where, set()).update(what)
    after = await elsewhere(look, board.pids(), needles)
    root = Path(f"/proc/{board.pids()[0]}/root")
    files = await elsewhere(look_at_files, root, board.folder / "data", began, needles)
    hits = [f"{hit.where}: {hit.needle.name}" for one in (*after, files) for hit in one.hits]
    sees = set().union(*seen.values()) >= SHOWN and not any(blind.values())
    return {
        "clean": sees and not hits,
        "hits": hits,
        "needles": len(needles),
        "processes": len(after),
        "mib_of_memory": round(sum(one.bytes for one in after) / 2**20),
        "files": files.files,
        "kib_of_files": round(files.bytes / 2**10),
        "seen_while_served": {where: sorted(what) for where, what in seen.items()},
        "missed_controls": blind,
        "seconds": round(time.time() - began, 1),
    }


async def elsewhere(search: Callable[..., T], *given: object) -> T:
    """In a process of its own: the coin unit's far end, in this one, must answer meanwhile."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, search, *given)


def look(pids: Sequence[int], needles: Sequence[Needle]) -> list[Searched]:
    clean: set[int] = set()
    return [search_process(pid, needles, clean) for pid in pids]


def look_at_files(root: Path, data: Path, since: float, needles: Sequence[Needle]) -> Searched:
    folders = [data, *(root / name for name in WRITTEN)]
    return search_files("files", written_since(folders, since, [root / "run/outside"]), needles)


# -- many residents


async def soak(town: Town, board: Board, residents: int) -> dict[str, Any]:
    """Each resident's certificate is printed. The same measures and limits as `scripts/soak`."""
    samples = limits.Samples()
    nexts: list[float] = []
    began = time.monotonic()
    for number in range(residents):
        person, certificate = limits.ERRANDS[number % len(limits.ERRANDS)]
        start = time.monotonic()
        journey = await town.stands[board.name].serve(town.rehearsal, person, certificate)
        if not journey.pages:
            raise RuntimeError(f"resident {number + 1} got no paper")
        nexts.append(journey.seconds["thanks"])
        supervisor = service(board, "run")[0]
        samples.take(supervisor, board.folder / "data/lib/madoguchi", time.monotonic() - start)
    return {
        "minutes": round((time.monotonic() - began) / 60, 1),
        "next_resident_s": round(statistics.median(nexts), 2),
        "journal_of_the_board_kib": disk_kib(board.folder / "data/log"),
        **samples.judged(),
    }


def disk_kib(folder: Path) -> int:
    said = subprocess.run(("du", "-sk", folder), capture_output=True, text=True, check=True)
    return int(said.stdout.split()[0])


# -- what they cost


async def figures(board: Board) -> dict[str, Any]:
    """PSS in MiB, times that they wake up in a second of idleness, and exposure scores."""
    groups = {"service": service(board, "run"), "browser": browser(board)}
    before = {name: wake_ups(pids) for name, pids in groups.items()}
    await asyncio.sleep(IDLE_S)
    scores = {}
    for unit in UNITS:
        said = board.run(f"systemd-analyze security --no-pager {unit} | tail -1")
        scores[unit] = float(said.partition(": ")[2].split()[0])
    return {
        "pss_mib": {name: round(sum(map(pss_kib, pids)) / 1024) for name, pids in groups.items()},
        "wake_ups_a_second": {
            name: round((wake_ups(pids) - before[name]) / IDLE_S, 1)
            for name, pids in groups.items()
        },
        "exposure": scores,
        "state": json.loads(board.run("kiosk status --config /etc/madoguchi/kiosk.toml --json"))[
            "state"
        ],
    }


def service(board: Board, action: str) -> list[int]:
    """The processes of `kiosk ACTION`, the oldest first."""
    return [pid for pid in board.pids() if b"kiosk\0" + action.encode() + b"\0" in words(pid)]


def browser(board: Board) -> list[int]:
    return [pid for pid in board.pids() if b"kiosk\0browser\0" in words(pid) or is_browser(pid)]


def is_browser(pid: int) -> bool:
    return any(name in words(pid).split(b"\0")[0] for name in (b"cog", b"cage", b"WPE"))


def words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def pss_kib(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in rollup.split("\n") if line[:4] == "Pss:"), 0)


def wake_ups(pids: Sequence[int]) -> int:
    """Of all their threads, so far."""
    count = 0
    for pid in pids:
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            try:
                told = status.read_text()
            except OSError:
                continue
            count += int(told.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return count
