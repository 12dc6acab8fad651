"""One journey's entries, added up to one transaction: what came, what went, whose the rest is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from firmware.ledger.accounts import BOX, About, Account, Title, Transaction, added, hopper
from firmware.ledger.payouts import DispenseCommand, out_of_hoppers


@dataclass(frozen=True)
class LedgerEntry:
    """Of the journal, with its time (ISO 8601, UTC)."""

    seq: int
    session: str
    kind: str
    facts: Mapping[str, Any]
    at: str = ""


@dataclass(frozen=True)
class Layout:
    """Where coins fall: these values into the hopper at this address, others into the cash box."""

    fed: Mapping[int, int] = field(default_factory=dict)

    def place(self, value: int) -> str:
        return hopper(self.fed[value]) if value in self.fed else BOX

    def text(self) -> str:
        """As it stands in the journal: "10=3,100=5"; "" when all fall into the cash box."""
        return ",".join(f"{value}={address}" for value, address in sorted(self.fed.items()))

    @classmethod
    def read(cls, text: str) -> Layout:
        pairs = (pair.split("=") for pair in text.split(",") if pair)
        return cls({int(value): int(address) for value, address in pairs})


@dataclass(frozen=True)
class Journey:
    """What is known so far. `charge`: yen that nobody knows to be charged."""

    session: str
    about: About = field(default_factory=About)
    assets: Mapping[Account, int] = field(default_factory=dict)
    commands: tuple[DispenseCommand, ...] = ()
    charge: int = 0

    def moved(self, amounts: Mapping[Account, int]) -> Journey:
        return replace(self, assets=added([self.assets, amounts]))

    def with_facts(self, **known: Any) -> Journey:
        return replace(self, about=replace(self.about, **known))

    def worth(self) -> int:
        """Yen that the city has more by it, on whatever account."""
        return sum(self.assets.values()) + self.charge

    def transaction(self, entry: LedgerEntry) -> Transaction:
        """As of this entry. What a journey that has ended cannot explain is over or short."""
        about, worth = self.about, self.worth()
        difference = worth - about.kept - about.owed - about.held if about.ended else 0
        postings = added(
            [
                self.assets,
                {Account(Title.INQUIRY): self.charge},
                {Account(Title.FEES, about.certificate): -about.kept},
                {Account(Title.OWED): -about.owed},
                {Account(Title.HELD): -about.held},
                {Account(Title.OVER_SHORT): -difference},
                {Account(Title.OPEN): 0 if about.ended else -worth},
            ]
        )
        return Transaction(
            entry.seq, entry.at, "journey", self.session, postings, difference, about
        )

    def late(self, entry: LedgerEntry) -> Transaction:
        """Money that moved behind the journey's end: nothing in the books explains it."""
        postings = added([self.assets, {Account(Title.OVER_SHORT): -self.worth()}])
        return Transaction(entry.seq, entry.at, "late", self.session, postings, self.worth())


def _coin(journey: Journey, entry: LedgerEntry, layout: Layout) -> Journey:
    value = int(entry.facts["value"])
    journey = journey.moved({Account(Title.CASH, layout.place(value), value): value})
    return journey.with_facts(inserted=journey.about.inserted + value)


def _payout_begun(journey: Journey, entry: LedgerEntry, _: Layout) -> Journey:
    return replace(journey, commands=())


def _dispense(journey: Journey, entry: LedgerEntry, _: Layout) -> Journey:
    facts = entry.facts
    command = DispenseCommand(facts["address"], facts["value"], facts["coins"], facts["events"])
    return replace(journey, commands=(*journey.commands, command))


def _payout_done(journey: Journey, entry: LedgerEntry, _: Layout) -> Journey:
    amount = int(entry.facts["amount"])
    return _paid(journey, amount, amount)


def _payout_failed(journey: Journey, entry: LedgerEntry, _: Layout) -> Journey:
    return _paid(journey, int(entry.facts["amount"]), int(entry.facts["paid"]))


def _paid(journey: Journey, amount: int, paid: int) -> Journey:
    journey = journey.moved(out_of_hoppers(journey.commands, amount, paid))
    return replace(journey, commands=()).with_facts(returned=journey.about.returned + paid)


def _charge_unknown(journey: Journey, entry: LedgerEntry, _: Layout) -> Journey:
    """Begun, and until the terminal has answered nobody knows."""
    return replace(journey, charge=int(entry.facts["amount"]))


def _charge_done(journey: Journey, entry: LedgerEntry, _: Layout) -> Journey:
    amount = int(entry.facts["amount"])
    journey = replace(journey, charge=0).moved({Account(Title.RECEIVABLE): amount})
    return journey.with_facts(charged=journey.about.charged + amount)


def _charge_failed(journey: Journey, entry: LedgerEntry, layout: Layout) -> Journey:
    if entry.facts["result"] == "declined":
        return replace(journey, charge=0)
    return _charge_unknown(journey, entry, layout)


def _reversal_done(journey: Journey, entry: LedgerEntry, _: Layout) -> Journey:
    """Of a charge that nobody knew of, too: it is certainly not made now."""
    amount = int(entry.facts["amount"])
    if journey.charge:
        return replace(journey, charge=journey.charge - amount)
    journey = journey.moved({Account(Title.RECEIVABLE): -amount})
    return journey.with_facts(charged=journey.about.charged - amount)


def _ended(journey: Journey, entry: LedgerEntry, _: Layout) -> Journey:
    facts = entry.facts
    return journey.with_facts(
        ended=True, kept=facts["kept"], owed=facts["owed"], held=facts.get("held", 0)
    )


def _ordered(journey: Journey, entry: LedgerEntry, _: Layout) -> Journey:
    return journey.with_facts(certificate=entry.facts["certificate"])


def _checked(journey: Journey, entry: LedgerEntry, _: Layout) -> Journey:
    return journey.with_facts(fee=entry.facts["fee"], sheets=entry.facts["sheets"])


def _sheet_done(journey: Journey, entry: LedgerEntry, _: Layout) -> Journey:
    return journey.with_facts(printed=entry.facts["sheet"])


Take = Callable[[Journey, LedgerEntry, Layout], Journey]
# Entries of a journey that move money, or say whose it is; docs/ledger.md has the accounts.
POSTED: Mapping[str, Take] = {
    "coin": _coin,
    "payout-begun": _payout_begun,
    "dispense": _dispense,
    "payout-done": _payout_done,
    "payout-failed": _payout_failed,
    "charge-begun": _charge_unknown,
    "charge-done": _charge_done,
    "charge-failed": _charge_failed,
    "reversal-done": _reversal_done,
    "ended": _ended,
}
# Those that say what the journey was, for the day's figures.
DESCRIBED: Mapping[str, Take] = {
    "ordered": _ordered,
    "checked": _checked,
    "sheet-done": _sheet_done,
}
