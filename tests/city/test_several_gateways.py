"""Several gateways on one database are one: in threads, in processes, killed in the middle, while
records change.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from city_bench import (
    HELLO,
    NOON,
    Direct,
    Rehearsal,
    Visit,
    both,
    new_id,
    outcome_of,
    refused,
    sealed,
    session_request,
    write_config,
)
from sqlalchemy import select, update

from city import files, registry, tables
from city.database import Mode, connect, transact
from city.handlers import City
from firmware.link import messages, sealing
from firmware.link.messages import RefusalCode

ROOT = Path(__file__).parents[2]
KIOSKS = 8
pytestmark = both


def at_once(*calls: Callable[[], object]) -> list[object]:
    """All of them, begun together; results or exceptions."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        start.wait()
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def reserved(
    rehearsal: Rehearsal, city: City, resident: str = "taro", kiosk: str = "kiosk-1"
) -> tuple[Visit, messages.Manifest]:
    """A visit that has come as far as the payment."""
    visit = Visit(Direct(city, kiosk), rehearsal.card(resident), kiosk=kiosk)

    async def go() -> messages.Manifest:
        await visit.enter()
        manifest, _ = await visit.orders("inkan")
        return manifest

    return visit, asyncio.run(go())


def issued(city: City) -> int:
    with city.engine.begin() as connection:
        return len(connection.execute(select(tables.orders).filter_by(state="issued")).all())


def test_one_challenge_opens_one_session_at_any_number_of_gateways(rehearsal: Rehearsal) -> None:
    cities = [rehearsal.city, rehearsal.beside()]
    card, keys = rehearsal.card("taro"), sealing.generate()
    challenge = Direct(cities[0]).ask("hello", HELLO).challenge
    requests = [session_request(card, challenge, keys) for _ in range(6)]
    found = at_once(
        *(lambda n=n: Direct(cities[n % 2]).ask("sessions", requests[n]) for n in range(6))
    )
    assert sum(isinstance(answer, messages.SessionAnswer) for answer in found) == 1, found
    cities[1].engine.dispose()


def test_released_once_however_often_and_wherever_it_is_asked(rehearsal: Rehearsal) -> None:
    cities = [rehearsal.city, rehearsal.beside()]
    visit, manifest = reserved(rehearsal, cities[0])
    found = at_once(
        *(lambda n=n: Direct(cities[n % 2]).ask("release", visit.pays(manifest)) for n in range(6))
    )
    assert sum(isinstance(answer, messages.ReleaseAnswer) for answer in found) == 1, found
    assert issued(cities[0]) == 1
    with cities[0].engine.begin() as connection:
        events = [
            row.entry
            for row in connection.execute(select(tables.audit))
            if '"event":"issued"' in row.entry
        ]
        assert len(events) == 1
    assert sealed(cities[0]).broken is None
    cities[1].engine.dispose()


def test_an_outcome_told_to_several_gateways_counts_once(rehearsal: Rehearsal) -> None:
    cities = [rehearsal.city, rehearsal.beside()]
    visit, manifest = reserved(rehearsal, cities[0])
    Direct(cities[0]).ask("release", visit.pays(manifest))
    outcome = outcome_of(manifest)
    found = at_once(*(lambda n=n: Direct(cities[n % 2]).ask("outcome", outcome) for n in range(6)))
    assert all(isinstance(answer, messages.Done) for answer in found), found
    with cities[0].engine.begin() as connection:
        assert len(connection.execute(select(tables.outcomes)).all()) == 1
        assert not connection.execute(select(tables.cases)).all()
    cities[1].engine.dispose()


