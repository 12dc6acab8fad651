"""The schema and its history, the three modes, what becomes of conflicts, and a database that goes
away.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import postgres_server
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from city_bench import HELLO, Direct, Rehearsal, Visit, both, refused, sealed
from postgres_server import Postgres
from pytest_mock import MockerFixture
from sqlalchemy import Engine, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from city import audit, audit_seals, database, registry, schema, tables
from city.database import LOCK_DECIDE, DatabaseError, Mode, Unavailable, connect, migrate, transact
from firmware.link.messages import RefusalCode


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.url(postgres.create())


# -- the schema ------------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables_of_the_program(empty: str) -> None:
    assert migrate(empty) == ("none", schema.head())
    assert migrate(empty) == (schema.head(), schema.head())
    engine = connect(empty)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        missing = compare_metadata(context, tables.metadata)
        draft = render_python_code(produce_migrations(context, tables.metadata).upgrade_ops)
    engine.dispose()
    assert not missing, f"a revision is missing in city/migrations/versions:\n{draft}"


def test_what_was_under_way_before_commitments_is_ended_and_what_was_issued_stays(
    empty: str,
) -> None:
    engine = database.open_engine(empty, 1)
    with engine.begin() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for name in "ab":
            session = {"session": name * 32, "kiosk": "k", "state": "open", "ends": 2**40}
            connection.execute(
                text(
                    "INSERT INTO sessions (session, kiosk, state, ends) VALUES "
                    "(:session, :kiosk, :state, :ends)"
                ),
                session,
            )
            state = {"a": "reserved", "b": "issued"}[name]
            connection.execute(
                text(
                    'INSERT INTO orders ("order", session, kiosk, state, kind, request_sha256, '
                    "document_sha256, "
                    "unique_number, record_version, fee, sheets, sealed) "
                    "VALUES (:order, :session, 'k', :state, 'inkan', '', '', :number, 1, 100, "
                    "1, :sealed)"
                ),
                {
                    "order": name * 32,
                    "session": name * 32,
                    "state": state,
                    "number": name * 12,
                    "sealed": b"x",
                },
            )
    engine.dispose()
    assert migrate(empty) == ("0001", schema.head())
    engine = connect(empty)
    with engine.begin() as connection:
        assert set(connection.execute(select(tables.sessions.c.state)).scalars()) == {"ended"}
        orders = {row.unique_number: row for row in connection.execute(select(tables.orders))}
        assert (orders["a" * 12].state, orders["a" * 12].sealed) == ("void", None)
        assert registry.standing(connection, "a" * 12) is registry.Standing.UNKNOWN
        assert registry.standing(connection, "b" * 12) is registry.Standing.IN_FORCE
    engine.dispose()


def test_two_migrations_at_once_are_one(empty: str) -> None:
    found: list[tuple[str, str]] = []
    threads = [threading.Thread(target=lambda: found.append(migrate(empty))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(schema.head(), schema.head())] * 3 + [("none", schema.head())]


def test_write_ahead_logging_is_asked_for_again_when_another_process_does_the_same(
    mocker: MockerFixture,
) -> None:
    busy = sqlite3.OperationalError("database is locked")
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
    raw = mocker.Mock()
    raw.execute.side_effect = [busy, busy, None, None, None, None]
    database._pragmas(raw, mocker.Mock())
    asked = [call.args[0] for call in raw.execute.call_args_list]
    assert asked[:3] == ["PRAGMA journal_mode = WAL"] * 3
    assert len(asked) == 6

    full = sqlite3.OperationalError("disk I/O error")
    full.sqlite_errorcode = sqlite3.SQLITE_IOERR
    raw.execute.side_effect = [full]
    with pytest.raises(sqlite3.OperationalError):
        database._pragmas(raw, mocker.Mock())


def test_an_embedded_database_is_brought_up_to_date_and_a_server_is_not(
    tmp_path: Path, postgres: Postgres
) -> None:
    connect(f"sqlite:///{tmp_path / 'city.db'}").dispose()
    with pytest.raises(
        DatabaseError, match=r"schema is none, this build wants .*: run `kiosk city migrate`"
    ):
        connect(postgres.url(postgres.create()))


def test_a_schema_that_is_not_this_builds_is_refused(empty: str) -> None:
    migrate(empty)
    engine = database.open_engine(empty, 1)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatabaseError, match="9999"):
        connect(empty)
    with pytest.raises(DatabaseError, match="newer than this build's"):
        migrate(empty)


def test_a_database_of_somebody_else_is_left_alone(empty: str) -> None:
    engine = database.open_engine(empty, 1)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id INTEGER)"))
    engine.dispose()
    with pytest.raises(DatabaseError, match="not this gateway's"):
        migrate(empty)


@both
def test_what_the_database_itself_refuses(rehearsal: Rehearsal) -> None:
    """Whatever a program believes: the log is only added to, an order is decided once, a challenge
    is used once.
    """
    engine = rehearsal.city.engine
    order = {
        "order": "1" * 32,
        "session": "2" * 32,
        "kiosk": "k",
        "state": "issued",
        "kind": "inkan",
        "fee": 100,
        "sheets": 1,
        "request_sha256": "0" * 64,
        "document_sha256": "0" * 64,
        "unique_number": "N" * 12,
        "record_version": 1,
    }
    with engine.begin() as connection:
        audit.append(connection, "test", 0)
        connection.execute(
            insert(tables.sessions).values(session="2" * 32, kiosk="k", state="open", ends=1)
        )
        connection.execute(insert(tables.orders).values(order))
        connection.execute(
            insert(tables.challenges).values(challenge="c", kiosk="k", expires=9, used=True)
        )
        other = {**order, "order": "3" * 32, "unique_number": "M" * 12, "state": "reserved"}
        connection.execute(insert(tables.orders).values(other))
    second = {**order, "order": "4" * 32, "unique_number": "O" * 12, "state": "reserved"}
    for statement in (
        update(tables.audit).values(entry="{}"),  # before it is in the chain
        update(tables.audit).values(position=1, hash="0" * 64, written=9),
        delete(tables.audit),
        update(tables.orders).where(tables.orders.c.state == "issued").values(state="reserved"),
        update(tables.orders).where(tables.orders.c.state == "issued").values(state="void"),
        update(tables.orders).where(tables.orders.c.state == "reserved").values(state="printed"),
        update(tables.challenges).values(used=False),
        insert(tables.orders).values(second),  # one session, one reserved order
        insert(tables.orders).values({**second, "state": "issued", "unique_number": "N" * 12}),
        insert(tables.orders).values({**second, "session": "9" * 32}),
    ):
        with pytest.raises(DBAPIError), engine.begin() as connection:
            connection.execute(statement)
    assert sealed(rehearsal.city).broken is None
    for statement in (
        update(tables.audit).values(position=99),
        update(tables.audit).values(hash="0" * 64),
        update(tables.audit).values(written=9),
        delete(tables.audit),
        update(tables.audit_seals).values(at=9),
        delete(tables.audit_seals),
    ):
        with pytest.raises(DBAPIError), engine.begin() as connection:
            connection.execute(statement)
    assert sealed(rehearsal.city).broken is None


def test_a_gateways_role_cannot_lift_the_guards(
    rehearsal: Rehearsal, postgres: Postgres, template: str
) -> None:
    """As docs/database.md grants it: everything a gateway does goes on, and the log stays
    append-only.
    """
    name = postgres.create(template)
    postgres.run(
        "DROP ROLE IF EXISTS gateway; CREATE ROLE gateway LOGIN;"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO gateway;"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public "
        "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO gateway;"
        "CREATE TABLE later (a int);"
        "REVOKE DELETE ON audit, audit_seals FROM gateway;"
        "REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM gateway",
        name,
    )
    engine = connect(postgres.url(name, "gateway"))
    try:
        transact(engine, Mode.DECIDE, lambda connection: audit.append(connection, "test", 0))
        issuing = rehearsal.city.issuing
        head = transact(engine, Mode.STEP, lambda c: audit_seals.seal(c, issuing, 0))
        assert head is not None and head.entries == 1
        with engine.begin() as connection:  # a table of a later revision
            connection.execute(text("INSERT INTO later VALUES (1)"))
        for statement in (
            "UPDATE audit SET entry = '{}'",
            "DELETE FROM audit",
            "TRUNCATE audit",
            "UPDATE audit SET position = 9",
            "DELETE FROM audit_seals",
            "TRUNCATE audit_seals",
            "ALTER TABLE audit DISABLE TRIGGER ALL",
            "DROP TRIGGER audit_no_update ON audit",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(DBAPIError), engine.begin() as connection:
                connection.execute(text(statement))
    finally:
        engine.dispose()
        postgres.run("DROP OWNED BY gateway; DROP ROLE gateway", name)


def test_not_even_the_owner_empties_the_log_at_once(postgres: Postgres, template: str) -> None:
    engine = connect(postgres.url(postgres.create(template)))
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text("TRUNCATE audit"))
    engine.dispose()


# -- conflicts -------------------------------------------------------------------------------------


@pytest.fixture
def postgres_engine(postgres: Postgres, template: str) -> Iterator[Engine]:
    engine = connect(postgres.url(postgres.create(template)))
    yield engine
    engine.dispose()


def counting(meet: threading.Barrier | None, tries: list[int]) -> Callable[..., int]:
    """Read the log's length, and write an entry that relies on it."""

    def work(connection) -> int:
        tries.append(1)
        seen = len(connection.execute(select(tables.audit)).all())
        if meet is not None and not meet.broken:
            try:
                meet.wait(0.3)
            except threading.BrokenBarrierError:
                pass
        audit.append(connection, "count", seen)
        return seen

    return work


