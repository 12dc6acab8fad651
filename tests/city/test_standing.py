"""Whether sheets are in force: what the registry tells, and what `kiosk city orders` does
about it.
"""

from __future__ import annotations

import asyncio
import json
from itertools import product
from pathlib import Path

import msgspec
import pytest
from city_bench import Direct, Rehearsal, Visit, both, new_id, outcome_of, sealed
from sqlalchemy import Connection, insert, select, update

from city import order_command, registry, tables
from city.database import DatabaseError
from city.registry import Standing
from firmware.link import messages

pytestmark = both
STATES = ("reserved", "issued", "void")
VOIDED = (None, 1_700_000_000)
RESULTS = (None, messages.Result.PRINTED, messages.Result.FAILED, messages.Result.UNKNOWN)


def expected(state: str, voided: int | None, result: messages.Result | None) -> Standing:
    """Written down apart from the program: the first line that fits."""
    table = {
        ("issued", False, None): Standing.IN_FORCE,  # released; the kiosk's report may take a while
        ("issued", False, messages.Result.PRINTED): Standing.IN_FORCE,
        ("issued", False, messages.Result.UNKNOWN): Standing.UNKNOWN,  # until a person has looked
        ("issued", False, messages.Result.FAILED): Standing.VOID,  # the money went back
        ("issued", True, None): Standing.VOID,
        ("issued", True, messages.Result.PRINTED): Standing.VOID,
        ("issued", True, messages.Result.UNKNOWN): Standing.VOID,
        ("issued", True, messages.Result.FAILED): Standing.VOID,
    }
    return table.get((state, voided is not None, result), Standing.UNKNOWN)


def put_order(
    connection: Connection, state: str, voided: int | None, result: messages.Result | None
) -> str:
    """An order as it would be found in the database. Returns its unique number."""
    session, order, number = new_id(), new_id(), new_id()[:12].upper()
    connection.execute(
        insert(tables.sessions).values(session=session, kiosk="k", state="ended", ends=1)
    )
    values = {
        "order": order,
        "session": session,
        "kiosk": "k",
        "state": state,
        "kind": "inkan",
        "fee": 100,
        "sheets": 1,
        "request_sha256": "0" * 64,
        "document_sha256": "0" * 64,
        "unique_number": number,
        "record_version": 1,
        "voided": voided,
    }
    connection.execute(insert(tables.orders).values(values))
    if result:
        told = messages.Outcome(
            outcome=new_id(),
            session=session,
            order=order,
            result=result,
            sheets=0,
            kept=0,
            returned=0,
            owed=0,
        )
        registry.add_outcome(connection, told.outcome, order, "k", msgspec.json.encode(told))
    return number


def test_every_combination_of_state_declaration_and_outcome(rehearsal: Rehearsal) -> None:
    cases = list(product(STATES, VOIDED, RESULTS))
    with rehearsal.city.engine.begin() as connection:
        numbers = {put_order(connection, *case): case for case in cases}
        found = {case: registry.standing(connection, number) for number, case in numbers.items()}
    assert len(found) == 24
    assert found == {case: expected(*case) for case in cases}
    in_force = [case for case, standing in found.items() if standing is Standing.IN_FORCE]
    assert in_force == [("issued", None, None), ("issued", None, messages.Result.PRINTED)]


@pytest.mark.parametrize(
    "number", ["", "A", "A7K29QXM4T8R", "a7k29qxm4t8r", "%", "' OR 1=1 --", "\x00" * 12]
)
def test_a_number_that_nobody_gave_out_is_unknown(rehearsal: Rehearsal, number: str) -> None:
    if "\x00" in number and rehearsal.city.engine.dialect.name == "postgresql":
        number = "\uffff" * 12  # PostgreSQL has no text with NUL in it
    with rehearsal.city.engine.begin() as connection:
        put_order(connection, "issued", None, None)
        assert registry.standing(connection, number) is Standing.UNKNOWN
        assert registry.order_by_number(connection, number) is None
        assert registry.declare_void(connection, number, 1) == ""


def test_the_standing_of_one_order_from_reservation_to_outcome(rehearsal: Rehearsal) -> None:
    found: list[Standing] = []

    def look(number: str) -> None:
        with rehearsal.city.engine.begin() as connection:
            found.append(registry.standing(connection, number))

    async def journey(result: messages.Result) -> None:
        visit = Visit(Direct(rehearsal.city), rehearsal.card("taro"))
        await visit.enter()
        manifest, _ = await visit.orders("inkan")
        look(manifest.content.unique_number)
        await visit.line.release(visit.pays(manifest))
        look(manifest.content.unique_number)
        await visit.line.outcome(outcome_of(manifest, result))
        look(manifest.content.unique_number)

    for result in (messages.Result.PRINTED, messages.Result.FAILED, messages.Result.UNKNOWN):
        asyncio.run(journey(result))
    unknown, in_force, void = Standing.UNKNOWN, Standing.IN_FORCE, Standing.VOID
    assert found == [
        unknown,
        in_force,
        in_force,
        unknown,
        in_force,
        void,
        unknown,
        in_force,
        unknown,
    ]


