"""The city's time, as its answers tell it, beside this board's own clock.

Between two answers the city's time goes on by the monotonic clock, which nobody sets. Therefore a
board whose clock is set, or stops, while somebody is served is noticed without a question to the
city.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def board_time() -> datetime:
    """This board's clock. It may be wrong."""
    return datetime.now(UTC)


def clock_of(date: str) -> datetime | None:
    """The time in an answer's Date. None: none that can be read."""
    try:
        parsed = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return None
    return parsed if parsed.tzinfo else None


@dataclass
class CityClock:
    """`limit_s`: so far the two clocks may be apart. 0: they are not compared, and the board's
    counts (a rehearsal's city lives at a date of its own).
    """

    limit_s: float
    board: Callable[[], datetime] = board_time
    monotonic: Callable[[], float] = time.monotonic
    _city_time: datetime | None = None
    _set_at: float = 0.0

    def set_time(self, now: datetime) -> None:
        """The city says that it is `now`, which knows its time zone."""
        self._city_time, self._set_at = now, self.monotonic()

    @property
    def is_set(self) -> bool:
        """Whether the city has told its time."""
        return self._city_time is not None

    def now(self) -> datetime | None:
        """By what validity may be judged: the city's time. None while it has told none."""
        if not self.limit_s:
            return self.board()
        if self._city_time is None:
            return None
        try:
            return self._city_time + timedelta(seconds=self.monotonic() - self._set_at)
        except OverflowError:
            return None

    def off_s(self) -> float:
        """So many seconds the board is ahead of the city; 0 while that is not known."""
        city = self.now()
        return (self.board() - city).total_seconds() if city else 0.0

    def is_wrong(self) -> bool:
        """Whether the two are further apart than they may be."""
        return bool(self.limit_s) and abs(self.off_s()) > self.limit_s
