"""The operator's acts in a real journal: differences get cases, closes follow each other."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from service.test_service_config import GOOD, written

from firmware.ledger import day as days
from firmware.ledger.accounts import Title
from firmware.ledger.acts import FACTS, Fee
from firmware.ledger.journey import Layout, LedgerEntry
from firmware.ledger.ledger import Ledger, differences
from firmware.ledger.units import Beside
from firmware.service import till
from firmware.service.cases import create_journal, journal_path
from firmware.service.config import Config, HopperSection, load
from firmware.service.entry import KINDS
from firmware.service.journal import Journal
from hal.cash.contract import CashStatus, CoinAccepted, HopperCount, HopperLevel, Missed
from hal.faults import Reason

SESSION = "5" * 32
DOCUMENT = {"order": "o", "document": "d"}
JOURNEY: list[tuple[str, dict[str, Any]]] = [
    ("begun", {}),
    ("ordered", {"certificate": "juminhyo"}),
    ("checked", {**DOCUMENT, "sheets": 1, "fee": 300}),
    ("coin", {"value": 100}),
    ("coin", {"value": 100}),
    ("coin", {"value": 100}),
    ("sheet-begun", {"sheet": 1}),
    ("sheet-done", {"sheet": 1}),
    ("ended", {"kept": 300, "returned": 0, "owed": 0}),
]
MORE = {"counter": 0, "held": 0, "copies": 1}  # facts that another build's entries have


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    kinds = cast(dict[str, frozenset[str]], KINDS)
    monkeypatch.setitem(kinds, "held", frozenset({"amount", "case"}))
    found = load(written(tmp_path, GOOD))
    create_journal(found.kiosk.state)
    return found


@contextlib.contextmanager
def opened(config: Config) -> Iterator[Journal]:
    with contextlib.closing(Journal(journal_path(config.kiosk.state))) as journal:
        yield journal


def write(config: Config, *given: tuple[str, dict[str, Any]], session: str = SESSION) -> None:
    with opened(config) as journal:
        for kind, facts in given:
            more = {fact: MORE[fact] for fact in KINDS[kind] - facts.keys()}
            journal.write(session, kind, **facts, **more)


def books(config: Config) -> Ledger:
    return Ledger.of(till.read(config), till.layout(config.cash))


def yen(config: Config, title: Title) -> int:
    return sum(
        amount for account, amount in books(config).balances().items() if account.title is title
    )


def codes(config: Config) -> list[str]:
    with opened(config) as journal:
        assert journal.verify()
        return [case.code for case in journal.cases()]


def test_the_operators_day(config: Config) -> None:
    assert (
        till.act(config, till.REFILL, {"hopper-3": {10: 50}, "hopper-4": {100: 40}})[0].case == ""
    )
    write(config, *JOURNEY)
    counted = till.act(
        config, till.COUNT, {"box": {100: 3}, "hopper-3": {10: 50}, "hopper-4": {100: 40}}
    )
    assert [(one.difference, one.case) for one in counted] == [(0, "")] * 3
    close = till.close(config, [])
    assert (close.number, close.first) == (1, 1)
    day = days.closed_day(till.read(config), 1, till.layout(config.cash))
    assert [(s.certificate, s.cash, s.cash_yen, s.sheets) for s in day.sales] == [
        ("juminhyo", 1, 300, 1)
    ]
    assert day.balance(Title.CASH) == 50 * 10 + 40 * 100 + 300
    assert not day.found and codes(config) == []


def test_a_difference_is_posted_and_has_its_case(config: Config) -> None:
    write(config, *JOURNEY)
    [one] = till.act(config, till.COUNT, {"box": {100: 2}})
    assert one.difference == -100
    assert codes(config) == ["cash.count"]
    assert yen(config, Title.CASH) == 200
    till.close(config, [])
    assert codes(config) == ["cash.count"], "it is explained"
    assert [case for _, case in differences(books(config))] == [one.case]


def test_what_a_journey_cannot_explain_gets_a_case_at_the_close(config: Config) -> None:
    write(config, *JOURNEY[:4], ("ended", {"kept": 0, "returned": 0, "owed": 0}))
    assert [case for _, case in differences(books(config))] == [""]
    till.close(config, [])
    assert codes(config) == ["cash.books"]
    assert all(case for _, case in differences(books(config)))


def test_a_difference_to_the_units_gets_one_case(config: Config) -> None:
    known = Beside("hopper-3", 10, 5, -10, "x", SESSION, "c1")
    till.close(config, [known, Beside("hopper-4", 100, 5)])
    assert codes(config) == []
    write(config, *JOURNEY)
    unknown = Beside("hopper-4", 100, 5, -100, "x")
    till.close(config, [known, unknown])
    write(config, *JOURNEY, session="6" * 32)
    till.close(config, [unknown])
    assert codes(config) == ["cash.units"]


def test_closes_follow_each_other_without_a_gap_and_a_day_without_news_is_closed_once(
    config: Config,
) -> None:
    closes = [till.close(config, [])]
    with pytest.raises(till.TillError, match="number 1"):
        till.close(config, [])
    for number in range(3):
        write(config, *JOURNEY, session=f"{number:032x}")
        closes.append(till.close(config, []))
    assert [close.number for close in closes] == [1, 2, 3, 4]
    assert [close.first for close in closes[1:]] == [close.last + 1 for close in closes[:-1]]
    whole = till.read(config)
    sold = [
        days.closed_day(whole, close.number, till.layout(config.cash)).sales for close in closes
    ]
    assert [sum(s.yen for s in sales) for sales in sold] == [0, 300, 300, 300], (
        "each journey in one day"
    )


def test_a_journey_over_a_close_belongs_to_the_day_in_which_it_ends(config: Config) -> None:
    write(config, *JOURNEY[:5])
    till.close(config, [])
    first = days.closed_day(till.read(config), 1, till.layout(config.cash))
    assert (first.balance(Title.OPEN), first.sales) == (-200, ())
    write(config, *JOURNEY[5:])
    till.close(config, [])
    second = days.closed_day(till.read(config), 2, till.layout(config.cash))
    assert (second.balance(Title.OPEN), second.sales[0].yen) == (0, 300)
    again = days.closed_day(till.read(config), 1, till.layout(config.cash))
    assert again == first, "what is closed stays as it was"


def test_beside_a_kiosk_that_writes(config: Config) -> None:
    """Entries of residents come in between; no close overlaps another, and no entry is left out."""
    done = threading.Event()

    def serve() -> None:
        try:
            for number in range(12):
                write(config, *JOURNEY, session=f"{number:032x}")
        finally:
            done.set()

    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(serve)
        closes = 0
        while (
            not done.wait(0.02) or closes < 2
        ):  # SQLite's locks are not fair: the kiosk gets its turn
            with contextlib.suppress(till.TillError):
                till.close(config, [])
                closes += 1
        serving.result()
    with contextlib.suppress(till.TillError):
        till.close(config, [])
    whole = till.read(config)
    ledger = Ledger.of(whole, till.layout(config.cash))
    numbers = range(1, len(ledger.closes) + 1)
    sold = sum(
        s.yen for n in numbers for s in days.closed_day(whole, n, till.layout(config.cash)).sales
    )
    assert (sold, yen(config, Title.FEES), codes(config)) == (12 * 300, -12 * 300, [])


ACTS: dict[str, tuple[str, Callable[[Config], object]]] = {
    "close": ("head", lambda config: till.close(config, [])),
    "count": ("head", lambda config: till.act(config, till.COUNT, {"box": {}})),
    "case": ("close_case", lambda config: till.close_case(config, "c1", "seen", Fee.KEPT)),
}


@pytest.mark.parametrize("name", ACTS)
def test_nobody_writes_while_an_act_is_judged(
    config: Config, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    asked, act = ACTS[name]
    real = getattr(Journal, asked)

    def meanwhile(*given: Any) -> Any:
        with contextlib.closing(
            sqlite3.connect(journal_path(config.kiosk.state), timeout=0)
        ) as other:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        tried.append(name)
        return real(*given)

    hold(config)
    monkeypatch.setattr(Journal, asked, meanwhile)
    act(config)
    assert tried


def test_what_is_written_while_the_books_are_added_up_counts(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kiosk that serves can write meanwhile, and no close forgets it."""
    add_up = Ledger.of

    def slowly(*given: Any) -> Ledger:
        found = add_up(*given)
        write(config, *JOURNEY)
        return found

    monkeypatch.setattr(till.Ledger, "of", slowly)
    [one] = till.act(config, till.COUNT, {"box": {100: 3}})
    assert one.difference == 0


