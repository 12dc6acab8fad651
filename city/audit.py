"""The audit log: append-only, hash-chained, without content. Ids, codes, hashes and states; no name, no number."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from sqlalchemy import Connection, insert, select

from city.tables import audit

GENESIS: Final = "0" * 64


def append(connection: Connection, event: str, at: int, **ids: str | int) -> None:
    """Within the transaction that does what is logged: either both happen or neither."""
    last = connection.execute(select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, GENESIS)
    entry = msgspec.json.encode({"event": event, "at": at, **ids}, order="deterministic").decode()
    connection.execute(insert(audit).values(seq=seq, entry=entry, hash=_chain(previous, entry)))


def verify(connection: Connection) -> int:
    """How many entries there are, 0 included. Raises ValueError with the place where the chain is broken."""
    previous, count = GENESIS, 0
    for row in connection.execute(select(audit).order_by(audit.c.seq)):
        count += 1
        if row.seq != count or row.hash != _chain(previous, row.entry):
            raise ValueError(f"audit log broken at {row.seq}")
        previous = row.hash
    return count


def _chain(previous: str, entry: str) -> str:
    return hashlib.sha256(bytes.fromhex(previous) + entry.encode()).hexdigest()
