"""With PostgreSQL the page has a role of its own: it reads the standing of a number, and nothing
else of anybody.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import postgres_server
import pytest
from postgres_server import Postgres
from sqlalchemy import select
from sqlalchemy.exc import ProgrammingError
from verification.page_bench import IN_FORCE, NOT_KNOWN, VOID, issue_all

from city import database, tables
from city.verification.standings import NotAsked, Standings

DOCS = Path(__file__).parents[2] / "docs" / "verification.md"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres_server.running() as made:
        yield made


@pytest.fixture(scope="module")
def name(server: Postgres) -> str:
    """A city's database, with the role that the documentation tells to make."""
    made = server.create()
    database.migrate(server.url(made))
    engine = database.connect(server.url(made), 1)
    with engine.begin() as connection:
        issue_all(connection)
    engine.dispose()
    (block,) = re.findall(r"```sql\n(.*?)```", DOCS.read_text("utf-8"), re.S)
    for statement in block.strip().rstrip(";").split(";\n"):
        server.run(statement, made)
    return made


def test_its_role_reads_standings_and_nothing_else(server: Postgres, name: str) -> None:
    standings = Standings(server.url(name, "verification"))

    async def ask() -> list[str]:
        return [await standings.of(number) for number in (IN_FORCE, VOID, NOT_KNOWN)]

    try:
        assert asyncio.run(ask()) == ["in-force", "void", "unknown"]
        for statement in (
            "SELECT name FROM residents",
            "SELECT kiosk FROM orders",
            "UPDATE orders SET state = 'issued'",
            "SELECT entry FROM audit",
        ):
            with (
                standings._engine.begin() as connection,
                pytest.raises(ProgrammingError, match="permission denied"),
            ):
                connection.exec_driver_sql(statement)
    finally:
        standings.close()


def test_even_the_owner_of_the_tables_cannot_write_through_it(
    server: Postgres, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    standings = Standings(server.url(name))

    def write(connection: database.Connection, number: str) -> None:
        connection.exec_driver_sql(f"UPDATE orders SET kind = '{number}'")

    monkeypatch.setattr("city.registry.standing", write)
    try:
        with pytest.raises(NotAsked):
            asyncio.run(standings.of(IN_FORCE))
        with standings._engine.begin() as connection:
            assert set(connection.execute(select(tables.orders.c.kind)).scalars()) == {"juminhyo"}
    finally:
        standings.close()


def test_a_database_that_is_gone_is_not_asked(server: Postgres, name: str) -> None:
    standings = Standings(server.url(name, "nobody_of_that_name"))
    try:
        with pytest.raises(NotAsked):
            asyncio.run(standings.of(IN_FORCE))
    finally:
        standings.close()
