"""The audit log: append-only, hash-chained, signed, without content. Ids, codes, hashes and states;
no name, no number.

An entry is a row that the transaction adds which does what it says. No request waits for another's:
the rows are put into the chain afterwards, in batches, and each batch ends with a signature over
the chain's head (`city.audit_seals`). Older entries lie in signed files (`city.retention.archive`).

Every entry in the chain holds the hash of the one before it, so no entry can be changed, moved or
taken out from between others unseen, and nobody without the key can write the chain anew. That the
newest batches have not been cut off is seen by who keeps a head elsewhere: `verify` tells it, and
takes it. An entry that waits for its place is protected by the database's own guards alone.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import ColumnElement, Connection, LargeBinary, cast, func, insert, select

from city.audit_seals import GENESIS, Head, Seal, chain, signed_by
from city.tables import archives, audit, audit_seals

PIECE: Final = 1000  # rows in memory at once
_ADD: Final = insert(audit).inline()  # what number it gets nobody asks


@dataclass(frozen=True)
class Verdict:
    """`head` is that of the sound entries; `broken` the first that is missing, changed, out of
    order or, where signatures were asked for, under none. `unsigned`: no part of the log bears a
    signature. `waiting` entries are not in the chain yet, the oldest for `waits_s` seconds.
    """

    head: Head
    broken: int | None = None
    waiting: int = 0
    waits_s: int = 0
    unsigned: bool = False


def append(connection: Connection, event: str, at: int, **ids: str | int) -> None:
    """Within the transaction that does what is logged: either both happen or neither."""
    entry = msgspec.json.encode({"event": event, "at": at, **ids}, order="deterministic")
    connection.execute(_ADD, {"entry": entry.decode(), "written": int(time.time())})


def archived(connection: Connection) -> Head:
    """Up to here the log lies in signed files, and goes on from it; `GENESIS` without any."""
    newest = select(archives.c.last, archives.c.hash).order_by(archives.c.last.desc()).limit(1)
    row = connection.execute(newest).first()
    return Head(row.last, row.hash) if row else Head(0, GENESIS)


def verify(
    connection: Connection,
    kept: Head | None = None,
    keys: Collection[Ed25519PublicKey] | None = None,
) -> Verdict:
    """Follow the chain to its end, and through the head that was kept elsewhere; with `keys`, the
    signatures too: each must be right, and the last must be over the chain's end. What lies in an
    archive is not looked at: `kiosk city retention verify` reads those files.
    """
    last = connection.execute(select(func.max(audit_seals.c.entries))).scalar() or 0
    head, broken = _follow(connection, kept, keys, last)
    if broken is None and kept is not None and head.entries < kept.entries:
        broken = head.entries + 1
    waiting, oldest = connection.execute(
        select(func.count(), func.min(audit.c.written)).where(audit.c.position.is_(None))
    ).one()
    waits_s = max(0, int(time.time()) - oldest) if waiting else 0
    return Verdict(head, broken, waiting, waits_s, unsigned=head.entries > 0 and not last)


def _follow(
    connection: Connection,
    kept: Head | None,
    keys: Collection[Ed25519PublicKey] | None,
    last: int,
) -> tuple[Head, int | None]:
    """The last sound entry, and the first that is not. `last`: where the newest signature ends."""
    begin = archived(connection)
    if kept is not None and kept.entries == begin.entries and kept.hash != begin.hash:
        return begin, kept.entries
    head, covered = begin, begin.entries
    for position, entry, found, *signed in _in_chain(connection, begin):
        following = Head(head.entries + 1, chain(head.hash, entry))
        forged = kept is not None and (
            following.entries == kept.entries and following.hash != kept.hash
        )
        if position != following.entries or found != following.hash.encode() or forged:
            return head, following.entries
        if keys is not None and signed[0] is not None:
            seal = Seal(Head(position, signed[0]), *signed[1:])
            if seal.head != following or not signed_by(seal, keys):
                return head, covered + 1
            covered = position
        head = following
    signed = max(last, begin.entries)
    if keys is None or not last or signed == head.entries:
        return head, None
    return head, min(signed, head.entries) + 1


def _in_chain(connection: Connection, begin: Head) -> Any:
    """Place, entry and hash as stored, and what a signature that ends there is made of. What is
    archived may not be deleted yet.
    """
    sqlite = connection.dialect.name == "sqlite"
    seals = audit_seals.c
    columns = (audit.c.position, _bytes(audit.c.entry, sqlite), _bytes(audit.c.hash, sqlite))
    return connection.execute(
        select(*columns, seals.hash, seals.at, seals.key, seals.signature)
        .outerjoin_from(audit, audit_seals, seals.entries == audit.c.position)
        .where(audit.c.position > begin.entries)
        .order_by(audit.c.position)
        .execution_options(yield_per=PIECE)
    )


def mentioning(connection: Connection, id_: str) -> list[str]:
    """The entries that name this id, in order. Looks at all of them: for a person, not for the
    gateway.
    """
    which = audit.c.entry.contains(f'"{id_}"', autoescape=True)
    return list(
        connection.execute(select(audit.c.entry).where(which).order_by(audit.c.seq)).scalars()
    )


def _bytes(column: ColumnElement[Any], sqlite: bool) -> ColumnElement[Any]:
    """As stored: what somebody wrote into the file need not even be text."""
    return cast(column, LargeBinary) if sqlite else func.convert_to(column, "UTF8")
