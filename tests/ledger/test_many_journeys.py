"""Any number of journeys: each transaction sums to zero, the books are what is in the machine.

LEDGER_JOURNEYS=100000 makes it a campaign; `-s` prints its figures.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger.machine import HOPPERS, Machine

from firmware.ledger.accounts import Title
from firmware.ledger.journey import Layout
from firmware.ledger.ledger import Ledger, differences

MANY = int(os.environ.get("LEDGER_JOURNEYS", "2000"))


def balance(ledger: Ledger, title: Title) -> int:
    return sum(yen for account, yen in ledger.balances().items() if account.title is title)


def layout(machine: Machine) -> Layout:
    return Layout({value: address for address, value in HOPPERS.items() if value in machine.fed})


def check(machine: Machine) -> Ledger:
    """The books beside the machine."""
    ledger = Ledger.of(machine.entries, layout(machine))
    assert not ledger.unread
    assert sum(ledger.balances().values()) == 0
    assert all(sum(t.postings.values()) == 0 for t in ledger.transactions)
    journeys = [t for t in ledger.transactions if t.kind == "journey"]
    begun = {entry.session for entry in machine.entries if entry.kind == "begun"}
    assert len(journeys) == len({t.session for t in journeys}) == len(begun), "one a journey"
    assert [t for t in journeys if t.difference] == []
    hidden = sum(machine.hidden.values())
    assert balance(ledger, Title.CASH) - hidden - balance(ledger, Title.OVER_SHORT) == machine.yen()
    assert balance(ledger, Title.RECEIVABLE) == machine.charged
    assert balance(ledger, Title.INQUIRY) == machine.inquiries
    for session, yen in machine.hidden.items():
        assert not yen or session in ledger.case_of, "a difference to the units has its case"
    return ledger


def count(machine: Machine) -> Ledger:
    """After a count the books know each coin where it is, and what is short is what was hidden."""
    machine.count()
    ledger = Ledger.of(machine.entries, layout(machine))
    books = {(a.part, a.value): yen // a.value for a, yen in ledger.cash().items()}
    units = {("box", value): coins for value, coins in machine.box.items() if coins}
    units |= {
        (f"hopper-{address}", HOPPERS[address]): coins
        for address, coins in machine.hoppers.items()
        if coins
    }
    assert books == units
    return ledger


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.sets(st.sampled_from([10, 50, 100])))
def test_a_few_journeys(rng: Random, fed: set[int]) -> None:
    machine = Machine(rng, frozenset(fed))
    machine.fill()
    for _ in range(3):
        machine.journey()
    check(machine)
    ledger = count(machine)
    assert balance(ledger, Title.OVER_SHORT) == sum(machine.hidden.values())


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "fed", [frozenset[int](), frozenset({10, 100})], ids=["to the box", "to the hoppers"]
)
def test_many_journeys(fed: frozenset[int]) -> None:
    machine = Machine(Random(2026), fed)
    shares = 10
    for share in range(shares):
        machine.fill()
        for _ in range(MANY // 2 // shares):
            machine.journey()
            if machine.hoppers[3] < 60 or machine.hoppers[4] < 20 or machine.hoppers[5] < 20:
                machine.fill()
        if share % 3 == 2:
            machine.empty_box()
    before = check(machine)
    hidden = sum(machine.hidden.values())
    after = count(machine)
    difference = balance(before, Title.CASH) - hidden - machine.yen()
    assert difference == 0
    assert balance(after, Title.OVER_SHORT) == hidden
    assert balance(after, Title.CASH) == machine.yen()
    counted = [t for t, _ in differences(after) if t.kind == "cash-count"]
    assert -sum(t.difference for t in counted) == hidden
    print(
        f"\n{MANY // 2} journeys, {len(machine.entries)} entries, "
        f"{len(after.transactions)} transactions; in the machine {machine.yen()} yen, "
        f"books {balance(before, Title.CASH)} yen, paid out without an entry {hidden} yen "
        f"in {sum(map(bool, machine.hidden.values()))} journeys with a case; "
        f"difference {difference} yen"
    )
