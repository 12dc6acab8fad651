"""Does the acceptor take each kind of coin, and call it by its value?

The slot is open for one kind at a time. The coins are the office's and stay in the machine: they
are booked as put in (補充) where such coins fall, together with the acceptor's counter, so that the
next start of the kiosk takes them for nobody's.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from firmware.service import devices, till
from firmware.service.cases import journal_path
from firmware.service.cash_desk import COINS
from firmware.service.coin_recovery import COUNTED, known
from firmware.service.config import Config
from firmware.service.journal import Journal
from firmware.tools.diagnose.finding import wrong
from firmware.tools.diagnose.guided.human import Asking, Request
from hal.cash.contract import CashEvent, CoinAccepted, CoinFault, CoinUnit, Missed

VALUES: Final = tuple(sorted(COINS))


def coins(config: Config, asking: Asking) -> str:
    """One coin of each kind. Raises Wrong, DeviceFault, JournalBroken, Gone."""
    with contextlib.closing(Journal(journal_path(config.kiosk.state))) as journal:
        newest = journal.newest(*COUNTED)
        last = known(newest) if newest else None
        if journal.unfinished() or (last and last.open):
            raise wrong("guided.coins-unsettled", "the journal has a session that nobody ended")
        unit = devices.coin_unit(config.cash)
        trial = _Trial(unit, journal, asking)
        try:
            missed = unit.start(trial.events.put, last.counter if last else None)
            _require_known(missed, asked=last is not None)
            trial.run()
        finally:
            unit.close()
            trial.take_events()
            if trial.opened:
                shut = trial.counter is not None
                behind = trial.coin if trial.counter is None else trial.counter
                till.tried(config, trial.taken, behind, shut=shut)
    if trial.problems:
        raise wrong("guided.coins", "; ".join(trial.problems))
    yen = sum(value * number for value, number in trial.taken.items())
    return f"{', '.join(map(str, VALUES))} yen: each taken and named; {yen} yen booked as put in"


def _require_known(missed: Missed, *, asked: bool) -> None:
    """Coins that no journal knows would be lost to the books. Raises Wrong."""
    if asked and any(isinstance(event, CoinAccepted) for event in missed.events):
        raise wrong("guided.coins-unsettled", "coins fell in that the journal does not have")


@dataclass
class _Trial:
    """`taken`: coins by value that fell in. `counter`: the acceptor's behind them all, as it was
    when the slot was shut; None when the slot does not answer. `coin`: its counter with the last
    coin.
    """

    unit: CoinUnit
    journal: Journal
    asking: Asking
    events: SimpleQueue[CashEvent] = field(default_factory=SimpleQueue)
    taken: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    counter: int | None = None
    coin: int = 0
    opened: bool = False

    def run(self) -> None:
        """Raises DeviceFault, JournalBroken, Gone."""
        for value in VALUES:
            self.counter = None
            self.unit.accept(frozenset({value}), self._opens)
            try:
                done = self.asking.ask(_request(value))
            finally:
                self.counter = self.unit.stop()
            self._judge(value, done, self.take_events())

    def _opens(self, counter: int) -> None:
        """Written once, ahead of the first coin: should this program die, the kiosk's next start
        asks the acceptor what came after it.
        """
        if not self.opened:
            self.journal.write("", "coin-counter", counter=counter, open=True)
            self.opened = True

    def take_events(self) -> Counter[int]:
        """What fell in since the last call."""
        fell: Counter[int] = Counter()
        while not self.events.empty():
            event = self.events.get()
            if isinstance(event, CoinAccepted):
                fell[event.value] += 1
                self.coin = event.counter
            elif isinstance(event, CoinFault):
                self.problems.append(event.reason.value)
        self.taken += fell
        return fell

    def _judge(self, value: int, done: bool, fell: Counter[int]) -> None:
        told = ", ".join(f"{number} of {yen} yen" for yen, number in sorted(fell.items()))
        if fell != Counter({value: 1}):
            self.problems.append(f"{value} yen: the acceptor told {told or 'no coin'}")
        elif not done:
            self.problems.append(f"{value} yen: told by the acceptor, and failed by the person")


def _request(value: int) -> Request:
    return Request(
        f"{value}円硬貨を1枚だけ入れてください。戻ってきたときは n。",
        f"Put in one coin of {value} yen. If it comes back, answer n.",
    )