@pytest.mark.parametrize("locked", [True, False])
def test_two_that_decide_at_once_see_each_other(
    postgres_engine: Engine, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    """With the lock they wait; without it the database refuses one, and its repetition sees the
    other.
    """
    if not locked:
        monkeypatch.setattr(database, "LOCK_DECIDE", "SELECT 1")
    meet, tries, seen = threading.Barrier(2), [], []
    work = counting(meet, tries)
    threads = [
        threading.Thread(target=lambda: seen.append(transact(postgres_engine, Mode.DECIDE, work)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [0, 1]
    assert len(tries) == (2 if locked else 3)
    with postgres_engine.begin() as connection:
        assert audit.verify(connection).waiting == 2


def test_repetition_is_bounded(postgres_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PAUSE_S", 0)
    tries = []

    def never(connection) -> None:
        tries.append(1)
        connection.execute(
            text("DO $$BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END$$")
        )

    with pytest.raises(Unavailable):
        transact(postgres_engine, Mode.DECIDE, never)
    assert len(tries) == database.ATTEMPTS


def test_a_mistake_of_ours_is_not_repeated(postgres_engine: Engine) -> None:
    tries = []

    def wrong(connection) -> None:
        tries.append(1)
        connection.execute(text("SELECT nothing_like_it"))

    with pytest.raises(DBAPIError):
        transact(postgres_engine, Mode.READ, wrong)
    assert len(tries) == 1


def test_what_takes_too_long_is_given_up(
    postgres: Postgres, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STATEMENT_MS", 200)
    monkeypatch.setattr(database, "LOCK_MS", 100)
    monkeypatch.setattr(database, "WAIT_S", 0.1)
    engine = connect(postgres.url(postgres.create(template)), 2)
    try:
        with pytest.raises(Unavailable):
            transact(
                engine, Mode.READ, lambda connection: connection.execute(text("SELECT pg_sleep(5)"))
            )
        with engine.begin() as holder:
            holder.execute(text(LOCK_DECIDE))
            with pytest.raises(Unavailable):
                transact(engine, Mode.DECIDE, lambda connection: None)
            with engine.connect(), pytest.raises(Unavailable):  # both connections are out
                transact(engine, Mode.READ, lambda connection: None)
        transact(engine, Mode.DECIDE, lambda connection: audit.append(connection, "test", 0))
    finally:
        engine.dispose()


def test_who_stands_still_within_a_transaction_loses_it(
    postgres: Postgres, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that is frozen while it holds the log's lock must not stop the others."""
    url = postgres.url(postgres.create(template))
    with monkeypatch.context() as patience:
        patience.setattr(database, "IDLE_MS", 200)
        frozen = connect(url)
    other = connect(url)
    try:
        with pytest.raises(DBAPIError), frozen.begin() as connection:
            audit.append(connection, "half", 0)
            connection.execute(text(LOCK_DECIDE))
            transact(other, Mode.DECIDE, lambda c: audit.append(c, "whole", 0))
            connection.execute(text("SELECT 1"))
        with other.begin() as connection:
            assert [row.entry for row in connection.execute(select(tables.audit))] == [
                '{"at":0,"event":"whole"}'
            ]
    finally:
        frozen.dispose()
        other.dispose()


# -- a database that goes away ---------------------------------------------------------------------


def test_without_its_database_the_gateway_is_busy_and_recovers_by_itself(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    with postgres_server.running() as server:
        url = server.url(server.create())
        migrate(url)
        made = Rehearsal(
            tmp_path, rehearsal.pki, rehearsal.authority, rehearsal.card_key, database=url
        )
        try:
            _journey_with_an_outage(made, server)
        finally:
            made.city.engine.dispose()


def _journey_with_an_outage(made: Rehearsal, server: Postgres) -> None:
    from city import sample

    sample.seed(made.city.engine, made.clock, made.city.data)
    visit = Visit(Direct(made.city), made.card("taro"))

    async def before() -> None:
        await visit.enter()
        visit.manifest, _ = await visit.orders("inkan")

    async def code(call) -> RefusalCode | None:
        return await refused(call)

    asyncio.run(before())
    postgres_server.stop(server.process)
    began = time.monotonic()
    assert asyncio.run(code(visit.line.release(visit.pays(visit.manifest)))) is RefusalCode.BUSY
    assert asyncio.run(code(visit.line.hello(HELLO))) is RefusalCode.BUSY
    assert time.monotonic() - began < 5
    again = postgres_server.start_again(server)
    try:
        assert asyncio.run(visit.line.release(visit.pays(visit.manifest))).released
    finally:
        postgres_server.stop(again.process)


def test_a_statement_that_fails_does_not_tell_its_values(tmp_path: Path) -> None:
    for engine in (
        database.open_engine(f"sqlite:///{tmp_path}/x.db", 1),
        database.open_engine("postgresql+psycopg://x/y", 1),
    ):
        assert engine.hide_parameters
        engine.dispose()
