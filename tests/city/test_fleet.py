"""The city's view of its kiosks: what each told with its newest hello."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from msgspec import ValidationError, json
from sqlalchemy import Connection

from city import cases, database, fleet
from city.database import Mode, transact
from city.fleet import Seen
from city.fleet_command import (
    COLUMNS,
    DATA,
    PAGE,
    WELL,
    application,
    as_json,
    as_page,
    as_text,
    cells,
    needs_nobody,
)
from firmware.link.messages import PROTOCOL, CaseCount, Hello, KioskStatus
from firmware.service.case_counts import counted
from firmware.service.entry import Case
from firmware.service.status import WELL as WELL_AT_THE_KIOSK
from firmware.service.status import Availability, Report
from firmware.service.teller import Teller

NOW = 1_900_000_000


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    url = f"sqlite:///{tmp_path / 'city.db'}"
    database.migrate(url)
    engine = database.connect(url, 1)
    with engine.begin() as made:
        yield made
    engine.dispose()


def hello(status: KioskStatus | None = None, build: str = "1.0+gabc") -> Hello:
    return Hello(protocol=PROTOCOL, build=build, status=status)


def test_the_newest_hello_counts(connection: Connection) -> None:
    low = KioskStatus(availability="ready", paper={"sheets": "low"}, cases=1, exact_only=True)
    fleet.note(connection, "kiosk-2", hello(KioskStatus(availability="serving")), NOW)
    fleet.note(connection, "kiosk-1", hello(KioskStatus(availability="starting")), NOW)
    fleet.note(connection, "kiosk-1", hello(low, "1.1+gdef"), NOW + 10)
    cases.open_case(connection, cases.MIX_UP, NOW, kiosk="kiosk-1")
    first, second = fleet.view(connection, NOW + 20)
    assert (first.kiosk, first.availability, first.paper) == ("kiosk-1", "ready", {"sheets": "low"})
    assert (first.cases, first.city_cases, first.exact_only) == (1, 1, True)
    assert (first.build, first.seen, first.silent_s) == ("1.1+gdef", NOW + 10, 10)
    assert (second.kiosk, second.availability, second.city_cases) == ("kiosk-2", "serving", 0)
    assert [needs_nobody(first), needs_nobody(second)] == [False, True]


def test_a_hello_that_does_not_tell_keeps_what_was_told(connection: Connection) -> None:
    fleet.note(connection, "old", hello(), NOW)
    fleet.note(connection, "new", hello(KioskStatus(availability="off-hours")), NOW)
    fleet.note(connection, "new", hello(build="2"), NOW + 5)
    new, old = fleet.view(connection, NOW + 5)
    assert (new.availability, new.build, new.seen) == ("off-hours", "2", NOW + 5)
    assert (old.availability, old.build) == (fleet.UNKNOWN, "1.0+gabc")


def test_who_was_not_heard_is_silent_whatever_it_said(connection: Connection) -> None:
    fleet.note(connection, "kiosk-1", hello(KioskStatus(availability="ready")), NOW)
    [still] = fleet.view(connection, NOW + fleet.SILENT_S)
    [silent] = fleet.view(connection, NOW + fleet.SILENT_S + 1)
    assert (still.availability, silent.availability) == ("ready", "silent")
    assert not needs_nobody(silent)


def test_text_json_and_page_say_the_same(connection: Connection) -> None:
    bad = KioskStatus(availability="out-of-service", problem="paper-out", paper={"sheets": "out"})
    fleet.note(connection, "kiosk-1", hello(bad, "<b>1</b>"), NOW)
    found = fleet.view(connection, NOW)
    assert json.decode(as_json(found))[0]["problem"] == "paper-out"
    assert "out-of-service (paper-out)" in as_text(found)
    page = as_page(found)
    assert "1 of 1 need somebody" in page and "sheets out" in page
    assert "&lt;b&gt;1&lt;/b&gt;" in page and "<b>1" not in page
    assert len(cells(found[0])) == len(COLUMNS)
    assert "No kiosk said hello yet" in as_page([])


@pytest.mark.parametrize("place", [PAGE, DATA])
def test_a_page_without_a_database_comes_back_by_itself(place: str) -> None:
    def look() -> Sequence[Seen]:
        raise database.DatabaseError("the database does not answer")

    async def ask() -> ClientResponse:
        async with TestClient(TestServer(application(look))) as client:
            return await client.get(place)

    answer = asyncio.run(ask())
    assert (answer.status, answer.headers["Refresh"]) == (503, "10")


def test_both_ends_agree_on_what_is_well() -> None:
    assert {one.value for one in WELL_AT_THE_KIOSK} <= WELL
    assert set(Availability) >= WELL


def test_the_kiosk_tells_what_it_saw() -> None:
    teller = Teller()
    assert teller.for_the_city(0) is None
    teller.looked(problem="paper-out", paper={"sheets": "out"}, cases=1)
    assert teller.for_the_city(120) == KioskStatus(
        availability="starting", problem="paper-out", paper={"sheets": "out"}, cases=99
    )
    after = Teller()
    after.remember(Report(availability=Availability.STARTING))
    assert after.for_the_city(0) is None, "just started: the city keeps what it was told before"
    after.remember(Report(availability=Availability.SERVING, devices={"card": ""}))
    assert after.for_the_city(0) == KioskStatus(availability="serving")
    after.remember(Report(devices={"card": ""}, cases=0))
    told = after.for_the_city(1)
    assert told is not None
    assert told.cases == 1, "a case that was opened since the last look is told at once"


def test_it_is_kept_at_every_hello(tmp_path: Path) -> None:
    """A decision of its own would slow down every hello of the country."""
    url = f"sqlite:///{tmp_path / 'city.db'}"
    database.migrate(url)
    engine = database.connect(url, 1)
    transact(engine, Mode.STEP, lambda c: fleet.note(c, "kiosk-1", hello(), NOW))
    assert transact(engine, Mode.READ, lambda c: len(fleet.view(c, NOW))) == 1
    engine.dispose()


def test_the_codes_of_the_cases_are_told_with_what_to_do(connection: Connection) -> None:
    opened = [
        Case("1" * 32, "document.hash/Ü", "", True, "1969-12-31T23:00:00+00:00"),
        Case("2" * 32, "print.unknown", "", True, "2030-03-17T17:46:40+00:00"),
        Case("3" * 32, "print.unknown", "", True, "2030-03-18T17:46:40+00:00"),
    ]
    teller = Teller()
    teller.looked(cases=3, case_codes=counted(opened), devices={"card": ""})
    told = json.encode(hello(teller.for_the_city(3)))
    fleet.note(connection, "kiosk-1", json.decode(told, type=Hello), NOW)
    [seen] = fleet.view(connection, NOW)
    assert seen.case_codes == (
        CaseCount("document.hash/-", 1, 0),
        CaseCount("print.unknown", 2, 1_900_000_000),
    )
    assert "\n\tprint.unknown (2)\tsince 2030-03-18T02:46:40+09:00\t" in as_text([seen])
    assert as_page([seen]).count("Destroy it unread") == 1
    assert b'{"code":"print.unknown","number":2,"oldest":1900000000}' in as_json([seen])
    fleet.note(connection, "kiosk-1", hello(KioskStatus(availability="ready")), NOW)
    assert not fleet.view(connection, NOW)[0].case_codes, "they were closed"


def test_many_codes_are_told_as_far_as_the_line_takes_them() -> None:
    opened = [Case("1" * 32, f"line.{n}", "", True, "2030-03-17T17:46:40Z") for n in range(200)]
    told = hello(KioskStatus(availability="ready", case_codes=counted(opened)))
    assert json.decode(json.encode(told), type=Hello) == told


@pytest.mark.parametrize("oldest", [-1, 10**12])
def test_a_time_that_no_page_could_show_is_refused(oldest: int) -> None:
    told = hello(KioskStatus(availability="ready", case_codes=(CaseCount("claim", 1, oldest),)))
    with pytest.raises(ValidationError):
        json.decode(json.encode(told), type=Hello)
