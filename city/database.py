"""The city's database: SQLite embedded, PostgreSQL when it grows; its engine, its transactions, its
conflicts.

Nothing is locked in memory: N gateway processes on one database behave as one. A transaction has
one of three modes:

- `read`: one consistent picture; waits for nobody, decides nothing.
- `step`: what requests decide. It locks the rows that it relies on, before it reads what hangs on
  them, and its conditions stand in its statements. It waits only for who works on the same session,
  order or household.
- `decide`: what people decide at a terminal, and what is rare: serializable, and one at a time.

`decide` takes its lock before it reads: PostgreSQL takes a serializable transaction's snapshot at
its first query, and LOCK is none. The lock saves repetitions only: without it the isolation level
refuses the same, which a test shows.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from typing import Any, Final, TypeVar

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.pool import ConnectionPoolEntry

from city import schema

T = TypeVar("T")

CONNECTIONS: Final = 4  # as many as the gateway has threads by default
WAIT_S: Final = 5.0  # for a free connection, or for SQLite's one writer
CONNECT_S: Final = 3
STATEMENT_MS: Final = 5000
LOCK_MS: Final = 3000
IDLE_MS: Final = (
    5000  # a process that stands still within a transaction loses it, and the others go on
)
DEAD_LINE_MS: Final = 5000  # a network that swallows everything is noticed

# readers do not wait, and requests write elsewhere
LOCK_DECIDE: Final = "LOCK TABLE kiosk_certificates IN SHARE ROW EXCLUSIVE MODE"

# SQLSTATE: serialization_failure, deadlock_detected, unique_violation (another one was there first:
# now it is seen).
CONFLICTS: Final = frozenset({"40001", "40P01", "23505"})
ATTEMPTS: Final = 6
WARNED: Final = "warned"
PAUSE_S: Final = 0.01  # longest wait before the second attempt; doubled each time
DEFECTS: Final = (
    ProgrammingError,
    DataError,
    IntegrityError,
    NotSupportedError,
)  # ours, not the database's


class Mode(Enum):
    """SQLite's BEGIN, PostgreSQL's isolation level."""

    READ = ("BEGIN", "REPEATABLE READ")
    STEP = ("BEGIN IMMEDIATE", "READ COMMITTED")
    DECIDE = ("BEGIN IMMEDIATE", "SERIALIZABLE")


class DatabaseError(Exception):
    """The database cannot be used: one line for the person at the terminal."""


class Unavailable(Exception):
    """The database is away, overloaded or in conflict: nothing was done, or, when COMMIT went
    unanswered, all of it.
    """


def connect(url: str, connections: int = CONNECTIONS) -> Engine:
    """An engine on a database whose schema is this build's; an embedded one is made, or brought up
    to date.

    `connections` is the most this process holds at once. Raises DatabaseError.
    """
    engine = open_engine(url, connections)
    embedded = engine.dialect.name == "sqlite"
    try:
        schema.upgrade(engine) if embedded else schema.require_current(engine)
    except (schema.SchemaError, SQLAlchemyError) as error:
        engine.dispose()
        raise _cannot_open(error) from None
    return engine


def migrate(url: str) -> tuple[str, str]:
    """Bring the schema up to date: its version before and after. Raises DatabaseError."""
    engine = open_engine(url, 1, schema.WAIT_S)
    try:
        return schema.upgrade(engine)
    except (schema.SchemaError, SQLAlchemyError) as error:
        raise _cannot_open(error) from None
    finally:
        engine.dispose()


def open_engine(url: str, connections: int, wait_s: float = WAIT_S) -> Engine:
    """An engine, whatever the schema; `wait_s` for SQLite's one writer.

    Raises DatabaseError when the URL is none or its driver is missing.
    """
    try:
        backend = make_url(url).get_backend_name()
        if backend == "sqlite":
            return _sqlite(url, connections, wait_s)
        if backend == "postgresql":
            return _postgresql(url, connections)
    except (ArgumentError, SQLAlchemyError, ImportError) as error:
        raise _cannot_open(error) from None
    raise DatabaseError(f"database cannot be opened: neither SQLite nor PostgreSQL: {backend}")


def _cannot_open(error: Exception) -> DatabaseError:
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return DatabaseError(f"database cannot be opened: {reason}")


def _postgresql(url: str, connections: int) -> Engine:
    settings = {
        "default_transaction_isolation": "read\\ committed",
        "jit": "off",  # short statements: to compile one takes longer than to run it
        "statement_timeout": STATEMENT_MS,
        "lock_timeout": LOCK_MS,
        "idle_in_transaction_session_timeout": IDLE_MS,
    }
    engine = create_engine(
        url,
        hide_parameters=True,  # of a statement that failed: they are people's
        pool_size=connections,
        max_overflow=0,
        pool_timeout=WAIT_S,
        connect_args={
            "connect_timeout": CONNECT_S,
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            "tcp_user_timeout": DEAD_LINE_MS,
            "keepalives_idle": 2,
            "keepalives_interval": 1,
            "keepalives_count": 3,
        },
    )
    event.listen(engine, "connect", _heed_warnings)
    return engine


def _sqlite(url: str, connections: int, wait_s: float) -> Engine:
    embedded = make_url(url).database not in (None, "", ":memory:")
    pool = {"pool_size": connections, "max_overflow": 0, "pool_timeout": WAIT_S} if embedded else {}
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": wait_s}, **pool)
    event.listen(engine, "connect", _pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _pragmas(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    raw: Any = connection
    raw.isolation_level = None  # BEGIN is ours, below
    _write_ahead(raw)
    # What is deleted or emptied is overwritten: a manifest names people.
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        raw.execute(f"PRAGMA {pragma}")


def _write_ahead(raw: Any) -> None:
    """SQLite does not wait for its busy time-out here: while another process makes the same change
    to a new database, it answers "locked" at once.
    """
    until = time.monotonic() + WAIT_S
    changed = False
    while not changed:
        try:
            raw.execute("PRAGMA journal_mode = WAL")
            changed = True
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(PAUSE_S)


def _begin(connection: Connection) -> None:
    """A writer takes the lock first: what it has read cannot change before it writes."""
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN IMMEDIATE"))


# -- transactions ----------------------------------------------------------------------------------


def transact(engine: Engine, mode: Mode, work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction; as a whole again, a bounded number of times, when it met
    another one, or the connection was lost before COMMIT was sent.

    A conflict is the database's own protocol for "the other one was first": nothing of the attempt
    remains, and the next one sees what the other did. Nothing else is tried again: a COMMIT without
    an answer may have happened. Raises Unavailable, and what `work` raises; nothing of `work` has
    happened then (but see Unavailable).
    """
    for attempt in range(ATTEMPTS):
        worked = False
        try:
            with _begun(engine, mode) as connection:
                result = work(connection)
                worked = True
        except DBAPIError as error:
            conflict = getattr(error.orig, "sqlstate", None) in CONFLICTS
            lost = error.connection_invalidated and not worked
            if not conflict and not lost:
                if isinstance(error, DEFECTS):
                    raise
                break
        except NoConnectionFree:
            break
        else:
            return result
        time.sleep(random.uniform(0, PAUSE_S * 2**attempt))  # noqa: S311 - so that two do not meet again
    raise Unavailable


