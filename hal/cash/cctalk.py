"""The coin unit on a ccTalk wire: one coin acceptor and simple hoppers.

Source: Crane, ccTalk Generic Specification 4.7 (public domain).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from hal.cash.acceptor import AcceptorLine
from hal.cash.contract import (
    CashEvent,
    CashStatus,
    CoinAccepted,
    CoinFault,
    CoinReturned,
    Dispense,
    HopperCount,
    Missed,
    PayoutFault,
)
from hal.cash.frame import Checksum
from hal.cash.hopper import LAG_S, STALL_S, Hopper, HopperLine
from hal.cash.payout import Pace
from hal.cash.wire import CctalkWire
from hal.faults import DeviceFault, Reason

__all__ = ["CctalkCoinUnit", "Hopper"]

JAPAN = frozenset({10, 50, 100, 500})
QUIET_POLLS = 2  # after inhibiting: a coin in the chute is credited within these
STOP_S = 5.0
# An acceptor without power is silent, and was reset when it answers again.
ONE_CAUSE = frozenset({Reason.SILENT, Reason.EVENTS_LOST})
NO_ANSWER = frozenset({Reason.SILENT, Reason.GARBLED, Reason.NOT_CONNECTED})


class CctalkCoinUnit:
    """`hal.cash.contract.CoinUnit`. After a CoinFault nothing is accepted until `start` is called
    again.

    `coins` are the values in yen that the acceptor must know. `poll_s` is the time between two
    polls; five coins in that time are the most that an acceptor remembers. `reply_s` limits one
    answer, `max_payout` (yen) one payout; `stall_s` and `lag_s`: see `hal.cash.payout.Pace`.
    """

    def __init__(
        self,
        port: str,
        acceptor: int = 2,
        hoppers: Sequence[Hopper] = (),
        coins: frozenset[int] = JAPAN,
        poll_s: float = 0.1,
        reply_s: float = 0.5,
        stall_s: float = STALL_S,
        lag_s: float = LAG_S,
        max_payout: int = 10_000,
        checksum: Checksum = Checksum.SUM,
        device: str = "cash",
    ) -> None:
        self._device = device
        self._poll_s = poll_s
        self._max_payout = max_payout
        self._lag_s = lag_s
        self._stall_s = stall_s
        self._wire = CctalkWire(device, port, reply_s, checksum)
        self._acceptor = AcceptorLine(self._wire, acceptor, coins)
        self._addresses = [acceptor, *(hopper.address for hopper in hoppers)]
        by_value = sorted(hoppers, key=lambda hopper: -hopper.value)
        pace = Pace(poll_s / 2, stall_s, lag_s)
        self._hoppers = [HopperLine(hopper, self._wire, pace) for hopper in by_value]
        self._notify: Callable[[CashEvent], None] = lambda _event: None
        self._faults: set[Reason] = set()
        self._reported: set[Reason] = set()  # of these, the caller knows
        self._hidden = False  # a loss that was found while it was shut, and not told yet
        self._open = False
        self._must_shut = False  # the poll thread makes up for an inhibit that did not arrive
        self._quiet = 0
        self._polled = threading.Condition()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(
        self,
        notify: Callable[[CashEvent], None],
        last: int | None = None,
        *,
        left_open: bool = False,
    ) -> Missed:
        """See CoinUnit. Raises DeviceFault: NOT_CONNECTED, SILENT, GARBLED,
        REFUSED, CONFIGURATION.
        """
        quiet = QUIET_POLLS if self._is_quiet(last, left_open) else 0
        self.close()
        self._hidden |= Reason.EVENTS_LOST in self._faults - self._reported
        self._notify = notify
        self._faults, self._reported = set(), set()
        self._open, self._must_shut, self._quiet = False, False, quiet
        try:
            missed = self._acceptor.connect(last, left_open)
            for hopper in self._hoppers:
                hopper.connect()
            self._check_addresses()
        except DeviceFault:
            self._wire.close()
            raise
        if self._hidden:
            missed = replace(missed, lost=True)
        if missed.lost or missed.reset:
            self._quiet = 0
        self._acceptor.confirm_told()
        self._hidden = False
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, name=f"{self._device}-poll", daemon=True)
        self._thread.start()
        return missed

    def status(self) -> CashStatus:
        """See CoinUnit. Asks each hopper once."""
        if not self._running():
            return CashStatus()
        return CashStatus(not self._faults, tuple(hopper.level() for hopper in self._hoppers))

    def accept(self, values: frozenset[int], before: Callable[[int], None] | None = None) -> int:
        """See CoinUnit. Raises DeviceFault: CONFIGURATION for a value that the acceptor does not
        know.
        """
        positions = self._acceptor.positions(values)
        with self._wire.lock:
            self._check_trusted()
            opens = not self._open
            self._check_untouched()  # ahead of its counter being written down
        if opens and before is not None:
            # without the lock: polling goes on while it takes its time
            before(self._acceptor.counter or 0)
        with self._wire.lock:
            self._check_trusted()
            self._check_untouched()
            try:
                self._must_shut, self._open = True, False  # should one of the two get lost
                self._acceptor.open(positions)
            except DeviceFault as fault:
                self._tell(fault)
                raise
            self._must_shut, self._open = False, True
            return self._acceptor.counter or 0

    def stop(self) -> int:
        """See CoinUnit. Raises DeviceFault: NOT_CONNECTED when not started, SILENT when nothing can
        be reported in time.
        """
        if not self._running():
            raise self._wire.fault(Reason.NOT_CONNECTED, "not started")
        try:
            self._shut()
        except DeviceFault as fault:
            # reported by the poll thread, which also shuts once more
            self._faults.add(fault.reason)
        with self._polled:
            if not self._polled.wait_for(self._settled, STOP_S):
                raise self._wire.fault(Reason.SILENT, "no quiet after inhibiting")
        return self._acceptor.counter or 0

    def pay(self, amount: int, before: Callable[[Dispense], None] | None = None) -> None:
        """See CoinUnit. Highest values first; what one hopper certainly cannot pay the next ones
        do.
        """
        if not 0 <= amount <= self._max_payout or not self._payable(amount):
            raise self._payout_fault(Reason.REFUSED, 0, "amount")
        if not self._running():
            raise self._payout_fault(Reason.NOT_CONNECTED, 0, "not started")
        try:
            self._pay(amount, before or (lambda _dispense: None))
        finally:
            for hopper in self._hoppers:
                with contextlib.suppress(DeviceFault):
                    hopper.disable()

    def last_payout(self) -> tuple[HopperCount, ...]:
        """See CoinUnit. A count that has just come to rest may be late, so it is read until it
        stays.
        """
        deadline = time.monotonic() + 2 * self._stall_s
        counts = self._counts()
        while time.monotonic() < deadline:
            time.sleep(self._lag_s)
            later = self._counts()
            if later == counts:
                break
            counts = later
        return counts

    def close(self) -> None:
        """See CoinUnit."""
        self._ending.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            if thread is not threading.current_thread():
                thread.join()
            with contextlib.suppress(DeviceFault):
                self._leave_shut()
        self._wire.close()

    # acceptor

    def _is_quiet(self, last: int | None, left_open: bool) -> bool:
        """Whether the slot has been shut for so long that no coin is in the chute."""
        if last is not None:
            return not left_open
        return not (self._open or self._must_shut) and self._quiet >= QUIET_POLLS

    def _check_addresses(self) -> None:
        if len(set(self._addresses)) < len(self._addresses):
            detail = f"two devices are configured at one address: {sorted(self._addresses)}"
            raise self._wire.fault(Reason.CONFIGURATION, detail)

    def _shut(self) -> None:
        with self._wire.lock:
            if self._open:
                self._quiet = 0  # polls of an open slot do not count: a coin may be in the chute
            with contextlib.suppress(DeviceFault):
                if self._lost_by_reset():
                    self._faults.add(Reason.EVENTS_LOST)
            self._open, self._must_shut = False, True
            self._acceptor.shut()
            self._must_shut, self._quiet = False, 0

    def _leave_shut(self) -> None:
        """A slot that is shut already is left as it was found."""
        with self._wire.lock:
            if self._open or self._must_shut:
                self._shut()
                return
            if self._lost_by_reset():
                self._faults.add(Reason.EVENTS_LOST)
            self._acceptor.shut_for_the_next()

    def _lost_by_reset(self) -> bool:
        """Whether coins may have been lost since it was set up: asked before it is set up anew.

        Into a slot that is shut, and that no coin is on its way from, none falls before a reset;
        behind it one may have.
        """
        if self._acceptor.is_as_set():
            return False
        return self._open or self._quiet < QUIET_POLLS or self._acceptor.counted_anew()

    def _check_untouched(self) -> None:
        try:
            if self._lost_by_reset():
                raise self._wire.fault(Reason.EVENTS_LOST, "it was reset")
        except DeviceFault as fault:
            self._tell(fault)
            raise

    def _tell(self, fault: DeviceFault) -> None:
        """Whoever asked is told by what is raised."""
        self._faults.add(fault.reason)
        self._reported.add(fault.reason)

    def _check_trusted(self) -> None:
        if not self._running():
            raise self._wire.fault(Reason.NOT_CONNECTED, "not started")
        if self._faults:
            raise self._wire.fault(sorted(self._faults)[0], "since the last start")

    def _running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _settled(self) -> bool:
        """Every swallowed coin was reported, or the fault was because of which that cannot be."""
        if self._faults:
            return self._faults <= self._reported
        return self._quiet >= QUIET_POLLS

    # polling, in the unit's own thread

    def _run(self) -> None:
        while not self._ending.wait(self._poll_s):
            with self._wire.lock:
                events, unreported = self._poll()
            for event in (*events, *map(CoinFault, unreported)):
                self._notify(event)
            with self._polled:
                self._reported.update(unreported)
                self._polled.notify_all()

    def _poll(self) -> tuple[list[CoinAccepted | CoinReturned], list[Reason]]:
        """What is new, and the faults that are not reported yet. A fault shuts the acceptor.

        No coin falls into a slot that is shut: an acceptor that does not answer then, or was reset,
        has lost none.
        """
        idle = not self._open and self._quiet >= QUIET_POLLS
        before = self._acceptor.counter
        events, lost, answered = self._news()
        as_set = not answered or self._as_set()
        self._faults |= {event.reason for event in events if isinstance(event, CoinFault)}
        only_reset = idle and self._acceptor.counter == 0
        # Counted from 0 again, the same figures may stand for other coins.
        figures = self._acceptor.counter and before
        if (lost and not only_reset) or (not as_set and (not idle or figures)):
            self._faults.add(Reason.EVENTS_LOST)
        money = any(isinstance(event, CoinAccepted) for event in events)
        surprise = money and idle  # it accepts, and should not
        self._must_shut |= bool(self._faults - self._reported) or surprise or not as_set
        if money or not (answered or idle):
            self._quiet = 0
        elif answered:
            self._quiet += 1
        if self._must_shut and answered:
            with contextlib.suppress(DeviceFault):
                self._shut()
        if idle:
            self._reported |= self._faults & NO_ANSWER  # `status` shows it
        elif self._reported & ONE_CAUSE:
            self._reported |= self._faults & ONE_CAUSE
        coins = [event for event in events if not isinstance(event, CoinFault)]
        return coins, sorted(self._faults - self._reported)

    def _news(self) -> tuple[tuple[CashEvent, ...], bool, bool]:
        """Events, whether some were lost, and whether the acceptor answered at all."""
        try:
            events, lost = self._acceptor.news()
        except DeviceFault as fault:
            self._faults.add(fault.reason)
            return (), False, False
        return events, lost, True

    def _as_set(self) -> bool:
        try:
            return self._acceptor.is_as_set()
        except DeviceFault as fault:
            self._faults.add(fault.reason)
            return True  # the next poll asks again

    # payout

    def _payable(self, amount: int) -> bool:
        for hopper in self._hoppers:
            amount %= hopper.value
        return amount == 0

    def _pay(self, amount: int, before: Callable[[Dispense], None]) -> None:
        paid, trusted = 0, list(self._hoppers)
        reason, detail = Reason.HOPPER_EMPTY, ""
        while paid < amount:
            hopper = next((h for h in trusted if h.value <= amount - paid), None)
            if hopper is None:
                raise self._payout_fault(reason, paid, detail)
            try:
                outcome = hopper.dispense(min((amount - paid) // hopper.value, hopper.most), before)
            except Exception as error:  # of `before`: the order could not be written down
                detail = f"not recorded: {type(error).__name__}"
                raise self._payout_fault(Reason.REFUSED, paid, detail) from error
            paid += outcome.coins * hopper.value
            if outcome.reason is Reason.UNCERTAIN:
                detail = f"hopper of {hopper.value} yen: {outcome.detail}"
                raise self._payout_fault(outcome.reason, paid, detail)
            if outcome.reason is not None:
                trusted.remove(hopper)
                reason, detail = outcome.reason, outcome.detail

    def _counts(self) -> tuple[HopperCount, ...]:
        counts = []
        for hopper in self._hoppers:
            with contextlib.suppress(DeviceFault):
                counts.append(hopper.count())
        return tuple(counts)

    def _payout_fault(self, reason: Reason, paid: int, detail: str = "") -> PayoutFault:
        return PayoutFault(self._device, reason, paid, detail)
