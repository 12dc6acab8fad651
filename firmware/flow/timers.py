"""The journey's timers."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

THIRD, TEN = "third", "ten"  # a third of the limit is left; ten seconds of it
TEN_S: Final = 10.0
SLOWER: Final = 2  # so many times the limit has somebody who wants it slower


class Timer(StrEnum):
    """LIMIT: the screen's time runs out. REMIND: its words are said again, or asked again.

    WARNING: the person is told that the time is running out.
    """

    LIMIT = "limit"
    REMIND = "remind"
    WARNING = "warning"


def seconds_left(limit_s: float, warned: str) -> float:
    """Of a limit, when this warning is given; "": when it starts."""
    return {THIRD: limit_s / 3, TEN: TEN_S}.get(warned, limit_s)


def next_warning(limit_s: float, warned: str) -> str:
    """After `warned`, the first of which there is time to speak; "": there is none."""
    coming = {"": (THIRD, TEN), THIRD: (TEN,)}.get(warned, ())
    left = seconds_left(limit_s, warned)
    return next((each for each in coming if TEN_S <= seconds_left(limit_s, each) < left), "")
