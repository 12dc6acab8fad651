"""The schema's version: Alembic revisions in `city/migrations`, the same on SQLite and PostgreSQL.

A database goes forward only; the way back is its backup.
"""

from __future__ import annotations

from functools import cache

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

LOCK = 0x6D61646F  # two migrations at once run one after the other
WAIT_S = 600.0  # for the other one


class SchemaError(Exception):
    """The schema is not, or cannot become, this build's: one line."""


@cache
def head() -> str:
    """The version this build works with."""
    version = ScriptDirectory.from_config(_config()).get_current_head()
    if version is None:
        raise SchemaError("this build has no schema")
    return version


def current(connection: Connection) -> str:
    """The database's version; "none" for an empty one."""
    return MigrationContext.configure(connection).get_current_revision() or "none"


def require_current(engine: Engine) -> None:
    """Raises SchemaError unless the database has exactly this build's schema."""
    with engine.begin() as connection:
        found = current(connection)
    if found != head():
        raise SchemaError(
            f"its schema is {found}, this build wants {head()}: run `kiosk city migrate`"
        )


def upgrade(engine: Engine) -> tuple[str, str]:
    """All that is missing, in one transaction: version before and after. Raises SchemaError."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text(f"SET LOCAL lock_timeout = '{WAIT_S:.0f}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        before = current(connection)
        if before == head():
            return before, before
        _require_ours(connection, before)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        return before, current(connection)


def _require_ours(connection: Connection, found: str) -> None:
    if found == "none" and inspect(connection).get_table_names():
        raise SchemaError(
            "it holds tables that have no version: not this gateway's, or of a rehearsal before "
            "versions"
        )
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found != "none" and found not in known:
        raise SchemaError(f"its schema is {found}, newer than this build's {head()}")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "city:migrations")
    return config
