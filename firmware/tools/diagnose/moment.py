"""What time it is, for everything that is judged by dates.

One place, so that `diagnose-drill` can give the whole diagnosis another clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime


def _system() -> datetime:
    return datetime.now(UTC)


source: Callable[[], datetime] = _system


def now() -> datetime:
    """By this board's clock, in UTC."""
    return source()
