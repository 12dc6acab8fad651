"""What is wrong with a city's log and orders, found by SQL, SHA-256 and Ed25519 alone: nothing of
the product is asked.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Engine, text


@dataclass
class Log:
    """As it stands in the database. `chained`: entries by their place; `waiting`: without one."""

    chained: dict[int, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    @property
    def entries(self) -> list[dict[str, Any]]:
        """In the chain's order, and then those that wait."""
        ordered = [self.chained[place] for place in sorted(self.chained)]
        return [json.loads(entry) for entry in (*ordered, *self.waiting)]


def read(engine: Engine) -> Log:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT position, entry FROM audit ORDER BY seq")).all()
    return Log(
        {place: entry for place, entry in rows if place is not None},
        [entry for place, entry in rows if place is None],
    )


def faults(engine: Engine, key: Ed25519PublicKey) -> Iterator[str]:
    """Of the chain and of the signatures over it."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT position, entry, hash FROM audit WHERE position IS NOT NULL ORDER BY 1")
        ).all()
        seals = connection.execute(
            text("SELECT entries, hash, at, signature FROM audit_seals ORDER BY 1")
        ).all()
        half = "SELECT count(*) FROM audit WHERE (position IS NULL) <> (hash IS NULL)"
        if connection.execute(text(half)).scalar():
            yield "an entry has a hash and no place, or a place and no hash"
    places = [row.position for row in rows]
    if places != list(range(1, len(rows) + 1)):
        yield f"places are {places}"
    before = "0" * 64
    for place, entry, found in rows:
        before = hashlib.sha256(before.encode() + entry.encode()).hexdigest()
        if found != before:
            yield f"entry {place} is not chained to the one before"
    hashes = {row.position: row.hash for row in rows}
    for entries, found, at, signature in seals:
        if hashes.get(entries) != found:
            yield f"the signature over {entries} entries is over another chain"
        try:
            key.verify(bytes(signature), signed(entries, found, at))
        except InvalidSignature:
            yield f"the signature over {entries} entries is not the city's"
    if rows and (not seals or seals[-1].entries != len(rows)):
        yield "the chain's end bears no signature"


def signed(entries: int, digest: str, at: int) -> bytes:
    """Four parts, each behind its length in four bytes (docs/database.md)."""
    parts = (b"madoguchi audit seal v1", str(entries).encode(), digest.encode(), str(at).encode())
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def books(engine: Engine) -> Iterator[str]:
    """Whether the log says of each order what became of it, once."""
    log = read(engine).entries
    with engine.connect() as connection:
        orders = connection.execute(text('SELECT "order", state, unique_number FROM orders')).all()
        outcomes = connection.execute(text('SELECT outcome, "order" FROM outcomes')).all()
        sessions = connection.execute(text("SELECT session, card FROM sessions")).all()
    told = {
        name: Counter(entry[of] for entry in log if entry["event"] == name)
        for name, of in (
            ("session", "session"),
            ("reserved", "order"),
            ("issued", "order"),
            ("outcome", "outcome"),
        )
    }
    there = {
        "session": Counter(row.session for row in sessions if row.card),
        "reserved": Counter(row.order for row in orders),
        "issued": Counter(row.order for row in orders if row.state == "issued"),
        "outcome": Counter(row.outcome for row in outcomes),
    }
    for name, counted in told.items():
        if counted != there[name]:
            yield f"{name}: the log has {counted - there[name]} more, {there[name] - counted} less"
    numbers = Counter(row.unique_number for row in orders)
    yield from (f"number {name} twice" for name, times in numbers.items() if times > 1)
    yield from _out_of_order(log)


def _out_of_order(log: list[dict[str, Any]]) -> Iterator[str]:
    """What came of something stands behind it, and nothing is issued in a session that ended."""
    happened: set[tuple[str, str]] = set()
    for entry in log:
        event, order = entry["event"], entry.get("order", "")
        if event == "reserved" and ("session", entry["session"]) not in happened:
            yield f"{order} reserved before its session"
        if event == "issued" and ("reserved", order) not in happened:
            yield f"{order} issued before it was reserved"
        if event in ("issued", "reserved") and ("ended", entry["session"]) in happened:
            yield f"{order} {event} after its session had ended"
        happened.add(
            (event, order if event in ("reserved", "issued") else entry.get("session", ""))
        )