# -- the command -----------------------------------------------------------------------------------


def config(rehearsal: Rehearsal) -> Path:
    return rehearsal.folder / "city.toml"


def run(rehearsal: Rehearsal, *words: str) -> int:
    action, *rest = words
    return order_command.main([action, "--config", str(config(rehearsal)), *rest])


def issued(rehearsal: Rehearsal) -> messages.Manifest:
    async def journey() -> messages.Manifest:
        visit = Visit(Direct(rehearsal.city), rehearsal.card("hanako"))
        await visit.enter()
        manifest, _ = await visit.orders("juminhyo", 2, scope=("household",))
        await visit.line.release(visit.pays(manifest))
        return manifest

    return asyncio.run(journey())


def test_an_order_is_shown_by_the_number_on_its_sheets(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = issued(rehearsal)
    number = manifest.content.unique_number
    assert run(rehearsal, "show", number, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {
        "unique_number": number,
        "order": manifest.order,
        "kiosk": "kiosk-1",
        "kind": "juminhyo",
        "state": "issued",
        "sheets": 2,
        "standing": "in-force",
    }
    assert run(rehearsal, "show", number) == 0
    text = capsys.readouterr().out
    assert text == "".join(f"{name}\t{value}\n" for name, value in shown.items())
    assert "明石" not in text


def test_sheets_are_declared_void_once_and_for_good(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, other = issued(rehearsal), issued(rehearsal)
    number = manifest.content.unique_number
    assert run(rehearsal, "void", number, "--note", "printed twice") == 0
    assert capsys.readouterr().out == f"{number}\tvoid\n"
    with rehearsal.city.engine.begin() as connection:
        assert registry.standing(connection, number) is Standing.VOID
        assert registry.standing(connection, other.content.unique_number) is Standing.IN_FORCE
        entries = [
            entry
            for entry in connection.execute(select(tables.audit.c.entry)).scalars()
            if "declared" in entry
        ]
    assert sealed(rehearsal.city).broken is None
    assert [json.loads(entry)["order"] for entry in entries] == [manifest.order]
    assert json.loads(entries[0])["note"] == "printed twice"
    before = _orders_and_log(rehearsal)
    assert run(rehearsal, "void", number, "--note", "again") == 1
    assert capsys.readouterr().err == f"city: no sheets in force under {number}\n"
    assert _orders_and_log(rehearsal) == before
    assert run(rehearsal, "show", number, "--json") == 0
    assert json.loads(capsys.readouterr().out)["standing"] == "void"


def _orders_and_log(rehearsal: Rehearsal) -> tuple[list[object], list[object]]:
    with rehearsal.city.engine.begin() as connection:
        orders = connection.execute(select(tables.orders).order_by(tables.orders.c.order)).all()
        return list(orders), list(connection.execute(select(tables.audit)).all())


@pytest.mark.parametrize("state", ["reserved", "void", "none"])
def test_what_was_never_issued_cannot_be_declared_void(
    rehearsal: Rehearsal, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    number = "A7K29QXM4T8R"
    if state != "none":
        with rehearsal.city.engine.begin() as connection:
            number = put_order(connection, state, None, None)
    before = _orders_and_log(rehearsal)
    assert run(rehearsal, "void", number, "--note", "x") == 1
    assert capsys.readouterr() == ("", f"city: no sheets in force under {number}\n")
    assert _orders_and_log(rehearsal) == before
    shown = run(rehearsal, "show", number)
    assert shown == (1 if state == "none" else 0)


def test_without_its_database_the_command_says_so(rehearsal: Rehearsal) -> None:
    path = config(rehearsal)
    text = path.read_text(encoding="utf-8").replace(
        rehearsal.config.gateway.database, "sqlite:////nowhere/city.db"
    )
    path.write_text(
        text.replace('"sqlite:///city.db"', '"sqlite:////nowhere/city.db"'), encoding="utf-8"
    )
    with pytest.raises(DatabaseError):
        run(rehearsal, "show", "A7K29QXM4T8R")


def test_a_void_order_stays_void_whatever_the_kiosk_tells_later(rehearsal: Rehearsal) -> None:
    manifest = issued(rehearsal)
    number = manifest.content.unique_number
    assert run(rehearsal, "void", number, "--note", "x") == 0
    asyncio.run(Direct(rehearsal.city).outcome(outcome_of(manifest)))
    with rehearsal.city.engine.begin() as connection:
        assert registry.standing(connection, number) is Standing.VOID
        connection.execute(
            update(tables.orders).values(voided=None)
        )  # nothing but the declaration makes it so
        assert registry.standing(connection, number) is Standing.IN_FORCE
