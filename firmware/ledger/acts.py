"""What an operator does with money: each act is one entry of the journal and one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from firmware.ledger.accounts import (
    BOX,
    UNKNOWN_HOPPER,
    VALUES,
    Account,
    Amounts,
    Title,
    Transaction,
    added,
)
from firmware.ledger.journey import LedgerEntry

if TYPE_CHECKING:
    from firmware.ledger.ledger import Ledger

FACTS: Mapping[int, str] = {
    value: f"coins{value}" for value in VALUES
}  # the flat form of some coins


class Fee(StrEnum):
    """What an operator found out about money that was held."""

    KEPT = "kept"  # the sheets are out: it is the city's
    RETURNED = "returned"  # the office gives it back
    PAID_OUT = "paid-out"  # the hoppers had paid it already: a count is, or will be, short of it
    NEVER_CHARGED = "never-charged"  # the payment terminal took nothing, or gave it back


class LedgerError(Exception):
    """No such close, or entries that this program cannot have written."""


@dataclass(frozen=True)
class Close:
    """One day's end: the entries from `first` to `last` are its."""

    number: int
    first: int
    last: int
    at: str = ""


def facts_of(coins: Mapping[int, int]) -> dict[str, int]:
    """Coins by value, as an entry has them."""
    return {fact: coins.get(value, 0) for value, fact in FACTS.items()}


def coins_of(place: str, facts: Mapping[str, Any]) -> Amounts:
    """The same as amounts on the accounts of a place."""
    return {Account(Title.CASH, place, value): facts[fact] * value for value, fact in FACTS.items()}


def _transaction(
    entry: LedgerEntry, session: str, parts: list[Amounts], difference: int = 0
) -> Transaction:
    return Transaction(entry.seq, entry.at, entry.kind, session, added(parts), difference)


def negative(amounts: Mapping[Account, int]) -> Amounts:
    return {account: -yen for account, yen in amounts.items()}


def _count(ledger: Ledger, entry: LedgerEntry) -> Transaction:
    """The place holds what was counted."""
    return _found(ledger, entry, coins_of(entry.facts["place"], entry.facts), {})


def _emptied(ledger: Ledger, entry: LedgerEntry) -> Transaction:
    """All of it was taken out, and counted outside."""
    counted = sum(coins_of(entry.facts["place"], entry.facts).values())
    return _found(ledger, entry, {}, {Account(Title.OFFICE): counted})


def _found(ledger: Ledger, entry: LedgerEntry, inside: Amounts, outside: Amounts) -> Transaction:
    """What the books had otherwise is over or short.

    Coins that left some hopper, nobody knew which, explain what is missing in this one.
    """
    place = entry.facts["place"]
    balances = ledger.balances()
    expected = {a: yen for a, yen in balances.items() if a.title is Title.CASH and a.part == place}
    parts = [inside, outside, negative(expected)]
    difference = sum(added(parts).values())
    left = Account(Title.CASH, UNKNOWN_HOPPER)
    explained = min(max(difference, balances.get(left, 0)), 0) if place != BOX else 0
    difference -= explained
    parts += [{left: -explained}, {Account(Title.OVER_SHORT): -difference}]
    ledger.looked_into(place)
    return _transaction(entry, "", parts, difference)


def _refill(ledger: Ledger, entry: LedgerEntry) -> Transaction:
    coins = coins_of(entry.facts["place"], entry.facts)
    return _transaction(entry, "", [coins, {Account(Title.OFFICE): -sum(coins.values())}])


def _held_settled(ledger: Ledger, entry: LedgerEntry) -> Transaction:
    """Whose it is. A charge that nobody knew to be made was made, or was not."""
    facts, session = entry.facts, entry.session
    amount, how = facts["amount"], Fee(facts["how"])
    ledger.hold(session, facts["case"], -amount)
    charged: Amounts = {}
    if (
        ledger.charged_yen(session) == amount
    ):  # otherwise another case of the session holds the charge
        charged = ledger.charged.pop(session)
    if how is Fee.NEVER_CHARGED:
        return _transaction(entry, session, [{Account(Title.HELD): amount}, negative(charged)])
    account = {
        Fee.KEPT: Account(Title.FEES, ledger.certificates.get(session, "")),
        Fee.RETURNED: Account(Title.OFFICE),
        Fee.PAID_OUT: Account(Title.OVER_SHORT),
    }[how]
    asked = charged.get(Account(Title.INQUIRY), 0)
    made = {Account(Title.INQUIRY): -asked, Account(Title.RECEIVABLE): asked}
    return _transaction(entry, session, [{Account(Title.HELD): amount}, {account: -amount}, made])


def _case_closed(ledger: Ledger, entry: LedgerEntry) -> Transaction | None:
    """The last open case of somebody with a claim: the office has taken the claim over."""
    ledger.cases.pop(entry.facts["case"], None)
    owed = ledger.owed.get(entry.session, 0)
    if not owed or entry.session in ledger.cases.values():
        return None
    del ledger.owed[entry.session]
    return _transaction(
        entry, entry.session, [{Account(Title.OWED): owed}, {Account(Title.OFFICE): -owed}]
    )


def _case(ledger: Ledger, entry: LedgerEntry) -> None:
    ledger.case_opened(entry)


def _held(ledger: Ledger, entry: LedgerEntry) -> None:
    ledger.hold(entry.session, entry.facts["case"], entry.facts["amount"])


def _layout(ledger: Ledger, entry: LedgerEntry) -> None:
    ledger.lay_out(entry.facts["fed"])


def _closed(ledger: Ledger, entry: LedgerEntry) -> None:
    facts = entry.facts
    close = Close(facts["number"], facts["first"], facts["last"], entry.at)
    before = ledger.closes[-1] if ledger.closes else Close(0, 0, 0)
    if (
        close.number != before.number + 1
        or close.first != before.last + 1
        or close.last >= entry.seq
    ):
        raise LedgerError(
            f"entry {entry.seq}: close {close.number} does not follow {before.number}"
        )
    ledger.closes.append(close)


Act = Callable[["Ledger", LedgerEntry], Transaction | None]
# Acts that are a transaction, or that end one that a journey left open.
ACTS: Mapping[str, Act] = {
    "cash-count": _count,
    "cash-refill": _refill,
    "cash-emptied": _emptied,
    "held-settled": _held_settled,
    "case-closed": _case_closed,
}
# Entries that move nothing and that the books take note of.
NOTED: Mapping[str, Callable[[Ledger, LedgerEntry], None]] = {
    "case": _case,
    "held": _held,
    "cash-layout": _layout,
    "cash-closed": _closed,
}