def test_many_kiosks_at_several_gateways(rehearsal: Rehearsal) -> None:
    """Whole journeys side by side, each step at another gateway: nothing lost, nothing twice, one
    sound log.
    """
    cities = [rehearsal.city, rehearsal.beside(), rehearsal.beside()]
    residents = ("taro", "hanako", "yoshiko", "tetsuo") * (KIOSKS // 4)
    cards = [rehearsal.card(resident) for resident in residents]

    def journey(n: int) -> str:
        kiosk = f"kiosk-{n}"
        visit = Visit(Direct(cities[n % 3], kiosk), cards[n], kiosk=kiosk)

        async def go() -> str:
            await visit.enter()
            visit.line = Direct(cities[(n + 1) % 3], kiosk)
            manifest, text = await visit.orders("juminhyo")
            assert manifest.content.unique_number in text.decode()
            visit.line = Direct(cities[(n + 2) % 3], kiosk)
            await visit.line.release(visit.pays(manifest))
            await visit.line.outcome(outcome_of(manifest))
            await visit.line.cancel(manifest.session)
            return manifest.content.unique_number

        return asyncio.run(go())

    numbers = at_once(*(lambda n=n: journey(n) for n in range(KIOSKS)))
    assert len(set(numbers)) == KIOSKS, numbers
    with cities[0].engine.begin() as connection:
        states = Counter(connection.execute(select(tables.orders.c.state)).scalars())
        assert states == {"issued": KIOSKS}
        assert not connection.execute(select(tables.cases)).all()
    assert sealed(cities[0]).broken is None
    for city in cities[1:]:
        city.engine.dispose()


# -- freshness -------------------------------------------------------------------------------------

ADDRESS = {"address": "兵庫県明石市二見町東二見1番地"}


def test_a_change_that_is_under_way_is_waited_for_and_refuses_the_release(
    rehearsal: Rehearsal,
) -> None:
    visit, manifest = reserved(rehearsal, rehearsal.city)
    records = connect(rehearsal.config.gateway.database)
    holding, go_on = threading.Event(), threading.Event()

    def change() -> None:
        with records.begin() as connection:
            connection.execute(
                update(tables.residents).where(tables.residents.c.id == "taro").values(ADDRESS)
            )
            holding.set()
            go_on.wait(5)

    def release() -> object:
        holding.wait(5)
        threading.Timer(0.2, go_on.set).start()
        return Direct(rehearsal.city).ask("release", visit.pays(manifest))

    found = at_once(change, release)
    assert getattr(found[1], "refusal", None) is not None, found
    assert found[1].refusal.code is RefusalCode.CHANGED_MEANWHILE  # type: ignore[attr-defined]
    assert issued(rehearsal.city) == 0
    records.dispose()


@pytest.mark.parametrize("change", ["resident", "seal", "tax", "member"])
def test_no_record_changes_between_the_check_and_the_commit(
    rehearsal: Rehearsal, change: str
) -> None:
    """A writer that comes after the check comes after the release: what was true when it was
    decided stays true.
    """
    visit, manifest = reserved(rehearsal, rehearsal.city)
    records = connect(rehearsal.config.gateway.database)
    order: list[str] = []

    def write() -> None:
        with records.begin() as connection:
            if change == "resident":
                connection.execute(
                    update(tables.residents).where(tables.residents.c.id == "taro").values(ADDRESS)
                )
            if change == "seal":
                connection.execute(update(tables.seals).values(deregistered_on=NOON.date()))
            if change == "tax":
                year = {
                    "resident": "taro",
                    "year": 1999,
                    "standing": "filed",
                    "address": "x",
                    "amounts": [],
                }
                connection.execute(tables.taxes.insert().values(year))
            if change == "member":
                row = (
                    connection.execute(select(tables.residents).filter_by(id="taro"))
                    .mappings()
                    .one()
                )
                connection.execute(
                    tables.residents.insert().values({**row, "id": "new", "position": 99})
                )
        order.append("written")

    writer = threading.Thread(target=write)

    def decide(connection) -> None:
        session = registry.session_of(connection, manifest.session, "kiosk-1", 0, hold=True)
        assert session is not None
        file = files.file_of(connection, session.card, hold=True)
        assert file is not None
        assert file.version == manifest.record_version
        writer.start()
        writer.join(0.3)
        order.append("decided")

    transact(rehearsal.city.engine, Mode.STEP, decide)
    writer.join(5)
    assert order == ["decided", "written"]
    assert (
        asyncio.run(refused(visit.line.release(visit.pays(manifest))))
        is RefusalCode.CHANGED_MEANWHILE
    )
    records.dispose()


# -- processes -------------------------------------------------------------------------------------

HALF = """
import sys, time
from city import audit, registry
from city.database import Mode, connect, transact
url, order, session, document = sys.argv[1:]
def work(connection):
    assert registry.issue(connection, order, session, document)
    audit.append(connection, "issued", 0, order=order)
    print("inside", flush=True)
    time.sleep(60)
transact(connect(url), Mode.STEP, work)
"""


def test_a_gateway_killed_in_the_middle_of_a_transaction_leaves_nothing_half(
    rehearsal: Rehearsal,
) -> None:
    visit, manifest = reserved(rehearsal, rehearsal.city)
    before = sealed(rehearsal.city)
    words = [
        rehearsal.config.gateway.database,
        manifest.order,
        manifest.session,
        manifest.document_sha256,
    ]
    program = subprocess.Popen(
        [sys.executable, "-c", HALF, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "inside\n"
    program.send_signal(signal.SIGKILL)
    program.communicate(timeout=10)
    assert sealed(rehearsal.city) == before
    assert issued(rehearsal.city) == 0
    assert Direct(rehearsal.city).ask("release", visit.pays(manifest)).released
    assert issued(rehearsal.city) == 1


SERVE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import asyncio
from city_bench import fake_paginate, fake_typeset
from city import gateway
from city.config import load
config = load(Path(sys.argv[1]))
asyncio.run(gateway.run(config, gateway.build(config, fake_typeset, fake_paginate)))
"""


def test_one_journey_over_two_gateway_processes_one_of_them_killed(rehearsal: Rehearsal) -> None:
    """A session begun at one, ordered at the other; the first is killed, and nobody misses what it
    knew.
    """
    clock = f"[clock]\nstart = {NOON.isoformat()}"
    ca = rehearsal.folder / "card-ca.pem"
    url = rehearsal.config.gateway.database
    config = write_config(rehearsal.folder, rehearsal.pki, ca, database=url, extra=clock)
    words = [sys.executable, "-c", SERVE, str(config), str(Path(__file__).parent)]
    programs = [
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)
    ]
    try:
        lines = [program.stdout.readline() for program in programs if program.stdout]
        first, second = (line.removeprefix("city ready ").strip() for line in lines)
        asyncio.run(_shared_journey(rehearsal, first, second, programs[0]))
    finally:
        for program in programs:
            program.kill()
            program.communicate(timeout=10)


async def _shared_journey(
    rehearsal: Rehearsal, first: str, second: str, dies: subprocess.Popen[str]
) -> None:
    async with rehearsal.line(first) as one, rehearsal.line(second) as two:
        visit = Visit(one, rehearsal.card("taro"))
        await visit.enter()
        visit.line = two
        manifest, _ = await visit.orders("inkan")
        assert (
            await one.order(visit.order) == visit.answer
        )  # the same order, wherever it is asked for
        dies.kill()
        released = await two.release(visit.pays(manifest))
        assert released.released
        assert await refused(two.release(visit.pays(manifest))) is RefusalCode.ORDER_OVER
        assert (await two.outcome(outcome_of(manifest))).accepted
        stranger = msgspec.structs.replace(visit.pays(manifest), session=new_id())
        assert await refused(two.release(stranger)) is RefusalCode.SESSION_UNKNOWN
