"""The way to a printer that serves one client at a time: when to try, and what a refusal means.

Many printers keep their port for half a minute after a connection has ended, and each new attempt
begins that time anew. Therefore the pause between two attempts grows until it is longer than any of
these times, and whoever asks during a pause hears the last refusal again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final, Protocol

from hal.exchanges import exchange
from hal.printer.wire import Wire, opener

PAUSES_S: Final = (0.5, 2.0, 8.0, 32.0, 64.0)  # after the first, second ... attempt in a row
# A printer that refuses is busy with another client, or still with the last one, for so long. After
# that it is what it looks like.
BUSY_S: Final = 150.0
REFUSALS: Final = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE, errno.EBUSY, errno.EAGAIN)


class Clock(Protocol):
    """The module `time` is one."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


class PortBusy(OSError):
    """The printer is there and does not serve us now."""


Open = Callable[[float], Wire]


class Pauses:
    """How long to wait before the next attempt at a printer that cannot be reached."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.attempts = 0  # in a row that led to nothing
        self._next = self._first = 0.0  # monotonic: the next attempt; the first that led to nothing

    def wait_s(self) -> float:
        """Seconds until an attempt is allowed."""
        return max(0.0, self._next - self._clock.monotonic())

    def note_failure(self) -> float:
        """An attempt led to nothing. Seconds since the first one in this row."""
        now = self._clock.monotonic()
        self._first = self._first if self.attempts else now
        self._next = now + PAUSES_S[min(self.attempts, len(PAUSES_S) - 1)]
        self.attempts += 1
        return now - self._first

    def note_success(self) -> None:
        """The next attempt is allowed at any time once the pause that runs is over."""
        self.attempts = 0


class Port:
    """Opens the wire at `address`. ValueError when the address is none (see `wire.opener`)."""

    def __init__(
        self,
        address: str,
        clock: Clock,
        connect_s: float,
        open_wire: Open | None,
        device: str = "printer",
    ) -> None:
        self.device = device
        self._open, self._connect_s = open_wire or opener(address), connect_s
        self._pauses = Pauses(clock)
        self._refusal: OSError | None = None

    def open(self) -> Wire:
        """Raises PortBusy, or another OSError when there is no printer at this address."""
        if self._refusal is not None and self.wait_s() > 0:
            raise self._refusal
        try:
            with exchange(self.device, "connect", 0):
                wire = self._open(self._connect_s)
        except OSError as error:
            raise self.refused(error) from error
        wire.device = self.device
        return wire

    def wait_s(self) -> float:
        """Seconds until an attempt is allowed."""
        return self._pauses.wait_s()

    def refused(self, error: OSError) -> OSError:
        """An attempt led to nothing: no connection, or one on which nothing was ever answered.

        What that means.
        """
        since_first_s = self._pauses.note_failure()
        passing = error.errno in REFUSALS and since_first_s < BUSY_S
        self._refusal = PortBusy(error.errno, error.strerror) if passing else error
        return self._refusal

    def served(self) -> None:
        """The printer has answered."""
        self._pauses.note_success()
        self._refusal = None
