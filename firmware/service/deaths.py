"""How often residents' processes die, whenever in their life: the more often, the longer until the
next one.

One death is an accident, and the next process serves at once. Many within a while have one cause:
then the kiosk goes out of service and tries again by itself, later and later, until a process
lives.
"""

from __future__ import annotations

from dataclasses import dataclass, field

WINDOW_S = 600.0
MANY = 5  # within the window
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 30.0
FIRST_CLOSED_S = 30.0
LONGEST_CLOSED_S = 600.0


@dataclass
class Deaths:
    """Times are monotonic seconds."""

    _times: list[float] = field(default_factory=list)

    def add(self, now: float) -> None:
        self._times.append(now)

    def recent(self, now: float) -> int:
        self._times = [then for then in self._times if now - then < WINDOW_S]
        return len(self._times)

    def pause_s(self, now: float) -> float:
        """Seconds from the last death until the next process is made."""
        count = self.recent(now)
        return min(FIRST_PAUSE_S * 2 ** (count - 1), LONGEST_PAUSE_S) if count else 0.0

    def may_fork(self, now: float) -> bool:
        return not self._times or now - self._times[-1] >= self.pause_s(now)

    def closed_s(self, now: float) -> float:
        """Seconds out of service before it is tried again; 0 while there are few deaths."""
        beyond = self.recent(now) - MANY
        return min(FIRST_CLOSED_S * 2**beyond, LONGEST_CLOSED_S) if beyond >= 0 else 0.0
