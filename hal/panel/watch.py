"""Whether the browser shows what it is to show. Pure: it is given the time.

A process that lives proves nothing: the part that draws may be dead while the browser answers on
the wire. Therefore the page itself reports, after a picture was drawn, which screen stands there.
How long it may be silent depends on how far it has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

NOTHING: Final = -1  # the number of no screen
ROUND_S: Final = 0.25  # between two looks
MOST_ROUND_S: Final = 0.5  # a longer pause is our own: reports may be waiting to be read


class Stage(Enum):
    STARTING = auto()  # the browser was started; on a slow board that takes long
    LOADED = auto()  # the page's script runs: its wire stands
    SHOWING = auto()  # what is due was reported
    CUT = auto()  # it was, and then the wire ended; a page that lives connects again after 0.3 s


# Seconds without the report of the screen that is due. A page reports twice a second; on two cores
# with twenty busy programs no report of cog or Chromium came later than 0.6 s after the one before.
LIMITS: Final[Mapping[Stage, float]] = {
    Stage.STARTING: 60.0,
    Stage.LOADED: 10.0,
    Stage.SHOWING: 2.0,
    Stage.CUT: 2.0,  # a page that lives and is as late as that is back within 1 s
}


@dataclass
class PageWatch:
    """Of one browser. Times are monotonic seconds; `looked` is at first its start."""

    looked: float
    limits: Mapping[Stage, float] = field(default_factory=lambda: LIMITS)
    stage: Stage = Stage.STARTING
    silent: float = 0.0  # seconds without the report that is due, in which we looked

    def connect(self) -> None:
        """A page's wire was opened."""
        if self.stage is Stage.STARTING:
            self._enter(Stage.LOADED)
        elif self.stage is Stage.CUT:
            self._enter(Stage.SHOWING)

    def cut(self) -> None:
        """The page's wire has ended, and no other page has one."""
        if self.stage is Stage.SHOWING:
            self._enter(Stage.CUT)

    def report(self, screen: int, due: int) -> None:
        """The page says that `screen` stands there; `due` is the one that should."""
        if screen == due:
            self._enter(Stage.SHOWING)

    def is_lost(self, now: float) -> bool:
        """Nothing was drawn for too long, or something else than what is to be seen."""
        self.silent += min(now - self.looked, MOST_ROUND_S)
        self.looked = now
        return self.silent > self.limits[self.stage]

    def _enter(self, stage: Stage) -> None:
        self.stage = stage
        self.silent = 0.0
