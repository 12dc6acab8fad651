"""The journal: durable, chained, with listed entries only; outbox and cases beside it."""

from __future__ import annotations

import ast
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.link.messages import Outcome, Result
from firmware.service import books, closed, executor, give_back, record, recovery, resident
from firmware.service.cases import journal_path, list_cases
from firmware.service.journal import KINDS, Journal, JournalBroken, new_id

SESSION = "5" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return journal_path(tmp_path)


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal.create(path)
    yield journal
    journal.close()


def outcome(number: str = "a" * 32) -> Outcome:
    return Outcome(
        outcome=number,
        session=SESSION,
        order="0" * 32,
        result=Result.PRINTED,
        sheets=1,
        kept=100,
        returned=0,
        owed=0,
    )


def filled(journal: Journal) -> None:
    journal.write(SESSION, "begun")
    journal.write(SESSION, "coin", value=100, counter=0)
    journal.write(SESSION, "sheet-begun", sheet=1)
    journal.write(SESSION, "sheet-done", sheet=1)
    journal.write(SESSION, "ended", kept=100, returned=0, owed=0, held=0)


def test_what_is_written_is_on_the_disk(journal: Journal, path: Path) -> None:
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    filled(journal)
    other = Journal(path)  # nothing waits in the first one's memory
    assert [entry.kind for entry in other.entries(SESSION)] == [
        "begun",
        "coin",
        "sheet-begun",
        "sheet-done",
        "ended",
    ]
    other.close()


TAMPERING = {
    "a fact": "UPDATE entry SET facts = replace(facts, '100', '500') WHERE kind='coin'",
    "a kind": "UPDATE entry SET kind='payout-done' WHERE kind='coin'",
    "a time": "UPDATE entry SET at='2026-01-01T00:00:00+00:00' WHERE seq=2",
    "a session": "UPDATE entry SET session='x' WHERE seq=3",
    "one taken out": "DELETE FROM entry WHERE seq=2",
    "the first taken out": "DELETE FROM entry WHERE seq=1",
    "two exchanged": (
        "UPDATE entry SET seq = CASE seq WHEN 2 THEN 103 ELSE 102 END WHERE seq IN (2, 3)"
    ),
    "one put in": (
        "INSERT INTO entry SELECT 6, id, session, kind, facts, at, hash FROM entry WHERE seq=2"
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_whoever_edits_the_file_is_found_out(what: str, journal: Journal, path: Path) -> None:
    filled(journal)
    assert journal.verify() == 5
    journal.close()
    with sqlite3.connect(path) as db:
        assert db.execute(TAMPERING[what]).rowcount > 0
    db.close()
    again = Journal(path)
    with pytest.raises(JournalBroken, match=r"entry \d+: the chain is broken"):
        again.verify()
    again.close()


def test_a_file_that_is_no_journal_is_told_in_one_line(path: Path) -> None:
    path.write_bytes(b"not a database at all, but long enough to be taken for one" * 40)
    with pytest.raises(JournalBroken) as told:
        Journal(path)
    assert "\n" not in str(told.value)


def test_a_damaged_file_is_told(journal: Journal, path: Path) -> None:
    for _ in range(200):
        journal.write(SESSION, "coin", value=10, counter=0)
    journal.close()
    data = bytearray(path.read_bytes())
    data[4096 * 2 :] = bytes(len(data) - 4096 * 2)
    path.write_bytes(data)
    with pytest.raises(JournalBroken):
        Journal(path)


def test_only_what_is_newer_than_what_was_read(journal: Journal) -> None:
    filled(journal)
    assert [entry.seq for entry in journal.entries(after=3)] == [4, 5]
    assert [entry.seq for entry in journal.entries(SESSION, after=4)] == [5]


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("name", {}),
        ("begun", {"name": "太郎"}),
        ("coin", {}),
        ("coin", {"value": 10, "pin": "1234"}),
        ("sheet-failed", {"sheet": 1, "reason": "jam"}),
    ],
)
def test_only_listed_entries_with_their_facts(
    journal: Journal, kind: str, facts: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=kind):
        journal.write(SESSION, kind, **facts)
    assert journal.entries() == []


