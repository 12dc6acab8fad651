"""The gateway's threads, behind one queue that is bounded in number and in time, and fair: the
kiosks have their turns one after the other, however much one of them asks.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from city.handlers import Refused
from firmware.link.messages import RefusalCode

# a request that would wait longer for a thread is refused at once: a kiosk waits 15 s in all
PATIENCE_S: Final = 6.0
GONE_S: Final = 12.0  # after so long in the queue nobody waits for the answer
MEMORY: Final = 0.05  # weight of the last work in what one is expected to take
T = TypeVar("T")


@dataclass
class _Job:
    work: Callable[[], Any]
    done: asyncio.Future[Any]
    asked: float = field(default_factory=time.monotonic)


class Workers:
    """`threads` work, at most `waiting` jobs wait. All but the work is done in the event loop's
    thread.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="city")
        self._free = threads
        self._threads = threads
        self._most = waiting
        self._waiting = 0
        self._queues: dict[str, deque[_Job]] = {}  # in turn; none is empty
        self._work_s = 0.0  # what one takes, lately

    async def run(
        self, work: Callable[[], T], patience_s: float = PATIENCE_S, owner: str = ""
    ) -> T:
        """For `owner`, a kiosk. Raises Refused(BUSY) at once when the wait would be longer than
        `patience_s`, or the queue is full and nobody has more in it than this owner; later, when
        the queue is full of this owner's and another comes.

        Work that has begun is never abandoned half-way.
        """
        if self._ahead(owner) * self._work_s / self._threads > patience_s:
            raise Refused(RefusalCode.BUSY)
        if not self._free and self._waiting >= self._most:
            self._make_room(owner)
        job = _Job(work, asyncio.get_running_loop().create_future())
        self._queues.setdefault(owner, deque()).append(job)
        self._waiting += 1
        self._begin()
        return await job.done  # type: ignore[no-any-return]

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _ahead(self, owner: str) -> int:
        """How many have their turn before one more of this owner's has."""
        own = len(self._queues.get(owner, ())) + 1
        return sum(
            min(len(queue), own if name != owner else own - 1)
            for name, queue in self._queues.items()
        )

    def _make_room(self, owner: str) -> None:
        """Whoever has the most in the queue gives up the last of it. Raises Refused(BUSY)."""
        greediest = max(self._queues, key=lambda name: len(self._queues[name]), default=owner)
        if len(self._queues.get(greediest, ())) <= len(self._queues.get(owner, ())) + 1:
            raise Refused(RefusalCode.BUSY)
        job = self._queues[greediest].pop()
        self._waiting -= 1
        _settle(job, error=Refused(RefusalCode.BUSY))

    def _begin(self) -> None:
        """As many as there are threads; then that owner is the last in turn."""
        while self._free and self._queues:
            owner = next(iter(self._queues))
            queue = self._queues.pop(owner)
            job = queue.popleft()
            if queue:
                self._queues[owner] = queue
            self._waiting -= 1
            if job.done.done():  # whoever asked has gone
                continue
            self._free -= 1
            asyncio.get_running_loop().run_in_executor(
                self._pool, self._work, job
            ).add_done_callback(partial(self._ended, job))

    def _work(self, job: _Job) -> Any:
        began = time.monotonic()
        if began - job.asked > GONE_S:
            raise Refused(RefusalCode.BUSY)
        try:
            return job.work()
        finally:
            self._work_s += MEMORY * (time.monotonic() - began - self._work_s)

    def _ended(self, job: _Job, future: asyncio.Future[Any]) -> None:
        self._free += 1
        if not future.cancelled():
            error = future.exception()
            _settle(job, error=error) if error else _settle(job, future.result())
        self._begin()


def _settle(job: _Job, result: Any = None, error: BaseException | None = None) -> None:
    """Nobody may be there any more."""
    if job.done.done():
        return
    if error:
        job.done.set_exception(error)
    else:
        job.done.set_result(result)
