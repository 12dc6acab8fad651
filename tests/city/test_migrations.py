"""From the schema before commitments to this build's: what was under way is ended, what is done
stays.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from postgres_server import Postgres
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from city import database, schema, tables
from city.database import DatabaseError, connect, migrate
from city.registry import Standing, standing

KIOSK = "kiosk-1"
NEWEST = "0013"
ORDERS = {  # id: session, state, unique number
    "a" * 32: ("1" * 32, "reserved", "RESERVED0001"),
    "b" * 32: ("2" * 32, "issued", "ISSUED000001"),
    "c" * 32: ("2" * 32, "void", "VOID00000001"),
}
SESSIONS = {"1" * 32: "open", "2" * 32: "ended", "3" * 32: "open"}


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database at 0001, in the middle of a resident's visit."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'old.db'}"
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.url(postgres.create())
    engine = database.open_engine(url, 1)
    with engine.begin() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for session, state in SESSIONS.items():
            connection.execute(
                text(
                    "INSERT INTO sessions (session, kiosk, state, ends) VALUES (:session, "
                    ":kiosk, :state, 9)"
                ),
                {"session": session, "kiosk": KIOSK, "state": state},
            )
        for order, (session, state, number) in ORDERS.items():
            content = b"secret" if state == "reserved" else None
            connection.execute(
                text(
                    'INSERT INTO orders ("order", session, kiosk, state, kind, request_sha256, '
                    "document_sha256,"
                    " unique_number, record_version, fee, sheets, manifest, signature, sealed) "
                    "VALUES (:order,"
                    " :session, :kiosk, :state, 'inkan', :hash, :hash, :number, 1, 200, 1, "
                    ":content, :content,"
                    " :content)"
                ),
                {
                    "order": order,
                    "session": session,
                    "kiosk": KIOSK,
                    "state": state,
                    "number": number,
                    "hash": "0" * 64,
                    "content": content,
                },
            )
    engine.dispose()
    return url


def difference(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, tables.metadata))


def test_a_gateway_does_not_work_on_the_old_schema(old: str) -> None:
    engine = database.open_engine(old, 1)
    assert difference(engine)
    with pytest.raises(
        schema.SchemaError,
        match=rf"its schema is 0001, this build wants {NEWEST}: run `kiosk city migrate`",
    ):
        schema.require_current(engine)
    engine.dispose()
    if old.startswith("postgresql"):  # an embedded one is brought up to date by whoever opens it
        with pytest.raises(DatabaseError, match="0001"):
            connect(old)


def test_what_was_under_way_is_ended_and_what_is_done_stays(old: str) -> None:
    assert migrate(old) == ("0001", NEWEST)
    assert migrate(old) == (NEWEST, NEWEST)
    engine = connect(old)
    assert difference(engine) == []
    with engine.begin() as connection:
        sessions = connection.execute(select(tables.sessions)).all()
        orders = {row.order: row for row in connection.execute(select(tables.orders)).all()}
        found = {number: standing(connection, number) for _, _, number in ORDERS.values()}
    assert {row.session: row.state for row in sessions} == dict.fromkeys(SESSIONS, "ended")
    assert {(row.commitment_seed, row.record_version) for row in sessions} == {(None, None)}
    assert [orders[name * 32].state for name in "abc"] == ["void", "issued", "void"]
    assert {row.voided for row in orders.values()} == {None}
    assert {(row.manifest, row.signature, row.sealed) for row in orders.values()} == {
        (None, None, None)
    }
    assert found == {
        "RESERVED0001": Standing.UNKNOWN,
        "ISSUED000001": Standing.IN_FORCE,
        "VOID00000001": Standing.UNKNOWN,
    }
    engine.dispose()


def test_the_guards_are_still_there(old: str) -> None:
    migrate(old)
    engine = connect(old)
    for statement in (
        "UPDATE orders SET state = 'void' WHERE state = 'issued'",
        "UPDATE orders SET state = 'reserved'",
    ):
        with pytest.raises(DBAPIError), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()


def test_two_that_migrate_at_once_are_one(old: str) -> None:
    found: list[tuple[str, str]] = []
    threads = [threading.Thread(target=lambda: found.append(migrate(old))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [("0001", NEWEST), *[(NEWEST, NEWEST)] * 3]
