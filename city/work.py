"""One transaction of a command at a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from city import database
from city.config import Config
from city.database import DatabaseError, Mode

T = TypeVar("T")


def work(config: Config, mode: Mode, what: Callable[[Connection], T]) -> T:
    """Raises DatabaseError."""
    engine = database.connect(config.gateway.database, 1)
    try:
        return database.transact(engine, mode, what)
    except database.Unavailable:
        raise DatabaseError("the database does not answer") from None
    finally:
        engine.dispose()
