"""One simple ccTalk hopper: pays coins of one value, and is never told twice.

Dispense (167) is the one command that must not be repeated. The hopper counts dispense commands in an event counter
(0 only after a reset, then 1..255 and to 1 again); it is compared before and after each command, so a lost answer
is not a lost coin. Sources: ccTalk Generic Specification 4.7; manuals of simple hoppers (status, test, level).
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from hal.cash.wire import Wire
from hal.faults import DeviceFault, Reason

DISPENSE, STATUS, ENABLE, TEST, STOP = 167, 166, 164, 163, 172
SIMPLE_POLL, CATEGORY, SERIAL, LEVEL = 254, 245, 242, 217
ENABLED = b"\xa5"
DISABLED = b"\x00"
MOST_COINS = 20  # a dispense command: bounds what one misunderstanding can cost
STALL_S = 15.0  # longer than a hopper itself looks for its next coin

TEST_JAM = 0b0011_1001  # current exceeded, exit blocked while idle, exit short-circuited, exit blocked in payout
TEST_DISABLED = 0b1000_0000
LEVEL_IS_LOW, LEVEL_HAS_LOW = 0b0000_0001, 0b0001_0000


@dataclass(frozen=True)
class Hopper:
    """From the configuration: the hopper at bus address `address` holds coins of `value` yen."""

    address: int
    value: int


@dataclass(frozen=True)
class Count:
    """Status answer: dispense commands so far, coins still to come, coins of the last command that came."""

    events: int
    remaining: int
    paid: int


@dataclass(frozen=True)
class Outcome:
    """`coins` certainly came out. `reason` None: all of them; UNCERTAIN: there may be more; else: no more."""

    coins: int
    reason: Reason | None = None


class HopperLine:
    """Talks to one hopper. `outcome` is that of its last payout."""

    def __init__(self, hopper: Hopper, wire: Wire, follow_s: float, stall_s: float = STALL_S) -> None:
        self.value = hopper.value
        self.outcome = Outcome(0)
        self._address = hopper.address
        self._wire = wire
        self._follow_s = follow_s
        self._stall_s = stall_s
        self._has_sensor = False
        self._serial = b""
        self._events = 0

    def connect(self) -> None:
        """Who is there, and where its counter stands. No reset: that would wipe what it knows of a payout.

        Raises DeviceFault.
        """
        category = self._wire.ask(self._address, CATEGORY, lengths=range(256))
        if b"payout" not in category.lower():
            raise self._wire.fault(Reason.CONFIGURATION, f"address {self._address} is not a hopper")
        self._serial = self._wire.ask(self._address, SERIAL, lengths=(3,))
        self.disable()
        self._events = self._count().events
        try:
            level = self._wire.ask(self._address, LEVEL, lengths=(1,))[0]
        except DeviceFault:
            level = 0  # many hoppers do not know the question
        self._has_sensor = bool(level & LEVEL_HAS_LOW)

    def disable(self) -> None:
        """Raises DeviceFault."""
        self._wire.ask(self._address, ENABLE, DISABLED)

    def can_pay(self) -> bool:
        """True when it answers, its last payout was whole, and its level sensor, if any, is covered."""
        if self.outcome.reason is not None:
            return False
        question = (LEVEL, (1,)) if self._has_sensor else (SIMPLE_POLL, (0,))
        try:
            answer = self._wire.ask(self._address, question[0], lengths=question[1], tries=1)
        except DeviceFault:
            return False
        return not (self._has_sensor and answer[0] & LEVEL_IS_LOW)

    def dispense(self, coins: int) -> Outcome:
        """Pay 1..MOST_COINS coins and wait for the last. Never raises."""
        self.outcome = self._dispense(coins)
        return self.outcome

    def _dispense(self, coins: int) -> Outcome:
        try:
            before = self._count()
            if before.remaining or before.events not in (self._events, 0):
                return Outcome(0, Reason.UNCERTAIN)  # it pays, or has paid, what nobody here asked for
            self._wire.ask(self._address, ENABLE, ENABLED)
        except DeviceFault as fault:
            return Outcome(0, fault.reason)
        self._events = before.events
        order = self._order(coins)
        return order if order is not None else self._follow(coins)

    def _order(self, coins: int) -> Outcome | None:
        """Send the command at most twice, the second time only when it certainly did not arrive. None: it pays."""
        for _ in range(2):
            try:
                self._wire.ask(self._address, DISPENSE, self._serial + bytes([coins]), lengths=(0, 1), tries=1)
            except DeviceFault as fault:
                reason = fault.reason
            else:
                self._events = _next(self._events)
                return None
            try:
                count, test = self._count(), self._test()
            except DeviceFault:
                return Outcome(0, Reason.UNCERTAIN)
            if count.events == _next(self._events):  # it arrived
                self._events = count.events
                return Outcome(0, reason) if reason is Reason.REFUSED and not count.remaining else None
            if count.events != self._events or test & TEST_DISABLED or count.remaining:
                return Outcome(0, Reason.UNCERTAIN)  # it was reset: enabled no more, its counter at 0
            if reason is Reason.REFUSED:
                break
        return Outcome(0, reason)

    def _follow(self, coins: int) -> Outcome:
        paid, stopped = 0, False
        deadline = time.monotonic() + self._stall_s
        while True:
            try:
                count = self._count()
            except DeviceFault:
                count = None
            if count is not None:
                if count.events != self._events or not paid <= count.paid <= coins:
                    return Outcome(paid, Reason.UNCERTAIN)
                if count.paid > paid:
                    paid, deadline = count.paid, time.monotonic() + self._stall_s
                if not count.remaining:
                    return Outcome(paid, None if paid == coins else self._why_short())
            if time.monotonic() > deadline:
                if stopped:
                    return Outcome(paid, Reason.UNCERTAIN)
                with contextlib.suppress(DeviceFault):
                    self._wire.ask(self._address, STOP, lengths=(0, 1))
                stopped, deadline = True, time.monotonic() + self._stall_s
            time.sleep(self._follow_s)

    def _why_short(self) -> Reason:
        try:
            return Reason.COIN_JAM if self._test() & TEST_JAM else Reason.HOPPER_EMPTY
        except DeviceFault:
            return Reason.HOPPER_EMPTY

    def _count(self) -> Count:
        events, remaining, paid, _unpaid = self._wire.ask(self._address, STATUS, lengths=(4,))
        return Count(events, remaining, paid)

    def _test(self) -> int:
        return self._wire.ask(self._address, TEST, lengths=(1, 2, 3))[0]


def _next(events: int) -> int:
    return events % 255 + 1
