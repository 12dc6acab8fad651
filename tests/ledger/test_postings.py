"""What each kind of journey and each act of the operator puts on which account."""

from __future__ import annotations

from typing import Any

import pytest

from firmware.ledger.accounts import Account, Title, Transaction, Unbalanced
from firmware.ledger.acts import Fee, LedgerError, facts_of
from firmware.ledger.journey import Layout, LedgerEntry
from firmware.ledger.ledger import Ledger, differences

BOX100, BOX500 = Account(Title.CASH, "box", 100), Account(Title.CASH, "box", 500)
H100, H50, H10 = (Account(Title.CASH, f"hopper-{a}", v) for a, v in ((5, 100), (4, 50), (3, 10)))
FEE, OWED, HELD = Account(Title.FEES, "inkan"), Account(Title.OWED), Account(Title.HELD)
OVER, OFFICE, OPEN = Account(Title.OVER_SHORT), Account(Title.OFFICE), Account(Title.OPEN)
CARD, INQUIRY = Account(Title.RECEIVABLE), Account(Title.INQUIRY)
Given = tuple[str, dict[str, Any]]

ORDER: list[Given] = [
    ("begun", {}),
    ("ordered", {"certificate": "inkan"}),
    ("checked", {"order": "o", "document": "d", "sheets": 1, "fee": 300}),
]
COIN100: Given = ("coin", {"value": 100})
COIN500: Given = ("coin", {"value": 500})
SHEET: list[Given] = [("sheet-begun", {"sheet": 1}), ("sheet-done", {"sheet": 1})]


def out(address: int, value: int, coins: int) -> Given:
    return "dispense", {"address": address, "value": value, "coins": coins, "events": 1}


def ended(kept: int, returned: int, owed: int, held: int | None = None) -> Given:
    return "ended", {"kept": kept, "returned": returned, "owed": owed} | (
        {} if held is None else {"held": held}
    )


def pay(amount: int, *commands: Given) -> list[Given]:
    return [("payout-begun", {"amount": amount}), *commands, ("payout-done", {"amount": amount})]


def short(amount: int, paid: int, reason: str, *commands: Given) -> list[Given]:
    failed = {"amount": amount, "paid": paid, "reason": reason}
    return [("payout-begun", {"amount": amount}), *commands, ("payout-failed", failed)]


def charge(result: str = "") -> list[Given]:
    end: Given = (
        ("charge-failed", {"amount": 300, "result": result})
        if result
        else ("charge-done", {"amount": 300, "reference": "r"})
    )
    return [("charge-begun", {"amount": 300}), end]


def reverse(result: str = "") -> list[Given]:
    end: Given = (
        ("reversal-failed", {"amount": 300, "result": result})
        if result
        else ("reversal-done", {"amount": 300})
    )
    return [("reversal-begun", {"amount": 300, "reference": "r"}), end]


def held(amount: int = 300) -> Given:
    return "held", {"amount": amount, "case": "c1"}


JOURNEYS: dict[str, tuple[list[Given], dict[Account, int]]] = {
    "paid exactly": ([*ORDER, *[COIN100] * 3, *SHEET, ended(300, 0, 0)], {BOX100: 300, FEE: -300}),
    "with change": (
        [*ORDER, COIN500, *SHEET, *pay(200, out(5, 100, 2)), ended(300, 200, 0)],
        {BOX500: 500, H100: -200, FEE: -300},
    ),
    "change of two hoppers": (
        [*ORDER, COIN500, *SHEET, *pay(200, out(5, 100, 2), out(4, 50, 2)), ended(300, 200, 0)],
        {BOX500: 500, H100: -100, H50: -100, FEE: -300},
    ),
    "cancelled": (
        [*ORDER, COIN100, *pay(100, out(5, 100, 1)), ended(0, 100, 0)],
        {BOX100: 100, H100: -100},
    ),
    "change cannot be paid": (
        [
            *ORDER,
            COIN500,
            *SHEET,
            *short(200, 100, "hopper-empty", out(5, 100, 2)),
            ("owed", {"amount": 100}),
            ended(300, 100, 100),
        ],
        {BOX500: 500, H100: -100, FEE: -300, OWED: -100},
    ),
    "came out late, behind its slip": (
        [
            *ORDER,
            COIN500,
            ("payout-begun", {"amount": 500}),
            ("owed", {"amount": 500}),
            out(5, 100, 5),
            ("payout-done", {"amount": 500}),
            ended(0, 500, 0),
        ],
        {BOX500: 500, H100: -500},
    ),
    "nobody knows whether the sheet came": (
        [
            *ORDER,
            *[COIN100] * 3,
            SHEET[0],
            ("sheet-failed", {"sheet": 1, "reason": "x", "certain": False}),
            held(),
            ended(0, 0, 0, 300),
        ],
        {BOX100: 300, HELD: -300},
    ),
    "free": ([*ORDER, *SHEET, ended(0, 0, 0)], {}),
    "by card": ([*ORDER, *charge(), *SHEET, ended(300, 0, 0)], {CARD: 300, FEE: -300}),
    "card declined": ([*ORDER, *charge("declined"), ended(0, 0, 0)], {}),
    "card unknown": (
        [*ORDER, *charge("unknown"), held(), ended(0, 0, 0, 300)],
        {INQUIRY: 300, HELD: -300},
    ),
    "card unknown, then reversed": ([*ORDER, *charge("unknown"), *reverse(), ended(0, 0, 0)], {}),
    "cut off in a charge": (
        [*ORDER, charge()[0], held(), ended(0, 0, 0, 300)],
        {INQUIRY: 300, HELD: -300},
    ),
    "reversed": ([*ORDER, *charge(), *reverse(), ended(0, 0, 0)], {}),
    "reversal unknown": (
        [*ORDER, *charge(), *reverse("unknown"), held(), ended(0, 0, 0, 300)],
        {CARD: 300, HELD: -300},
    ),
    "not ended yet": ([*ORDER, COIN500], {BOX500: 500, OPEN: -500}),
    "a coin that its end does not tell of": (
        [*ORDER, COIN100, ended(0, 0, 0)],
        {BOX100: 100, OVER: -100},
    ),
}


