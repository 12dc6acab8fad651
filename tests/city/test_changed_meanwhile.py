"""A session is of one version of the file: whatever changes before the order, nothing is made and
nothing reserved.
"""

from __future__ import annotations

import asyncio
from datetime import date

import pytest
from city_bench import Direct, Rehearsal, Visit, both, refused, sha256
from sqlalchemy import delete, select, update

from city import files, tables
from city.sample.imprint import draw
from firmware.link.messages import RefusalCode

pytestmark = both
residents, seals, taxes, cards = tables.residents, tables.seals, tables.taxes, tables.cards
ELSEWHERE = residents.alias("elsewhere")
CHANGES = {
    "the holder's address": update(residents)
    .where(residents.c.id == "hanako")
    .values(address="明石市"),
    "the holder's reading": update(residents)
    .where(residents.c.id == "hanako")
    .values(kana="ハナコ"),
    "another member's name": update(residents)
    .where(residents.c.id == "taro")
    .values(name="明石　次郎"),
    "what no form prints": update(residents)
    .where(residents.c.id == "taro")
    .values(protected=False, position=9),
    "a member less": update(residents)
    .where(residents.c.id == "kenta")
    .values(
        household=select(ELSEWHERE.c.household).where(ELSEWHERE.c.id == "yoshiko").scalar_subquery()
    ),
    "the imprint": update(seals).where(seals.c.resident == "hanako").values(imprint=draw("別人")),
    "an amount": update(taxes).where(taxes.c.resident == "hanako").values(amounts=[["年税額", 1]]),
    "a year less": delete(taxes).where((taxes.c.resident == "hanako") & (taxes.c.year == 2025)),
    "the card": update(cards)
    .where(cards.c.resident == "hanako")
    .values(issued_on=date(2024, 1, 1)),
}
NO_CHANGES = {
    "a stranger's address": update(residents)
    .where(residents.c.id == "yoshiko")
    .values(address="明石市"),
    "the same value again": update(residents)
    .where(residents.c.id == "hanako")
    .values(kana="アカシ　ハナコ"),
    "another member's seal": update(seals)
    .where(seals.c.resident == "taro")
    .values(imprint=draw("太郎")),
}


def visit_of(rehearsal: Rehearsal) -> Visit:
    visit = Visit(Direct(rehearsal.city), rehearsal.card("hanako"))
    asyncio.run(visit.enter())
    return visit


def orders(rehearsal: Rehearsal) -> int:
    with rehearsal.city.engine.begin() as connection:
        return len(connection.execute(select(tables.orders)).all())


def apply(rehearsal: Rehearsal, statement) -> None:
    with rehearsal.city.engine.begin() as connection:
        assert connection.execute(statement).rowcount >= 1


def test_a_session_stores_the_version_that_it_was_told(rehearsal: Rehearsal) -> None:
    visit = visit_of(rehearsal)
    with rehearsal.city.engine.begin() as connection:
        file = files.file_of(connection, sha256(visit.card.der))
        stored = connection.execute(select(tables.sessions)).one()
    assert file is not None
    assert visit.session.record_version == stored.record_version == file.version
    assert len(stored.commitment_seed) == 32
    manifest, _ = asyncio.run(visit.orders("inkan"))
    assert manifest.record_version == file.version


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["juminhyo", "inkan", "kazei"])
def test_nothing_is_reserved_of_a_file_that_changed(
    rehearsal: Rehearsal, change: str, kind: str
) -> None:
    visit = visit_of(rehearsal)
    apply(rehearsal, CHANGES[change])
    set_at_all: list[object] = []
    rehearsal.typeset = lambda *given: set_at_all.append(given)  # type: ignore[assignment, return-value]
    for _ in range(2):  # asked again, the answer is the same
        assert (
            asyncio.run(refused(visit.line.order(visit.asks(kind))))
            is RefusalCode.CHANGED_MEANWHILE
        )
    assert (orders(rehearsal), set_at_all) == (0, [])


@pytest.mark.parametrize("change", NO_CHANGES)
def test_what_is_no_change_of_the_file_stops_nobody(rehearsal: Rehearsal, change: str) -> None:
    visit = visit_of(rehearsal)
    apply(rehearsal, NO_CHANGES[change])
    manifest, _ = asyncio.run(visit.orders("juminhyo", scope=("household",)))
    assert manifest.record_version == visit.session.record_version
    assert orders(rehearsal) == 1


def test_a_change_that_is_taken_back_is_none(rehearsal: Rehearsal) -> None:
    visit = visit_of(rehearsal)
    for address in ("明石市", visit.session.holder_address):
        apply(
            rehearsal, update(residents).where(residents.c.id == "hanako").values(address=address)
        )
    manifest, _ = asyncio.run(visit.orders("inkan"))
    assert manifest.order == visit.order.order


def test_an_order_before_the_change_stays_and_is_void_at_release(rehearsal: Rehearsal) -> None:
    visit = visit_of(rehearsal)
    manifest, _ = asyncio.run(visit.orders("inkan"))
    first = visit.order
    apply(rehearsal, CHANGES["an amount"])
    assert (
        asyncio.run(refused(visit.line.order(visit.asks("kazei")))) is RefusalCode.CHANGED_MEANWHILE
    )
    assert asyncio.run(refused(visit.line.order(first))) is None  # the answer it had before
    assert (
        asyncio.run(refused(visit.line.release(visit.pays(manifest))))
        is RefusalCode.CHANGED_MEANWHILE
    )
    with rehearsal.city.engine.begin() as connection:
        assert [row.state for row in connection.execute(select(tables.orders))] == ["void"]
