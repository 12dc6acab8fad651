"""Work outside the event loop, and how it comes back: a device's thread, or the line, and at the end an event.

An error that no desk foresaw is handed to `failed`: nobody would answer the journey any more, so everything stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from firmware.flow import events as e

T = TypeVar("T")
FINISH_S = 3.0


@dataclass
class Lanes:
    """`pools` has one thread for each device. Everything here is called in the event loop."""

    pools: Mapping[str, ThreadPoolExecutor]
    post: Callable[[e.Event], None]
    failed: Callable[[Exception], None]
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _awaited: set[str] = field(default_factory=set)

    async def call(self, lane: str, work: Callable[..., T], *args: Any) -> T:
        """Do it in the device's thread and wait."""
        return await asyncio.get_running_loop().run_in_executor(self.pools[lane], work, *args)

    def run(self, lane: str, work: Callable[..., e.Event | None], *args: Any) -> None:
        """Do it in the device's thread; what it returns is posted."""
        self.answer(self.call(lane, work, *args))

    def answer(self, work: Coroutine[Any, Any, e.Event | None]) -> None:
        """What it returns is posted."""

        async def wait() -> None:
            event = await work
            if event is not None:
                self.post(event)

        self.spawn(wait())

    def once(self, name: str, ask: Callable[[], Coroutine[Any, Any, e.Event | None]]) -> None:
        """Asked again and again while idle, but never while an answer is still awaited: a slow wire would choke."""
        if name in self._awaited:
            return
        self._awaited.add(name)

        async def wait() -> e.Event | None:
            try:
                return await ask()
            finally:
                self._awaited.discard(name)

        self.answer(wait())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self.failed(error)

    async def finish(self) -> None:
        """Let what is under way end, `FINISH_S` at most."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FINISH_S)
        for task in self._tasks:
            task.cancel()
