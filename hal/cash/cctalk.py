"""The coin unit on a ccTalk wire: one coin acceptor and simple hoppers.

Source: Crane, ccTalk Generic Specification 4.7 (public domain).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence

from hal.cash import credits
from hal.cash.contract import CashEvent, CashStatus, CoinAccepted, CoinFault, PayoutFault
from hal.cash.hopper import MOST_COINS, STALL_S, Hopper, HopperLine
from hal.cash.wire import Wire
from hal.faults import DeviceFault, Reason

__all__ = ["CctalkCoinUnit", "Hopper"]

SIMPLE_POLL, MANUFACTURER, CATEGORY, PRODUCT = 254, 246, 245, 244
INHIBIT_MASK, READ_MASK, BUFFERED_CREDIT, MASTER_INHIBIT, COIN_ID, RESET = 231, 230, 229, 228, 184, 1
SHUT, OPEN = b"\x00", b"\x01"

JAPAN = frozenset({10, 50, 100, 500})
BOOT_S = 5.0  # an acceptor is back this long after a reset
QUIET_POLLS = 2  # after inhibiting: a coin in the chute is credited within these
STOP_S = 5.0


class CctalkCoinUnit:
    """`hal.cash.contract.CoinUnit`. After a CoinFault nothing is accepted until `start` is called again.

    `coins` are the values in yen that the acceptor must know. `poll_s` is the time between two polls; five coins
    in that time are the most that an acceptor remembers. `reply_s` limits one answer, `max_payout` (yen) one payout.
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
        max_payout: int = 10_000,
        device: str = "cash",
    ) -> None:
        self._device = device
        self._address = acceptor
        self._coins = coins
        self._poll_s = poll_s
        self._max_payout = max_payout
        self._wire = Wire(device, port, reply_s)
        by_value = sorted(hoppers, key=lambda hopper: -hopper.value)
        self._hoppers = [HopperLine(hopper, self._wire, poll_s / 2, stall_s) for hopper in by_value]
        self._values: dict[int, int] = {}
        self._notify: Callable[[CashEvent], None] = lambda _event: None
        self._counter = 0
        self._faults: set[Reason] = set()
        self._told: set[Reason] = set()
        self._mask: bytes | None = None  # as the acceptor has it; None: not known
        self._tells_mask = False
        self._open = False
        self._must_shut = False  # the poll thread makes up for an inhibit that did not arrive
        self._quiet = 0
        self._polled = threading.Condition()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, notify: Callable[[CashEvent], None]) -> None:
        """See CoinUnit. Raises DeviceFault: NOT_CONNECTED, SILENT, GARBLED, REFUSED, CONFIGURATION."""
        self.close()
        self._notify, self._faults, self._told = notify, set(), set()
        try:
            left_open = self._connect_acceptor()
            for hopper in self._hoppers:
                hopper.connect()
        except DeviceFault:
            self._wire.close()
            raise
        if left_open:
            notify(CoinFault(Reason.EVENTS_LOST))
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, name=f"{self._device}-poll", daemon=True)
        self._thread.start()

    def status(self) -> CashStatus:
        """See CoinUnit. Asks each hopper once."""
        if not self._running():
            return CashStatus()
        change = tuple((hopper.value, hopper.can_pay()) for hopper in self._hoppers)
        return CashStatus(not self._faults, change)

    def accept(self, values: frozenset[int]) -> None:
        """See CoinUnit. Raises DeviceFault: CONFIGURATION for a value that the acceptor does not know."""
        if unknown := values - set(self._values.values()):
            raise self._wire.fault(Reason.CONFIGURATION, f"no coin of {sorted(unknown)} yen")
        positions = frozenset(position for position, value in self._values.items() if value in values)
        with self._wire.lock:
            self._check_trusted()
            self._must_shut, self._open = True, False  # should one of the two get lost
            self._set_mask(positions)
            self._check_trusted()
            self._wire.ask(self._address, MASTER_INHIBIT, OPEN)
            self._must_shut, self._open = False, True

    def stop(self) -> None:
        """See CoinUnit. Raises DeviceFault, EVENTS_LOST also when credits were lost before this call."""
        self._shut()
        with self._polled:
            settled = self._polled.wait_for(lambda: self._quiet >= QUIET_POLLS, STOP_S)
        if Reason.EVENTS_LOST in self._faults:
            raise self._wire.fault(Reason.EVENTS_LOST)
        if not settled:
            raise self._wire.fault(Reason.SILENT, "no quiet after inhibiting")

    def pay(self, amount: int) -> None:
        """See CoinUnit. Highest values first; what one hopper cannot pay the next ones do."""
        if not 0 <= amount <= self._max_payout or not self._payable(amount):
            raise self._payout_fault(Reason.REFUSED, 0, "amount")
        if not self._running():
            raise self._payout_fault(Reason.NOT_CONNECTED, 0, "not started")
        try:
            self._pay(amount)
        finally:
            for hopper in self._hoppers:
                with contextlib.suppress(DeviceFault):
                    hopper.disable()

    def close(self) -> None:
        """See CoinUnit."""
        self._ending.set()
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if thread is not threading.current_thread():
            thread.join()
        with contextlib.suppress(DeviceFault):
            self._shut()
        self._wire.close()

    # acceptor

    def _connect_acceptor(self) -> bool:
        """Shut first: some acceptors wake up accepting. True when an earlier life left it open."""
        ask = self._wire.ask
        self._tells_mask = False
        ask(self._address, MASTER_INHIBIT, SHUT)
        left_open = self._left_open()
        self._shut()
        ask(self._address, RESET)
        self._await_boot()
        self._shut()
        self._counter = 0  # a reset acceptor counts from 0: what came in since is still told
        who = [ask(self._address, header, lengths=range(256)) for header in (MANUFACTURER, CATEGORY, PRODUCT)]
        if b"coin" not in who[1].lower():
            raise self._wire.fault(Reason.CONFIGURATION, f"address {self._address} is not a coin acceptor")
        self._tells_mask = self._knows(READ_MASK)
        self._values = self._read_values()
        if missing := self._coins - set(self._values.values()):
            raise self._wire.fault(Reason.CONFIGURATION, f"acceptor does not know {sorted(missing)} yen")
        return left_open

    def _left_open(self) -> bool:
        """Coins let in, and something counted since it was powered up: whoever heard of it last may have died first."""
        if not self._knows(READ_MASK):
            return False
        mask = self._wire.ask(self._address, READ_MASK, lengths=(2,))
        counter = self._wire.ask(self._address, BUFFERED_CREDIT, lengths=(credits.ANSWER_LENGTH,))[0]
        return any(mask) and counter != 0

    def _await_boot(self) -> None:
        deadline = time.monotonic() + BOOT_S
        while True:
            try:
                self._wire.ask(self._address, SIMPLE_POLL, tries=1)
            except DeviceFault:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def _knows(self, header: int) -> bool:
        try:
            self._wire.ask(self._address, header, lengths=range(256))
        except DeviceFault as fault:
            if fault.reason in (Reason.SILENT, Reason.REFUSED):
                return False
            raise
        return True

    def _read_values(self) -> dict[int, int]:
        """Position to yen. A position that the acceptor refuses to tell is empty."""
        values = {}
        for position in credits.POSITIONS:
            try:
                coin_id = self._wire.ask(self._address, COIN_ID, bytes([position]), lengths=(6,))
            except DeviceFault as fault:
                if fault.reason is not Reason.REFUSED:
                    raise
                continue
            value = credits.coin_value(coin_id)
            if value in self._coins:
                values[position] = value
        return values

    def _shut(self) -> None:
        with self._wire.lock:
            self._open, self._must_shut = False, True
            self._wire.ask(self._address, MASTER_INHIBIT, SHUT)
            self._set_mask(frozenset())
            self._must_shut, self._quiet = False, 0

    def _set_mask(self, positions: frozenset[int]) -> None:
        """A reset before the first credit leaves the counter at 0, where it was: only the old mask tells of it."""
        if self._mask is not None and self._tells_mask:
            mask = self._wire.ask(self._address, READ_MASK, lengths=(2,))
            if mask != self._mask:
                self._faults.add(Reason.EVENTS_LOST)
        self._mask = None
        self._wire.ask(self._address, INHIBIT_MASK, credits.mask(positions))
        self._mask = credits.mask(positions)

    def _check_trusted(self) -> None:
        if not self._running():
            raise self._wire.fault(Reason.NOT_CONNECTED, "not started")
        if self._faults:
            raise self._wire.fault(sorted(self._faults)[0], "since the last start")

    def _running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    # polling, in the unit's own thread

    def _run(self) -> None:
        while not self._ending.wait(self._poll_s):
            for event in self._poll():
                self._notify(event)
            with self._polled:
                self._polled.notify_all()

    def _poll(self) -> list[CashEvent]:
        """What is new. A fault is told once and shuts the acceptor."""
        with self._wire.lock:
            events, answered = self._ask_credits()
            faults = {event.reason for event in events if isinstance(event, CoinFault)}
            self._faults |= faults
            money = any(isinstance(event, CoinAccepted) for event in events)
            surprise = money and not self._open and self._quiet >= QUIET_POLLS  # it accepts, and should not
            self._must_shut = self._must_shut or bool(faults) or surprise
            self._quiet = self._quiet + 1 if answered and not money else 0
            if self._must_shut and answered:
                with contextlib.suppress(DeviceFault):
                    self._shut()
            untold = sorted(self._faults - self._told)
            self._told.update(untold)
        return [*(e for e in events if not isinstance(e, CoinFault)), *(CoinFault(reason) for reason in untold)]

    def _ask_credits(self) -> tuple[list[CashEvent], bool]:
        """New events, and whether the acceptor answered."""
        try:
            answer = self._wire.ask(self._address, BUFFERED_CREDIT, lengths=(credits.ANSWER_LENGTH,))
        except DeviceFault as fault:
            return [CoinFault(fault.reason)], False
        new = credits.fresh(self._counter, answer)
        self._counter = new.counter
        events = [event for pair in new.events if (event := credits.meaning(pair, self._values)) is not None]
        return events + [CoinFault(Reason.EVENTS_LOST)] * new.lost, True

    # payout

    def _payable(self, amount: int) -> bool:
        for hopper in self._hoppers:
            amount %= hopper.value
        return amount == 0

    def _pay(self, amount: int) -> None:
        paid, trusted, reason = 0, list(self._hoppers), Reason.HOPPER_EMPTY
        while paid < amount:
            hopper = next((h for h in trusted if h.value <= amount - paid), None)
            if hopper is None:
                raise self._payout_fault(reason, paid)
            outcome = hopper.dispense(min((amount - paid) // hopper.value, MOST_COINS))
            paid += outcome.coins * hopper.value
            if outcome.reason is Reason.UNCERTAIN:
                raise self._payout_fault(outcome.reason, paid, f"hopper of {hopper.value} yen")
            if outcome.reason is not None:
                trusted.remove(hopper)
                reason = outcome.reason

    def _payout_fault(self, reason: Reason, paid: int, detail: str = "") -> PayoutFault:
        return PayoutFault(self._device, reason, paid, detail)
