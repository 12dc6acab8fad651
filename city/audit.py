"""The audit log: append-only, hash-chained, without content. Ids, codes, hashes and states; no
name, no number.

Every entry holds the hash of the one before it, so no entry can be changed, moved or taken out from
between others unseen. That the newest have not been cut off is seen by who keeps a head elsewhere:
`verify` tells it, and takes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, LargeBinary, cast, func, insert, select

from city.tables import archives, audit

GENESIS: Final = "0" * 64
PIECE: Final = 1000  # rows in memory at once


@dataclass(frozen=True)
class Head:
    """So many entries, and the hash of the last: keep it elsewhere, and nothing before it can go
    unseen.
    """

    entries: int
    hash: str


@dataclass(frozen=True)
class Verdict:
    """`head` is that of the sound entries; `broken` the first that is missing, changed or out of
    order.
    """

    head: Head
    broken: int | None = None


def append(connection: Connection, event: str, at: int, **ids: str | int) -> None:
    """Within the transaction that does what is logged: either both happen or neither.

    Two that append at once have the same `seq`: the second fails on the primary key, and its
    transaction is repeated.
    """
    last = connection.execute(
        select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
    ).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, GENESIS)
    entry = msgspec.json.encode({"event": event, "at": at, **ids}, order="deterministic")
    connection.execute(
        insert(audit).values(seq=seq, entry=entry.decode(), hash=_chain(previous, entry))
    )


def archived(connection: Connection) -> Head:
    """Up to here the log lies in signed files, and goes on from it; `GENESIS` without any."""
    newest = select(archives.c.last, archives.c.hash).order_by(archives.c.last.desc()).limit(1)
    row = connection.execute(newest).first()
    return Head(row.last, row.hash) if row else Head(0, GENESIS)


def verify(connection: Connection, kept: Head | None = None) -> Verdict:
    """Follow the chain to its end, and through the head that was kept elsewhere. What lies in an
    archive is not looked at: `kiosk city retention verify` reads those files.
    """
    begin = archived(connection)
    sqlite = connection.dialect.name == "sqlite"
    columns = (audit.c.seq, _bytes(audit.c.entry, sqlite), _bytes(audit.c.hash, sqlite))
    rows = connection.execute(
        select(*columns)
        .where(audit.c.seq > begin.entries)  # what is archived may not be deleted yet
        .order_by(audit.c.seq)
        .execution_options(yield_per=PIECE)
    )
    head = begin
    if kept is not None and kept.entries == begin.entries and kept.hash != begin.hash:
        return Verdict(head, kept.entries)
    for seq, entry, found in rows:
        following = Head(head.entries + 1, _chain(head.hash, entry))
        forged = (
            kept is not None and following.entries == kept.entries and following.hash != kept.hash
        )
        if seq != following.entries or found != following.hash.encode() or forged:
            return Verdict(head, following.entries)
        head = following
    return Verdict(
        head, head.entries + 1 if kept is not None and head.entries < kept.entries else None
    )


def mentioning(connection: Connection, id_: str) -> list[str]:
    """The entries that name this id, in order. Looks at all of them: for a person, not for the
    gateway.
    """
    which = audit.c.entry.contains(f'"{id_}"', autoescape=True)
    return list(
        connection.execute(select(audit.c.entry).where(which).order_by(audit.c.seq)).scalars()
    )


def _bytes(column: ColumnElement[str], sqlite: bool) -> ColumnElement[Any]:
    """As stored: what somebody wrote into the file need not even be text."""
    return cast(column, LargeBinary) if sqlite else func.convert_to(column, "UTF8")


def _chain(previous: str, entry: bytes) -> str:
    return hashlib.sha256(previous.encode() + entry).hexdigest()
