"""What a deletion leaves in the database's files, and what can be done about it.

SQLite overwrites what it deletes (`secure_delete`, on every connection of `city.database`); its
write-ahead log keeps older pages until it is emptied here. PostgreSQL keeps a deleted row in its
page until a VACUUM frees the place and something else takes it; only VACUUM FULL writes the tables
anew. docs/retention.md says what remains in backups, replicas and the disk itself.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Engine

from city.tables import audit, cases, orders, outcomes, sessions

EMPTIED: Final = (sessions, orders, outcomes, cases, audit)
BUSY: Final = "the write-ahead log is in use and was not emptied: the next run does it"


def erase(engine: Engine, rewrite: bool = False) -> list[str]:
    """Behind a run. `rewrite`: write the tables anew, while nobody is served. Returns what could
    not be done, in lines.
    """
    sqlite = engine.dialect.name == "sqlite"
    autocommit = {} if sqlite else {"isolation_level": "AUTOCOMMIT"}
    with engine.connect().execution_options(**autocommit) as connection:
        return _sqlite(connection, rewrite) if sqlite else _postgresql(connection, rewrite)


def _sqlite(connection: Connection, rewrite: bool) -> list[str]:
    """On the driver's own connection: neither statement may stand in a transaction."""
    raw = connection.connection.dbapi_connection
    if raw is None:
        return [BUSY]
    cursor = raw.cursor()
    if rewrite:
        cursor.execute("VACUUM")
    busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return [BUSY] if busy else []


def _postgresql(connection: Connection, rewrite: bool) -> list[str]:
    connection.exec_driver_sql("SET statement_timeout = 0")
    raw = connection.connection.dbapi_connection
    said: list[str] = []
    raw.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))  # type: ignore[union-attr]
    names = ", ".join(f'"{table.name}"' for table in EMPTIED)
    connection.exec_driver_sql(f"VACUUM {'(FULL) ' if rewrite else ''}{names}")
    return said  # "permission denied to vacuum": the role is not the tables' owner
