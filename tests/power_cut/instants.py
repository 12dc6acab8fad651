"""What can be waited for while a journey goes on: an entry in the journal, or something on a wire.

Counters of what has happened since the watch began; the far ends of the wires are in this process,
so nothing of them is missed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from power_cut.books import Books

from hal.sim.bench import Bench

TICK_S = 0.003
CREDITS, DISPENSE, STATUS = 229, 167, 166  # ccTalk headers
HALF = 1170  # lines of a sheet

# Counted by the units themselves, since they were switched on.
COUNTS: Mapping[str, Callable[[Bench], int]] = {
    "coin-in": lambda bench: len(bench.coins.acceptor.swallowed),
    "dispense-heard": lambda bench: sum(
        hopper.received.count(DISPENSE) for hopper in bench.coins.hoppers
    ),
    "count-asked": lambda bench: sum(
        hopper.received.count(STATUS) for hopper in bench.coins.hoppers
    ),
    "coin-out": lambda bench: len(bench.coins.paid_out),
    "charged": lambda bench: len(bench.terminal.terminal.taken),
    "given-back": lambda bench: len(bench.terminal.terminal.given_back),
    "sheet-out": lambda bench: bench.sheets.page_count,
    "slip-out": lambda bench: bench.receipts.page_count,
}
# True for a while; counted whenever it becomes true.
LEVELS: Mapping[str, Callable[[Bench], bool]] = {
    "slot-open": lambda bench: bench.coins.acceptor.accepting,
    "asked-to-pay": lambda bench: bench.terminal.terminal.waiting,
    "presented": lambda bench: (
        bench.terminal.terminal.due > 0 and not bench.terminal.terminal.waiting
    ),
    "line-drawn": lambda bench: bench.sheets.engine.drawn > 0,
    "half-drawn": lambda bench: bench.sheets.engine.drawn > HALF,
    "slip-drawn": lambda bench: bench.receipts.engine.drawn > 0,
}
WIRES = (*COUNTS, *LEVELS, "slot-shut", "credits-asked")


class Watch:
    """A context manager. `count` tells how often something has happened."""

    def __init__(self, bench: Bench, books: Books) -> None:
        self._bench, self._books = bench, books
        self._start = {name: count(bench) for name, count in COUNTS.items()}
        self._held = dict.fromkeys(LEVELS, False)
        self._rises: Counter[str] = Counter()
        self._asked_before = 0
        self._last = books.last()
        self._kinds: Counter[str] = Counter()

    async def reached(self, event: str, times: int, over: asyncio.Event) -> bool:
        """False when the journey was over first."""
        while True:
            self.look()
            if self.count(event) >= times:
                return True
            if over.is_set():
                return False
            await asyncio.sleep(TICK_S)

    def look(self) -> None:
        bench = self._bench
        for name, holds in LEVELS.items():
            before, now = self._held[name], holds(bench)
            self._rises[name] += now and not before
            if name == "slot-open":
                self._rises["slot-shut"] += before and not now
            self._held[name] = now
        asked = bench.coins.acceptor.received.count(CREDITS)
        if self.count("coin-in") > self._rises["credits-asked"] and asked > self._asked_before:
            self._rises["credits-asked"] = self.count(
                "coin-in"
            )  # the poll that finds the newest coin
        if self.count("coin-in") == self._rises["credits-asked"]:
            self._asked_before = asked

    def count(self, event: str) -> int:
        if event in COUNTS:
            return COUNTS[event](self._bench) - self._start[event]
        if event in WIRES:
            return self._rises[event]
        if (last := self._books.last()) != self._last:
            self._last, self._kinds = last, Counter(self._books.kinds())
        return self._kinds[event]
