"""`python -m testbed.load.typesetting CALLS THREADS SECONDS`: the typesetting that a gateway did,
and nothing else, in a process with as many threads and its own warm caches. Its figures stand
beside the gateway's: no gateway can be faster than its typesetting alone.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec

from city.document import Layout
from city.typesetting import FONT, load_font, people_on_sheets, typeset
from firmware.link.content import Content

MOST: Final = 400  # calls that are kept of one run
WARM: Final = 20  # calls before the clock starts
SECONDS: Final = 8.0
PAGINATE, SET = "paginate", "set"
WORK: Final[dict[str, Callable[..., Any]]] = {PAGINATE: people_on_sheets, SET: typeset}


class Call(msgspec.Struct):
    """One call as the gateway made it. The residents are fictional, and the folder is temporary."""

    work: str
    content: Content
    layout: Layout


class Alone(msgspec.Struct):
    """So many calls in so many processor seconds."""

    calls: int
    cpu: float


def kept(calls: list[Call], work: str, made: Callable[..., Any]) -> Callable[..., Any]:
    """`made`, whose first calls are kept in `calls`."""

    def keep(content: Content, layout: Layout) -> Any:
        if len(calls) < MOST:
            calls.append(Call(work, content, layout))
        return made(content, layout)

    return keep


def measure(calls: Path, processes: int, threads: int) -> Alone:
    """Several processes at once, together. Raises CalledProcessError."""
    program = (sys.executable, "-m", "testbed.load.typesetting")
    words = [*program, str(calls), str(threads), str(SECONDS)]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(processes)]
    done = []
    for process in running:
        said, _ = process.communicate()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, words)
        done.append(msgspec.json.decode(said, type=Alone))
    return Alone(sum(one.calls for one in done), sum(one.cpu for one in done))


def main(path: Path, threads: int, seconds: float) -> int:
    calls = msgspec.json.decode(path.read_bytes(), type=list[Call])
    load_font(FONT)
    for call in calls[:WARM]:
        WORK[call.work](call.content, call.layout)
    turns, ends, before = count(), time.monotonic() + seconds, time.process_time()
    workers = [
        threading.Thread(target=_work, args=(calls, turns, ends), daemon=True)
        for _ in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    done = Alone(next(turns), time.process_time() - before)
    sys.stdout.buffer.write(msgspec.json.encode(done))
    return 0


def _work(calls: Sequence[Call], turns: count[int], ends: float) -> None:
    while time.monotonic() < ends:
        call = calls[next(turns) % len(calls)]
        WORK[call.work](call.content, call.layout)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
