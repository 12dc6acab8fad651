"""The log's older entries go into signed files, and the chain goes on from the newest of them.

An archive is a text file: a line that says what it is, then one line for each entry, as JSON: its
number, its hash, and the entry exactly as it was chained. The order of steps makes a kill harmless:
the file and its signature are on the disk before the database names them, and the database refuses
to delete an entry before it does (`migrations/versions/0008_retention.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, delete, func, insert, select

from city import signed_files
from city.audit import PIECE, archived
from city.audit_seals import GENESIS, Head
from city.audit_seals import chain as chained
from city.retention.due import FIRST_CARDS
from city.tables import archives, audit, audit_seals, holds, still_open

KIND: Final = "madoguchi audit archive v1"
PIECE_DELETED: Final = 500


class ArchiveError(Exception):
    """One line: the log or an archive is not as it was written."""


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seq: int
    hash: str
    entry: str


class _Told(msgspec.Struct, frozen=True):
    at: int


@dataclass(frozen=True)
class Archive:
    first: int
    last: Head
    newest: int  # seconds: when its newest entry was written

    @property
    def name(self) -> str:
        return f"log-{self.first:012d}-{self.last.entries:012d}.jsonl"


def write(
    connection: Connection, folder: Path, key: Ed25519PrivateKey, before: int
) -> Archive | None:
    """All entries from the oldest on that were written before this second, in a signed file that
    the database does not name yet. None: nothing to do. The newest entry of the log stays, since
    the next one is chained to it.

    Raises ArchiveError when the chain does not hold, OSError.
    """
    begin = archived(connection)
    _clean(folder, begin.entries + 1)
    newest = connection.execute(select(func.max(audit.c.position))).scalar() or 0
    part = folder / f".log-{begin.entries + 1:012d}.part"
    head, at = begin, 0
    with part.open("wb") as file:
        file.write(f"# {KIND}\n".encode())
        for line in _entries(connection, begin, newest):
            told = msgspec.json.decode(line.entry, type=_Told).at
            if told >= before:
                break
            head, at = Head(line.seq, line.hash), max(at, told)
            file.write(msgspec.json.encode(line) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if head == begin:
        part.unlink()
        return None
    made = Archive(begin.entries + 1, head, at)
    signed_files.settle(part, folder / made.name)
    signed_files.sign(folder / made.name, key)
    return made


def _entries(connection: Connection, begin: Head, newest: int) -> Iterator[_Line]:
    """In order, each chained to the one before; without the newest one of the log."""
    rows = connection.execute(
        select(audit.c.position, audit.c.hash, audit.c.entry)
        .where(audit.c.position > begin.entries, audit.c.position < newest)
        .order_by(audit.c.position)
        .execution_options(yield_per=PIECE)
    )
    head = begin
    for seq, digest, entry in rows:
        if seq != head.entries + 1 or digest != chained(head.hash, entry.encode()):
            raise ArchiveError(
                f"the log is broken at entry {head.entries + 1}: nothing is archived"
            )
        head = Head(seq, digest)
        yield _Line(seq, digest, entry)


def count(connection: Connection, before: int) -> int:
    """Entries that `write` would archive now, and those that lie in an archive already."""
    begin = archived(connection)
    newest = connection.execute(select(func.max(audit.c.position))).scalar() or 0
    which = select(func.count()).select_from(audit).where(audit.c.position <= begin.entries)
    rows: int = connection.execute(which).scalar_one()
    for line in _entries(connection, begin, newest):
        if msgspec.json.decode(line.entry, type=_Told).at >= before:
            break
        rows += 1
    return rows


def _clean(folder: Path, first: int) -> None:
    """What a run left that was killed before the database knew of its file."""
    for pattern in (f"log-{first:012d}-*", ".log-*.part"):
        for left in folder.glob(pattern):
            left.unlink()


def name_it(connection: Connection, folder: Path, made: Archive) -> None:
    """From here on the chain begins behind it, and the entries may go."""
    connection.execute(
        insert(archives).values(
            last=made.last.entries,
            hash=made.last.hash,
            first=made.first,
            newest=made.newest,
            sha256=signed_files.sha256_of(folder / made.name),
        )
    )


def remove(connection: Connection) -> int:
    """One piece of what lies in an archive; 0 when nothing is left."""
    last = archived(connection).entries
    oldest = select(audit.c.position).where(audit.c.position <= last).order_by(audit.c.position)
    found = connection.execute(oldest.limit(PIECE_DELETED)).scalars().all()
    if found:  # the file has its own signature, and the next one in the log is over all before it
        connection.execute(delete(audit_seals).where(audit_seals.c.entries <= found[-1]))
    return connection.execute(delete(audit).where(audit.c.position.in_(found))).rowcount


def listed(connection: Connection) -> list[tuple[Archive, str]]:
    """Oldest first, with the hash of the file."""
    rows = connection.execute(select(archives).order_by(archives.c.last))
    return [(Archive(r.first, Head(r.last, r.hash), r.newest), r.sha256) for r in rows]


def due_files(connection: Connection, folder: Path, cutoff: int) -> list[Path]:
    """Files over their period, but for those of an impossible date. None while anything is on hold
    or any case is open: the log is what such a matter is judged by.
    """
    waiting = select(func.count()).select_from(holds).scalar_subquery()
    if (
        connection.execute(select(waiting)).scalar()
        or connection.execute(select(func.count()).where(still_open)).scalar()
    ):
        return []
    names = (
        folder / each.name for each, _ in listed(connection) if FIRST_CARDS <= each.newest < cutoff
    )
    return [
        path for name in names for path in (name, signed_files.signature_of(name)) if path.exists()
    ]


def faults(
    connection: Connection, folder: Path, key: Ed25519PublicKey, gone_before: int
) -> Iterator[str]:
    """What is wrong with the archives; nothing when each is whole, signed, and chained to the next
    one and to the log. A file whose newest entry is older than `gone_before` may be missing.
    """
    head = Head(0, GENESIS)
    for each, digest in listed(connection):
        path = folder / each.name
        if each.first != head.entries + 1:
            yield f"{each.name}: does not follow entry {head.entries}"
        elif path.exists():
            yield from _faults_of(path, each, digest, key, head)
        elif each.newest >= gone_before:
            yield f"{each.name}: missing"
        head = each.last


def _faults_of(
    path: Path, each: Archive, digest: str, key: Ed25519PublicKey, head: Head
) -> Iterator[str]:
    if signed_files.sha256_of(path) != digest:
        yield f"{path.name}: not the file that was archived"
        return
    if not signed_files.signature_of(path).exists() or not signed_files.holds(path, key):
        yield f"{path.name}: the signature does not hold"
    if chain_of(path, head) != each.last:
        yield f"{path.name}: its chain does not hold"


def chain_of(path: Path, head: Head) -> Head | None:
    """Where the chain of this file ends when it begins behind `head`. None: it is broken."""
    with path.open("rb") as file:
        if file.readline() != f"# {KIND}\n".encode():
            return None
        for text in file:
            try:
                line = msgspec.json.decode(text, type=_Line)
            except msgspec.DecodeError:
                return None
            if line.seq != head.entries + 1 or line.hash != chained(head.hash, line.entry.encode()):
                return None
            head = Head(line.seq, line.hash)
    return head
