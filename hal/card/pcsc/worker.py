"""A thread for calls that nothing can interrupt."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from hal.faults import DeviceFault, Reason

T = TypeVar("T")


class WorkerThread:
    """Does one piece of work after the other in a thread of its own; who asks waits no longer than
    a limit.

    A call past its limit is not run away from: the thread stays behind with it, calls `at_end`
    when it returns at last, and takes no more work. Whatever the calls hold is thus given back by
    the thread that took it, once.
    """

    def __init__(self, device: str, at_end: Callable[[], None]) -> None:
        self._device = device
        self._at_end = at_end
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = (
            queue.SimpleQueue()
        )
        self._gate = threading.Lock()
        self._ended = False
        self._late = False
        self._thread = threading.Thread(target=self._work, name=f"{device}-worker", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[], T], seconds: float) -> T:
        """Raises what `work` raises; DeviceFault SILENT past the limit, NOT_CONNECTED after the
        end.
        """
        future: Future[T] = Future()
        with self._gate:
            if self._ended:
                raise DeviceFault(self._device, Reason.NOT_CONNECTED, "ended")
            self._jobs.put((future, work))
        try:
            return future.result(seconds)
        except TimeoutError:
            self._late = True
            future.cancel()  # work that has not begun never begins
            self.end(0)
            raise DeviceFault(self._device, Reason.SILENT) from None

    def end(self, seconds: float) -> None:
        """Take no more work and call `at_end` behind what is under way; wait for that, but for
        nothing stuck.
        """
        with self._gate:
            if not self._ended:
                self._ended = True
                self._jobs.put(None)
        if not self._late and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def _work(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                future, work = job
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(work())
                    except BaseException as error:
                        future.set_exception(error)
                del job, future, work  # nothing of a command outlives it here
        finally:
            self._at_end()
