"""The books of one kiosk: all entries of its journal, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from firmware.ledger.accounts import Account, Amounts, Title, Transaction, added, hopper
from firmware.ledger.acts import ACTS, NOTED, Close
from firmware.ledger.journey import DESCRIBED, POSTED, Journey, Layout, LedgerEntry
from firmware.ledger.payouts import DispenseCommand, coins_out

CARD = (Title.RECEIVABLE, Title.INQUIRY)  # charges that were made, and that may have been

# Entries that say nothing about money; with the tables of journey.py and acts.py these are all.
MOVES_NO_MONEY = frozenset(
    "begun authenticated release-asked released sheet-begun sheet-failed purge-needed purged owed "
    "slip outcome delivered denied coin-counter coins-missed reversal-begun "
    "reversal-failed service-stopped service-resumed".split()
)


COUNTED = ("coin", "coin-counter")  # with the acceptor's own counter; 0 with a coin: nobody knew it
NOTHING = LedgerEntry(0, "", "", {})


@dataclass(frozen=True)
class Paid:
    """A hopper's newest command. `out`: its coins by the books; None until its payout has ended."""

    command: DispenseCommand
    session: str
    out: int | None = None


@dataclass
class Ledger:
    """`unread`: kinds that no table knows. `explained`: a count's entry, and the case it has."""

    layout: Layout = field(default_factory=Layout)
    transactions: list[Transaction] = field(default_factory=list)
    closes: list[Close] = field(default_factory=list)
    journeys: dict[str, Journey] = field(default_factory=dict)  # not ended
    ended: set[str] = field(default_factory=set)
    certificates: dict[str, str] = field(default_factory=dict)
    # session with held money: what it has by card
    charged: dict[str, Amounts] = field(default_factory=dict)
    owed: dict[str, int] = field(default_factory=dict)  # by session
    held: dict[str, dict[str, int]] = field(default_factory=dict)  # by session and case
    cases: dict[str, str] = field(default_factory=dict)  # open ones: case to session
    case_of: dict[str, str] = field(default_factory=dict)  # session to its first case
    explained: dict[int, str] = field(default_factory=dict)
    paid: dict[int, Paid] = field(default_factory=dict)  # by address
    counter: int | None = None  # the acceptor's, as it was journalled last
    last: LedgerEntry = NOTHING
    laid_out: bool = False  # the journal itself has said where coins fall
    unread: set[str] = field(default_factory=set)
    _sums: Amounts = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Sequence[LedgerEntry], layout: Layout | None = None) -> Ledger:
        """`layout`: where coins fall, while the journal does not say so. Raises LedgerError."""
        ledger = cls(first_layout(entries, layout or Layout()))
        for entry in entries:
            ledger.take(entry)
        return ledger

    def take(self, entry: LedgerEntry) -> None:
        """The next entry. Raises LedgerError."""
        if entry.kind in COUNTED:
            self.counter = entry.facts.get("counter", 0) or (None if entry.kind == "coin" else 0)
        if entry.kind in POSTED or entry.kind in DESCRIBED:
            self._journey(entry)
        elif entry.kind in ACTS:
            self._post(ACTS[entry.kind](self, entry))
        elif entry.kind in NOTED:
            NOTED[entry.kind](self, entry)
        elif entry.kind not in MOVES_NO_MONEY:
            self.unread.add(entry.kind)
        self.last = entry

    def balances(self) -> Amounts:
        """Of every account, journeys that have not ended included."""
        return added(
            [
                self._sums,
                *(journey.transaction(self.last).postings for journey in self.journeys.values()),
            ]
        )

    def cash(self, place: str | None = None) -> dict[Account, int]:
        """Coins by place and value, in yen."""
        balances = self.balances().items()
        return {a: yen for a, yen in balances if a.title is Title.CASH and place in (None, a.part)}

    def lay_out(self, fed: str) -> None:
        self.layout, self.laid_out = Layout.read(fed), True

    def case_opened(self, entry: LedgerEntry) -> None:
        """It is the case of its session, or of the count that it follows at once."""
        case, session = entry.facts["case"], entry.session
        self.cases[case] = session
        if session:
            self.case_of.setdefault(session, case)
        elif self.transactions and self.transactions[-1].seq == self.last.seq == entry.seq - 1:
            self.explained[self.last.seq] = case

    def held_by(self, case: str) -> int:
        """Yen that an open case holds, less what another case of its session took back."""
        its = self.held.get(self.cases.get(case, ""), {})
        return max(min(its.get(case, 0), sum(its.values())), 0)

    def hold(self, session: str, case: str, yen: int) -> None:
        its = self.held.setdefault(session, {})
        its[case] = its.get(case, 0) + yen

    def charged_yen(self, session: str) -> int:
        """Of a session with held money: what was, or may be, charged by card and is not settled."""
        return sum(self.charged.get(session, {}).values())

    def looked_into(self, place: str) -> None:
        """A count stands for all that was paid before it."""
        self.paid = {
            address: paid for address, paid in self.paid.items() if hopper(address) != place
        }

    def _journey(self, entry: LedgerEntry) -> None:
        session = entry.session
        journey = self.journeys.get(session) or Journey(session)
        if session in self.ended:
            self._late(entry)
            return
        self._follow(entry, journey)
        journey = (POSTED.get(entry.kind) or DESCRIBED[entry.kind])(journey, entry, self.layout)
        self.journeys[session] = journey
        if not journey.about.ended:
            return
        del self.journeys[session]
        self.ended.add(session)
        transaction = journey.transaction(entry)
        if journey.about.held:
            self.certificates[session] = journey.about.certificate
            self.charged[session] = {
                a: yen for a, yen in transaction.postings.items() if a.title in CARD and yen
            }
        if journey.about.owed:
            self.owed[session] = journey.about.owed
        self._post(transaction)

    def _late(self, entry: LedgerEntry) -> None:
        if entry.kind in POSTED and entry.kind != "ended":
            self._post(POSTED[entry.kind](Journey(entry.session), entry, self.layout).late(entry))

    def _follow(self, entry: LedgerEntry, before: Journey) -> None:
        """What the books think of each hopper's newest command."""
        if entry.kind == "dispense":
            facts = entry.facts
            command = DispenseCommand(
                facts["address"], facts["value"], facts["coins"], facts["events"]
            )
            self.paid[command.address] = Paid(command, entry.session)
        if entry.kind in ("payout-done", "payout-failed"):
            amount = entry.facts["amount"]
            paid = entry.facts.get("paid", amount)
            moved = zip(before.commands, coins_out(before.commands, amount, paid), strict=True)
            for command, out in moved:
                if command.address in self.paid:
                    self.paid[command.address] = replace(self.paid[command.address], out=out)

    def _post(self, transaction: Transaction | None) -> None:
        if transaction is None:
            return
        if (
            not transaction.postings
            and transaction.about is None
            and not transaction.kind.startswith("cash-")
        ):
            return
        self.transactions.append(transaction)
        for account, yen in transaction.postings.items():
            self._sums[account] = self._sums.get(account, 0) + yen


def first_layout(entries: Sequence[LedgerEntry], configured: Layout) -> Layout:
    """What the journal says first also holds for the entries before it."""
    layouts = (Layout.read(entry.facts["fed"]) for entry in entries if entry.kind == "cash-layout")
    return next(layouts, configured)


def differences(ledger: Ledger) -> list[tuple[Transaction, str]]:
    """Every difference that the books have, and its case; "" without one."""
    return [(t, _case_of(ledger, t)) for t in ledger.transactions if t.difference]


def _case_of(ledger: Ledger, transaction: Transaction) -> str:
    if transaction.session:
        return ledger.case_of.get(transaction.session, "")
    return ledger.explained.get(transaction.seq, "")
