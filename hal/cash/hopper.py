"""One simple ccTalk hopper: pays coins of one value, and never gets one command twice.

Dispense (167) is the one command that must not be repeated. The hopper counts dispense commands in
an event counter; it is compared before and after each command, so a lost answer is not a lost coin.
Its count of coins may come late, and a payout that it does not itself explain (163) is uncertain.
Sources: ccTalk Generic Specification 4.7; manuals of simple hoppers (status, test, level).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from enum import Enum

from hal.cash import hopper_test
from hal.cash.contract import Dispense, HopperCount, HopperLevel, next_event
from hal.cash.credits import coin_value
from hal.cash.discovery import FIRST_TRIES, check_alone, explained
from hal.cash.handshake import Handshake, serial_number
from hal.cash.payout import DispenseOrder, DispenseOutcome, Pace, Watch, figures, short
from hal.cash.wire import MAYBE_S, CctalkWire
from hal.faults import DeviceFault, Reason

DISPENSE, STATUS, ENABLE, TEST, STOP = 167, 166, 164, 163, 172
CATEGORY, LEVEL, COIN, COIN_AND_VALUE = 245, 217, 171, 131
ENABLED, DISABLED = b"\xa5", b"\x00"
MOST_COINS = 20  # a dispense command: bounds what one misunderstanding can cost
STALL_S = 15.0  # longer than a hopper itself looks for its next coin
LAG_S = 1.0  # a hopper that has come to rest may still be counting


class Arrived(Enum):
    """Whether a dispense command reached the hopper."""

    YES = "yes"
    NO = "no"


LEVEL_IS_LOW, LEVEL_HAS_LOW = 0b0000_0001, 0b0001_0000
NO_COIN = b" .\x00"  # what an identity that was never programmed is made of


@dataclass(frozen=True)
class Hopper:
    """From the configuration: the hopper at bus address `address` holds coins of `value` yen.

    `low` is how many coins are certainly in it while its low sensor is covered.
    """

    address: int
    value: int
    low: int = 10
    handshake: Handshake = serial_number


class HopperLine:
    """Talks to one hopper. `outcome` is that of its last payout."""

    def __init__(self, hopper: Hopper, wire: CctalkWire, pace: Pace) -> None:
        self.value = hopper.value
        self.outcome = DispenseOutcome(0)
        self._hopper = hopper
        self._address = hopper.address
        self._wire = wire
        self._pace = pace
        self._has_sensor = False
        self._single = False
        self._events = 0

    def connect(self) -> None:
        """Who is there, which coin it holds, and where its counter stands. A payout that still runs
        may end first.

        No reset: that would wipe what it knows of its last payout. Raises DeviceFault.
        """
        with explained(self._wire, self._address):
            category = self._ask(CATEGORY, lengths=range(256), tries=FIRST_TRIES)
            if b"payout" not in category.lower():
                detail = f"address {self._address} is not a hopper"
                raise self._wire.fault(Reason.CONFIGURATION, detail)
            check_alone(self._wire, self._address)
            self._check_coin()
            self._events = self._rest().events
            self.disable()
            self._single = hopper_test.SINGLE_COIN in hopper_test.flags(self._test())
            level = self._optional(LEVEL, b"", (1,))
        self._has_sensor = level is not None and bool(level[0] & LEVEL_HAS_LOW)

    def disable(self) -> None:
        """Raises DeviceFault."""
        self._ask(ENABLE, DISABLED)

    def level(self) -> HopperLevel:
        """By its low sensor; without one, by what it says of its last payout. Never raises."""
        return HopperLevel(self.value, self._hopper.low if self._can_pay() else 0)

    def count(self) -> HopperCount:
        """Once it has come to rest, or does not within the stall time. Raises DeviceFault."""
        count = self._rest()
        return replace(count, reason=hopper_test.why_short(self._test(), hopper_test.RESET))

    def dispense(self, coins: int, before: Callable[[Dispense], None]) -> DispenseOutcome:
        """Pay 1..MOST_COINS coins and wait for the last. Raises only what `before` raises: then no
        coin moves.
        """
        self.outcome = self._dispense(coins, before)
        return self.outcome

    @property
    def most(self) -> int:
        """Coins that one dispense command may ask for."""
        return 1 if self._single else MOST_COINS

    # what it holds

    def _can_pay(self) -> bool:
        if self.outcome.reason is not None:
            return False
        try:
            if self._has_sensor:
                return not self._ask(LEVEL, lengths=(1,), tries=1)[0] & LEVEL_IS_LOW
            return hopper_test.why_short(self._test(), hopper_test.RESET) is None
        except DeviceFault:
            return False

    def _check_coin(self) -> None:
        """Compared with the configuration, where the hopper knows the question and was told its
        coin.
        """
        described = self._optional(COIN, b"", (6,)) or self._optional(COIN_AND_VALUE, b"\x01", (8,))
        coin = described[:6] if described else b""
        if not coin.strip(NO_COIN) or coin_value(coin) == self.value:
            return
        holds = coin.decode("ascii", "replace")
        detail = (
            f"the hopper at address {self._address} holds {holds}, "
            f"the configuration says {self.value} yen"
        )
        raise self._wire.fault(Reason.CONFIGURATION, detail)

    # paying

    def _dispense(self, coins: int, before: Callable[[Dispense], None]) -> DispenseOutcome:
        try:
            count = self._count()
        except DeviceFault as fault:
            return DispenseOutcome(0, fault.reason, fault.detail)
        if count.remaining or count.events not in (self._events, 0):
            detail = f"{figures(count)}, {self._events} expected"
            return DispenseOutcome(0, Reason.UNCERTAIN, detail)
        self._events = count.events
        before(Dispense(self._address, self.value, coins, count.events))
        try:
            self._ask(ENABLE, ENABLED)
            # Counted once more: a hopper that is reset from here on is disabled and refuses. One
            # that was reset before it was enabled could count to the same number again.
            enabled, flags = self._count(), self._test()
        except DeviceFault as fault:
            return DispenseOutcome(0, fault.reason, fault.detail)
        if enabled.remaining or enabled.events != count.events:
            reset = enabled.events == 0 and not enabled.remaining
            reason = Reason.REFUSED if reset else Reason.UNCERTAIN
            return DispenseOutcome(0, reason, f"{figures(enabled)}, {count.events} expected")
        order = DispenseOrder(coins, next_event(enabled.events), enabled, flags)
        given = self._order(order)
        return given if isinstance(given, DispenseOutcome) else self._follow(given)

    def _order(self, order: DispenseOrder) -> DispenseOutcome | DispenseOrder:
        """Send the command at most twice, the second time only when it certainly did not arrive.

        The order comes back when the hopper has it.
        """
        for _ in range(2):
            try:
                code = self._hopper.handshake(self._ask)
            except DeviceFault as fault:
                return DispenseOutcome(0, fault.reason, fault.detail)
            try:
                self._ask(DISPENSE, code + bytes([order.coins]), lengths=(0, 1), tries=1)
            except DeviceFault as fault:
                reason = fault.reason
            else:
                self._events = order.events
                return order
            outcome = self._look_after(order, reason)
            if outcome is not Arrived.NO:
                refused = reason is Reason.REFUSED
                return replace(order, refused=refused) if outcome is Arrived.YES else outcome
        return DispenseOutcome(0, reason)

    def _look_after(self, order: DispenseOrder, reason: Reason) -> DispenseOutcome | Arrived:
        """The command got no good answer: did it arrive? A refusal may be a damaged answer
        as well.
        """
        refused = reason is Reason.REFUSED
        time.sleep(self._pace.lag_s)  # its counters may come late
        try:
            count = self._count()
            flags = self._test()
        except DeviceFault as fault:
            return DispenseOutcome(0, Reason.UNCERTAIN, fault.detail)
        if count.events == order.events:
            self._events = order.events
            return self._refusal(flags) if refused and order.moved_nothing(count) else Arrived.YES
        if count.events != order.before.events or count.remaining or _was_reset(flags, order.flags):
            detail = f"{figures(count)}: {hopper_test.describe(flags)}"
            return DispenseOutcome(0, Reason.UNCERTAIN, detail)
        return self._refusal(flags) if refused else Arrived.NO

    def _refusal(self, flags: bytes) -> DispenseOutcome:
        reason = hopper_test.why_short(flags, flags) or Reason.REFUSED
        return DispenseOutcome(0, reason, hopper_test.describe(flags))

    def _follow(self, order: DispenseOrder) -> DispenseOutcome:
        watch = Watch(order, self._pace, time.monotonic())
        while True:
            with contextlib.suppress(DeviceFault):
                count = self._count()
                outcome = watch.look(count, time.monotonic())
                if outcome is not None:
                    return outcome
                if watch.at_rest:
                    return short(order, count, self._test())
            if watch.is_overdue(time.monotonic()):
                if watch.stopped:
                    return DispenseOutcome(
                        watch.paid, Reason.UNCERTAIN, "it does not stop, or does not answer"
                    )
                with contextlib.suppress(DeviceFault):
                    self._ask(STOP, lengths=(0, 1))
                watch.stop(time.monotonic())
            time.sleep(self._pace.follow_s)

    # questions

    def _rest(self) -> HopperCount:
        """Its count when no coin is to come, or when that takes too long."""
        deadline = time.monotonic() + 2 * self._pace.stall_s
        count = self._count()
        while count.remaining and time.monotonic() < deadline:
            time.sleep(self._pace.follow_s)
            count = self._count()
        return count

    def _count(self) -> HopperCount:
        answer = self._wire.ask_sure(self._address, STATUS, (4,))
        events, remaining, paid, unpaid = answer
        return HopperCount(self._address, self.value, events, remaining, paid, unpaid)

    def _test(self) -> bytes:
        return self._wire.ask_sure(self._address, TEST, (1, 2, 3))

    def _ask(
        self, header: int, data: bytes = b"", lengths: Container[int] = (0,), tries: int = 3
    ) -> bytes:
        return self._wire.ask(self._address, header, data, lengths, tries)

    def _optional(self, header: int, data: bytes, lengths: Container[int]) -> bytes | None:
        """None when the hopper does not know the question, as many do not."""
        try:
            return self._wire.ask(self._address, header, data, lengths, 1, MAYBE_S)
        except DeviceFault as fault:
            if fault.reason in (Reason.SILENT, Reason.REFUSED):
                return None
            raise


def _was_reset(flags: bytes, before: bytes) -> bool:
    return hopper_test.why_short(flags, before) is Reason.UNCERTAIN
