"""The city keeps the newest entry of each kiosk's journal, and tells it at hello."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from city_bench import HELLO, Direct, Rehearsal, both, outcome_of
from test_city_cases import issued, open_cases

from city import cases, journals
from firmware.link import messages
from firmware.tools.cli import main

swap = msgspec.structs.replace
JOURNAL = "a" * 32


def head(seq: int, journal: str = JOURNAL, mark: str = "0") -> messages.JournalHead:
    return messages.JournalHead(journal, seq, mark * 64)


def report_outcome(rehearsal: Rehearsal, known: messages.JournalHead | None) -> messages.Outcome:
    visit, manifest = issued(rehearsal)
    outcome = swap(outcome_of(manifest), journal=known)
    Direct(rehearsal.city, visit.kiosk).ask("outcome", outcome)
    return outcome


def kept(rehearsal: Rehearsal, kiosk: str = "kiosk-1") -> messages.JournalHead | None:
    answer = Direct(rehearsal.city, kiosk).ask("hello", HELLO)
    assert isinstance(answer, messages.Terms)
    return answer.journal


@both
def test_the_newest_head_is_kept_for_each_kiosk(rehearsal: Rehearsal) -> None:
    assert kept(rehearsal) is None
    report_outcome(rehearsal, head(7))
    report_outcome(rehearsal, head(12))
    assert kept(rehearsal) == head(12)
    report_outcome(rehearsal, None)  # a kiosk whose journal could not be read says nothing of it
    assert kept(rehearsal) == head(12)
    assert kept(rehearsal, "kiosk-2") is None
    assert open_cases(rehearsal) == ()


def test_the_same_outcome_with_a_later_head_is_the_same(rehearsal: Rehearsal) -> None:
    outcome = report_outcome(rehearsal, head(7))
    Direct(rehearsal.city, "kiosk-1").ask("outcome", swap(outcome, journal=head(9)))
    assert (kept(rehearsal), open_cases(rehearsal)) == (head(7), ())


@pytest.mark.parametrize("other", [head(7, mark="1"), head(9, journal="b" * 32)])
def test_a_head_that_contradicts_the_one_that_is_kept_is_a_case(
    rehearsal: Rehearsal, other: messages.JournalHead
) -> None:
    report_outcome(rehearsal, head(7))
    report_outcome(rehearsal, other)
    assert kept(rehearsal) == head(7), "the outcome is accepted all the same"
    assert [(case.code, case.kiosk) for case in open_cases(rehearsal)] == [
        (cases.JOURNAL_BEHIND, "kiosk-1")
    ]


def test_an_older_head_that_comes_late_changes_nothing(rehearsal: Rehearsal) -> None:
    report_outcome(rehearsal, head(7))
    report_outcome(rehearsal, head(6))
    Direct(rehearsal.city, "kiosk-1").ask("hello", swap(HELLO, journal=head(5)))
    assert (kept(rehearsal), open_cases(rehearsal)) == (head(7), ())


def test_a_hello_tells_the_newest_head_too(rehearsal: Rehearsal) -> None:
    """Operators' acts and journeys without an outcome are entries like all others."""
    report_outcome(rehearsal, head(7))
    answer = Direct(rehearsal.city, "kiosk-1").ask("hello", swap(HELLO, journal=head(9)))
    assert isinstance(answer, messages.Terms)
    assert answer.journal == head(7), "the kiosk compares with what was kept before"
    assert kept(rehearsal) == head(9)


def test_a_kiosk_says_it_is_behind_where_nothing_is_known_of_it(rehearsal: Rehearsal) -> None:
    """The hello behind a person's word that it may have a new journal."""
    Direct(rehearsal.city, "kiosk-1").ask("hello", swap(HELLO, journal_behind=True))
    assert open_cases(rehearsal) == ()


def test_a_kiosk_that_says_its_journal_is_behind_is_one_case(rehearsal: Rehearsal) -> None:
    report_outcome(rehearsal, head(7))
    for _ in range(2):
        Direct(rehearsal.city, "kiosk-1").ask("hello", swap(HELLO, journal_behind=True))
    assert [(case.code, case.kiosk) for case in open_cases(rehearsal)] == [
        (cases.JOURNAL_BEHIND, "kiosk-1")
    ]


def test_a_person_lets_a_kiosk_have_a_new_journal(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    config: Path = rehearsal.folder / "city.toml"
    report_outcome(rehearsal, head(7))
    command = ["city", "kiosks", "forget-journal", "--config", str(config), "kiosk-1"]
    assert main(command) == 0
    assert kept(rehearsal) is None
    assert main(command) == 1
    assert capsys.readouterr().err == "city: no journal of kiosk-1 is known\n"
    report_outcome(rehearsal, head(1, journal="b" * 32))
    assert kept(rehearsal) == head(1, journal="b" * 32)


@both
def test_hellos_that_come_at_once_keep_the_newest_head(rehearsal: Rehearsal) -> None:
    """None of them fails, whichever is first."""

    def hello(seq: int) -> messages.Terms:
        message = swap(HELLO, journal=head(seq))
        answer = Direct(rehearsal.city, "kiosk-1").ask("hello", message)
        assert isinstance(answer, messages.Terms)
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(hello, range(1, 25)))
    assert len(answers) == 24
    assert kept(rehearsal) == head(24)
    assert open_cases(rehearsal) == ()


@both
def test_what_another_transaction_has_kept_meanwhile_is_not_undone(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_outcome(rehearsal, head(12))
    for stale in (None, head(3)):
        with monkeypatch.context() as patched, rehearsal.city.engine.begin() as connection:
            patched.setattr(journals, "head_of", lambda *_, seen=stale: seen)
            journals.keep(connection, "kiosk-1", head(9))
        assert kept(rehearsal) == head(12)