@pytest.mark.parametrize(
    ("kind", "coins"),
    [
        (till.COUNT, {"hopper-9": {10: 1}}),
        (till.REFILL, {"box": {10: 1}}),
        (till.REFILL, {"hopper-3": {100: 1}}),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    config: Config, kind: str, coins: dict[str, dict[int, int]]
) -> None:
    before = till.read(config)
    with pytest.raises(till.TillError):
        till.act(config, kind, {"hopper-4": {100: 1}, **coins})
    assert till.read(config) == before


def test_where_coins_fall_is_written_down_once(config: Config) -> None:
    till.act(config, till.COUNT, {"box": {}})
    till.act(config, till.COUNT, {"box": {}})
    fed = (HopperSection(address=3, value=10), HopperSection(address=4, value=100, fed=True))
    other = msgspec.structs.replace(config, cash=msgspec.structs.replace(config.cash, hoppers=fed))
    till.act(other, till.COUNT, {"box": {}})
    write(config, *JOURNEY)
    said = [entry.facts["fed"] for entry in till.read(config) if entry.kind == "cash-layout"]
    assert said == ["", "100=4"]
    assert [a.part for a in books(config).cash()] == ["hopper-4"], (
        "by the journal, whatever is configured"
    )


# -- held money


def hold(config: Config) -> None:
    held = ("held", {"amount": 300, "case": "c1"})
    case = ("case", {"case": "c1", "code": "print.unknown", "pauses": True})
    write(config, *JOURNEY[:6], case, held)
    if "held" in KINDS["ended"]:
        write(config, ("ended", {"kept": 0, "returned": 0, "owed": 0, "held": 300}))


def test_held_money_wants_a_word(config: Config) -> None:
    hold(config)
    with pytest.raises(till.TillError, match="300 yen"):
        till.close_case(config, "c1", "seen", None)
    assert codes(config) == ["print.unknown"]
    assert "held-settled" not in [entry.kind for entry in till.read(config)]


@pytest.mark.parametrize(
    ("fee", "title"),
    [
        (Fee.KEPT, Title.FEES),
        (Fee.RETURNED, Title.OFFICE),
        (Fee.PAID_OUT, Title.OVER_SHORT),
    ],
)
def test_held_money_goes_where_the_operator_says(config: Config, fee: Fee, title: Title) -> None:
    hold(config)
    before = yen(config, title)
    assert till.close_case(config, "c1", "seen", fee)
    assert codes(config) == []
    assert yen(config, title) == before - 300
    assert not till.close_case(config, "c1", "seen", fee), "once"
    assert sum(books(config).held[SESSION].values()) == 0


def test_cash_was_never_charged(config: Config) -> None:
    hold(config)
    with pytest.raises(till.TillError, match="no charge of 300 yen"):
        till.close_case(config, "c1", "seen", Fee.NEVER_CHARGED)
    assert codes(config) == ["print.unknown"]


@pytest.mark.parametrize(("back", "left"), [(100, 200), (300, 0)])
def test_what_another_case_took_back_is_not_held_any_more(
    config: Config, back: int, left: int
) -> None:
    """A payout that was given up for uncertain came out after all, or some of it."""
    hold(config)
    late = ("case", {"case": "c2", "code": "payout.late", "pauses": True})
    write(config, late, ("held", {"amount": -back, "case": "c2"}))
    assert [books(config).held_by(case) for case in ("c1", "c2")] == [left, 0]
    assert till.close_case(config, "c2", "seen", None)
    assert till.close_case(config, "c1", "seen", Fee.RETURNED)
    assert yen(config, Title.OFFICE) == -left


def test_a_case_without_money_needs_no_word(config: Config) -> None:
    with opened(config) as journal:
        case = journal.open_case("", "coins.silent", pauses=True)
    assert till.close_case(config, case, "seen", None)
    assert "held-settled" not in [entry.kind for entry in till.read(config)]


# -- the units


def status(**least: int) -> CashStatus:
    return CashStatus(
        True, tuple(HopperLevel(int(value[1:]), coins) for value, coins in least.items())
    )


def paid_by(config: Config, coins: int) -> Ledger:
    """A payout of 200 yen in two coins, as the books have it: `coins` came."""
    dispense = {"address": 4, "value": 100, "coins": 2, "events": 7}
    facts = {"amount": 200, "paid": coins * 100, "reason": "x"}
    given: list[tuple[str, dict[str, Any]]] = [
        ("begun", {}),
        ("coin", {"value": 100}),
        ("coin", {"value": 100}),
        ("payout-begun", {"amount": 200}),
        ("dispense", dispense),
        ("payout-failed", facts) if coins < 2 else ("payout-done", {"amount": 200}),
        ("case", {"case": "c1", "code": "payout.unknown", "pauses": True}),
    ]
    refill = {"place": "hopper-4", **dict.fromkeys(FACTS.values(), 0), "coins100": 40}
    entries = [till.LedgerEntry(1, "", "cash-refill", refill)]
    entries += [
        till.LedgerEntry(n, SESSION, kind, facts) for n, (kind, facts) in enumerate(given, 2)
    ]
    return Ledger.of(entries)


def says(paid: int, events: int = 8, reason: Reason | None = None) -> tuple[HopperCount, ...]:
    return (HopperCount(4, 100, events, 0, paid, 2 - paid, reason),)


@pytest.mark.parametrize(
    ("booked", "counts", "difference"),
    [
        (2, says(2), 0),
        (0, says(2), -200),  # uncertain, and all had come
        (1, says(1, reason=Reason.HOPPER_EMPTY), 0),
        (2, says(1, reason=Reason.HOPPER_EMPTY), 100),
        (0, says(1), 0),  # it does not say why: nobody can tell
        (0, says(2, events=9), 0),  # another command came in between
        (2, says(0, events=7), 200),  # it never got the command
        (2, (), 0),
    ],
)
def test_a_hoppers_own_count_beside_the_books(
    config: Config, booked: int, counts: tuple[HopperCount, ...], difference: int
) -> None:
    found = till.compare(
        paid_by(config, booked), config.cash, status(v10=0, v100=10), counts, Missed()
    )
    assert [(one.place, one.yen) for one in found] == [("hopper-3", 0), ("hopper-4", difference)]
    if difference:
        assert (found[1].session, found[1].case) == (SESSION, "c1"), (
            "explained by its journey's case"
        )


def test_a_hopper_that_certainly_holds_more_than_the_books_say(config: Config) -> None:
    found = till.compare(paid_by(config, 2), config.cash, status(v10=10, v100=39), (), Missed())
    assert [(one.value, one.books, one.yen) for one in found] == [(10, 0, 100), (100, 38, 100)]


def test_a_count_stands_for_what_was_paid_before_it(config: Config) -> None:
    ledger = paid_by(config, 0)
    facts = {"place": "hopper-4", **dict.fromkeys(FACTS.values(), 0), "coins100": 38}
    ledger.take(till.LedgerEntry(99, "", "cash-count", facts))
    found = till.compare(ledger, config.cash, status(), says(2), Missed())
    assert [one.yen for one in found] == [0, 0]


@pytest.mark.parametrize(
    ("given", "counter"),
    [
        ([], None),
        ([("coin", 7)], 7),
        ([("coin", 7), ("coin", 0)], None),  # a coin whose counter nobody knew
        ([("coin", 7), ("coin-counter", 0)], 0),  # it was reset
        ([("coin-counter", 3), ("purged", 0)], 3),
    ],
)
def test_the_counter_behind_which_coins_are_missed(
    given: list[tuple[str, int]], counter: int | None
) -> None:
    facts = [
        {"value": 100, "counter": n} if kind == "coin" else {"counter": n} for kind, n in given
    ]
    entries = [till.LedgerEntry(n, SESSION, kind, facts[n]) for n, (kind, _) in enumerate(given)]
    assert Ledger.of(entries).counter == counter


def test_coins_that_no_entry_tells_of(config: Config) -> None:
    missed = Missed((CoinAccepted(100, 3), CoinAccepted(500, 4), CoinAccepted(100, 5)))
    found = till.compare(Ledger(), config.cash, status(), (), missed)
    assert [(one.place, one.value, one.yen) for one in found[:2]] == [
        ("box", 100, 200),
        ("box", 500, 500),
    ]


def test_two_hoppers_with_the_same_coins_are_not_mixed_up(config: Config) -> None:
    same = (HopperSection(address=3, value=100), HopperSection(address=4, value=100))
    section = msgspec.structs.replace(config.cash, hoppers=same)
    two = CashStatus(True, (HopperLevel(100, 10), HopperLevel(100, 10)))
    assert [one.yen for one in till.compare(Ledger(), section, two, (), Missed())] == [0, 0]


def test_a_clock_that_was_ahead_for_a_while_puts_no_money_on_two_days() -> None:
    """The entries of one day do not follow each other then: other days' stand between them."""
    ats = ("2026-11-29T00:00:00Z", "2026-11-28T01:00:00Z", "2026-11-29T01:00:00Z")
    known = [
        LedgerEntry(0, session, kind, {**facts, "held": 0}, at)
        for session, at in zip("abc", ats, strict=True)
        for kind, facts in JOURNEY
    ]
    entries = [replace(entry, seq=seq) for seq, entry in enumerate(known, 1)]
    dates = (date(2026, 11, 28), date(2026, 11, 29))
    found = [days.calendar_day(entries, each, Layout()) for each in dates]
    assert [sum(sales.yen for sales in day.sales) for day in found] == [300, 600]
    assert [(day.first, day.last) for day in found] == [(10, 18), (1, 27)]
