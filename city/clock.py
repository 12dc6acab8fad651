"""The city's time. Handlers take it from here, rules get it as a value."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Final

JST: Final = timezone(
    timedelta(hours=9), "JST"
)  # Japan keeps no summer time; no zone database needed
Clock = Callable[[], datetime]


def real() -> datetime:
    """Now, in Japan."""
    return datetime.now(JST)


def starting(at: datetime | None) -> Clock:
    """A clock that begins at `at` and runs on (for rehearsals); without it, the real one."""
    if at is None:
        return real
    begin = at.astimezone(JST) if at.tzinfo else at.replace(tzinfo=JST)
    started = time.monotonic()
    return lambda: begin + timedelta(seconds=time.monotonic() - started)
