"""The tables of a journal, and the check of all that one holds before anybody is served."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from firmware.service.entry import (
    CLOSES,
    KINDS,
    OPENS,
    Entry,
    JournalBroken,
    NewEntry,
    chained,
    outcome_of,
)

SCHEMA = """
CREATE TABLE identity (id TEXT NOT NULL);
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, session TEXT NOT NULL, \
kind TEXT NOT NULL, facts TEXT NOT NULL,
    at TEXT NOT NULL, hash TEXT NOT NULL);
CREATE INDEX entry_session ON entry(session);
CREATE INDEX entry_kind ON entry(kind);
CREATE TABLE pending (seq INTEGER PRIMARY KEY);
"""

Read = Callable[..., Iterator[Any]]
TABLES = "SELECT type, name, sql FROM sqlite_master ORDER BY name"


def check(read: Read, identity: str) -> int:
    """The number of entries. Raises JournalBroken at the first thing that is wrong."""
    _pages(read)
    _tables(read)
    return _chain(read, identity)


def _pages(read: Read) -> None:
    """The tables' pages and their indexes agree: else a question could be answered without an entry
    that is there.
    """
    found = [row[0] for row in read("PRAGMA integrity_check(1)")]
    if found != ["ok"]:
        raise JournalBroken(f"the file is damaged: {' '.join(found[0].split())}")


def _tables(read: Read) -> None:
    """Exactly those of this build."""
    blank = sqlite3.connect(":memory:")
    try:
        blank.executescript(SCHEMA)
        expected = {row[1]: _normal(row) for row in blank.execute(TABLES)}
    finally:
        blank.close()
    found = {row[1]: _normal(row) for row in read(TABLES)}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise JournalBroken(f"table {name!r} is not as this build makes it")
    if len(list(read("SELECT id FROM identity"))) != 1:
        raise JournalBroken("not one identity")


def _normal(row: tuple[str, str, str | None]) -> tuple[str, str]:
    return row[0], re.sub(r"\s+", " ", row[2] or "")


def _chain(read: Read, identity: str) -> int:
    previous = identity
    count = 0
    opened: dict[tuple[str, str], int] = {}
    for seq, id_, session, kind, facts, at, found in read(
        "SELECT seq, id, session, kind, facts, at, hash FROM entry ORDER BY seq"
    ):
        count += 1
        if not all(isinstance(text, str) for text in (id_, session, kind, facts, at, found)):
            raise JournalBroken(f"entry {seq}: bytes where text must stand")
        if seq != count or found != chained(previous, NewEntry(id_, session, kind, {}, at), facts):
            raise JournalBroken(f"entry {seq}: the chain is broken")
        _follow(Entry(seq, session, kind, _facts(seq, kind, facts)), opened)
        previous = found
    if sorted(opened.values()) != [row[0] for row in read("SELECT seq FROM pending ORDER BY seq")]:
        raise JournalBroken(
            "what is pending does not follow from the entries: a case or an outcome was taken out"
        )
    return count


def _facts(seq: int, kind: str, text: str) -> dict[str, Any]:
    try:
        facts = msgspec.json.decode(text, type=dict[str, str | int | bool | None])
    except (msgspec.MsgspecError, UnicodeError):
        raise JournalBroken(f"entry {seq}: no facts") from None
    if kind not in KINDS or facts.keys() != KINDS[kind]:
        raise JournalBroken(f"entry {seq}: {kind!r} is no entry of this build's")
    return facts


def _follow(entry: Entry, opened: dict[tuple[str, str], int]) -> None:
    """Which cases and outcomes are open behind this entry."""
    if entry.kind == "outcome":
        try:
            outcome_of(entry)
        except msgspec.ValidationError:
            raise JournalBroken(f"entry {entry.seq}: no outcome of this build's") from None
    if entry.kind in OPENS:
        opened[entry.kind, entry.facts[entry.kind]] = entry.seq
    elif entry.kind in CLOSES:
        kind, name = CLOSES[entry.kind]
        if opened.pop((kind, entry.facts[name]), None) is None:
            raise JournalBroken(f"entry {entry.seq}: closes what is not open")
