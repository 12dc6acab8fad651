"""What the service may ask of a payment terminal. Amounts are in yen; no card number and no name is
ever known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class ChargeResult(StrEnum):
    """What became of a charge, as far as the terminal can tell."""

    APPROVED = "approved"  # the money is taken
    DECLINED = "declined"  # nothing was taken, for certain
    UNKNOWN = "unknown"  # nobody can tell; an operator looks


class Decline(StrEnum):
    """Why nothing was taken. The value is what logs and screens name."""

    REFUSED = "refused"  # by the issuer, or not enough balance
    CANCELLED = "cancelled"  # by us, before anything was presented
    NOT_PRESENTED = "not-presented"  # the terminal's own time was over
    UNREADABLE = "unreadable"  # the phone or card could not be read
    NOT_BEGUN = "not-begun"  # the terminal never heard of it


@dataclass(frozen=True)
class ChargeReport:
    """`transaction` is the terminal's own number of an approved charge; `decline` says why one was
    declined.
    """

    result: ChargeResult
    transaction: str = ""
    decline: Decline | None = None


class PaymentTerminal(Protocol):
    """One terminal, one charge at a time. Methods block, and are called in one thread; `cancel` in
    any.

    Every method but `cancel` and `close` raises DeviceFault.
    """

    def is_ready(self) -> bool:
        """Whether a charge could begin now. Raises DeviceFault when the terminal does not say."""
        ...

    def charge(self, amount: int, reference: str) -> ChargeReport:
        """Take exactly `amount`; returns when somebody has presented and it is APPROVED or
        DECLINED.

        The same `reference` (32 hex digits) is charged once, however often it is asked. Raises
        DeviceFault: UNCERTAIN when nobody can tell whether the money was taken; any other reason
        when it certainly was not.
        """
        ...

    def query(self, reference: str, amount: int) -> ChargeReport:
        """What became of a charge that was asked for earlier, also by an earlier process. Charges
        nothing: one that still waits for somebody to present is cancelled.

        Raises DeviceFault when the terminal cannot be asked: then it is as unknown as before.
        """
        ...

    def reverse(self, transaction: str, amount: int) -> None:
        """Give back an approved charge, once: it returns when the terminal says that it is
        reversed.

        Raises DeviceFault: UNCERTAIN when nobody can tell; any other reason when it certainly was
        not reversed.
        """
        ...

    def cancel(self, reference: str) -> None:
        """This charge ends DECLINED, unless somebody has presented by now: then it goes on. Never
        raises.
        """
        ...

    def close(self) -> None:
        """Let go of the wire. Never raises."""
        ...
