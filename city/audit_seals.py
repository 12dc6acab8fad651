"""How the log's entries come into its chain, and who signs for it.

Whoever looks after the log (`city.keeper` in each gateway, or a command that has written) chains
all entries that wait and signs the new head with the issuing key, in one transaction. On one
database one does this at a time. In what order entries come into the chain is the order of their
numbers within a batch: an entry whose transaction had ended before another's began always stands
before it.

Nothing is signed that does not go on from what was signed before. Where nothing was signed yet, or
by another key, a person says so once (`by_hand`): otherwise whoever removed the signatures would
get new ones for a chain of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, bindparam, func, insert, select, update

from city.tables import audit, audit_seals
from firmware.link import signing
from firmware.link.base import frame

GENESIS: Final = "0" * 64
BATCH: Final = 1000  # entries under one signature
LOCK: Final = 0x6D61646F_6C6F6731  # the one who seals has it until its transaction ends
_LAST: Final = (
    select(audit.c.position, audit.c.hash)
    .where(audit.c.position.is_not(None))
    .order_by(audit.c.position.desc())
    .limit(1)
)
_WAITING: Final = (
    select(audit.c.seq, audit.c.entry)
    .where(audit.c.position.is_(None))
    .order_by(audit.c.seq)
    .limit(BATCH)
)
_PLACE: Final = (
    update(audit)
    .where(audit.c.seq == bindparam("row"))
    .values(position=bindparam("place"), hash=bindparam("digest"))
)


@dataclass(frozen=True)
class Head:
    """So many entries, and the hash of the last: keep it elsewhere, and nothing before it can go
    unseen.
    """

    entries: int
    hash: str


@dataclass(frozen=True)
class Seal:
    """A signature over the chain's head at that time, in seconds since 1970. `key`: whose."""

    head: Head
    at: int
    key: bytes
    signature: bytes


class Unsealable(Exception):
    """The chain does not go on from what was signed before; or, `unsigned`, nothing was signed yet
    by this key. One line.
    """

    def __init__(self, text: str, unsigned: bool = False) -> None:
        super().__init__(text)
        self.unsigned = unsigned


def chain(previous: str, entry: bytes) -> str:
    return hashlib.sha256(previous.encode() + entry).hexdigest()


def signed_by(seal: Seal, keys: Collection[Ed25519PublicKey]) -> bool:
    return any(signing.reference(key) == seal.key and _verifies(seal, key) for key in keys)


def seal(
    connection: Connection, key: Ed25519PrivateKey, at: int, by_hand: bool = False
) -> Head | None:
    """Chain what waits, at most BATCH entries, and sign. The newest head; None when another is at
    it. Raises Unsealable.
    """
    if not _alone(connection):
        return None
    last = connection.execute(_LAST).first()
    head = Head(last.position, last.hash) if last else Head(0, GENESIS)
    newest = _newest(connection)
    if not by_hand:
        _require_signed(head, newest, key.public_key())
    waiting = connection.execute(_WAITING).all()
    places = []
    for row in waiting:
        head = Head(head.entries + 1, chain(head.hash, row.entry.encode()))
        places.append({"row": row.seq, "place": head.entries, "digest": head.hash})
    if places:
        connection.execute(_PLACE, places)
    if head.entries and (newest is None or newest.head != head):
        _sign(connection, key, head, at)
    return head


def newest_head(connection: Connection) -> Head | None:
    """Of the newest signature, whoever made it."""
    newest = _newest(connection)
    return newest.head if newest else None


def holds(connection: Connection, head: Head) -> bool:
    """Whether the chain still has this head, and a signature over it. An empty log has none."""
    if not head.entries:
        return True
    there = (
        select(audit.c.hash, audit_seals.c.hash)
        .join_from(audit, audit_seals, audit_seals.c.entries == audit.c.position)
        .where(audit.c.position == head.entries)
    )
    return connection.execute(there).first() == (head.hash, head.hash)


def _alone(connection: Connection) -> bool:
    """SQLite has one writer at a time, and that is this transaction."""
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(LOCK))).scalar())


def _require_signed(head: Head, newest: Seal | None, key: Ed25519PublicKey) -> None:
    if newest is None:
        if head.entries:
            raise Unsealable("the log bears no signature yet: run `kiosk city audit seal`", True)
        return
    if newest.head != head:
        raise Unsealable(f"the log's end is not what was signed: {head.entries} entries")
    if newest.key != signing.reference(key):
        raise Unsealable("another key signed the log last: run `kiosk city audit seal`", True)
    if not _verifies(newest, key):
        raise Unsealable(f"the signature over {head.entries} entries is not this city's")


def _sign(connection: Connection, key: Ed25519PrivateKey, head: Head, at: int) -> None:
    values = {
        "entries": head.entries,
        "hash": head.hash,
        "at": at,
        "key": signing.reference(key.public_key()),
        "signature": key.sign(_signed(head, at)),
    }
    connection.execute(insert(audit_seals).values(values))


def _newest(connection: Connection) -> Seal | None:
    row = connection.execute(
        select(audit_seals).order_by(audit_seals.c.entries.desc()).limit(1)
    ).first()
    return _seal(row) if row else None


def _seal(row: Any) -> Seal:
    return Seal(Head(row.entries, row.hash), row.at, row.key, row.signature)


def _verifies(seal: Seal, key: Ed25519PublicKey) -> bool:
    try:
        key.verify(seal.signature, _signed(seal.head, seal.at))
    except InvalidSignature:
        return False
    return True


def _signed(head: Head, at: int) -> bytes:
    """Apart from all else that this key signs."""
    return frame(
        b"madoguchi audit seal v1", str(head.entries).encode(), head.hash.encode(), str(at).encode()
    )
