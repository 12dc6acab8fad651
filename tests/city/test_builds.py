"""Which builds may serve: gently refused, never in the middle of a journey."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from city_bench import HELLO, Direct, Rehearsal, Visit, refused
from msgspec.structs import replace as changed
from sqlalchemy import Connection, select

from city import builds, tables
from city.handlers import hello
from city.permits import permit
from firmware.link import messages
from firmware.link.messages import RefusalCode
from firmware.tools.cli import main


def name(rehearsal: Rehearsal, build: str, state: str) -> None:
    with rehearsal.city.engine.begin() as connection:
        builds.name(connection, build, state, 1)


def asked(rehearsal: Rehearsal, build: str, kiosk: str = "kiosk-1") -> messages.Terms:
    return hello(rehearsal.city, kiosk, changed(HELLO, build=build))


def test_while_none_is_accepted_by_name_all_are_taken(rehearsal: Rehearsal) -> None:
    assert asked(rehearsal, "1").open
    name(rehearsal, "2", builds.REFUSED)
    assert asked(rehearsal, "1").open
    assert not asked(rehearsal, "2").open


def test_from_the_first_accepted_one_on_an_unknown_one_is_refused(rehearsal: Rehearsal) -> None:
    name(rehearsal, "1", builds.ACCEPTED)
    assert asked(rehearsal, "1").open
    told = asked(rehearsal, "0")
    assert (told.open, told.build_refused) == (False, True)
    assert told.refusal and told.refusal.code is RefusalCode.MAINTENANCE
    assert told.today is None
    name(rehearsal, "0", builds.ACCEPTED)
    assert asked(rehearsal, "0").open


def test_a_kiosk_that_does_not_understand_is_told_of_maintenance_alone(
    rehearsal: Rehearsal,
) -> None:
    name(rehearsal, "1", builds.REFUSED)
    told = hello(rehearsal.city, "kiosk-1", changed(HELLO, build="1", understands=()))
    assert (told.open, told.build_refused) == (False, False)


def test_nobody_begins_with_a_refused_build_though_the_kiosk_does_not_listen(
    rehearsal: Rehearsal,
) -> None:
    name(rehearsal, "1", builds.ACCEPTED)
    asked(rehearsal, "0")
    name(rehearsal, HELLO.build, builds.REFUSED)
    visit = Visit(Direct(rehearsal.city), rehearsal.card("taro"))
    assert asyncio.run(refused(visit.enter())) is RefusalCode.MAINTENANCE
    name(rehearsal, HELLO.build, builds.ACCEPTED)
    assert asyncio.run(refused(visit.enter())) is None
    asked(rehearsal, "0")
    with rehearsal.city.engine.begin() as connection:
        assert not permit(connection, "kiosk-1").build_taken
        assert not permit(connection, "kiosk-2").build_taken, "it has told none"


def test_the_newest_that_a_kiosk_told_is_kept(rehearsal: Rehearsal) -> None:
    for build in ("1", "1", "2"):
        asked(rehearsal, build)
    asked(rehearsal, "2", "kiosk-2")
    name(rehearsal, "1", builds.ACCEPTED)
    with rehearsal.city.engine.begin() as connection:
        assert builds.listed(connection) == [
            ("1", "accepted", ()),
            ("2", "", ("kiosk-1", "kiosk-2")),
        ]


def test_the_command(
    rehearsal: Rehearsal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(rehearsal, "0.1.0+gabc")

    def run(*words: str) -> tuple[int, str]:
        code = main(["city", "builds", *words, "--config", str(rehearsal.folder / "city.toml")])
        return code, capsys.readouterr().out

    assert run("list") == (0, "0.1.0+gabc\t-\tkiosk-1\n")
    assert run("accept", "0.1.0+gabc") == (0, "0.1.0+gabc\taccepted\n")
    assert run("refuse", "0.0.9") == (0, "0.0.9\trefused\n")
    assert run("list")[1].splitlines() == ["0.0.9\trefused\t", "0.1.0+gabc\taccepted\tkiosk-1"]
    assert run("forget", "0.0.9") == (0, "0.0.9\tforgotten\n")
    assert run("forget", "0.0.9")[0] == 1

    def events(connection: Connection) -> list[str]:
        rows = connection.execute(select(tables.audit.c.entry).order_by(tables.audit.c.seq))
        return [json.loads(entry)["event"] for (entry,) in rows]

    with rehearsal.city.engine.begin() as connection:
        assert events(connection)[-3:] == ["build-accepted", "build-refused", "build-forgotten"]


def test_whoever_names_a_build_is_told_whom_that_closes(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(rehearsal, "old")
    place = ("--config", str(rehearsal.folder / "city.toml"))
    assert main(["city", "builds", "accept", "new", *place]) == 0
    assert "refused from here on: old (kiosk-1)" in capsys.readouterr().err
    assert main(["city", "builds", "accept", "old", *place]) == 0
    assert capsys.readouterr().err == ""