@contextmanager
def _begun(engine: Engine, mode: Mode) -> Iterator[Connection]:
    begin, isolation = mode.value
    if engine.dialect.name == "sqlite":
        with engine.execution_options(begin=begin).begin() as connection:
            yield connection
        return
    if mode is not Mode.STEP:  # the connection's own
        engine = engine.execution_options(isolation_level=isolation)
    with engine.connect() as connection:
        connection.info.pop(WARNED, None)
        with ExitStack() as committed, connection.begin():
            if mode is Mode.DECIDE:
                connection.exec_driver_sql(LOCK_DECIDE)
            yield connection
            if mode is not Mode.READ:
                committed.enter_context(_limited(connection))
        if connection.info.pop(WARNED, False):
            raise Unavailable


@contextmanager
def _limited(connection: Connection) -> Iterator[None]:
    """Around a COMMIT. `statement_timeout` does not end its wait for the standby, a cancellation
    does: the server then commits alone, with a warning.
    """
    raw: Any = connection.connection.driver_connection
    limit = threading.Timer(STATEMENT_MS / 1000, raw.cancel)
    limit.daemon = True
    limit.start()
    try:
        yield
    finally:
        limit.cancel()
        limit.join()


def _heed_warnings(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    """A COMMIT that has waited too long for the standby succeeds with a warning: it may be on one
    server only. No other warning is expected, so each counts as that.
    """
    raw: Any = connection

    def heed(notice: Any) -> None:
        if notice.severity_nonlocalized == "WARNING":
            record.info[WARNED] = True

    raw.add_notice_handler(heed)
