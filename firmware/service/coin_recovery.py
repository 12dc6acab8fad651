"""What the coin unit itself remembers of a session that nobody ended, read before its books are
settled.

The acceptor keeps its last five events, each hopper the count of its last payout. What they say is
written down like what a resident's process would have written. The unit is asked in a forked child
with a deadline, so that no device can hold up or end the supervisor. What nobody can tell stays
uncertain, and is a case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from firmware.service import devices
from firmware.service.config import Config
from firmware.service.entry import Entry, NewEntry, new_entry, new_id
from firmware.service.exchange_record import record_exchanges
from firmware.service.forked import forked
from firmware.service.log import log
from firmware.service.recovery import balance
from hal.cash.contract import (
    CashEvent,
    CoinAccepted,
    CoinFault,
    CoinUnit,
    Dispense,
    HopperCount,
    Missed,
)
from hal.faults import DeviceFault, Reason

DEADLINE_S = 45.0  # a payout that still runs may take 30 s to end
COUNTED = ("coin", "coin-counter")  # the entries that carry the acceptor's event counter
# the process was gone before it gave the next command: no more came out
NOT_ORDERED = Reason.REFUSED.value

Written = Sequence[Entry | NewEntry]


@dataclass(frozen=True)
class Known:
    """The acceptor's event counter as it was written down last, by which session, and whether the
    slot was open.
    """

    counter: int
    session: str
    open: bool


def known(newest: Entry | NewEntry) -> Known | None:
    """`newest`: the last entry of `COUNTED`. None when it carries no counter."""
    counter = int(newest.facts["counter"])
    if newest.kind == "coin":
        return Known(counter, newest.session, open=True) if counter else None
    return Known(counter, newest.session, bool(newest.facts["open"]))


@dataclass(frozen=True)
class Question:
    """What is not known of sessions that nobody ended: of the slot that was left open, of payouts
    that were begun.
    """

    slot: Known | None = None
    payouts: Mapping[str, Written] = field(default_factory=dict)

    @property
    def sessions(self) -> frozenset[str]:
        return frozenset((*self.payouts, *((self.slot.session,) if self.slot else ())))


def question(unfinished: Mapping[str, Written], newest: Known | None) -> Question:
    """`unfinished`: what is written of each session that nobody ended; `newest`: the counter that
    was written last.
    """
    slot = newest if newest is not None and _left_open(unfinished.get(newest.session, ())) else None
    payouts = {
        session: written for session, written in unfinished.items() if balance(written).payout_open
    }
    return Question(slot, payouts)


def _left_open(written: Written) -> bool:
    """By the session itself: a coin that fell into a slot that nobody had opened opens none."""
    counters = [given for given in written if given.kind == "coin-counter"]
    return bool(counters) and bool(counters[-1].facts["open"])


# -- what the unit answers


@dataclass(frozen=True)
class UnitAnswers:
    """`events`: what the acceptor remembered, and what fell in while it was being shut; `counter`
    behind it all.

    None where it was not asked, or gave no answer.
    """

    missed: Missed | None = None
    later: tuple[CashEvent, ...] = ()
    counter: int | None = None
    counts: tuple[HopperCount, ...] | None = None


def ask(unit: CoinUnit, asked: Question) -> UnitAnswers:
    """Hoppers first: nothing is started while one of them may still pay. Never raises."""
    counts = unit.last_payout() if any(map(_orders, asked.payouts.values())) else ()
    if asked.slot is None:
        return UnitAnswers(counts=counts)
    later: list[CashEvent] = []
    missed, counter = None, None
    try:
        missed = unit.start(later.append, asked.slot.counter, left_open=True)
        counter = unit.stop()
    except DeviceFault as fault:
        log("device.fault", device="cash", reason=fault.reason.value, detail=fault.detail)
    return UnitAnswers(missed, tuple(later), counter, counts)


def new_entries(asked: Question, answers: UnitAnswers) -> list[NewEntry]:
    """What is to be written of these sessions before they are settled."""
    found: list[NewEntry] = []
    if asked.slot is not None:
        found += _coins(asked.slot, answers)
    for session, written in asked.payouts.items():
        found += _payout(session, written, answers.counts or ())
    return found


def _coins(slot: Known, answers: UnitAnswers) -> list[NewEntry]:
    session = slot.session
    if answers.missed is None:
        return [_case(session, "power.coins-unknown")]
    events = (*answers.missed.events, *answers.later)
    found = [
        new_entry(session, "coin", value=v.value, counter=v.counter)
        for v in events
        if isinstance(v, CoinAccepted)
    ]
    faults = {v.reason for v in events if isinstance(v, CoinFault)}
    if answers.missed.lost or answers.missed.reset:
        faults.add(Reason.EVENTS_LOST)
    if Reason.EVENTS_LOST in faults:
        found.append(
            new_entry(session, "coins-missed", lost=answers.missed.lost, reset=answers.missed.reset)
        )
    found += [_case(session, f"coins.{reason.value}") for reason in sorted(faults)]
    if answers.counter is not None:
        found.append(new_entry(session, "coin-counter", counter=answers.counter, open=False))
    return found


def _payout(session: str, written: Written, counts: Iterable[HopperCount]) -> list[NewEntry]:
    """How the payout that was begun last ended; nothing when the hoppers say nothing of it."""
    amount, orders = _begun(written), _orders(written)
    by_address = {count.address: count for count in counts}
    outs = [
        _coins_out(order, orders[place + 1 :], by_address) for place, order in enumerate(orders)
    ]
    if orders and not by_address:
        return []
    paid = sum(order.value * (out or 0) for order, out in zip(orders, outs, strict=True))
    if paid == amount:
        return [new_entry(session, "payout-done", amount=amount)]
    reason = Reason.UNCERTAIN.value if None in outs else NOT_ORDERED
    return [new_entry(session, "payout-failed", amount=amount, paid=paid, reason=reason)]


def _coins_out(
    order: Dispense, later: Sequence[Dispense], counts: Mapping[int, HopperCount]
) -> int | None:
    """A hopper that was ordered again had certainly paid what it was ordered before."""
    if any(other.address == order.address for other in later):
        return order.coins
    count = counts.get(order.address)
    return None if count is None else order.coins_out(count)


def _last_payout(written: Written) -> Written:
    places = [place for place, given in enumerate(written) if given.kind == "payout-begun"]
    return written[places[-1] :]


def _begun(written: Written) -> int:
    return int(_last_payout(written)[0].facts["amount"])


def _orders(written: Written) -> list[Dispense]:
    dispenses = [given.facts for given in _last_payout(written) if given.kind == "dispense"]
    names = ("address", "value", "coins", "events")
    return [Dispense(*(int(facts[name]) for name in names)) for facts in dispenses]


def _case(session: str, code: str) -> NewEntry:
    return new_entry(session, "case", case=new_id(), code=code, pauses=True)


# -- in a child of its own

Unit = Callable[[Config], CoinUnit]


def _unit(config: Config) -> CoinUnit:
    record_exchanges(config)
    return devices.coin_unit(config.cash)


def recover(
    config: Config, asked: Question, deadline_s: float = DEADLINE_S, unit: Unit = _unit
) -> list[NewEntry]:
    """Ask the unit, and hand back what it answers. Never raises, and never takes much longer than
    the deadline.
    """

    def work() -> bytes:
        cash = unit(config)
        found = new_entries(asked, ask(cash, asked))
        cash.close()
        return msgspec.json.encode(found)

    try:
        return msgspec.json.decode(forked(work, deadline_s), type=list[NewEntry])
    except msgspec.MsgspecError:
        return new_entries(asked, UnitAnswers())
