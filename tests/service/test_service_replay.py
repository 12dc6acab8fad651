"""A power cut after any entry: what was certain is settled, the rest goes to a person, nothing
happens twice.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.link.messages import Result
from firmware.service.journal import Journal
from firmware.service.recovery import balance, settle

SESSION, ORDER = "5" * 32, "0" * 32
DOCUMENT = {"order": ORDER, "document": "d" * 64}
Entries = list[tuple[str, dict[str, Any]]]

SHEET, MISSING, OWED = ["power.sheet-unknown"], ["power.sheets-missing"], ["power.money-owed"]
# One journey to its end: two sheets, 500 yen in, 400 back. Behind each entry: owed, held, result
# and cases of a cut.
JOURNEY: list[tuple[str, dict[str, Any], int, int, str | None, list[str]]] = [
    ("begun", {}, 0, 0, None, []),
    ("authenticated", {"card": "c" * 64}, 0, 0, None, []),
    ("checked", {**DOCUMENT, "sheets": 2, "copies": 1, "fee": 100}, 0, 0, None, []),
    ("coin", {"value": 500, "counter": 0}, 500, 0, None, OWED),
    ("release-asked", DOCUMENT, 500, 0, "failed", OWED),
    ("released", DOCUMENT, 500, 0, "failed", OWED),
    ("sheet-begun", {"sheet": 1}, 400, 100, "unknown", SHEET + OWED),
    ("sheet-done", {"sheet": 1}, 400, 100, "failed", MISSING + OWED),
    ("sheet-begun", {"sheet": 2}, 400, 100, "unknown", SHEET + OWED),
    ("sheet-done", {"sheet": 2}, 400, 0, "printed", OWED),
    ("payout-begun", {"amount": 400}, 0, 400, "printed", ["power.payout-unknown"]),
    ("payout-done", {"amount": 400}, 0, 0, "printed", []),
]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.create(tmp_path / "journal.sqlite")
    yield journal
    journal.close()


def write(journal: Journal, entries: Entries) -> None:
    for kind, facts in entries:
        journal.write(SESSION, kind, **facts)


@pytest.mark.parametrize(
    "cut", range(1, len(JOURNEY) + 1), ids=lambda n: f"{n}-{JOURNEY[n - 1][0]}"
)
def test_a_cut_after_each_entry(journal: Journal, cut: int) -> None:
    write(journal, [(kind, facts) for kind, facts, *_ in JOURNEY[:cut]])
    _, _, owed, held, result, codes = JOURNEY[cut - 1]
    assert settle(journal) == codes
    assert [case.code for case in journal.cases()] == codes
    assert all(case.pauses for case in journal.cases())
    assert [o.result.value for o in journal.undelivered()] == ([result] if result else [])
    assert [(o.owed, o.held) for o in journal.undelivered()] == ([(owed, held)] if result else [])
    last = journal.entries(SESSION)[-1]
    assert (last.kind, last.facts["owed"], last.facts["held"]) == ("ended", owed, held)
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
    assert journal.entries(SESSION)[-1].facts == {
        "kept": 100,
        "returned": 150,
        "owed": 250,
        "held": 0,
    }


def test_what_was_reported_and_owed_is_not_again(journal: Journal) -> None:
    write(journal, [(kind, facts) for kind, facts, *_ in JOURNEY[:4]])
    journal.write(SESSION, "owed", amount=500)
    assert settle(journal) == []
    assert journal.entries(SESSION)[-1].facts["owed"] == 500


def test_a_payout_that_came_after_its_slip_is_owed_no_more(journal: Journal) -> None:
    late: Entries = [
        ("begun", {}),
        ("coin", {"value": 50, "counter": 0}),
        ("payout-begun", {"amount": 50}),
    ]
    write(journal, [*late, ("owed", {"amount": 50}), ("payout-done", {"amount": 50})])
    settle(journal)
    assert journal.entries(SESSION)[-1].facts == {"kept": 0, "returned": 50, "owed": 0, "held": 0}


@pytest.mark.parametrize("broken", range(12))
def test_a_cut_while_settling_loses_no_case(tmp_path: Path, broken: int) -> None:
    """The n-th statement of the settlement never happens; the next life does the whole of it."""
    path = tmp_path / "journal.sqlite"
    journal = Journal.create(path)
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
    assert sorted(case.code for case in again.cases()) == [
        "power.money-owed",
        "power.sheet-unknown",
    ]
    assert len(again.undelivered()) == 1
    assert again.entries(SESSION)[-1].facts == {"kept": 0, "returned": 0, "owed": 400, "held": 100}
    assert again.unfinished() == []
    again.close()


COINS = st.lists(st.sampled_from([10, 50, 100, 500]), max_size=6)


@st.composite
def journeys(draw: st.DrawFn) -> Entries:
    """A journey in the order in which the service writes it, cut anywhere."""
    copies = draw(st.integers(1, 3))
    sheets, fee = copies * draw(st.integers(1, 2)), copies * draw(st.sampled_from([0, 100, 200]))
    coins = draw(COINS)
    paid = sum(coins)
    entries: Entries = [
        ("begun", {}),
        ("checked", {**DOCUMENT, "sheets": sheets, "copies": copies, "fee": fee}),
    ]
    entries += [("coin", {"value": value, "counter": 0}) for value in coins]
    back = paid
    if paid >= fee:
        entries += [("release-asked", DOCUMENT), ("released", DOCUMENT)]
        for sheet in range(1, sheets + 1):
            entries += [("sheet-begun", {"sheet": sheet}), ("sheet-done", {"sheet": sheet})]
        back = paid - fee
    if back:
        entries.append(("payout-begun", {"amount": back}))
        out = draw(st.integers(0, back))
        reason = draw(st.sampled_from(["hopper-empty", "uncertain", "silent"]))
        failed = {"amount": back, "paid": out, "reason": reason}
        entries.append(
            ("payout-done", {"amount": back}) if out == back else ("payout-failed", failed)
        )
    return entries[: draw(st.integers(1, len(entries)))]


def in_doubt(entries: Entries) -> bool:
    """The last payout was begun, and what it did not certainly pay is more than nothing."""
    kind, facts = entries[-1]
    return (
        bool(facts["amount"] - facts.get("paid", 0))
        if kind in ("payout-begun", "payout-failed")
        else False
    )


@given(journeys())
def test_any_cut_balances(entries: Entries) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.create(Path(folder) / "journal.sqlite")
        _any_cut_balances(journal, entries)
        journal.close()


def _any_cut_balances(journal: Journal, entries: Entries) -> None:
    write(journal, entries)
    before = balance(journal.entries(SESSION))
    settle(journal)
    end = journal.entries(SESSION)[-1].facts
    assert before.inserted == sum(end.values())
    assert min(end.values()) >= 0
    whole = before.printed * before.copies // before.sheets if before.sheets else 0
    begun = before.printed * before.copies % before.sheets if before.sheets else 0
    a_copy = before.fee // before.copies
    assert end["kept"] == whole * a_copy
    for_sheets = a_copy and (begun or before.sheet_open)
    assert bool(end["held"]) is bool(for_sheets or (before.payout_open and in_doubt(entries)))
    if begun or before.sheet_open:
        back = end["returned"] + end["owed"]
        assert back <= before.inserted - (whole + 1) * a_copy, (
            "sheet and money are never both given"
        )
    assert len(journal.undelivered()) == before.release_asked
    in_question = before.sheet_open or before.payout_open or end["held"]
    assert bool(journal.cases()) is bool(end["owed"] or in_question)
    assert journal.unfinished() == settle(journal) == []


def test_what_is_owed_is_promised_once(journal: Journal) -> None:
    """Two claims of one person, and no slip for either yet: one slip for both, not two for
    the sum.
    """
    coins: Entries = [
        ("begun", {}),
        ("coin", {"value": 100, "counter": 0}),
        ("coin", {"value": 100, "counter": 0}),
    ]
    write(journal, coins)
    for _ in range(2):
        journal.write(SESSION, "owed", amount=100)
        journal.open_case(SESSION, "claim", pauses=False)
    settle(journal)
    assert [(session, owed) for session, owed, _ in journal.slips_due()] == [(SESSION, 200)]
    journal.write(SESSION, "slip", amount=200)
    assert journal.slips_due() == []


@pytest.mark.parametrize(
    "amount", [400, 500]
)  # the change of a journey whose sheets are out; a refund
@pytest.mark.parametrize("rest", [0, 50])
def test_a_late_answer_and_a_kill_before_its_books(tmp_path: Path, amount: int, rest: int) -> None:
    """What was held and has come out after all is held no more; the next start can read the
    journal.
    """
    path = tmp_path / "journal.sqlite"
    done = {"amount": amount}
    late: Entries = [
        ("payout-failed", {"amount": amount, "paid": amount - rest, "reason": "uncertain"})
    ]
    with contextlib.closing(Journal.create(path)) as journal:
        write(journal, [(kind, facts) for kind, facts, *_ in JOURNEY[: 10 if amount == 400 else 6]])
        write(
            journal,
            [("payout-begun", done), ("payout-failed", {**done, "paid": 0, "reason": "uncertain"})],
        )
        write(journal, [("case", {"case": "9" * 32, "code": "payout.unknown", "pauses": True})])
        write(journal, [("held", {**done, "case": "9" * 32})])
        write(journal, late if rest else [("payout-done", done)])
        settle(journal)
        end = journal.entries(SESSION)[-1].facts
        assert sum(end.values()) == 500
        assert (end["returned"], end["owed"], end["held"]) == (amount - rest, 0, rest)
    with contextlib.closing(Journal(path)) as again:
        assert again.verify()


def test_more_out_than_in_is_a_case_and_no_journal_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with contextlib.closing(Journal.create(path)) as journal:
        write(journal, [(kind, facts) for kind, facts, *_ in JOURNEY])
        write(journal, [("payout-done", {"amount": 100})])
        assert "power.overpaid" in settle(journal)
    with contextlib.closing(Journal(path)) as again:
        assert again.verify()
