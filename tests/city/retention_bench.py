"""A database of old journeys, cases and log entries, and what must become of them, judged without
the product's statements.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from city_bench import AKASHI
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, insert, select

from city import audit, audit_seals, municipality, tables
from city.clock import JST
from city.database import Mode, transact
from city.keeping import Retention
from city.retention.run import Books

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=JST)
DAY = 86_400
SEALER = Ed25519PrivateKey.generate()  # signs the log


def at(day: date, hour: int = 12) -> int:
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=JST).timestamp())


def terms() -> Retention:
    found = municipality.load(AKASHI).retention
    assert found is not None
    return found


@dataclass
class Old:
    """One journey as it was written, and why it must stay ("" when nothing holds it)."""

    ends: int
    kiosk: str
    held: str
    session: str = field(default_factory=lambda: secrets.token_hex(16))
    order: str = field(default_factory=lambda: secrets.token_hex(16))
    outcome: str = field(default_factory=lambda: secrets.token_hex(16))
    number: str = field(default_factory=lambda: secrets.token_hex(6).upper())
    card: str = field(default_factory=lambda: secrets.token_hex(32))
    seed: bytes = field(default_factory=lambda: secrets.token_bytes(32))


HELD = ("session case", "order case", "outcome case", "kiosk case", "hold", "untold", "reserved")


def journeys(seed: int, count: int = 40) -> list[Old]:
    """Around every border of the sample's periods, and held in every way."""
    drawn = random.Random(seed)
    borders = [date(2021, 4, 1), date(2025, 11, 24), date(2026, 11, 24)]
    found = []
    for n in range(count):
        ends = at(borders[n % 3], 0) + drawn.choice((-400 * DAY, -1, 0, 1, 30 * DAY))
        held = drawn.choice((*[""] * 8, *HELD))
        kiosk = "kiosk-held" if held == "kiosk case" else "kiosk-1"
        found.append(Old(min(ends, at(NOW.date(), 1)), kiosk, held))
    return found


def write(connection: Connection, old: Old) -> None:
    reserved, untold = old.held == "reserved", old.held == "untold"
    put = connection.execute
    put(
        insert(tables.sessions).values(
            session=old.session,
            kiosk=old.kiosk,
            state="ended",
            ends=old.ends,
            card=old.card,
            document_key=old.seed,
            commitment_seed=old.seed,
            record_version=7,
        )
    )
    put(
        insert(tables.orders).values(
            order=old.order,
            session=old.session,
            kiosk=old.kiosk,
            state="reserved" if reserved else "issued",
            kind="inkan",
            request_sha256="",
            document_sha256="",
            unique_number=old.number,
            record_version=7,
            fee=300,
            sheets=1,
        )
    )
    if not (untold or reserved):
        body = f'{{"outcome":"{old.outcome}"}}'.encode()
        put(
            insert(tables.outcomes).values(
                outcome=old.outcome, order=old.order, kiosk=old.kiosk, body=body
            )
        )
    if old.held == "hold":
        put(insert(tables.holds).values(session=old.session, since=1, note="a dispute"))
    if old.held.endswith(" case"):
        _open_case(connection, old)


def _open_case(connection: Connection, old: Old) -> None:
    names = {"kiosk": "", "kind": "", "session": "", "order": "", "outcome": ""}
    what = old.held.removesuffix(" case")
    names[what] = getattr(old, what)
    known = select(tables.cases.c.case).where(
        *(tables.cases.c[key] == value for key, value in names.items())
    )
    if connection.execute(known).first():
        return
    values = {"case": secrets.token_hex(16), "code": "mix-up", "opened": 1, "note": ""}
    connection.execute(insert(tables.cases).values(**values, **names))


def log(engine: Engine, moments: list[int]) -> None:
    def all_of_it(connection: Connection) -> None:
        for moment in moments:
            audit.append(connection, "test", moment, order="0" * 32)

    transact(engine, Mode.DECIDE, all_of_it)
    transact(engine, Mode.STEP, lambda connection: audit_seals.seal(connection, SEALER, 0))


def books(engine: Engine, folder: Path, key: Ed25519PrivateKey, now: datetime = NOW) -> Books:
    return Books(engine, terms(), folder, key, now)


def months_of_log() -> list[int]:
    """Twice a month, for five years."""
    begin = date(2021, 12, 1)
    return [at(begin + timedelta(days=15 * n)) for n in range(121)]


def everything(engine: Engine) -> Iterator[tuple[str, tuple[object, ...]]]:
    """All rows but those that say when a run was."""
    with engine.connect() as connection:
        for table in tables.metadata.sorted_tables:
            if table.name in ("retention", "audit"):
                continue
            for row in connection.execute(select(table).order_by(*table.primary_key)):
                yield table.name, tuple(row)