def entries(given: list[Given], session: str = "s") -> list[LedgerEntry]:
    return [
        LedgerEntry(n, session, kind, facts, "2026-11-24T01:00:00+00:00")
        for n, (kind, facts) in enumerate(given, 1)
    ]


@pytest.mark.parametrize("name", JOURNEYS)
def test_journeys(name: str) -> None:
    given, balances = JOURNEYS[name]
    ledger = Ledger.of(entries(given))
    assert ledger.balances() == balances
    assert len(ledger.transactions) == ("ended" in dict(given))
    assert bool(differences(ledger)) is (OVER in balances)
    assert not ledger.unread


def test_a_coin_falls_where_the_configuration_says() -> None:
    given = [COIN100, COIN500]
    assert Ledger.of(entries(given), Layout({100: 5})).balances() == {
        H100: 100,
        BOX500: 500,
        OPEN: -600,
    }


def test_what_the_journal_says_of_it_is_stronger_and_holds_from_the_start() -> None:
    given: list[Given] = [
        COIN100,
        ("cash-layout", {"fed": ""}),
        ("cash-layout", {"fed": "100=5"}),
        COIN100,
    ]
    assert Ledger.of(entries(given), Layout({100: 4})).balances() == {
        BOX100: 100,
        H100: 100,
        OPEN: -200,
    }


def test_money_behind_the_end_of_its_journey_is_unexplained() -> None:
    ledger = Ledger.of(entries([*ORDER, ended(0, 0, 0), COIN100]))
    assert ledger.balances() == {BOX100: 100, OVER: -100}
    assert [(t.kind, t.difference, case) for t, case in differences(ledger)] == [("late", 100, "")]


# -- the operator


def act(kind: str, place: str, coins: dict[int, int]) -> Given:
    return kind, {"place": place, **facts_of(coins)}


CASE: Given = ("case", {"case": "c1", "code": "x", "pauses": False})
CLOSED: Given = ("case-closed", {"case": "c1", "note": "n"})
PAID = [*ORDER, *[COIN100] * 3, *SHEET, ended(300, 0, 0)]
HOLDS = [*ORDER, *[COIN100] * 3, held(), CASE, ended(0, 0, 0, 300)]
UNKNOWN = [*ORDER, *charge("unknown"), held(), CASE, ended(0, 0, 0, 300)]
UNREVERSED = [*ORDER, *charge(), *reverse("unknown"), held(), CASE, ended(0, 0, 0, 300)]
OWES = [*ORDER, *[COIN100] * 3, ("owed", {"amount": 300}), CASE, ended(0, 0, 300)]


def settled(how: Fee) -> Given:
    return "held-settled", {"case": "c1", "amount": 300, "how": how.value}


