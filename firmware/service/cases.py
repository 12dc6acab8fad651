"""What a technician does about cases: list them, close one with a note."""

from __future__ import annotations

from pathlib import Path

from firmware.service.journal import Case, Journal

JOURNAL = "journal.sqlite"


def journal_path(state: Path) -> Path:
    """Where the journal lies in the kiosk's state folder."""
    return state / JOURNAL


def list_cases(state: Path) -> list[Case]:
    """The open cases. Raises JournalBroken."""
    journal = Journal(journal_path(state))
    try:
        return journal.cases()
    finally:
        journal.close()


def close_case(state: Path, case: str, note: str) -> bool:
    """False when there is no such open case. Raises JournalBroken."""
    journal = Journal(journal_path(state))
    try:
        return journal.close_case(case, note)
    finally:
        journal.close()
