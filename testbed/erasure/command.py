"""`kiosk erasure-check` serves residents whose names are unmistakable, and then looks for them in
the memory of every process of the kiosk and of its browser, and in every file that was written.

0: nothing of them is anywhere, and the search is proven to find each needle. 1: something stays, or
the search is blind for a needle. 2: it could not be checked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from testbed.customer import Errand, Journey
from testbed.demo import FOLDER
from testbed.erasure import controls
from testbed.erasure.browser import BrowserWatcher, keep_browser
from testbed.erasure.people import CERTIFICATES, PEOPLE, Needle, prepare_people
from testbed.erasure.search import (
    Searched,
    Unsearchable,
    family,
    search_files,
    search_process,
    written_since,
)
from testbed.ports import free_port
from testbed.process import ProcessDead
from testbed.rehearsal import Rehearsal, prepare
from testbed.rehearsal_error import RehearsalError
from testbed.screen import Seen
from testbed.system import System

PACE: Final = 4.0  # looking takes its time, with somebody in front of the confirmation
# Name, birth date and address stand on the one; at the other the document is in memory.
LOOKED_AT: Final = ("confirm", "paying")
SHOWN: Final = frozenset({"name", "address", "birth date"})  # what must be found meanwhile
# Where programs write that nobody asked; each file that has changed since the start is read.
PLACES: Final = (
    Path(tempfile.gettempdir()),
    Path("/var/tmp"),  # noqa: S108 - it is read
    Path("/dev/shm"),  # noqa: S108
    Path("/run"),
    Path("/var/log"),
    Path.home() / ".cache",
    Path.home() / ".config",
    Path.home() / ".local",
)
# What the city of the rehearsal writes: it is another machine, and the registers are its own.
OF_THE_CITY: Final = ("city.sqlite", "city.sqlite-wal", "city.sqlite-shm", "city.log", "cards")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="kiosk erasure-check", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON object")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="keys, cards and voice (default: %(default)s)"
    )
    given = parser.parse_args(argv)
    run = Path(tempfile.mkdtemp(prefix="erasure-"))
    try:
        made = prepare(given.folder, run, pace=PACE)
        found = asyncio.run(_check(made))
    except (RehearsalError, ProcessDead, Unsearchable) as error:
        sys.stderr.write(f"erasure-check: {error}\n")
        return 2
    finally:
        shutil.rmtree(run, ignore_errors=True)
    print(json.dumps(found, ensure_ascii=False) if given.json else _text(found))
    return 0 if found["clean"] else 1


async def _check(made: Rehearsal) -> dict[str, Any]:
    began = time.time()
    made, needles = prepare_people(made)
    blind = controls.missed(needles)
    seen: dict[str, list[str]] = {}
    port = free_port()
    async with System(made) as system, keep_browser(made, port) as browser:
        roots = (_pid(system), browser)
        before = await asyncio.to_thread(_look, roots, needles)
        for number, person in enumerate(PEOPLE):
            await _visit(system, roots, port, person, CERTIFICATES[number], needles, seen)
        await _next_resident(port)
        after = await asyncio.to_thread(_look, roots, needles)
        files = await asyncio.to_thread(_look_at_files, made, began, needles)
    hits = [*before, *after, files]
    shown = {one.partition(" in ")[0] for what in seen.values() for one in what}
    sees = shown >= SHOWN and not any(blind.values())
    return {
        "clean": sees and not any(one.hits for one in hits),
        "residents": len(PEOPLE),
        "needles": len(needles),
        "hits": [f"{hit.where}: {hit.needle.name}" for one in hits for hit in one.hits],
        "processes": [{"name": one.name, "bytes": one.bytes} for one in after],
        "files": {"count": files.files, "bytes": files.bytes},
        "seen_while_served": {where: sorted(set(what)) for where, what in seen.items()},
        "controls": {way: {"missed": missed} for way, missed in blind.items()},
        "seconds": round(time.time() - began, 1),
    }


async def _visit(
    system: System,
    roots: Sequence[int],
    port: int,
    person: str,
    certificate: str,
    needles: Sequence[Needle],
    seen: dict[str, list[str]],
) -> None:
    """One errand, seen through the browser. In the middle of it everything is looked at too: then
    it must be found.
    """
    looked: set[str] = set()

    async def on_screen(screen: Seen) -> None:
        if screen.name in LOOKED_AT and screen.name not in looked:
            looked.add(screen.name)
            for one in await asyncio.to_thread(_look, roots, needles):
                if one.hits:
                    where = one.name.rpartition(" (")[0]
                    seen.setdefault(where, []).extend(
                        f"{hit.needle.what} in {hit.needle.encoding}" for hit in one.hits
                    )

    out = system.rehearsal.run / "cards" / "pages"
    async with BrowserWatcher(port, on_screen).watching() as watcher:
        await Journey(system, Errand(person, certificate, out), watcher).run()
    if looked != set(LOOKED_AT):
        raise RehearsalError("nobody saw the confirmation, or nobody paid")


async def _next_resident(port: int) -> None:
    """The first screen stands in a browser that was started anew."""

    async def nothing(_: Seen) -> None:
        return

    async with BrowserWatcher(port, nothing).watching() as watcher:
        while (await watcher.next(60)).name != "menu":
            pass


def _pid(system: System) -> int:
    pid = system.kiosk.pid
    if pid is None:
        raise RehearsalError("the kiosk does not run")
    return pid


def _look(roots: Sequence[int], needles: Sequence[Needle]) -> list[Searched]:
    clean: set[int] = set()
    pids = [pid for root in roots for pid in family(root)]
    return [search_process(pid, needles, clean) for pid in pids]


def _look_at_files(made: Rehearsal, since: float, needles: Sequence[Needle]) -> Searched:
    others = [made.run / name for name in OF_THE_CITY]
    paths = written_since([made.run, *PLACES], since, others)
    return search_files("files", paths, needles)


def _text(found: dict[str, Any]) -> str:
    megabytes = sum(one["bytes"] for one in found["processes"]) / 2**20
    lines = [
        f"{found['residents']} residents, {found['needles']} needles",
        f"memory: {len(found['processes'])} processes, {megabytes:.0f} MiB",
        f"files:  {found['files']['count']}, {found['files']['bytes'] / 2**20:.1f} MiB",
        *(
            f"while served, in {where}: {', '.join(what)}"
            for where, what in found["seen_while_served"].items()
        ),
        *(_planted(way, one["missed"]) for way, one in found["controls"].items()),
        *(f"STAYS  {hit}" for hit in found["hits"]),
        "nothing stays" if found["clean"] else "NOT CLEAN",
    ]
    return "\n".join(lines)


def _planted(way: str, missed: Sequence[str]) -> str:
    return f"planted in {way}: {'MISSED ' + ', '.join(missed) if missed else 'all found'}"
