"""The city's database: SQLAlchemy Core, SQLite embedded, PostgreSQL when it grows.

Uniqueness is the database's: challenges, sessions, orders, unique numbers and outcomes are primary or unique keys, and
one session has at most one reserved order. No table is keyed by a clock. Times are seconds since 1970.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
)
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.schema import DDL

metadata = MetaData()

households = Table("households", metadata, Column("id", String(64), primary_key=True))

residents = Table(
    "residents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("household", ForeignKey("households.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("kana", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("former_surname", Text, nullable=False, server_default=""),
    Column("sex", String(8), nullable=False),
    Column("birth", Date, nullable=False),
    Column("standing", String(16), nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("relationship", Text, nullable=False),
    Column("resident_since", Date, nullable=False),
    Column("address", Text, nullable=False),
    Column("settled_on", Date, nullable=False),
    Column("notified_on", Date, nullable=False),
    Column("previous_address", Text, nullable=False),
    Column("domicile", Text, nullable=False),
    Column("domicile_head", Text, nullable=False),
    Column("nationality", Text, nullable=False),
    Column("residence_status", Text, nullable=False),
    Column("residence_period", Text, nullable=False),
    Column("residence_until", Date),
    Column("residence_card", Text, nullable=False),
    Column("mynumber", String(12), nullable=False),
)

seals = Table(
    "seals",
    metadata,
    Column("resident", ForeignKey("residents.id"), primary_key=True),
    Column("registered_on", Date, nullable=False),
    Column("deregistered_on", Date),
    Column("imprint", LargeBinary, nullable=False),
)

taxes = Table(
    "taxes",
    metadata,
    Column("resident", ForeignKey("residents.id"), primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("standing", String(16), nullable=False),
    Column("address", Text, nullable=False),
    Column("amounts", JSON, nullable=False),
)

cards = Table(
    "cards",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("resident", ForeignKey("residents.id"), nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("continued_on", Date),
    Column("revoked", Boolean, nullable=False),
)

# Which certificates kiosks showed or were given. A kiosk that lost one through revocation is trusted by listing only.
kiosk_certificates = Table(
    "kiosk_certificates",
    metadata,
    Column("fingerprint", String(64), primary_key=True),  # SHA-256 of the DER
    Column("kiosk", String(64), nullable=False, index=True),
    Column("key", String(64), nullable=False),  # SHA-256 of its SubjectPublicKeyInfo
    Column("not_after", BigInteger, nullable=False),
    Column("revoked", Boolean, nullable=False),
    Column("certificate", LargeBinary, nullable=False),  # DER
    UniqueConstraint("kiosk", "key"),
)

challenges = Table(
    "challenges",
    metadata,
    Column("challenge", String(64), primary_key=True),
    Column("kiosk", String(64), nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
    Column("used", Boolean, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session", String(32), primary_key=True),
    Column("kiosk", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # open, ended
    Column("ends", BigInteger, nullable=False),
    Column("card", String(64)),  # fingerprint; NULL when the session was cancelled before it arrived
    Column("document_key", LargeBinary),
    Index("sessions_by_end", "state", "ends"),
)

orders = Table(
    "orders",
    metadata,
    Column("order", String(32), primary_key=True),
    Column("session", ForeignKey("sessions.session"), nullable=False),
    Column("kiosk", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # reserved -> issued | void, once
    Column("kind", String(64), nullable=False),
    Column("request_sha256", String(64), nullable=False),
    Column("document_sha256", String(64), nullable=False),
    Column("unique_number", String(32), nullable=False, unique=True),
    Column("record_version", BigInteger, nullable=False),
    Column("fee", Integer, nullable=False),
    # what a repeated request is answered with; NULL once issued or void. `sealed` opens at one kiosk only
    Column("manifest", LargeBinary),
    Column("signature", LargeBinary),
    Column("sealed", LargeBinary),
)
reserved = orders.c.state == "reserved"
Index("one_reserved_order", orders.c.session, unique=True, sqlite_where=reserved, postgresql_where=reserved)

outcomes = Table(
    "outcomes",
    metadata,
    Column("outcome", String(32), primary_key=True),
    Column("order", ForeignKey("orders.order"), nullable=False),
    Column("kiosk", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),  # the message: ids, counts and amounts
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("entry", Text, nullable=False),  # JSON, canonical: time, event, ids, codes
    Column("hash", String(64), nullable=False),  # SHA-256 over the previous hash and the entry
)
for verb in ("UPDATE", "DELETE"):
    text = (
        f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit BEGIN SELECT RAISE(ABORT, 'append-only'); END"
    )
    trigger = DDL(text)  # type: ignore[no-untyped-call]
    event.listen(audit, "after_create", trigger.execute_if(dialect="sqlite"))


class DatabaseError(Exception):
    """The database cannot be opened: one line for the person who starts the gateway."""


def connect(url: str) -> Engine:
    """An engine with all tables there. Raises DatabaseError."""
    try:
        sqlite = make_url(url).get_backend_name() == "sqlite"
        if sqlite:
            engine = create_engine(url, connect_args={"timeout": 5.0})
            event.listen(engine, "connect", _pragmas)
            event.listen(engine, "begin", _begin_immediate)
        else:
            engine = create_engine(url, isolation_level="SERIALIZABLE", pool_pre_ping=True)
        metadata.create_all(engine)
    except (ArgumentError, SQLAlchemyError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DatabaseError(f"database cannot be opened: {reason}") from None
    return engine


def _pragmas(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    raw: Any = connection
    raw.isolation_level = None  # BEGIN is ours, below
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        raw.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock first: what a transaction has read cannot change before it writes."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
