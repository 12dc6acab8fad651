"""What is asked of the coin unit, in its lane. Every outcome is an event of the journey; nothing is raised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firmware.flow import events as e
from firmware.service.log import log
from hal.cash.contract import CashEvent, CoinAccepted, CoinReturned, CoinUnit, PayoutFault
from hal.faults import DeviceFault

COINS = frozenset({10, 50, 100, 500})


def told(event: CashEvent) -> e.Event:
    """The unit's own news, in the journey's words."""
    if isinstance(event, CoinAccepted):
        return e.CoinInserted(value=event.value)
    if isinstance(event, CoinReturned):
        return e.CoinReturned()
    return e.CoinsFailed(reason=event.reason.value)


def _failed(fault: DeviceFault) -> e.Event:
    log("device.fault", device="cash", reason=fault.reason.value, detail=fault.detail)
    return e.CoinsFailed(reason=fault.reason.value)


@dataclass(frozen=True)
class CashDesk:
    """`notify` hears of every coin, in the unit's own thread."""

    unit: CoinUnit
    notify: Callable[[CashEvent], None]

    def start(self) -> None:
        try:
            self.unit.start(self.notify)
            log("device.ready", device="cash")
        except DeviceFault as fault:
            log("device.fault", device="cash", reason=fault.reason.value, detail=fault.detail)

    def accept(self) -> e.Event | None:
        try:
            self.unit.accept(COINS)
        except DeviceFault as fault:
            return _failed(fault)
        return None

    def stop(self) -> e.Event:
        try:
            self.unit.stop()
        except DeviceFault as fault:
            return _failed(fault)
        return e.CoinsStopped()

    def pay(self, amount: int) -> e.Event:
        try:
            self.unit.pay(amount)
        except PayoutFault as fault:
            log("device.fault", device="cash", reason=fault.reason.value, detail=fault.detail)
            return e.PayoutFailed(amount=amount, paid=fault.paid, reason=fault.reason.value)
        except DeviceFault as fault:
            log("device.fault", device="cash", reason=fault.reason.value, detail=fault.detail)
            return e.PayoutFailed(amount=amount, paid=0, reason=fault.reason.value)
        return e.PaidOut(amount=amount)

    def trouble(self) -> str:
        """Asked between residents only: a unit that is not ready is started again."""
        if not self.unit.status().ready:
            self.start()
        return "" if self.unit.status().ready else "coins"
