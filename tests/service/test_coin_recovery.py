"""What the coin unit remembers, turned into entries: never more than certainly happened, and
nothing that hangs.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture
from stand_ins import stand_in

from firmware.service import device_threads
from firmware.service.books import Books
from firmware.service.cases import create_journal, journal_path
from firmware.service.cash_desk import CashBook
from firmware.service.coin_recovery import (
    Known,
    Question,
    UnitAnswers,
    ask,
    known,
    new_entries,
    question,
    recover,
)
from firmware.service.device_threads import in_the_loop
from firmware.service.entry import JournalFull, NewEntry, new_entry
from firmware.service.journal import Journal
from firmware.service.record import Record, to_the_log
from firmware.service.recovery import balance
from hal.cash.contract import (
    CoinAccepted,
    CoinFault,
    CoinReturned,
    CoinUnit,
    Dispense,
    HopperCount,
    Missed,
    next_event,
)
from hal.faults import DeviceFault, Reason

SESSION, OTHER = "5" * 32, "6" * 32
SLOT = Known(7, SESSION, open=True)


def of(found: Sequence[NewEntry], kind: str) -> list[dict[str, Any]]:
    return [dict(given.facts) for given in found if given.kind == kind]


# -- what is asked


def written(*kinds: tuple[str, dict[str, Any]]) -> list[NewEntry]:
    return [new_entry(SESSION, kind, **facts) for kind, facts in kinds]


OPENED = ("coin-counter", {"counter": 7, "open": True})
SHUT = ("coin-counter", {"counter": 9, "open": False})
COIN = ("coin", {"value": 100, "counter": 8})


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (OPENED, Known(7, SESSION, open=True)),
        (COIN, Known(8, SESSION, open=True)),
        (SHUT, Known(9, SESSION, open=False)),
        (("coin", {"value": 100, "counter": 0}), None),
    ],
)
def test_what_the_newest_entry_says(
    entry: tuple[str, dict[str, Any]], expected: Known | None
) -> None:
    assert known(new_entry(SESSION, entry[0], **entry[1])) == expected


def test_only_what_is_not_known_is_asked() -> None:
    begun = written(("begun", {}), OPENED, COIN)
    assert question({SESSION: begun}, SLOT).slot == SLOT
    assert (
        question({SESSION: [*begun, *written(SHUT)]}, Known(9, SESSION, open=False)).sessions
        == frozenset()
    )
    stray = written(("begun", {}), COIN)
    assert question({SESSION: stray}, Known(8, SESSION, open=True)).sessions == frozenset(), (
        "nobody had opened it"
    )
    assert question({SESSION: begun}, Known(7, OTHER, open=True)).sessions == frozenset(), (
        "its session has ended"
    )
    paying = [*begun, *written(SHUT, ("payout-begun", {"amount": 100}))]
    assert set(question({SESSION: paying}, None).payouts) == {SESSION}
    done = [*paying, *written(("payout-done", {"amount": 100}))]
    assert question({SESSION: done}, None).sessions == frozenset()


# -- coins


def coins(answers: UnitAnswers) -> list[NewEntry]:
    return new_entries(Question(slot=SLOT), answers)


def test_coins_with_their_counters_and_then_the_shut_slot() -> None:
    missed = Missed((CoinAccepted(100, 8), CoinReturned()))
    found = coins(UnitAnswers(missed, (CoinAccepted(10, 10),), counter=10))
    assert of(found, "coin") == [{"value": 100, "counter": 8}, {"value": 10, "counter": 10}]
    assert of(found, "coin-counter") == [{"counter": 10, "open": False}]
    assert of(found, "case") == []
    assert known([n for n in found if n.kind in ("coin", "coin-counter")][-1]) == Known(
        10, SESSION, open=False
    )


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("told_again", [True, False])
def test_one_cause_is_one_case(lost: bool, reset: bool, told_again: bool) -> None:
    later = (CoinFault(Reason.EVENTS_LOST),) if told_again else ()
    found = coins(UnitAnswers(Missed((CoinAccepted(50, 9),), lost, reset), later, 9))
    anything = lost or reset or told_again
    assert [facts["code"] for facts in of(found, "case")] == ["coins.events-lost"] * anything
    assert of(found, "coins-missed") == [{"lost": lost, "reset": reset}] * anything
    assert of(found, "coin") == [{"value": 50, "counter": 9}], "what is known counts all the same"


def test_a_unit_that_does_not_answer_is_a_case_and_nothing_is_guessed() -> None:
    found = coins(UnitAnswers())
    assert [(given.kind, given.facts.get("code")) for given in found] == [
        ("case", "power.coins-unknown")
    ]


# -- payouts: every way in which up to three commands to two hoppers may have been cut


ORDERS = (
    Dispense(5, 100, 4, events=9),
    Dispense(5, 100, 2, events=10),
    Dispense(4, 50, 1, events=255),
)
AMOUNT = sum(order.value * order.coins for order in ORDERS)


def payout(orders: Sequence[Dispense], counts: tuple[HopperCount, ...] | None) -> list[NewEntry]:
    book = written(
        ("payout-begun", {"amount": 10}),
        ("payout-done", {"amount": 10}),
        ("payout-begun", {"amount": AMOUNT}),
    )
    book += [new_entry(SESSION, "dispense", **vars(order)) for order in orders]
    return new_entries(Question(payouts={SESSION: book}), UnitAnswers(counts=counts))


def count(order: Dispense, came: int, *, arrived: bool, reason: Reason | None) -> HopperCount:
    if not arrived:
        return HopperCount(order.address, order.value, order.events, 0, 3, 0)
    return HopperCount(
        order.address, order.value, next_event(order.events), 0, came, order.coins - came, reason
    )


def test_every_cut_of_a_payout() -> None:
    """`came` is what really lies in the cup: what is booked is never more, and less only where it
    is uncertain.
    """
    tried = 0
    for given in range(len(ORDERS) + 1):
        orders = ORDERS[:given]
        if not orders:
            [one] = payout(orders, ())
            assert (one.kind, one.facts["paid"]) == ("payout-failed", 0)
            continue
        last = orders[-1]
        before = sum(order.value * order.coins for order in orders[:-1])
        for arrived, reason, silent in itertools.product(
            (True, False), (None, Reason.HOPPER_EMPTY, Reason.UNCERTAIN), (True, False)
        ):
            for came in range(last.coins + 1) if arrived else (0,):
                tried += 1
                counts = {
                    order.address: count(order, order.coins, arrived=True, reason=None)
                    for order in orders
                }
                counts[last.address] = count(last, came, arrived=arrived, reason=reason)
                if silent:
                    del counts[last.address]
                check(
                    payout(orders, tuple(counts.values())), before + came * last.value, bool(counts)
                )
    assert tried > 40


def check(found: Sequence[NewEntry], out: int, answered: bool) -> None:
    if not answered:
        assert found == [], "nobody says anything: the payout stays open"
        return
    [end] = found
    if end.kind == "payout-done":
        assert out == AMOUNT
        return
    assert int(end.facts["paid"]) <= out
    if int(end.facts["paid"]) < out:
        assert end.facts["reason"] == Reason.UNCERTAIN.value
    if end.facts["reason"] != Reason.UNCERTAIN.value:
        assert int(end.facts["paid"]) == out < AMOUNT


def test_what_is_left_of_an_uncertain_payout_is_not_certain() -> None:
    book = written(("begun", {}), COIN, ("payout-begun", {"amount": 100}))
    failed = new_entry(SESSION, "payout-failed", amount=100, paid=0, reason="uncertain")
    assert balance([*book, failed]).payout_open


# -- the unit is asked


def test_hoppers_are_asked_only_when_they_had_an_order(mocker: MockerFixture) -> None:
    unit = stand_in(mocker, CoinUnit, last_payout=lambda: pytest.fail("not asked"))
    book = written(("payout-begun", {"amount": 100}))
    assert ask(unit, Question(payouts={SESSION: book})) == UnitAnswers(counts=())


def test_the_unit_is_given_the_counter_and_shut(mocker: MockerFixture) -> None:
    def start(notify: Callable[[object], None], last: int, *, left_open: bool) -> Missed:
        assert left_open
        notify(CoinAccepted(10, last + 2))
        return Missed((CoinAccepted(50, last + 1),))

    unit = stand_in(mocker, CoinUnit, start=start, stop=lambda: 9)
    assert ask(unit, Question(slot=SLOT)) == UnitAnswers(
        Missed((CoinAccepted(50, 8),)), (CoinAccepted(10, 9),), 9, ()
    )


def test_a_unit_that_cannot_be_shut_has_still_said_what_it_remembers(mocker: MockerFixture) -> None:
    def stop() -> int:
        raise DeviceFault("cash", Reason.SILENT)

    unit = stand_in(
        mocker, CoinUnit, start=lambda *_, **__: Missed((CoinAccepted(50, 8),)), stop=stop
    )
    told = ask(unit, Question(slot=SLOT))
    assert of(coins(told), "coin") == [{"value": 50, "counter": 8}]
    assert of(coins(told), "coin-counter") == []


# -- in a process of its own


def hangs(_: Any) -> Any:
    time.sleep(60)


def dies(_: Any) -> Any:
    os._exit(3)


def breaks(_: Any) -> Any:
    raise RuntimeError


@pytest.mark.parametrize("unit", [hangs, dies, breaks])
def test_no_device_holds_up_or_ends_the_supervisor(unit: Callable[[Any], Any]) -> None:
    config: Any = None
    began = time.monotonic()
    found = recover(config, Question(slot=SLOT), 0.5, unit)
    assert time.monotonic() - began < 10
    assert of(found, "case")[0]["code"] == "power.coins-unknown"


def test_what_the_child_says_comes_back(mocker: MockerFixture) -> None:
    config: Any = None
    missed = Missed((CoinAccepted(50, 8),))
    unit = stand_in(mocker, CoinUnit, start=lambda *_, **__: missed, stop=lambda: 8)
    found = recover(config, Question(slot=SLOT), 10, lambda _: unit)
    assert of(found, "coin") == [{"value": 50, "counter": 8}]


# -- in the books


def test_a_session_is_asked_for_once_and_only_when_something_is_open(tmp_path: Path) -> None:
    create_journal(tmp_path)
    asked: list[Question] = []

    def nobody(question: Question) -> list[NewEntry]:
        asked.append(question)
        return new_entries(question, UnitAnswers())

    journal = Journal(journal_path(tmp_path))
    journal.append([*written(("begun", {}), OPENED, COIN, SHUT), new_entry(OTHER, "begun")])
    books = Books(tmp_path, nobody)
    books.settle()
    assert asked == []
    third = "7" * 32
    journal.append(
        [new_entry(third, "begun"), new_entry(third, "coin-counter", counter=9, open=True)]
    )
    books.settle()
    books.settle()
    assert [question.sessions for question in asked] == [frozenset({third})]
    assert [case.code for case in journal.cases()] == ["power.money-owed", "power.coins-unknown"]
    journal.close()


def test_what_is_only_kept_counts_as_written(tmp_path: Path) -> None:
    """The disk was full when the slot opened; its process is dead."""
    create_journal(tmp_path)
    books = Books(
        tmp_path,
        lambda question: new_entries(question, UnitAnswers(Missed((CoinAccepted(100, 8),)), (), 8)),
    )
    for given in written(("begun", {}), OPENED):
        books.keep(given)
    books.settle()
    journal = Journal(journal_path(tmp_path))
    assert [entry.facts["owed"] for entry in journal.entries() if entry.kind == "ended"] == [100]
    assert journal.unfinished() == []
    journal.close()


# -- ahead of what the unit does


def test_nothing_is_done_that_the_journal_refuses() -> None:
    def full(_: object) -> None:
        raise JournalFull("full")

    journal: Any = SimpleNamespace(append=full)
    book = CashBook(Record(journal, to_the_log), SESSION)
    with pytest.raises(JournalFull):
        book.opens(7)
    with pytest.raises(JournalFull):
        book.dispenses(ORDERS[0])


def test_money_that_is_given_back_because_the_disk_is_full_is_kept_like_all_before_it() -> None:
    """Its payout is only kept; the supervisor gets each command too."""

    def full(_: object) -> None:
        raise JournalFull("full")

    kept: list[NewEntry] = []
    journal: Any = SimpleNamespace(append=full)
    record = Record(journal, kept.append)
    record.happened(SESSION, "payout-begun", amount=400)
    CashBook(record, SESSION).dispenses(ORDERS[0])
    assert [given.kind for given in kept] == ["payout-begun", "dispense"]


def test_the_loop_does_it_and_the_devices_thread_waits() -> None:
    done: list[tuple[int, int]] = []

    async def run() -> None:
        def work(given: int) -> None:
            if given < 0:
                raise JournalFull("full")
            done.append((given, threading.get_ident()))

        loop = asyncio.get_running_loop()
        ask_loop = in_the_loop(loop, work)
        await loop.run_in_executor(None, ask_loop, 7)
        assert done == [(7, threading.get_ident())]
        with pytest.raises(JournalFull):
            await loop.run_in_executor(None, ask_loop, -1)

    asyncio.run(run())


def test_a_loop_that_does_not_come_to_it_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is not done later, behind the back of whoever gave up."""
    monkeypatch.setattr(device_threads, "LOOP_S", 0.05)
    done: list[int] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        thread = loop.run_in_executor(None, in_the_loop(loop, done.append), 7)
        time.sleep(0.5)  # the loop is what does not come to it
        with pytest.raises(TimeoutError):
            await thread

    asyncio.run(run())
    assert done == []
