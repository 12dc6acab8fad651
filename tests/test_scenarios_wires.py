"""Every scenario on the simulated wires: the same files that the pure machine runs.

Scripts of one setting (the city's data and clock, the kiosk's pace) share one running system, one
after the other.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from testbed.demo import FOLDER
from testbed.scenario import wires
from testbed.scenario_file import Script, load
from testbed.system import System

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.toml"))


def _cases() -> Iterator[Any]:
    for path in FILES:
        for number, script in enumerate(load(path), 1):
            group = hashlib.sha256(repr(wires.setting(script)).encode()).hexdigest()[:8]
            marks = (pytest.mark.xdist_group(f"wires-{group}"), pytest.mark.wires)
            yield pytest.param(script, id=f"{path.stem}-{number}", marks=marks)


class Systems:
    """Running systems by setting, in an event loop of their own thread; the far ends live in that
    loop.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        self._running: dict[Any, System] = {}

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    async def of(self, script: Script) -> System:
        key = wires.setting(script)
        if key not in self._running:
            await self._stack.aclose()  # the scripts of another setting are done
            self._running.clear()
            run = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="madoguchi-")))
            self._running[key] = await self._stack.enter_async_context(
                wires.system_for(script, FOLDER, run)
            )
        return self._running[key]

    async def play(self, script: Script) -> None:
        system = await self.of(script)
        log = system.rehearsal.run / "kiosk.log"
        before = log.stat().st_size
        try:
            await wires.run(script, system)
        except BaseException:
            print(log.read_text("utf-8")[before:])  # ASCII, so that bytes are characters
            raise

    def close(self) -> None:
        self.call(self._stack.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()


@pytest.fixture(scope="session")
def systems() -> Iterator[Systems]:
    running = Systems()
    yield running
    running.close()


@pytest.mark.parametrize("script", list(_cases()))
def test_on_the_wires(systems: Systems, script: Script) -> None:
    systems.call(systems.play(script))