def test_every_entry_the_source_writes_is_listed() -> None:
    for module in (executor, resident, recovery, record, give_back, books, closed):
        assert module.__file__
        for call in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if not isinstance(call, ast.Call) or _name(call.func) not in (
                "write",
                "happened",
                "step",
            ):
                continue
            kinds = [
                a.value
                for a in call.args
                if isinstance(a, ast.Constant) and isinstance(a.value, str) and a.value
            ]
            for kind in kinds:
                assert {k.arg for k in call.keywords} == KINDS[kind]


def _name(called: ast.expr) -> str:
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def test_numbers_are_random_not_times() -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(i) == 32 for i in ids)


def test_an_outcome_counts_once_and_waits_until_delivered(journal: Journal, path: Path) -> None:
    journal.report(outcome())
    journal.report(outcome())
    journal.report(outcome("b" * 32))
    assert [entry.kind for entry in journal.entries()] == ["outcome", "outcome"]
    again = Journal(path)
    assert [o.outcome for o in again.undelivered()] == ["a" * 32, "b" * 32]
    again.delivered("a" * 32)
    again.close()
    assert journal.undelivered() == [outcome("b" * 32)]
    assert journal.verify() == 3


def test_a_case_that_pauses_keeps_the_kiosk_out_until_it_is_closed(
    journal: Journal, path: Path
) -> None:
    small = journal.open_case(SESSION, "paper.not-taken", pauses=False)
    assert not journal.paused()
    big = journal.open_case(SESSION, "print.unknown", pauses=True)
    assert journal.paused()
    assert [case.id for case in list_cases(path.parent)] == [small, big]
    assert journal.close_case(big, "looked at it")
    assert not journal.close_case(big, "again")
    assert not journal.close_case("unheard-of", "")
    assert not journal.paused()
    assert [entry.kind for entry in journal.entries()] == ["case", "case", "case-closed"]
    assert journal.verify() == 3


def test_a_printer_is_suspect_until_it_was_purged(journal: Journal) -> None:
    assert not journal.purge_due()
    journal.write(SESSION, "purge-needed")
    assert journal.purge_due()
    journal.write(SESSION, "purged")
    assert not journal.purge_due()


def test_sessions_left_open(journal: Journal) -> None:
    filled(journal)
    journal.write("6" * 32, "begun")
    assert journal.unfinished() == ["6" * 32]


ACTS = st.lists(
    st.tuples(st.sampled_from(["open", "close", "report", "deliver", "deny"]), st.integers(0, 5))
)


@settings(max_examples=40)
@given(ACTS)
def test_what_is_open_follows_from_the_entries(acts: list[tuple[str, int]]) -> None:
    """Whatever is opened, closed, reported and told, in any order and again: the check agrees with
    the questions.
    """
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.create(Path(folder) / "journal.sqlite")
        journal._db.execute("PRAGMA synchronous=OFF")
        cases: list[str] = []
        waiting: list[str] = []
        for act, number in acts:
            told = outcome(f"{number:032x}")
            if act == "open":
                cases.append(journal.open_case(SESSION, f"code.{number}", pauses=bool(number % 2)))
            elif act == "close":
                assert (
                    journal.close_case(cases.pop(0), "looked at")
                    if cases
                    else not journal.close_case("x", "")
                )
            elif act == "report":
                known = {
                    entry.facts["outcome"] for entry in journal.entries() if entry.kind == "outcome"
                }
                journal.report(told)
                waiting += [told.outcome] if told.outcome not in known else []
            elif act == "deliver":
                journal.delivered(told.outcome)
                waiting = [one for one in waiting if one != told.outcome]
            elif case := journal.denied(told, "outcome.denied"):
                cases.append(case)
                waiting.remove(told.outcome)
        assert [case.id for case in journal.cases()] == cases
        assert [one.outcome for one in journal.undelivered()] == waiting
        assert journal.verify() == len(journal.entries())
        journal.close()