OPERATOR: dict[str, tuple[list[Given], dict[Account, int], int]] = {
    "refill": ([act("cash-refill", "hopper-5", {100: 50})], {H100: 5000, OFFICE: -5000}, 0),
    "count, as it is": ([*PAID, act("cash-count", "box", {100: 3})], {BOX100: 300, FEE: -300}, 0),
    "count, too little": (
        [*PAID, act("cash-count", "box", {100: 2})],
        {BOX100: 200, FEE: -300, OVER: 100},
        -100,
    ),
    "count, other coins of the same worth": (
        [*PAID, ("begun", {}), COIN100, COIN100, act("cash-count", "box", {500: 1})],
        {BOX500: 500, FEE: -300, OPEN: -200},
        0,
    ),
    "count, too much": ([act("cash-count", "hopper-5", {100: 1})], {H100: 100, OVER: -100}, 100),
    "emptied": ([*PAID, act("cash-emptied", "box", {100: 3})], {OFFICE: 300, FEE: -300}, 0),
    "emptied, too little": ([*PAID, act("cash-emptied", "box", {})], {FEE: -300, OVER: 300}, -300),
    "some hopper paid, and this one is short of it": (
        [
            act("cash-refill", "hopper-5", {100: 9}),
            *ORDER,
            COIN500,
            *pay(500),
            ended(0, 500, 0),
            act("cash-count", "hopper-5", {100: 4}),
        ],
        {H100: 400, BOX500: 500, OFFICE: -900},
        0,
    ),
    "held, kept": ([*HOLDS, settled(Fee.KEPT)], {BOX100: 300, FEE: -300}, 0),
    "held, given back by the office": (
        [*HOLDS, settled(Fee.RETURNED)],
        {BOX100: 300, OFFICE: -300},
        0,
    ),
    "held, and paid out before": (
        [*HOLDS, settled(Fee.PAID_OUT)],
        {BOX100: 300, OVER: -300},
        0,
    ),
    "charge unknown, and made": ([*UNKNOWN, settled(Fee.RETURNED)], {CARD: 300, OFFICE: -300}, 0),
    "charge unknown, and sheets out": ([*UNKNOWN, settled(Fee.KEPT)], {CARD: 300, FEE: -300}, 0),
    "charge unknown, and never made": ([*UNKNOWN, settled(Fee.NEVER_CHARGED)], {}, 0),
    "reversal unknown, and made": ([*UNREVERSED, settled(Fee.NEVER_CHARGED)], {}, 0),
    "reversal unknown, and not made": (
        [*UNREVERSED, settled(Fee.RETURNED)],
        {CARD: 300, OFFICE: -300},
        0,
    ),
    "a claim": (OWES, {BOX100: 300, OWED: -300}, 0),
    "a claim taken over by the office": ([*OWES, CLOSED], {BOX100: 300, OFFICE: -300}, 0),
    "a claim with another case open": (
        [*OWES, ("case", {"case": "c2", "code": "x", "pauses": True}), CLOSED],
        {BOX100: 300, OWED: -300},
        0,
    ),
}
OPERATORS = ("cash-count", "cash-refill", "cash-emptied", "cash-closed", "cash-layout")


def mixed(given: list[Given]) -> list[LedgerEntry]:
    """Acts with coins belong to no session; a second journey is another one."""
    found, session = [], 0
    for entry in entries(given):
        session += entry.kind == "begun"
        of = "" if entry.kind in OPERATORS else f"s{session}"
        found.append(LedgerEntry(entry.seq, of, entry.kind, entry.facts, entry.at))
    return found


@pytest.mark.parametrize("name", OPERATOR)
def test_acts(name: str) -> None:
    given, balances, difference = OPERATOR[name]
    ledger = Ledger.of(mixed(given))
    assert ledger.balances() == balances
    assert ledger.transactions[-1].difference == difference


def test_the_case_behind_a_count_is_its_own() -> None:
    given = [
        act("cash-count", "box", {100: 1}),
        CASE,
        act("cash-count", "box", {100: 2}),
        ("purged", {}),
        CASE,
    ]
    found = [LedgerEntry(e.seq, "", e.kind, e.facts, e.at) for e in entries(given)]
    assert [case for _, case in differences(Ledger.of(found))] == ["c1", ""]


def test_a_transaction_out_of_balance_is_never_made() -> None:
    with pytest.raises(Unbalanced):
        Transaction(1, "", "journey", "s", {BOX100: 100})


@pytest.mark.parametrize(
    "closes",
    [
        [(2, 1, 0)],
        [(1, 2, 0)],
        [(1, 1, 1)],
        [(1, 1, 0), (1, 1, 1)],
        [(1, 1, 0), (3, 1, 1)],
        [(1, 1, 0), (2, 2, 1)],
    ],
)
def test_closes_with_a_gap_are_refused(closes: list[tuple[int, int, int]]) -> None:
    given: list[Given] = [
        ("cash-closed", {"number": n, "first": f, "last": t}) for n, f, t in closes
    ]
    with pytest.raises(LedgerError):
        Ledger.of(entries(given, ""))
