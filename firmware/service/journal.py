"""The journal: every step with money or paper is written here before it has its effect.

SQLite, WAL, synchronous=FULL: what was written is on the disk when the call returns. Entries hold ids, hashes,
states and amounts, never a name, a number of a person, or a PIN, and each carries the hash of the one before it, so
that no entry can be changed, or taken out from between others, unseen (I10); that the newest are there is the city's
to know, from the outcomes. The outbox (what the city must be told) and the cases (what a person must
look at) live in the same file, so that a step and its consequence are one transaction.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from firmware.link.messages import Outcome

SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY, session TEXT NOT NULL, kind TEXT NOT NULL, facts TEXT NOT NULL,
    at TEXT NOT NULL, hash TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS entry_session ON entry(session);
CREATE INDEX IF NOT EXISTS entry_kind ON entry(kind);
CREATE TABLE IF NOT EXISTS outbox (id TEXT PRIMARY KEY, body BLOB NOT NULL, delivered_at TEXT);
CREATE TABLE IF NOT EXISTS cases (
    id TEXT PRIMARY KEY, code TEXT NOT NULL, session TEXT NOT NULL, pauses INTEGER NOT NULL,
    opened_at TEXT NOT NULL, closed_at TEXT, note TEXT);
"""

# What may be written, and with which facts. Tests prove that nothing else is.
KINDS: Mapping[str, frozenset[str]] = {
    "begun": frozenset(),
    "authenticated": frozenset({"card"}),
    "checked": frozenset({"order", "document", "sheets", "fee"}),
    "coin": frozenset({"value"}),
    "release-asked": frozenset({"order", "document"}),
    "released": frozenset({"order", "document"}),
    "sheet-begun": frozenset({"sheet"}),
    "sheet-done": frozenset({"sheet"}),
    "sheet-failed": frozenset({"sheet", "reason", "certain"}),
    "purge-needed": frozenset(),
    "purged": frozenset(),
    "payout-begun": frozenset({"amount"}),
    "payout-done": frozenset({"amount"}),
    "payout-failed": frozenset({"amount", "paid", "reason"}),
    "owed": frozenset({"amount"}),
    "slip": frozenset({"amount"}),  # a claim slip for it came out
    "outcome": frozenset({"outcome", "result", "sheets", "kept", "returned", "owed"}),
    "case": frozenset({"case", "code", "pauses"}),
    "case-closed": frozenset({"case"}),
    "ended": frozenset({"kept", "returned", "owed"}),
}


class JournalBroken(Exception):
    """The chain does not hold, or the file cannot be used. The kiosk must not serve."""


@dataclass(frozen=True)
class Entry:
    seq: int
    session: str
    kind: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """An anomaly. While one that pauses is open the kiosk stays out of service (I8)."""

    id: str
    code: str
    session: str
    pauses: bool
    opened_at: str


def new_id() -> str:
    """128 random bits, in hex: nothing is named by the time (I2)."""
    return secrets.token_hex(16)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _hash(previous: str, session: str, kind: str, facts: str, at: str) -> str:
    return hashlib.sha256("\n".join((previous, session, kind, facts, at)).encode()).hexdigest()


