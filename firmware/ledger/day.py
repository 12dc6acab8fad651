"""A day's figures (日計): what was sold, is owed and held, and must be in the machine. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone

from firmware.ledger.accounts import About, Account, Amounts, Title, Transaction
from firmware.ledger.acts import Close, LedgerError
from firmware.ledger.journey import Layout, LedgerEntry
from firmware.ledger.ledger import Ledger, differences, first_layout

JST = timezone(timedelta(hours=9), "JST")


def day_of(at: str) -> date | None:
    """The day in Japan; None for an entry without a time."""
    return datetime.fromisoformat(at).astimezone(JST).date() if at else None


@dataclass(frozen=True)
class Sales:
    """Of one kind of certificate. `free`: issued without a fee."""

    certificate: str
    cash: int = 0
    cash_yen: int = 0
    cashless: int = 0
    cashless_yen: int = 0
    free: int = 0
    sheets: int = 0

    @property
    def count(self) -> int:
        return self.cash + self.cashless + self.free

    @property
    def yen(self) -> int:
        return self.cash_yen + self.cashless_yen


@dataclass(frozen=True)
class Tally:
    """So many journeys, or acts, and their yen."""

    count: int = 0
    yen: int = 0


@dataclass(frozen=True)
class Found:
    """A difference, and the case that it has."""

    seq: int
    at: str
    kind: str
    yen: int
    case: str


@dataclass(frozen=True)
class Day:
    """`closed`: the close that it is of; None: not closed yet. `balances`: at its end."""

    label: str
    first: int
    last: int
    closed: Close | None
    sales: tuple[Sales, ...]
    cancelled: Tally
    owed: Tally
    held: Tally
    held_settled: Tally
    claims_paid: Tally
    refilled: Tally
    emptied: Tally
    found: tuple[Found, ...]
    balances: Amounts = field(default_factory=dict)

    def balance(self, title: Title) -> int:
        """As the account's own sign has it: debit positive."""
        return sum(yen for account, yen in self.balances.items() if account.title is title)

    @property
    def cash(self) -> list[tuple[Account, int]]:
        """Coins by place and value, in yen."""
        return sorted((a, yen) for a, yen in self.balances.items() if a.title is Title.CASH)


def closed_day(entries: Sequence[LedgerEntry], number: int, layout: Layout) -> Day:
    """As it was when it was closed. Raises LedgerError: there is no such close."""
    whole = Ledger.of(entries, layout)
    close = next((close for close in whole.closes if close.number == number), None)
    if close is None:
        raise LedgerError(f"no close {number}")
    ledger = Ledger.of([entry for entry in entries if entry.seq <= close.last], layout)
    its = range(close.first, close.last + 1)
    return _day(ledger, whole, its, close, str(day_of(close.at) or ""))


def open_day(entries: Sequence[LedgerEntry], layout: Layout) -> Day:
    """What has come since the last close."""
    ledger = Ledger.of(entries, layout)
    first = ledger.closes[-1].last + 1 if ledger.closes else 1
    its = range(first, ledger.last.seq + 1)
    return _day(ledger, ledger, its, None, str(day_of(ledger.last.at) or ""))


def calendar_day(entries: Sequence[LedgerEntry], day: date, layout: Layout) -> Day:
    """All entries of that day in Japan, closed or not, and no other: where the board's clock was
    wrong for a while, entries of other days stand between them.
    """
    of_day = [entry.seq for entry in entries if day_of(entry.at) == day]
    last = max(of_day, default=0)
    layout = first_layout(entries, layout)
    ledger = Ledger.of([entry for entry in entries if entry.seq <= last], layout)
    return _day(ledger, Ledger.of(entries, layout), of_day, None, day.isoformat())


def _day(
    ledger: Ledger, whole: Ledger, of_day: Sequence[int], closed: Close | None, label: str
) -> Day:
    """`of_day`: numbers of its entries, in order. `whole`: the books as of now, which know of a
    case that was opened later.
    """
    seqs = frozenset(of_day)
    its = [t for t in ledger.transactions if t.seq in seqs]
    journeys = [t.about for t in its if t.about is not None]
    return Day(
        label=label,
        first=of_day[0] if of_day else 1,
        last=of_day[-1] if of_day else 0,
        closed=closed,
        sales=tuple(_sales(journeys)),
        cancelled=_tally(
            j.returned for j in journeys if j.returned and not j.kept and not j.issued
        ),
        owed=_tally(j.owed for j in journeys if j.owed),
        held=_tally(j.held for j in journeys if j.held),
        held_settled=_moved(its, lambda t: t.kind == "held-settled", Title.HELD),
        claims_paid=_moved(its, lambda t: t.kind == "case-closed", Title.OWED),
        refilled=_moved(its, lambda t: t.kind == "cash-refill", Title.CASH),
        emptied=_moved(its, lambda t: t.kind == "cash-emptied", Title.CASH),
        found=tuple(
            Found(t.seq, t.at, t.kind, t.difference, case)
            for t, case in differences(whole)
            if t.seq in seqs
        ),
        balances=ledger.balances(),
    )


def _tally(amounts: Iterable[int]) -> Tally:
    listed = list(amounts)
    return Tally(len(listed), sum(listed))


def _moved(its: Sequence[Transaction], which: Callable[[Transaction], bool], title: Title) -> Tally:
    return _tally(abs(t.yen(title)) for t in its if which(t))


def _sales(journeys: Sequence[About]) -> list[Sales]:
    sold = [about for about in journeys if about.kept or about.issued]
    return [
        _one_kind(kind, [about for about in sold if about.certificate == kind])
        for kind in sorted({about.certificate for about in sold})
    ]


def _one_kind(kind: str, sold: Sequence[About]) -> Sales:
    cashless = [about for about in sold if about.kept and about.charged]
    cash = [about for about in sold if about.kept and not about.charged]
    by_terminal = sum(min(about.kept, about.charged) for about in cashless)
    return Sales(
        kind,
        cash=len(cash),
        cash_yen=sum(about.kept for about in sold) - by_terminal,
        cashless=len(cashless),
        cashless_yen=by_terminal,
        free=sum(not about.kept for about in sold),
        sheets=sum(about.printed for about in sold),
    )
