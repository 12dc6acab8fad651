"""Whether a unique number is in force: read from the city's database, which this program never
writes.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import Connection, Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from city import database, registry
from city.database import Mode

THREADS: Final = 4
MOST_WAITING: Final = 64
PATIENCE_S: Final = 3.0


class NotAsked(Exception):
    """The database is away or too slow, or too many people ask."""


class Standings:
    """Answers from a database. Raises DatabaseError when the URL is none."""

    def __init__(self, url: str) -> None:
        self._engine = database.open_engine(read_only(url), THREADS)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="standing")
        self._waiting = 0

    async def of(self, unique_number: str) -> str:
        """ "in-force", "void" or "unknown". Raises NotAsked."""
        if self._waiting >= MOST_WAITING:
            raise NotAsked
        self._waiting += 1
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._read, unique_number)
        work.add_done_callback(self._done)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.shield(work)
        except (TimeoutError, database.Unavailable, SQLAlchemyError):
            raise NotAsked from None

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._engine.dispose()

    def _done(self, work: asyncio.Future[str]) -> None:
        self._waiting -= 1
        if not work.cancelled():
            work.exception()  # seen, even when nobody waits any more

    def _read(self, unique_number: str) -> str:
        def look(connection: Connection) -> registry.Standing:
            _promise(self._engine, connection)
            return registry.standing(connection, unique_number)

        return database.transact(self._engine, Mode.READ, look).value


def read_only(url: str) -> str:
    """The same database; an SQLite file opened so that nothing can be written."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or ":memory:" in url:
        return url
    path = quote(str(Path(parsed.database).absolute()))
    return f"sqlite:///file:{path}?mode=ro&uri=true"


def _promise(engine: Engine, connection: Connection) -> None:
    """PostgreSQL refuses to write in this transaction, whatever the role may do."""
    if engine.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
