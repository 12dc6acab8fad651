"""One dispense command while its coins come, judged by what the hopper counts. Pure: it is given
the time.

A hopper's count may come late: it stands still with the last coin not yet counted, or still shows
the payout before.
"""

from __future__ import annotations

from dataclasses import dataclass

from hal.cash import hopper_test
from hal.cash.contract import HopperCount
from hal.faults import Reason


@dataclass(frozen=True)
class Pace:
    """Seconds: between two looks at a payout, until a hopper that stands still is stopped, for a
    late count.
    """

    follow_s: float
    stall_s: float
    lag_s: float


@dataclass(frozen=True)
class DispenseOrder:
    """`coins` were asked for with command number `events`; `before` and `flags` are what the hopper
    answered ahead of it.

    `refused`: it answered "failed", which may be a damaged "done", and its event counter went on
    all the same.
    """

    coins: int
    events: int
    before: HopperCount
    flags: bytes
    refused: bool = False

    def is_old(self, count: HopperCount) -> bool:
        """Whether this may still be the count of the command before."""
        return count.paid == self.before.paid != 0

    def moved_nothing(self, count: HopperCount) -> bool:
        """Whether a command that was answered "failed" certainly moved no coin. A damaged "done"
        looks the same.
        """
        if count.remaining:
            return False
        return count.paid == 0 or (self.is_old(count) and count.paid + count.unpaid != self.coins)


@dataclass(frozen=True)
class DispenseOutcome:
    """`coins` certainly came out. `reason` None: all of them; UNCERTAIN: there may be more; else:
    no more.
    """

    coins: int
    reason: Reason | None = None
    detail: str = ""


class Watch:
    """Looks at the counts of one order, one after another. `paid` coins have certainly come."""

    def __init__(self, order: DispenseOrder, pace: Pace, now: float) -> None:
        self.paid = 0
        self.stopped = False
        self.at_rest = False  # for so long that the count is not late any more
        self._order = order
        self._taken = not order.refused
        self._pace = pace
        self._began = now
        self._deadline = now + pace.stall_s
        self._rest_since: float | None = None

    def look(self, count: HopperCount, now: float) -> DispenseOutcome | None:
        """The outcome when this count tells it: all of them came, or it counts what cannot be."""
        order = self._order
        if count.events != order.events:
            return DispenseOutcome(self.paid, Reason.UNCERTAIN, figures(count))
        self._taken = (
            self._taken or bool(count.remaining) or (count.paid > 0 and not order.is_old(count))
        )
        if order.is_old(count) and now - self._began <= self._pace.lag_s:
            return None
        if order.is_old(count) and not self._taken:
            return DispenseOutcome(0, Reason.UNCERTAIN, figures(count))
        if not self.paid <= count.paid <= order.coins:
            return DispenseOutcome(self.paid, Reason.UNCERTAIN, figures(count))
        if count.paid > self.paid:
            self.paid = count.paid
            self._deadline = now + self._pace.stall_s
        if count.remaining:
            self._rest_since = None
        elif self._rest_since is None:
            self._rest_since = now
        if not count.remaining and self.paid == order.coins:
            return DispenseOutcome(self.paid)
        self.at_rest = self._rest_since is not None and now - self._rest_since > self._pace.lag_s
        return None

    def is_overdue(self, now: float) -> bool:
        """Nothing has moved for the stall time."""
        return now > self._deadline

    def stop(self, now: float) -> None:
        """It was ordered to stop."""
        self.stopped = True
        self._deadline = now + self._pace.stall_s


def short(order: DispenseOrder, count: HopperCount, flags: bytes) -> DispenseOutcome:
    """It stands still and has not paid all: certain only when it says why and its figures agree."""
    reason = hopper_test.why_short(flags, order.flags)
    if reason is None or count.paid + count.unpaid != order.coins:
        reason = Reason.UNCERTAIN
    detail = f"{order.coins} due, {figures(count)}: {hopper_test.describe(flags)}"
    certain = 0 if reason is Reason.UNCERTAIN and order.is_old(count) else count.paid
    return DispenseOutcome(certain, reason, detail)


def figures(count: HopperCount) -> str:
    """For a log."""
    return (
        f"{count.paid} paid, {count.unpaid} unpaid, "
        f"{count.remaining} to come, command {count.events}"
    )
