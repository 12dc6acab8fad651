"""How a printer treats its connections: what networked printers are seen to do, alone and together.

Pure: whoever carries the bytes asks, and says what time it is.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Manners:
    """`hold_s`: the port stays taken for so long after a connection has ended, and every attempt
    meanwhile begins that time anew. `late_s`: answers come so much later. `hangs_up`: the printer
    ends the connection behind each cut, when everything is answered.
    """

    hold_s: float = 0.0
    late_s: float = 0.0
    hangs_up: bool = False
    _taken_until: float = float("-inf")
    _cuts: int = 0
    _delivered_at: float = float("-inf")

    def admits(self, now: float) -> bool:
        if now >= self._taken_until:
            return True
        self._taken_until = now + self.hold_s
        return False

    def ended(self, now: float) -> None:
        """A connection that was served has ended."""
        self._taken_until = now + self.hold_s

    def due(self, now: float) -> float:
        """When an answer of now comes: never before one that was given earlier."""
        self._delivered_at = max(self._delivered_at, now + self.late_s)
        return self._delivered_at

    def ends_here(self, cuts: int, held: int) -> bool:
        """`cuts` so far, and bytes that are not executed yet."""
        ends = self.hangs_up and cuts > self._cuts and held == 0
        if held == 0:
            self._cuts = cuts
        return ends
