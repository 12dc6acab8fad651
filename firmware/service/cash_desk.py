"""What is asked of the coin unit, in its thread, and what is journalled ahead of what it does.

Every outcome is an event of the journey. What the journal raises is raised: then nothing was done.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from firmware.flow import events
from firmware.service.coin_recovery import Known
from firmware.service.log import log
from firmware.service.record import Record
from hal.cash.contract import (
    CashEvent,
    CashStatus,
    CoinAccepted,
    CoinFault,
    CoinReturned,
    CoinUnit,
    Dispense,
    Missed,
    PayoutFault,
)
from hal.faults import DeviceFault, Reason

COINS = frozenset({10, 50, 100, 500})
AGAIN_S = 2.0  # a start that fails takes seconds, and the screen waits for its outcome


def acceptable(due: int, status: CashStatus) -> frozenset[int]:
    """Coins that leave no change to be given, or change that the hoppers certainly hold."""
    return frozenset(value for value in COINS if value <= due or status.can_pay(value - due))


def as_journey_event(event: CashEvent) -> events.Event:
    """The unit's own news, in the journey's words."""
    if isinstance(event, CoinAccepted):
        return events.CoinInserted(value=event.value, counter=event.counter)
    if isinstance(event, CoinReturned):
        return events.CoinReturned()
    return events.CoinsFailed(reason=event.reason.value)


def _failed(fault: DeviceFault) -> events.Event:
    log("device.fault", device="cash", reason=fault.reason.value, detail=fault.detail)
    return events.CoinsFailed(reason=fault.reason.value)


@dataclass(frozen=True)
class CashBook:
    """Writes down what the unit is about to do; called in the event loop's thread, which is the
    journal's.
    """

    record: Record
    session: str

    def opens(self, counter: int) -> None:
        """Raises JournalBroken: the slot is not to open."""
        self.record.write(self.session, "coin-counter", counter=counter, open=True)

    def dispenses(self, order: Dispense) -> None:
        """Raises JournalBroken: nothing is to be paid. Where what came before is only kept, so is
        this.
        """
        write = self.record.happened if self.record.unwritten else self.record.write
        write(self.session, "dispense", **asdict(order))


@dataclass
class CashDesk:
    """`notify` is called for every coin, in the unit's own thread; for what was missed while nobody
    listened, in the thread of this desk.

    `last`: the acceptor's counter as it was journalled last, by whichever process. `opens` gets
    the counter ahead of the slot's opening, `dispenses` each dispense command ahead of it, both in
    the thread of this desk: when they raise, the slot stays shut, and nothing is paid. `stopped`
    gets the counter behind all that fell into a slot that another process had left open.
    """

    unit: CoinUnit
    notify: Callable[[CashEvent], None]
    last: Known | None = None
    opens: Callable[[int], None] = lambda _counter: None
    dispenses: Callable[[Dispense], None] = lambda _dispense: None
    stopped: Callable[[int], None] = lambda _counter: None
    exact_only: bool = False  # as in the newest status
    change: dict[str, int] = field(default_factory=dict)  # there, too: yen to certain coins
    _started: bool = False
    _failed_at: float = -math.inf

    def start(self) -> Missed | None:
        """None when the unit is not there. Once it is, it knows its counter itself."""
        last = self.last
        try:
            missed = self.unit.start(
                self.notify, last.counter if last else None, left_open=bool(last and last.open)
            )
        except DeviceFault as fault:
            log("device.fault", device="cash", reason=fault.reason.value, detail=fault.detail)
            self._failed_at = time.monotonic()
            return None
        log("device.ready", device="cash")
        for event in missed.events:
            self.notify(event)
        # Into a slot that was shut nothing falls, however often it was tried, or the unit switched
        # off, since. One that this process opened was reported, and shut, when the unit failed.
        was_open = not self._started and (last is None or last.open)
        if (missed.lost or missed.reset) and was_open:
            self.notify(CoinFault(Reason.EVENTS_LOST))
        self.last, self._started = None, True
        if was_open and last is not None:
            with contextlib.suppress(DeviceFault):
                self.stopped(self.unit.stop())
        return missed

    def status(self) -> CashStatus:
        status = self.unit.status()
        self.exact_only = status.exact_only
        self.change = {}
        for hopper in status.hoppers:
            value = str(hopper.value)
            self.change[value] = self.change.get(value, 0) + hopper.least
        return status

    def accept(self, due: int) -> events.Event | None:
        try:
            self.unit.accept(acceptable(due, self.status()), self.opens)
        except DeviceFault as fault:
            return _failed(fault)
        return None

    def stop(self) -> events.Event:
        try:
            return events.CoinsStopped(counter=self.unit.stop())
        except DeviceFault as fault:
            return _failed(fault)

    def pay(self, amount: int) -> events.Event:
        try:
            self.unit.pay(amount, self.dispenses)
        except PayoutFault as fault:
            log("device.fault", device="cash", reason=fault.reason.value, detail=fault.detail)
            return events.PayoutFailed(amount=amount, paid=fault.paid, reason=fault.reason.value)
        except DeviceFault as fault:
            log("device.fault", device="cash", reason=fault.reason.value, detail=fault.detail)
            return events.PayoutFailed(amount=amount, paid=0, reason=fault.reason.value)
        return events.PaidOut(amount=amount)

    def trouble(self) -> str:
        """Asked between residents only: a unit that is not ready is started again, unless that has
        just failed.
        """
        if self.status().ready:
            return ""
        if time.monotonic() - self._failed_at > AGAIN_S:
            self.start()
        return "" if self.status().ready else "coins"
