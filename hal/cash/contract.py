"""What the service may ask of a coin unit, and what it tells. Amounts are in yen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hal.faults import DeviceFault, Reason


@dataclass(frozen=True)
class CoinAccepted:
    """One coin fell into the cash box (or a change hopper): money is in."""

    value: int


@dataclass(frozen=True)
class CoinReturned:
    """A coin was refused and slid into the return cup."""


@dataclass(frozen=True)
class CoinFault:
    """The unit cannot be trusted with another coin until it was looked at."""

    reason: Reason


CashEvent = CoinAccepted | CoinReturned | CoinFault


@dataclass(frozen=True)
class CashStatus:
    """`change` maps a coin's value to "the hopper can pay at least a handful"; `ready` is False unless told."""

    ready: bool = False
    change: tuple[tuple[int, bool], ...] = ()


class PayoutFault(DeviceFault):
    """A payout ended early. `paid` yen certainly left the hoppers; the rest is owed.

    With reason UNCERTAIN even that is unknown beyond `paid`.
    """

    def __init__(self, device: str, reason: Reason, paid: int, detail: str = "") -> None:
        super().__init__(device, reason, detail)
        self.paid = paid


class CoinUnit(Protocol):
    """Calls may come from any thread, one at a time."""

    def start(self, notify: Callable[[CashEvent], None]) -> None:
        """Reset, inhibit everything, begin polling. `notify` is called from the unit's own thread.

        Raises DeviceFault when the unit does not answer or is not what the configuration says.
        """
        ...

    def status(self) -> CashStatus:
        """Never raises."""
        ...

    def accept(self, values: frozenset[int]) -> None:
        """Let coins of these values in. Raises DeviceFault."""
        ...

    def stop(self) -> None:
        """Let no coin in; return when every coin already swallowed has been notified. Raises DeviceFault."""
        ...

    def pay(self, amount: int) -> None:
        """Pay out exactly `amount` yen. Raises PayoutFault with what certainly came out."""
        ...

    def close(self) -> None:
        """Inhibit and let go. Never raises."""
        ...
