"""`python -m testbed.load.gateway CONFIG REPORT`: the city's gateway, which tells at its end where
its time went.

Nothing in it is other than in `kiosk city` but stopwatches around the functions of WATCHED. Each
measures the wall and its own thread's processor time; what runs inside another watched function
counts for both.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Engine, event

from city import gateway, workers
from city.config import load
from city.typesetting import FONT, check_texts, people_on_sheets, typeset
from testbed.load.typesetting import PAGINATE, SET, Call, kept

# Where a function is looked up when it is called, its name, what it counts as.
WATCHED: Final = (
    ("city.handlers", "transact", "database"),
    ("city.sessions", "commit", "commitments"),
    ("city.ordering", "openings", "commitments"),
    ("city.cards", "check_certificate", "signatures"),
    ("city.cards", "check_signature", "signatures"),
    ("firmware.link.signing", "sign_manifest", "signatures"),
    ("firmware.link.signing", "sign_code", "signatures"),
    ("firmware.link.sealing", "seal", "sealing"),
)
TYPESETTING = "typesetting"
WAITING = "waiting"
CALLS: Final = ".calls"  # beside the report: what it had typeset
T = TypeVar("T")


class Part(msgspec.Struct):
    """Seconds, of so many calls."""

    calls: int = 0
    wall: float = 0.0
    cpu: float = 0.0


class Report(msgspec.Struct):
    """Processor seconds of the whole process, of its event loop (TLS, HTTP), and of each part; MiB
    at most.
    """

    cpu: float = 0.0
    loop: float = 0.0
    memory: float = 0.0
    parts: dict[str, Part] = {}
    statements: int = 0
    commits: int = 0


class Stopwatch:
    """Sums by name; many threads."""

    def __init__(self) -> None:
        self.parts: dict[str, Part] = {}
        self.counted = Counter[str]()
        self._lock = threading.Lock()

    def add(self, name: str, wall: float, cpu: float) -> None:
        with self._lock:
            part = self.parts.setdefault(name, Part())
            part.calls += 1
            part.wall += wall
            part.cpu += cpu

    def count(self, engine: Engine) -> None:
        """Statements and commits of this engine."""
        for name in ("before_cursor_execute", "commit"):
            event.listen(engine, name, partial(self._counted, name))

    def _counted(self, name: str, *_: object) -> None:
        with self._lock:
            self.counted[name] += 1

    def around(self, name: str, work: Callable[..., T]) -> Callable[..., T]:
        @wraps(work)
        def timed(*args: Any, **named: Any) -> T:
            wall = time.perf_counter()
            cpu = time.thread_time()
            try:
                return work(*args, **named)
            finally:
                self.add(name, time.perf_counter() - wall, time.thread_time() - cpu)

        return timed

    def workers(self) -> type[workers.Workers]:
        """The gateway's threads, with the time requests wait for one."""
        watch = self

        class Workers(workers.Workers):
            async def run(
                self,
                work: Callable[[], T],
                patience_s: float = workers.PATIENCE_S,
                owner: str = "",
            ) -> T:
                asked = time.perf_counter()

                def begun() -> T:
                    watch.add(WAITING, time.perf_counter() - asked, 0.0)
                    return work()

                return await super().run(begun, patience_s, owner)

        return Workers


def main(config_path: Path, report: Path) -> int:
    """0 after a signal. Raises what `city.gateway.main` tells in one line."""
    watch = Stopwatch()
    for module, name, part in WATCHED:
        found = import_module(module)
        setattr(found, name, watch.around(part, getattr(found, name)))
    setattr(gateway, "Workers", watch.workers())  # noqa: B010 - a type is exchanged
    config = load(config_path)
    font = config.typesetting.font or FONT
    calls: list[Call] = []
    set_pages = watch.around(TYPESETTING, partial(typeset, font=font))
    paginate = watch.around(TYPESETTING, partial(people_on_sheets, font=font))
    city = gateway.build(config, kept(calls, SET, set_pages), kept(calls, PAGINATE, paginate))
    watch.count(city.engine)
    check_texts(city.data, config.gateway.city, font)
    before = time.process_time()
    loop = time.thread_time()
    asyncio.run(gateway.run(config, city))
    done = Report(
        time.process_time() - before,
        time.thread_time() - loop,
        _memory(),
        watch.parts,
        watch.counted["before_cursor_execute"],
        watch.counted["commit"],
    )
    report.with_suffix(CALLS).write_bytes(msgspec.json.encode(calls))
    report.write_bytes(msgspec.json.encode(done))
    return 0


def _memory() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
