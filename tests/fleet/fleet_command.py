"""`scripts/fleet-test`: three boards are provisioned, serve, are updated ring by ring, and fall
back from two bad builds by themselves; the city's fleet view shows all of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from container import Board, BoardError, stick
from fleet_walk import KIOSKS, Walk, Wrong
from town import BRIDGE, Town, rehearse, town, write_stick

from testbed.process import ProcessDead


async def play(given: argparse.Namespace, run: Path) -> dict[str, Any]:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    rehearsal, needles = rehearse(given.folder.absolute(), run / "town")
    with stick(run) as carried:
        async with town(rehearsal, needles, KIOSKS) as place:
            write_stick(place, carried)
            return await with_boards(given, run, place, carried)


async def with_boards(
    given: argparse.Namespace, run: Path, place: Town, carried: Path
) -> dict[str, Any]:
    boards: dict[str, Board] = {}
    try:
        for kiosk in KIOSKS:
            boards[kiosk] = Board(kiosk, given.image, run / kiosk, carried, BRIDGE)
            coins = place.stands[kiosk].wiring.coins
            coins.resolve().chmod(0o666)
            boards[kiosk].coins = coins
        walk = Walk(place, boards, carried, given)
        try:
            for step in given.steps:
                await walk.judged(step)
            walk.must(f"red: {', '.join(walk.red)}", not walk.red)
        finally:
            await asyncio.to_thread(keep_what_they_say, boards, given.out)
        for board in boards.values():
            await asyncio.to_thread(board.power_off)
        if set(STEPS) <= set(given.steps):
            walk.last_look()
        return walk.found
    finally:
        for board in boards.values():
            board.away()


STEPS = ("all_serve", "refuse_bundles", "good_build", "dead_build", "sick_build")
OF_ONE_BOARD = ("attested", "faults", "erasure", "figures", "soak")  # behind all_serve


def keep_what_they_say(boards: dict[str, Board], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for kiosk, board in boards.items():
        log = board.folder / "console.log"
        if log.exists():
            (out / f"{kiosk}.console.log").write_bytes(log.read_bytes())
        try:
            said = board.run("systemctl --failed --no-pager; journalctl --no-pager -o short", 60)
        except (BoardError, subprocess.TimeoutExpired) as error:
            said = str(error)
        (out / f"{kiosk}.log").write_text(f"{json.dumps(board.boots, indent=1)}\n{said}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all of it happened; 1 with one line when it did not."""
    parser = argparse.ArgumentParser(prog="fleet-test", description=__doc__)
    parser.add_argument("--image", type=Path, default=Path("dist/fleet-test/madoguchi-x86-64.img"))
    parser.add_argument("--bundles", type=Path, default=Path("dist/fleet-test/bundles"))
    parser.add_argument("--folder", type=Path, default=Path("var/fleet"), help="keys and cards")
    parser.add_argument("--out", type=Path, default=Path("var/fleet/out"), help="logs, the report")
    every = (*STEPS, *OF_ONE_BOARD)
    parser.add_argument("--steps", nargs="+", choices=every, default=STEPS, help=" ".join(every))
    parser.add_argument("--residents", type=int, default=60, metavar="N", help="of the step soak")
    given = parser.parse_args(argv)
    given.steps = tuple(given.steps)
    try:
        with tempfile.TemporaryDirectory(prefix="fleet-") as run:
            found = asyncio.run(play(given, Path(run)))
    except (BoardError, ProcessDead, Wrong) as error:
        sys.stderr.write(f"fleet-test: {error}\n")
        return 1
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "report.json").write_text(json.dumps(found, ensure_ascii=False, indent=2))
    print(json.dumps(found, ensure_ascii=False, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
