"""The journal: every step with money or paper is written here before it has its effect.

SQLite, WAL, synchronous=FULL: what was written is on the disk when the call returns. Entries hold
ids, hashes, states and amounts, never a name, a number of a person, or a PIN, and each carries the
hash of the one before it, so that no entry can be changed, or taken out from between others, unseen
(I10). Cases (what a person must look at) and outcomes (what the city must get) are entries like
all others: what is open follows from the chain, and the table `pending` only remembers where to
find it. The journal is made once, by an explicit step; its identity and newest entry are kept
outside as well (head.py), so that one that is gone or older is never taken for a new one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from firmware.link.messages import JournalHead, Outcome
from firmware.service import room
from firmware.service.entry import (
    CLOSES,
    KINDS,
    OPENS,
    Case,
    Entry,
    Fact,
    JournalBroken,
    JournalFull,
    JournalMissing,
    NewEntry,
    chained,
    new_entry,
    new_id,
    outcome_entry,
    outcome_of,
)
from firmware.service.head import HeadFile, HeadUnreadable
from firmware.service.journal_check import check
from firmware.service.journal_file import VERSION, connect, create_files, head_path

__all__ = [
    "KINDS",
    "Case",
    "Entry",
    "Journal",
    "JournalBroken",
    "JournalFull",
    "JournalMissing",
    "NewEntry",
    "new_id",
]

# Errors of SQLite behind which the disk takes nothing, or gives nothing, now; the file itself may
# be sound.
DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


def _broken(error: sqlite3.Error, where: str = "") -> JournalBroken:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return (JournalFull if code in DISK else JournalBroken)(f"{where}{error}")


class Journal:
    """One connection. Make it in the process, and the thread, that uses it."""

    def __init__(self, path: Path) -> None:
        """Open the one that is there. Raises JournalBroken: missing, exchanged, older than it was,
        unusable.
        """
        self.identity = ""
        self._log = path.with_name(f"{path.name}-wal")
        self._head = HeadFile(head_path(path))
        if path.is_symlink():
            # SQLite would keep its log beside the other file: no room could be reserved in it
            raise JournalBroken(f"{path} is a link: link or mount its folder instead")
        known = self._known(path)
        if not path.exists():
            raise JournalBroken(f"{path} is gone: {known.seq} entries are missing")
        try:
            self._db = connect(path)
        except sqlite3.Error as error:
            raise _broken(error, f"{path}: ") from None
        try:
            self._compare(path, known)
        except BaseException:
            self._db.close()
            raise

    def _known(self, path: Path) -> JournalHead:
        try:
            return self._head.read()
        except HeadUnreadable as error:
            raise JournalBroken(str(error)) from None
        except FileNotFoundError:
            if path.exists():
                raise JournalBroken(
                    f"{head_path(path)} is gone: nobody can say whether {path} is whole"
                ) from None
            raise JournalMissing(
                f"{path}: no journal has been made yet: kiosk journal create"
            ) from None

    def _compare(self, path: Path, known: JournalHead) -> None:
        """Whether this is the journal that it was, with all that it had."""
        [version] = next(self._read("PRAGMA user_version"))
        if version != VERSION:
            raise JournalBroken(
                f"{path}: version {version} of the journal; this build reads {VERSION}"
            )
        if [row[0] for row in self._read("SELECT id FROM identity")] != [known.journal]:
            raise JournalBroken(f"{path}: another journal than the one that was here")
        self.identity = known.journal
        if known.seq and list(self._read("SELECT hash FROM entry WHERE seq=?", known.seq)) != [
            (known.hash,)
        ]:
            raise JournalBroken(
                f"{path}: older than it was, or changed: entry {known.seq} is not as it was written"
            )

    @classmethod
    def create(cls, path: Path) -> Journal:
        """Make it, once in the life of a kiosk. Raises JournalBroken when one is, or was, there."""
        try:
            create_files(path, new_id())
        except FileExistsError as error:
            raise JournalBroken(str(error)) from None
        except (sqlite3.Error, OSError, HeadUnreadable) as error:
            raise JournalBroken(f"{path}: {error}") from None
        return cls(path)

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
            before = self._last()
            yield
            last = self._last()
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise _broken(error) from None
            raise
        if last != before:
            self._remember(last)

    def _remember(self, last: tuple[int, str]) -> None:
        try:
            self._head.write(JournalHead(self.identity, *last))
        except OSError as error:
            raise JournalFull(f"the head: {error.strerror}") from None

    def _last(self) -> tuple[int, str]:
        """Number and hash of the newest entry; those of the first one's predecessor when there is
        none.
        """
        row = self._db.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
        return (row[0], row[1]) if row else (0, self.identity)

    def _read(self, sql: str, *values: str | int) -> Iterator[Any]:
        try:
            for row in self._db.execute(sql, values):  # noqa: UP028 - it would close the cursor of a closed file
                yield row
        except sqlite3.Error as error:
            raise _broken(error) from None

    def reserve(self, entries: int) -> None:
        """Space on the disk for so many more, until this is closed. Raises JournalFull when there
        is none.
        """
        [(_, used, _)] = self._read("PRAGMA wal_checkpoint(PASSIVE)")
        try:
            with self.transaction():
                room.reserve(self._log, max(used, 0), entries)
        except OSError as error:
            raise JournalFull(f"no room for {entries} entries: {error.strerror}") from None

    # -- entries

    def write(self, session: str, kind: str, **facts: Fact) -> None:
        """Append; on the disk when this returns. Raises JournalBroken, ValueError for what may not
        be written.
        """
        self.append([new_entry(session, kind, **facts)])

    def append(self, entries: Sequence[NewEntry]) -> None:
        """All of them or none, in one transaction. One that is there already is passed over. Raises
        JournalBroken.
        """
        with self.transaction():
            for given in entries:
                if not self._there(given):
                    self._append(given)

    def _there(self, given: NewEntry) -> bool:
        """Whether it is written, or closes what is closed already."""
        if given.kind in CLOSES:
            kind, name = CLOSES[given.kind]
            return all(entry.facts[name] != given.facts[name] for entry in self._pending(kind))
        sql = "SELECT 1 FROM entry WHERE session=? AND id=?"
        return self._db.execute(sql, (given.session, given.id)).fetchone() is not None

    def _append(self, given: NewEntry) -> None:
        body = msgspec.json.encode(given.facts, order="deterministic").decode()
        seq, previous = self._last()
        self._db.execute(
            "INSERT INTO entry (seq, id, session, kind, facts, at, hash) VALUES (?,?,?,?,?,?,?)",
            (
                seq + 1,
                given.id,
                given.session,
                given.kind,
                body,
                given.at,
                chained(previous, given, body),
            ),
        )
        if given.kind in OPENS:
            self._db.execute("INSERT INTO pending (seq) VALUES (?)", (seq + 1,))
        elif given.kind in CLOSES:
            kind, name = CLOSES[given.kind]
            for entry in self._pending(kind):
                if entry.facts[name] == given.facts[name]:
                    self._db.execute("DELETE FROM pending WHERE seq=?", (entry.seq,))

    def entries(self, session: str | None = None, after: int = 0) -> list[Entry]:
        """Those of one session, or all; only those behind number `after`."""
        where, values = ("AND session=?", (session,)) if session is not None else ("", ())
        sql = f"SELECT seq, session, kind, facts FROM entry WHERE seq>? {where} ORDER BY seq"  # noqa: S608 - fixed text
        rows = self._read(sql, after, *values)
        return [Entry(seq, of, kind, msgspec.json.decode(facts)) for seq, of, kind, facts in rows]

    def head(self) -> JournalHead:
        """Identity, number and hash of the newest entry: what somebody else may keep to know this
        journal again.
        """
        return JournalHead(self.identity, *self._last())

    def has(self, head: JournalHead) -> bool:
        """Whether this is that journal, and holds that entry. Raises JournalBroken."""
        found = list(self._read("SELECT hash FROM entry WHERE seq=?", head.seq))
        return head.journal == self.identity and found == [(head.hash,)]

    def verify(self) -> int:
        """Everything that the file holds; the number of entries. Raises JournalBroken at the first
        that is wrong.
        """
        try:
            self._db.execute("BEGIN")  # one moment of it, whoever writes meanwhile
            return check(self._read, self.identity)
        except sqlite3.Error as error:
            raise _broken(error) from None
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def rows(self, session: str | None = None, after: int = 0) -> list[dict[str, Any]]:
        """All that stands in the table, of one session or of all, for people and for checks
        elsewhere.
        """
        where, values = ("AND session=?", (session,)) if session is not None else ("", ())
        names = ("seq", "id", "session", "kind", "facts", "at", "hash")
        sql = f"SELECT {', '.join(names)} FROM entry WHERE seq>? {where} ORDER BY seq"  # noqa: S608 - fixed text
        rows = [dict(zip(names, row, strict=True)) for row in self._read(sql, after, *values)]
        return [{**row, "facts": msgspec.json.decode(row["facts"])} for row in rows]

    def unfinished(self) -> list[str]:
        """Sessions begun and never ended, oldest first."""
        rows = self._read(
            "SELECT session FROM entry WHERE kind='begun' AND session NOT IN "
            "(SELECT session FROM entry WHERE kind='ended') ORDER BY seq"
        )
        return [row[0] for row in rows]

    def newest(self, *kinds: str) -> Entry | None:
        """The last entry of these kinds, whosever it is."""
        marks = ",".join("?" * len(kinds))
        rows = self._read(
            "SELECT seq, session, kind, facts FROM entry "  # noqa: S608 - question marks only
            f"WHERE kind IN ({marks}) ORDER BY seq DESC LIMIT 1",
            *kinds,
        )
        return next(
            (Entry(seq, of, kind, msgspec.json.decode(facts)) for seq, of, kind, facts in rows),
            None,
        )

    def purge_due(self) -> bool:
        """Whether a printer may still hold a page of somebody."""
        rows = self._read(
            "SELECT kind FROM entry WHERE kind IN ('purge-needed','purged') "
            "ORDER BY seq DESC LIMIT 1"
        )
        return next(rows, None) == ("purge-needed",)

    def slips_due(self) -> list[tuple[str, int, str]]:
        """(session, yen, case) of money certainly owed by sessions with an open case and no slip
        for it yet.

        One row a session, under its oldest such case: what is owed is promised once. Where nobody
        can tell whether a payout came out, a person looks before anything is promised.
        """
        due: dict[str, tuple[str, int, str]] = {}
        cases = self.cases()
        uncertain = {case.session for case in cases if case.code == "power.payout-unknown"}
        for case in cases:
            if case.session not in uncertain | due.keys() and case.code in (
                "claim",
                "power.money-owed",
            ):
                entries = self.entries(case.session)
                owed = sum(entry.facts["amount"] for entry in entries if entry.kind == "owed")
                on_slips = sum(entry.facts["amount"] for entry in entries if entry.kind == "slip")
                if owed > on_slips:
                    due[case.session] = (case.session, owed - on_slips, case.id)
        return list(due.values())

    # -- what is pending: outcomes for the city, cases for a person

    def _pending(self, kind: str) -> list[Entry]:
        rows = self._read(
            "SELECT seq, session, kind, facts FROM pending JOIN entry USING (seq) "
            "WHERE kind=? ORDER BY seq",
            kind,
        )
        return [Entry(seq, of, kind, msgspec.json.decode(facts)) for seq, of, kind, facts in rows]

    def report(self, outcome: Outcome) -> None:
        """An outcome for the city; the same one twice counts once."""
        known = (
            entry.facts["outcome"]
            for entry in self.entries(outcome.session)
            if entry.kind == "outcome"
        )
        with self.transaction():
            if outcome.outcome not in known:
                self.append([outcome_entry(outcome)])

    def undelivered(self) -> list[Outcome]:
        return [outcome_of(entry) for entry in self._pending("outcome")]

    def delivered(self, outcome: str) -> None:
        with self.transaction():
            for entry in self._pending("outcome"):
                if entry.facts["outcome"] == outcome:
                    self.write(entry.session, "delivered", outcome=outcome)

    def denied(self, outcome: Outcome, code: str) -> str:
        """The city's books say otherwise: not sent again, but a case, in one step. Its number, or
        "" the second time.
        """
        with self.transaction():
            if outcome.outcome not in (
                entry.facts["outcome"] for entry in self._pending("outcome")
            ):
                return ""
            self.write(outcome.session, "denied", outcome=outcome.outcome, code=code)
            return self.open_case(outcome.session, code, pauses=True)

    def open_case(self, session: str, code: str, *, pauses: bool) -> str:
        """Open a case, return its number."""
        case = new_id()
        self.write(session, "case", case=case, code=code, pauses=pauses)
        return case

    def cases(self) -> list[Case]:
        """Those still open, oldest first."""
        rows = self._read(
            "SELECT session, facts, at FROM pending JOIN entry USING (seq) "
            "WHERE kind='case' ORDER BY seq"
        )
        found = [(session, msgspec.json.decode(facts), at) for session, facts, at in rows]
        return [
            Case(f["case"], f["code"], session, bool(f["pauses"]), at) for session, f, at in found
        ]

    def paused(self) -> bool:
        return any(case.pauses for case in self.cases())

    def close_case(self, case: str, note: str) -> bool:
        """Reconciled by a person; False when there is no such open case."""
        with self.transaction():
            found = next((open_case for open_case in self.cases() if open_case.id == case), None)
            if found is None:
                return False
            self.write(found.session, "case-closed", case=case, note=note)
        return True
