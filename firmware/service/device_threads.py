"""Work outside the event loop, and how it comes back: a device's thread, or the line, and at the
end an event.

An error that no desk foresaw is handed to `failed`: nobody would answer the journey any more, so
everything stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from firmware.flow import events

T = TypeVar("T")
FINISH_S = 3.0
# how long a device's thread waits for the event loop: longer than the journal waits for its lock
LOOP_S = 20.0


class ThreadName(StrEnum):
    """Each device has a thread of its own; the examination of a document has one too."""

    CARD = "card"
    SHEETS = "sheets"
    RECEIPTS = "receipts"
    CASH = "cash"
    CASHLESS = "cashless"
    SPEAKER = "speaker"
    SERVICE_KEY = "service_key"
    DOCUMENT = "document"


def in_the_loop(loop: asyncio.AbstractEventLoop, work: Callable[[T], None]) -> Callable[[T], None]:
    """For a device's thread: `work` is done in the event loop, and waited for; what it raises is
    raised here.
    """

    def ask(given: T) -> None:
        done: Future[None] = Future()

        def act() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                work(given)
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        loop.call_soon_threadsafe(act)
        try:
            done.result(LOOP_S)
        finally:
            done.cancel()  # nothing is done for a thread that waits no more

    return ask


@dataclass
class DeviceThreads:
    """`pools` has one thread for each device. Everything here is called in the event loop."""

    pools: Mapping[ThreadName, ThreadPoolExecutor]
    post: Callable[[events.Event], None]
    failed: Callable[[Exception], None]
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _awaited: set[str] = field(default_factory=set)

    async def call(self, thread: ThreadName, work: Callable[..., T], *args: Any) -> T:
        """Do it in the device's thread and wait."""
        return await asyncio.get_running_loop().run_in_executor(self.pools[thread], work, *args)

    def run(self, thread: ThreadName, work: Callable[..., events.Event | None], *args: Any) -> None:
        """Do it in the device's thread; what it returns is posted."""
        self.answer(self.call(thread, work, *args))

    def answer(self, work: Coroutine[Any, Any, events.Event | None]) -> None:
        """What it returns is posted."""

        async def wait() -> None:
            event = await work
            if event is not None:
                self.post(event)

        self.spawn(wait())

    def once(self, name: str, ask: Callable[[], Coroutine[Any, Any, events.Event | None]]) -> None:
        """Asked again and again while idle, but never while an answer is still awaited: a slow wire
        would choke.
        """
        if name in self._awaited:
            return
        self._awaited.add(name)

        async def wait() -> events.Event | None:
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
