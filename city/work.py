"""One transaction of a command at a terminal, and the log's signature behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection, Engine

from city import audit, audit_seals, database
from city.audit_seals import Head
from city.config import Config, ConfigError
from city.database import DatabaseError, Mode
from city.issuing import load_issuing_key

T = TypeVar("T")


def work(config: Config, mode: Mode, what: Callable[[Connection], T]) -> T:
    """What it wrote into the log is sealed at once where the issuing key can be read here; else by
    the next gateway. Raises DatabaseError.
    """
    engine = database.connect(config.gateway.database, 1)
    try:
        done = database.transact(engine, mode, what)
        if mode is not Mode.READ:
            with suppress(ConfigError, audit_seals.Unsealable, database.Unavailable):
                _seal(config, engine)
    except database.Unavailable:
        raise DatabaseError("the database does not answer") from None
    finally:
        engine.dispose()
    return done


def sign_as_it_is(config: Config, at: int) -> Head:
    """The log's first signature, or the first by a new key: whoever asks for it says that the log
    is the city's. The chain must hold. Raises ConfigError, DatabaseError.
    """
    if broken := work(config, Mode.READ, audit.verify).broken:
        raise DatabaseError(f"the log is broken at entry {broken}: it is not signed")
    key = load_issuing_key(config.issuing.key)
    head = work(
        config,
        Mode.STEP,
        lambda connection: audit_seals.seal(connection, key, at, by_hand=True),
    )
    if head is None:
        raise DatabaseError("a gateway is sealing the log just now: try again")
    return head


def _seal(config: Config, engine: Engine) -> None:
    key = load_issuing_key(config.issuing.key)
    database.transact(
        engine, Mode.STEP, lambda connection: audit_seals.seal(connection, key, int(time.time()))
    )
