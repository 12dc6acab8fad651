"""A power cut after any entry: what was certain is settled, the rest goes to a person, nothing happens twice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.link.messages import Result
from firmware.service.journal import Journal
from firmware.service.replay import balance, settle

SESSION, ORDER = "5" * 32, "0" * 32
DOCUMENT = {"order": ORDER, "document": "d" * 64}
Entries = list[tuple[str, dict[str, Any]]]

# One journey to its end: two sheets, 500 yen in, 400 back. Behind each entry: owed, result and cases of a cut there.
JOURNEY: list[tuple[str, dict[str, Any], int, str | None, list[str]]] = [
    ("begun", {}, 0, None, []),
    ("authenticated", {"card": "c" * 64}, 0, None, []),
    ("checked", {**DOCUMENT, "sheets": 2, "fee": 100}, 0, None, []),
    ("coin", {"value": 500}, 500, None, ["power.money-owed"]),
    ("release-asked", DOCUMENT, 500, "failed", ["power.money-owed"]),
    ("released", DOCUMENT, 500, "failed", ["power.money-owed"]),
    ("sheet-begun", {"sheet": 1}, 500, "unknown", ["power.sheet-unknown", "power.money-owed"]),
    ("sheet-done", {"sheet": 1}, 500, "failed", ["power.money-owed"]),
    ("sheet-begun", {"sheet": 2}, 500, "unknown", ["power.sheet-unknown", "power.money-owed"]),
    ("sheet-done", {"sheet": 2}, 400, "printed", ["power.money-owed"]),
    ("payout-begun", {"amount": 400}, 400, "printed", ["power.payout-unknown", "power.money-owed"]),
    ("payout-done", {"amount": 400}, 0, "printed", []),
]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.sqlite")
    yield journal
    journal.close()


def write(journal: Journal, entries: Entries) -> None:
    for kind, facts in entries:
        journal.write(SESSION, kind, **facts)


@pytest.mark.parametrize("cut", range(1, len(JOURNEY) + 1), ids=lambda n: f"{n}-{JOURNEY[n - 1][0]}")
def test_a_cut_after_each_entry(journal: Journal, cut: int) -> None:
    write(journal, [(kind, facts) for kind, facts, *_ in JOURNEY[:cut]])
    _, _, owed, result, codes = JOURNEY[cut - 1]
    assert settle(journal) == codes
    assert [case.code for case in journal.cases()] == codes
    assert all(case.pauses for case in journal.cases())
    assert [o.result.value for o in journal.undelivered()] == ([result] if result else [])
    assert [o.owed for o in journal.undelivered()] == ([owed] if result else [])
    last = journal.entries(SESSION)[-1]
    assert (last.kind, last.facts["owed"]) == ("ended", owed)
    assert journal.purge_due() is ("power.sheet-unknown" in codes)
    assert journal.verify()
    before = journal.entries()
    assert settle(journal) == []
    assert journal.entries() == before


def test_a_sheet_that_failed_without_certainty_stays_unknown(journal: Journal) -> None:
    write(journal, [(kind, facts) for kind, facts, *_ in JOURNEY[:7]])
    journal.write(SESSION, "sheet-failed", sheet=1, reason="uncertain", certain=False)
    settle(journal)
    assert [o.result for o in journal.undelivered()] == [Result.UNKNOWN]


def test_a_payout_that_failed_owes_the_rest(journal: Journal) -> None:
    write(journal, [(kind, facts) for kind, facts, *_ in JOURNEY[:11]])
    journal.write(SESSION, "payout-failed", amount=400, paid=150, reason="hopper-empty")
    assert settle(journal) == ["power.money-owed"]
    assert journal.entries(SESSION)[-1].facts == {"kept": 100, "returned": 150, "owed": 250}


def test_what_was_reported_and_owed_is_not_again(journal: Journal) -> None:
    write(journal, [(kind, facts) for kind, facts, *_ in JOURNEY[:4]])
    journal.write(SESSION, "owed", amount=500)
    assert settle(journal) == []
    assert journal.entries(SESSION)[-1].facts["owed"] == 500


def test_a_payout_that_came_after_its_slip_is_owed_no_more(journal: Journal) -> None:
    late: Entries = [("begun", {}), ("coin", {"value": 50}), ("payout-begun", {"amount": 50})]
    write(journal, [*late, ("owed", {"amount": 50}), ("payout-done", {"amount": 50})])
    settle(journal)
    assert journal.entries(SESSION)[-1].facts == {"kept": 0, "returned": 50, "owed": 0}


@pytest.mark.parametrize("broken", range(12))
def test_a_cut_while_settling_loses_no_case(tmp_path: Path, broken: int) -> None:
    """The n-th statement of the settlement never happens; the next life does the whole of it."""
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    write(journal, [(kind, facts) for kind, facts, *_ in JOURNEY[:7]])
    count = 0

    class Cut(BaseException):
        pass

    append = journal._append

    def cut(*args: Any) -> None:
        nonlocal count
        if count == broken:
            raise Cut
        count += 1
        append(*args)

    journal._append = cut  # type: ignore[method-assign]
    with contextlib.suppress(Cut):
        settle(journal)
    journal.close()
    again = Journal(path)
    settle(again)
    assert sorted(case.code for case in again.cases()) == ["power.money-owed", "power.sheet-unknown"]
    assert len(again.undelivered()) == 1
    assert again.entries(SESSION)[-1].facts == {"kept": 0, "returned": 0, "owed": 500}
    assert again.unfinished() == []
    again.close()


COINS = st.lists(st.sampled_from([10, 50, 100, 500]), max_size=6)


@st.composite
def journeys(draw: st.DrawFn) -> Entries:
    """A journey in the order in which the service writes it, cut anywhere."""
    sheets, fee = draw(st.integers(1, 3)), draw(st.sampled_from([0, 100, 200]))
    coins = draw(COINS)
    paid = sum(coins)
    entries: Entries = [("begun", {}), ("checked", {**DOCUMENT, "sheets": sheets, "fee": fee})]
    entries += [("coin", {"value": value}) for value in coins]
    back = paid
    if paid >= fee:
        entries += [("release-asked", DOCUMENT), ("released", DOCUMENT)]
        for sheet in range(1, sheets + 1):
            entries += [("sheet-begun", {"sheet": sheet}), ("sheet-done", {"sheet": sheet})]
        back = paid - fee
    if back:
        entries.append(("payout-begun", {"amount": back}))
        out = draw(st.integers(0, back))
        failed = {"amount": back, "paid": out, "reason": "hopper-empty"}
        entries.append(("payout-done", {"amount": back}) if out == back else ("payout-failed", failed))
    return entries[: draw(st.integers(1, len(entries)))]


@given(journeys())
def test_any_cut_balances(entries: Entries) -> None:
    journal = Journal(Path(":memory:"))
    write(journal, entries)
    before = balance(journal.entries(SESSION))
    settle(journal)
    end = journal.entries(SESSION)[-1].facts
    assert before.inserted == end["kept"] + end["returned"] + end["owed"]
    assert min(end.values()) >= 0
    assert end["kept"] == (before.fee if before.complete else 0)
    assert len(journal.undelivered()) == before.release_asked
    assert bool(journal.cases()) is bool(end["owed"] or not before.certain)
    assert journal.unfinished() == settle(journal) == []
    journal.close()
