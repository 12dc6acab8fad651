"""What a technician does about the journal and its cases: make it, list them; till.py
closes one.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from firmware.service.journal import Case, Journal
from firmware.service.journal_file import head_path

JOURNAL = "journal.sqlite"


def journal_path(state: Path) -> Path:
    """Where the journal lies in the kiosk's state folder."""
    return state / JOURNAL


def create_journal(state: Path) -> str:
    """Part of provisioning, once in a kiosk's life. The journal's id. Raises JournalBroken,
    OSError.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.closing(Journal.create(journal_path(state))) as journal:
        return journal.identity


def journal_was_made(state: Path) -> bool:
    """Whether this folder has, or has lost, a journal."""
    path = journal_path(state)
    return path.exists() or head_path(path).exists()


def list_cases(state: Path) -> list[Case]:
    """The open cases. Raises JournalBroken."""
    with contextlib.closing(Journal(journal_path(state))) as journal:
        return journal.cases()
