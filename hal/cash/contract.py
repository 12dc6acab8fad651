"""What the service may ask of a coin unit, and what it reports. Amounts are in yen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hal.faults import DeviceFault, Reason

MOST_CHANGE = 490  # the fee is a multiple of 10 and the largest coin is 500


@dataclass(frozen=True)
class CoinAccepted:
    """One coin fell into the cash box (or a change hopper): money is in.

    `counter` is the acceptor's event counter with this coin: journalled with it, it tells `start`
    what came after.
    """

    value: int
    counter: int = 0


@dataclass(frozen=True)
class CoinReturned:
    """A coin was refused and slid into the return cup."""


@dataclass(frozen=True)
class CoinFault:
    """The unit cannot be trusted with another coin until it was looked at. Told once for
    one cause.
    """

    reason: Reason


CashEvent = CoinAccepted | CoinReturned | CoinFault


@dataclass(frozen=True)
class Missed:
    """What the acceptor counted after the counter that was handed to `start`, oldest first.

    `lost`: more happened than it remembers, so that `events` may not be all. `reset`: its counter
    is at 0, so it was reset since: coins that came in between the last counter and the reset, if
    the slot was open then, are not known.
    """

    events: tuple[CashEvent, ...] = ()
    lost: bool = False
    reset: bool = False


@dataclass(frozen=True)
class HopperLevel:
    """The hopper of `value` yen certainly holds `least` coins; 0 when it cannot pay, or nobody can
    tell.
    """

    value: int
    least: int


@dataclass(frozen=True)
class CashStatus:
    """`ready` is False unless told. `hoppers` is what there is to give change from."""

    ready: bool = False
    hoppers: tuple[HopperLevel, ...] = ()

    def can_pay(self, amount: int) -> bool:
        """Whether the hoppers certainly hold the coins for exactly this amount."""
        for hopper in sorted(self.hoppers, key=lambda hopper: -hopper.value):
            amount -= min(amount // hopper.value, hopper.least) * hopper.value
        return amount == 0

    @property
    def exact_only(self) -> bool:
        """Some change that a payment may need cannot be given: say so before anybody pays."""
        return not all(self.can_pay(amount) for amount in range(10, MOST_CHANGE + 10, 10))


@dataclass(frozen=True)
class HopperCount:
    """What a hopper itself says about its last dispense command, in coins.

    `events` counts the commands it was given: 0 only after a reset, then 1..255 and to 1 again.
    `reason` is why it ended early, in its own words: None when it gives none, UNCERTAIN when its
    count cannot be believed.
    """

    address: int
    value: int
    events: int
    remaining: int
    paid: int
    unpaid: int
    reason: Reason | None = None


@dataclass(frozen=True)
class Dispense:
    """A dispense command that is about to be given: `coins` of `value` yen by the hopper at
    `address`.

    `events` is that hopper's event counter before it.
    """

    address: int
    value: int
    coins: int
    events: int

    def coins_out(self, count: HopperCount) -> int | None:
        """How many coins came out, by the hopper's count afterwards; None when that cannot be told
        for certain.

        Exact only while no other command was given in between.
        """
        if count.events == self.events != 0:
            return 0  # the command never arrived
        if count.events != next_event(self.events) or count.remaining:
            return None
        if count.reason is Reason.UNCERTAIN or count.paid > self.coins:
            return None
        if count.paid == self.coins:
            return count.paid
        explained = count.reason is not None and count.paid + count.unpaid == self.coins
        return count.paid if explained else None


def next_event(events: int) -> int:
    """The event counter after one more command."""
    return events % 255 + 1


class PayoutFault(DeviceFault):
    """A payout ended early. `paid` yen certainly left the hoppers; the rest is owed.

    With reason UNCERTAIN even that is unknown beyond `paid`.
    """

    def __init__(self, device: str, reason: Reason, paid: int, detail: str = "") -> None:
        super().__init__(device, reason, detail)
        self.paid = paid


class CoinUnit(Protocol):
    """Calls may come from any thread, one at a time.

    What `notify` got as a CoinFault is not raised by `stop` once more, and what `accept`
    raises is not notified.
    """

    def start(
        self,
        notify: Callable[[CashEvent], None],
        last: int | None = None,
        *,
        left_open: bool = False,
    ) -> Missed:
        """Read what the unit remembers, inhibit everything, begin polling. Nothing is reset.

        `last` is the counter that was journalled last; None: as this object knows it, or nobody
        does. `left_open`: the slot was open then. What came in since is in the answer and is not
        notified. `notify` is called from the unit's own thread. Raises DeviceFault when the unit
        does not answer or is not what the configuration says.
        """
        ...

    def status(self) -> CashStatus:
        """Never raises."""
        ...

    def accept(self, values: frozenset[int], before: Callable[[int], None] | None = None) -> int:
        """Let coins of these values in, and no others; the counter that the slot opens with.

        `before` is called with that counter ahead of the opening; when it raises, `accept` raises
        the same and the slot stays shut. It is not called while the slot is open already: then only
        the values change. Raises DeviceFault.
        """
        ...

    def stop(self) -> int:
        """Let no coin in; return the counter when every coin already swallowed has been notified.

        Returns at once when a CoinFault was notified: then there may be more, which nobody can
        tell. Raises DeviceFault for what was not notified.
        """
        ...

    def pay(self, amount: int, before: Callable[[Dispense], None] | None = None) -> None:
        """Pay out exactly `amount` yen. `before` is called ahead of each dispense command; when it
        raises, that command is not given and the payout ends.

        Raises PayoutFault with what certainly came out.
        """
        ...

    def last_payout(self) -> tuple[HopperCount, ...]:
        """What each hopper counted of its last dispense command, when all stand still; silent ones
        are left out.

        May be called before `start`. Never raises.
        """
        ...

    def close(self) -> None:
        """Inhibit and let go. Never raises."""
        ...