class Journal:
    """One connection. Make it in the process, and the thread, that uses it."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises JournalBroken."""
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise JournalBroken(f"{path}: {error}") from None

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; one within another is part of it. Raises JournalBroken."""
        if self._db.in_transaction:
            yield
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise JournalBroken(str(error)) from None
            raise

    def _read(self, sql: str, *values: str | int) -> Iterator[Any]:
        try:
            for row in self._db.execute(sql, values):  # noqa: UP028 - it would close the cursor of a closed file
                yield row
        except sqlite3.Error as error:
            raise JournalBroken(str(error)) from None

    # -- entries

    def write(self, session: str, kind: str, **facts: str | int | bool) -> None:
        """Append; on the disk when this returns. Raises JournalBroken, ValueError for what may not be written."""
        with self.transaction():
            self._append(session, kind, facts)

    def _append(self, session: str, kind: str, facts: Mapping[str, str | int | bool]) -> None:
        if kind not in KINDS or facts.keys() != KINDS[kind]:
            raise ValueError(f"journal entry {kind!r} takes {sorted(KINDS.get(kind, ()))}")
        body = msgspec.json.encode(facts, order="deterministic").decode()
        last = self._db.execute("SELECT hash FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
        at = _now()
        self._db.execute(
            "INSERT INTO entry (session, kind, facts, at, hash) VALUES (?,?,?,?,?)",
            (session, kind, body, at, _hash(last[0] if last else "", session, kind, body, at)),
        )

    def entries(self, session: str | None = None, after: int = 0) -> list[Entry]:
        """Those of one session, or all; only those behind number `after`."""
        where, values = ("AND session=?", (session,)) if session is not None else ("", ())
        sql = f"SELECT seq, session, kind, facts FROM entry WHERE seq>? {where} ORDER BY seq"  # noqa: S608 - fixed text
        rows = self._read(sql, after, *values)
        return [Entry(seq, of, kind, msgspec.json.decode(facts)) for seq, of, kind, facts in rows]

    def verify(self) -> int:
        """Follow the chain; the number of entries. Raises JournalBroken at the first that does not fit."""
        previous, count = "", 0
        rows = self._read("SELECT seq, session, kind, facts, at, hash FROM entry ORDER BY seq")
        for seq, session, kind, facts, at, found in rows:
            count += 1
            if seq != count or found != _hash(previous, session, kind, facts, at):
                raise JournalBroken(f"entry {seq}: the chain is broken")
            previous = found
        return count

    def unfinished(self) -> list[str]:
        """Sessions begun and never ended, oldest first."""
        rows = self._read(
            "SELECT session FROM entry WHERE kind='begun' AND session NOT IN "
            "(SELECT session FROM entry WHERE kind='ended') ORDER BY seq"
        )
        return [row[0] for row in rows]

    def purge_due(self) -> bool:
        """Whether a printer may still hold a page of somebody."""
        rows = self._read("SELECT kind FROM entry WHERE kind IN ('purge-needed','purged') ORDER BY seq DESC LIMIT 1")
        return next(rows, None) == ("purge-needed",)

    def slips_due(self) -> list[tuple[str, int, str]]:
        """(session, yen, case) of money certainly owed by sessions with an open case and no slip for it yet.

        Where nobody can tell whether a payout came out, a person looks before anything is promised.
        """
        due = []
        cases = self.cases()
        uncertain = {case.session for case in cases if case.code == "power.payout-unknown"}
        for case in cases:
            if case.session not in uncertain and case.code in ("claim", "power.money-owed"):
                entries = self.entries(case.session)
                owed = sum(entry.facts["amount"] for entry in entries if entry.kind == "owed")
                on_slips = sum(entry.facts["amount"] for entry in entries if entry.kind == "slip")
                if owed > on_slips:
                    due.append((case.session, owed - on_slips, case.id))
        return due

    # -- outbox

    def report(self, outcome: Outcome) -> None:
        """Put an outcome into the outbox; the same one twice counts once."""
        body = msgspec.json.encode(outcome)
        with self.transaction():
            done = self._db.execute("INSERT OR IGNORE INTO outbox (id, body) VALUES (?,?)", (outcome.outcome, body))
            if done.rowcount:
                self._append(
                    outcome.session,
                    "outcome",
                    {
                        "outcome": outcome.outcome,
                        "result": outcome.result.value,
                        "sheets": outcome.sheets,
                        "kept": outcome.kept,
                        "returned": outcome.returned,
                        "owed": outcome.owed,
                    },
                )

    def undelivered(self) -> list[Outcome]:
        rows = self._read("SELECT body FROM outbox WHERE delivered_at IS NULL ORDER BY rowid")
        return [msgspec.json.decode(body, type=Outcome) for (body,) in rows]

    def delivered(self, outcome: str) -> None:
        with self.transaction():
            self._db.execute("UPDATE outbox SET delivered_at=? WHERE id=?", (_now(), outcome))

    def denied(self, outcome: Outcome, code: str) -> str:
        """The city's books say otherwise: no more told, but a case, in one step. Its number, or "" the second time."""
        with self.transaction():
            taken = self._db.execute(
                "UPDATE outbox SET delivered_at='denied' WHERE id=? AND delivered_at IS NULL", (outcome.outcome,)
            )
            return self.open_case(outcome.session, code, pauses=True) if taken.rowcount else ""

    # -- cases

    def open_case(self, session: str, code: str, *, pauses: bool) -> str:
        """Open a case, return its number."""
        case = new_id()
        with self.transaction():
            self._db.execute(
                "INSERT INTO cases (id, code, session, pauses, opened_at) VALUES (?,?,?,?,?)",
                (case, code, session, pauses, _now()),
            )
            self._append(session, "case", {"case": case, "code": code, "pauses": pauses})
        return case

    def cases(self) -> list[Case]:
        """Those still open, oldest first."""
        rows = self._read(
            "SELECT id, code, session, pauses, opened_at FROM cases WHERE closed_at IS NULL ORDER BY rowid"
        )
        return [Case(i, code, session, bool(pauses), at) for i, code, session, pauses, at in rows]

    def paused(self) -> bool:
        return any(case.pauses for case in self.cases())

    def close_case(self, case: str, note: str) -> bool:
        """Reconciled by a person; False when there is no such open case."""
        with self.transaction():
            row = self._db.execute("SELECT session FROM cases WHERE id=? AND closed_at IS NULL", (case,)).fetchone()
            if row is None:
                return False
            self._db.execute("UPDATE cases SET closed_at=?, note=? WHERE id=?", (_now(), note, case))
            self._append(row[0], "case-closed", {"case": case})
        return True
