"""From the schema before commitments to this build's: what was under way is ended, what is done
stays.
"""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from city_bench import Rehearsal, write_config
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from postgres_server import Postgres
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from city import audit, audit_seals, database, schema, tables
from city.audit_seals import Unsealable
from city.database import DatabaseError, connect, migrate
from city.registry import Standing, standing
from firmware.tools.cli import main

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


# -- the log before it was signed ------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def chained(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database at 0011 whose log has five entries, the first two in an archive."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'chained.db'}"
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.url(postgres.create())
    engine = database.open_engine(url, 1)
    with engine.begin() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0011")
        before = "0" * 64
        for seq in range(1, 6):
            entry = f'{{"at":{seq},"event":"test","token":"{seq}"}}'
            before = hashlib.sha256((before + entry).encode()).hexdigest()
            connection.execute(
                text("INSERT INTO audit (seq, entry, hash) VALUES (:seq, :entry, :hash)"),
                {"seq": seq, "entry": entry, "hash": before},
            )
            if seq == 2:
                archived = before
        connection.execute(
            text(
                "INSERT INTO archives (last, hash, first, newest, sha256) "
                "VALUES (2, :hash, 1, 2, '')"
            ),
            {"hash": archived},
        )
        connection.execute(text("DELETE FROM audit WHERE seq <= 2"))
    engine.dispose()
    return url


def test_a_log_of_before_keeps_its_chain_and_goes_on(chained: str) -> None:
    assert migrate(chained) == ("0011", NEWEST)
    engine, key = connect(chained), Ed25519PrivateKey.generate()
    with engine.begin() as connection:
        before = audit.verify(connection, keys=[key.public_key()])
        audit.append(connection, "test", 6, token="6")
    assert (before.head.entries, before.broken, before.unsigned) == (5, None, True)
    with pytest.raises(Unsealable), engine.begin() as connection:
        audit_seals.seal(connection, key, 1)
    with engine.begin() as connection:
        audit_seals.seal(connection, key, 1, by_hand=True)
    with engine.begin() as connection:
        audit.append(connection, "test", 7, token="7")
        audit_seals.seal(connection, key, 2)
        found = audit.verify(connection, before.head, [key.public_key()])
        rows = connection.execute(text("SELECT position, entry FROM audit ORDER BY seq")).all()
    assert (found.head.entries, found.broken, found.waiting) == (7, None, 0)
    assert [(place, json.loads(entry)["token"]) for place, entry in rows] == [
        (place, str(place)) for place in range(3, 8)
    ]
    for statement in ("DELETE FROM audit", "DELETE FROM audit_seals", "UPDATE audit SET seq = 99"):
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize("readable", [True, False])
def test_migrate_signs_what_was_chained_before(
    chained: str, readable: bool, rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it can read the issuing key; otherwise it names the command."""
    changes = {} if readable else {"issuing": "/nowhere"}
    ca = rehearsal.folder / "card-ca.pem"
    config = write_config(rehearsal.folder, rehearsal.pki, ca, database=chained, **changes)
    assert main(["city", "migrate", "--config", str(config)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"schema 0011 -> {NEWEST}; ")
    assert ("the log is signed: 5:" in said) is readable
    assert ("kiosk city audit seal" in said) is not readable
    engine = connect(chained)
    with engine.begin() as connection:
        found = audit.verify(connection, keys=[rehearsal.city.issuing.public_key()])
    assert (found.broken, found.unsigned) == (None, not readable)
    engine.dispose()
