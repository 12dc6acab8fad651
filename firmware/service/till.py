"""What an operator does with the kiosk's money; what the coin units say beside the books.

Each act is judged and written in one transaction of the journal: nothing comes in between.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from firmware.ledger.accounts import BOX, hopper
from firmware.ledger.acts import Close, Fee, facts_of
from firmware.ledger.day import day_of
from firmware.ledger.journey import Layout, LedgerEntry
from firmware.ledger.ledger import Ledger, Paid, differences
from firmware.ledger.units import Beside, HopperReport, beside
from firmware.service.cases import journal_path
from firmware.service.config import (
    CashSection,
    Config,
)
from firmware.service.devices import coin_unit
from firmware.service.entry import Fact, NewEntry, new_entry, new_id
from firmware.service.journal import Journal
from hal.cash.contract import CashEvent, CashStatus, CoinAccepted, Dispense, HopperCount, Missed

COUNT, REFILL, EMPTIED = "cash-count", "cash-refill", "cash-emptied"
CASE_COUNT, CASE_BOOKS, CASE_UNITS = "cash.count", "cash.books", "cash.units"


class TillError(Exception):
    """One line for the operator: why it is not written."""


@dataclass(frozen=True)
class Written:
    """What became of an act. `difference`: yen more (+) or less (-) than the books; its `case`."""

    place: str
    difference: int
    case: str


def layout(section: CashSection) -> Layout:
    """Where coins fall, as configured."""
    return Layout({hopper.value: hopper.address for hopper in section.hoppers if hopper.fed})


def places(section: CashSection) -> dict[str, int]:
    """Each place that holds coins; the value of its coins, 0 for all."""
    return {BOX: 0, **{hopper(its.address): its.value for its in section.hoppers}}


def entries(journal: Journal, after: int = 0) -> list[LedgerEntry]:
    """Those behind number `after`, as the ledger reads them. Raises JournalBroken."""
    return [
        LedgerEntry(row["seq"], row["session"], row["kind"], row["facts"], row["at"])
        for row in journal.rows(after=after)
    ]


def read(config: Config) -> list[LedgerEntry]:
    """Raises JournalBroken."""
    with contextlib.closing(_open(config.kiosk.state)) as journal:
        return entries(journal)


def _open(state: Path) -> Journal:
    return Journal(journal_path(state))


def act(config: Config, kind: str, coins: Mapping[str, Mapping[int, int]]) -> list[Written]:
    """`coins`: by place and value. A difference opens a case. Raises TillError, JournalBroken."""
    _check(config.cash, kind, coins)
    with _books(config) as (journal, ledger):
        _lay_out(journal, ledger, config.cash)
        return [_write(journal, ledger, kind, place, its) for place, its in coins.items()]


def tried(config: Config, coins: Mapping[int, int], counter: int, *, shut: bool) -> None:
    """Coins by value that a technician put in to try the acceptor: the office's, put in where such
    coins fall. `counter`: the acceptor's behind them, so that the kiosk's next start does not find
    them again; 0 when nobody knows it and it is not `shut`. Raises JournalBroken.
    """
    with _books(config) as (journal, ledger):
        _lay_out(journal, ledger, config.cash)
        for value in sorted(value for value, number in coins.items() if number):
            _write(journal, ledger, REFILL, ledger.layout.place(value), {value: coins[value]})
        if counter or shut:
            _append(journal, ledger, new_entry("", "coin-counter", counter=counter, open=not shut))


def _check(section: CashSection, kind: str, coins: Mapping[str, Mapping[int, int]]) -> None:
    known = places(section)
    for place, its in coins.items():
        if place not in known:
            raise TillError(f"no place {place!r}; there are: {', '.join(known)}")
        strange = [
            value for value, number in its.items() if number and known[place] not in (0, value)
        ]
        if kind == REFILL and place == BOX:
            raise TillError("the cash box is not refilled")
        if kind == REFILL and strange:
            raise TillError(f"{place} takes coins of {known[place]} yen only")


@contextlib.contextmanager
def _books(config: Config) -> Iterator[tuple[Journal, Ledger]]:
    """The journal, for one transaction, and the books as they stand in it.

    Years of entries are added up before it is locked: a kiosk that serves must be able to write.
    """
    with contextlib.closing(_open(config.kiosk.state)) as journal:
        ledger = Ledger.of(entries(journal), layout(config.cash))
        with journal.transaction():
            for entry in entries(journal, ledger.last.seq):
                ledger.take(entry)
            yield journal, ledger


def _lay_out(journal: Journal, ledger: Ledger, section: CashSection) -> None:
    """Where coins fall is written down when the configuration has changed."""
    configured = layout(section)
    if not ledger.laid_out or ledger.layout != configured:
        _append(journal, ledger, new_entry("", "cash-layout", fed=configured.text()))


def _append(journal: Journal, ledger: Ledger, given: NewEntry) -> None:
    journal.append([given])
    ledger.take(LedgerEntry(journal.head().seq, given.session, given.kind, given.facts, given.at))


def _write(
    journal: Journal, ledger: Ledger, kind: str, place: str, coins: Mapping[int, int]
) -> Written:
    facts: dict[str, Fact] = {"place": place, **facts_of(coins)}
    _append(journal, ledger, new_entry("", kind, **facts))
    difference = ledger.transactions[-1].difference
    case = _open_case(journal, ledger, "", CASE_COUNT) if difference else ""
    return Written(place, difference, case)


def _open_case(journal: Journal, ledger: Ledger, session: str, code: str) -> str:
    case = new_id()
    _append(journal, ledger, new_entry(session, "case", case=case, code=code, pauses=False))
    return case


def close(config: Config, found: list[Beside]) -> Close:
    """The day's end, numbered without a gap. What nobody has explained by now gets a case.

    `found`: what the units say. Raises TillError when this day is closed and nothing has come
    since; JournalBroken.
    """
    with _books(config) as (journal, ledger):
        _lay_out(journal, ledger, config.cash)
        before = ledger.closes[-1] if ledger.closes else Close(0, 0, 0)
        new = [transaction for transaction in ledger.transactions if transaction.seq > before.last]
        if before.number and not new and day_of(before.at) == day_of(datetime.now(UTC).isoformat()):
            raise TillError(
                f"this day is closed already, as number {before.number}; nothing has come since"
            )
        _explain(journal, ledger, found)
        last = journal.head().seq
        facts: dict[str, Fact] = {
            "number": before.number + 1,
            "first": before.last + 1,
            "last": last,
        }
        _append(journal, ledger, new_entry("", "cash-closed", **facts))
        return ledger.closes[-1]


def _explain(journal: Journal, ledger: Ledger, found: list[Beside]) -> None:
    for transaction, case in differences(ledger):
        if not case:
            _open_case(journal, ledger, transaction.session, CASE_BOOKS)
    if any(seen.yen and not seen.case for seen in found) and not _known(journal, CASE_UNITS):
        _open_case(journal, ledger, "", CASE_UNITS)


def _known(journal: Journal, code: str) -> bool:
    return any(case.code == code for case in journal.cases())


def close_case(config: Config, case: str, note: str, fee: Fee | None) -> bool:
    """False: no such open case. Raises JournalBroken; TillError for held money without a `fee`."""
    with _books(config) as (journal, ledger):
        found = next((one for one in journal.cases() if one.id == case), None)
        if found is None:
            return False
        held = ledger.held_by(case)
        if held and fee is None:
            raise TillError(f"case {case} holds {held} yen: --fee {'|'.join(Fee)}")
        if fee is Fee.NEVER_CHARGED and ledger.charged_yen(found.session) != held:
            raise TillError(f"case {case}: its session has no charge of {held} yen")
        if held and fee is not None:
            journal.write(found.session, "held-settled", case=case, amount=held, how=fee.value)
        return journal.close_case(case, note)


# -- the units


def ask_units(config: Config, ledger: Ledger) -> list[Beside]:
    """Only while no kiosk holds them; nothing is paid or reset. Raises DeviceFault."""
    unit = coin_unit(config.cash)
    later: list[CashEvent] = []
    try:
        missed = unit.start(later.append, ledger.counter)
        status, counts = unit.status(), unit.last_payout()
    finally:
        unit.close()
    return compare(
        ledger, config.cash, status, counts, missed if ledger.counter is not None else Missed()
    )


def compare(
    ledger: Ledger,
    section: CashSection,
    status: CashStatus,
    counts: tuple[HopperCount, ...],
    missed: Missed,
) -> list[Beside]:
    """The answers of the units beside the books."""
    least = _least(status)
    by_address = {count.address: count for count in counts}
    reports = [
        HopperReport(
            its.address,
            its.value,
            least.get(its.value, 0),
            _out(ledger.paid.get(its.address), by_address),
        )
        for its in section.hoppers
    ]
    coins = Counter(event.value for event in missed.events if isinstance(event, CoinAccepted))
    return beside(ledger, reports, coins)


def _out(paid: Paid | None, counts: Mapping[int, HopperCount]) -> int | None:
    if paid is None or paid.command.address not in counts:
        return None
    its = paid.command
    return Dispense(its.address, its.value, its.coins, its.events).coins_out(counts[its.address])


def _least(status: CashStatus) -> dict[int, int]:
    """By value; of two hoppers with the same coins nobody can tell which is which."""
    values = Counter(level.value for level in status.hoppers)
    return {level.value: level.least for level in status.hoppers if values[level.value] == 1}
