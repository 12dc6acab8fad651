"""The thread that waits in SCardGetStatusChange."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from hal.card.pcsc.calls import LOST, SCOPE_SYSTEM, SETTLED, Calls, Code, ReaderState
from hal.faults import DeviceFault, Reason

NEW_READERS: Final = "\\\\?PnP?\\Notification"
WAIT_MS: Final = 500  # one look at the reader; an event ends it early
BACK_OFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)  # before a new context
LOST_PAUSE_S = 0.2  # an unknown reader makes pcscd answer at once, again and again
# between two searches: where a serial number decides, each opens every reader of that name
SEARCH_S: Final = (0.2, 0.2, 0.5, 1.0, 2.0)

log = logging.getLogger(__name__)


class StatusMonitor:
    """Calls `notify` with the reader's dwEventState at every change and at least every WAIT_MS, as
    a sign of life.

    State.UNKNOWN stands for every trouble: no daemon, no context, no such reader. Which one it is
    is told in `calls.trouble`, and in the log when it changes. A context is used
    until its first failure, because after a restart of pcscd the old one fails for ever. What
    cannot be seen from here is a daemon that hangs: `notify` is then silent.
    """

    def __init__(self, calls: Calls, notify: Callable[[int], None]) -> None:
        self._calls = calls
        self._notify = notify
        self._context: Any = None
        self._told: str | None = None  # the trouble that is in the log
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._listen, name=f"{calls.reader}-monitor", daemon=True
        )
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Wait no longer than this. Not from the thread itself."""
        self._closing.set()
        if self._thread.is_alive():
            # in a thread, since a cancel asks the daemon too, and that may hang
            threading.Thread(
                target=self._cancel, name=f"{self._calls.reader}-cancel", daemon=True
            ).start()
            self._thread.join(seconds)

    def _cancel(self) -> None:
        """A cancel is not sticky: it is repeated until the waiter is out."""
        while self._thread.is_alive():
            if (context := self._context) is not None:
                with contextlib.suppress(DeviceFault):
                    self._calls.ask("SCardCancel", context)
            self._thread.join(0.02)

    def _listen(self) -> None:
        failures = 0
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                self._use_context()
            except Exception as error:  # a watch that died would leave its last report standing
                if not isinstance(error, DeviceFault):
                    log.error("%s: watch failed: %s", self._calls.reader, type(error).__name__)
                self._lost(error if isinstance(error, DeviceFault) else None)
            failures = 0 if time.monotonic() - began > BACK_OFF_S[-1] else failures + 1
            self._closing.wait(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])

    def _use_context(self) -> None:
        """Raises DeviceFault when the context fails."""
        context = self._calls("SCardEstablishContext", SCOPE_SYSTEM)
        self._context = context
        reader = ""  # not found yet
        known = {NEW_READERS: int(ReaderState.UNAWARE)}
        wait_ms = 0
        misses = 0
        try:
            while not self._closing.is_set():
                if not reader:
                    try:
                        reader = self._calls.find(context)
                    except DeviceFault as fault:
                        if fault.reason not in (Reason.NOT_CONNECTED, Reason.CONFIGURATION):
                            raise
                        self._lost(fault)
                        self._closing.wait(SEARCH_S[min(misses, len(SEARCH_S) - 1)])
                        misses += 1
                        continue
                    misses = 0
                    known, wait_ms = {reader: int(ReaderState.UNAWARE), **known}, 0
                known = self._look(known, reader, wait_ms)
                wait_ms = WAIT_MS
                if known[reader] & LOST:
                    self._lost(DeviceFault(self._calls.reader, Reason.NOT_CONNECTED))
                    del known[reader]
                    reader = ""
                    self._closing.wait(LOST_PAUSE_S)
                else:
                    self._told = None
                    self._notify(known[reader])
        finally:
            self._context = None
            with contextlib.suppress(DeviceFault):
                self._calls.ask("SCardReleaseContext", context)

    def _lost(self, fault: DeviceFault | None) -> None:
        self._calls.trouble = fault.reason if fault else Reason.NOT_CONNECTED
        told = str(fault) if fault else ""
        if told != self._told and not self._closing.is_set():
            self._told = told
            log.warning("%s", told or f"{self._calls.reader}: lost")
        self._notify(ReaderState.UNKNOWN)

    def _look(self, known: dict[str, int], reader: str, wait_ms: int) -> dict[str, int]:
        """States by reader's name, as soon as one is not as `known`, or after the wait. Raises
        DeviceFault.

        That another program has taken the card is no event to pcscd; it shows after the wait.
        """
        code, seen = self._calls.ask(
            "SCardGetStatusChange", self._context, wait_ms, list(known.items())
        )
        if code in (Code.UNKNOWN_READER, Code.READER_UNAVAILABLE):
            return known | {reader: int(ReaderState.UNKNOWN)}
        if code not in (Code.SUCCESS, Code.TIMEOUT):
            raise self._calls.fault(code)
        return {name: state & SETTLED for name, state, *_ in seen}
