"""Each cause is told as itself: provoked in the records and by the clock, at the handlers.

What stands in the way and what is told of it are written down here as pairs; a kiosk of an older
build, which has no words for the newer codes, is told what it was told before there were any.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from city_bench import NOON, Direct, Rehearsal, Visit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import json, structs
from sqlalchemy import update

from city import tables
from city.calendars import Line
from city.clock import JST
from city.document import CannotPrint, Layout, Unprintable
from city.entries import Certificate, Eligibility, Fee, Hours
from city.records import Standing
from city.typesetting import typeset
from firmware.link import messages
from firmware.link.client import CityRefusal
from firmware.link.content import Content
from firmware.link.messages import RefusalCode
from firmware.link.refusals import OLDER
from firmware.texts.texts import Texts, languages

ALL_DAY = (Line(days=("every-day",), times=("00:00-24:00",)),)
MIDNIGHT = datetime(2026, 11, 25, tzinfo=JST)


@dataclass(frozen=True)
class Cause:
    """What is written into the records, and what an order of this kind is then told."""

    code: RefusalCode
    values: dict[str, Any]
    kind: str = "juminhyo"


TARO = "taro"
CAUSES = {
    "a glyph that no font has": Cause(RefusalCode.CHARACTERS, {"name": "明石　\ue000郎"}),
    "a character that is being registered": Cause(
        RefusalCode.CHARACTER_PENDING, {"name": "明石　〓郎"}
    ),
    "one in an address": Cause(
        RefusalCode.CHARACTER_PENDING, {"address": "明石市〓崎一丁目5番1号"}, kind="inkan"
    ),
    "a name longer than the code of a sheet": Cause(
        RefusalCode.TEXT_TOO_LONG, {"name": "MARIA " * 24 + "Z"}
    ),
    "an address longer than its place": Cause(
        RefusalCode.TEXT_TOO_LONG, {"previous_address": "あ" * 401}
    ),
}


def change(rehearsal: Rehearsal, resident: str, **values: Any) -> None:
    with rehearsal.city.engine.begin() as connection:
        row = tables.residents
        connection.execute(update(row).where(row.c.id == resident).values(values))


def told(visit: Visit, kind: str, understands: tuple[str, ...]) -> RefusalCode:
    asked = structs.replace(visit.asks(kind), understands=understands)
    with pytest.raises(CityRefusal) as caught:
        asyncio.run(visit.line.order(asked))
    return caught.value.refusal.code


@pytest.mark.parametrize("name", CAUSES)
def test_what_cannot_be_printed_is_told_by_its_own_cause(rehearsal: Rehearsal, name: str) -> None:
    cause = CAUSES[name]
    rehearsal.typeset = typeset
    change(rehearsal, TARO, **cause.values)
    visit = Visit(Direct(rehearsal.city), rehearsal.card(TARO))
    asyncio.run(visit.enter())
    assert told(visit, cause.kind, messages.UNDERSTOOD) is cause.code
    older = OLDER.get(cause.code, cause.code)
    assert told(visit, cause.kind, ()) is older


def test_more_sheets_than_there_may_be(rehearsal: Rehearsal) -> None:
    """No household of 32 needs more than 20 sheets of the forms that there are now."""

    def crowded(content: Content, layout: Layout) -> list[int]:
        raise CannotPrint(Unprintable.TOO_MANY)

    rehearsal.city = replace(rehearsal.city, paginate=crowded)
    visit = Visit(Direct(rehearsal.city), rehearsal.card(TARO))
    asyncio.run(visit.enter())
    assert told(visit, "juminhyo", messages.UNDERSTOOD) is RefusalCode.TOO_MANY_SHEETS
    assert told(visit, "juminhyo", ()) is RefusalCode.CHARACTERS


# -- a notice of the household ---------------------------------------------------------------------


def strict(rehearsal: Rehearsal) -> None:
    """One member's notice stops the certificates of all; filings take three days."""
    data = rehearsal.city.data
    terms: tuple[Eligibility, ...] = tuple(
        structs.replace(each, notice_blocks_household=True, processing_days=3)
        for each in data.eligibility
    )
    rehearsal.govern(structs.replace(data, eligibility=terms))


def entered(rehearsal: Rehearsal, understands: tuple[str, ...]) -> messages.Offer:
    wire = _Of(rehearsal.city)
    wire.understands = understands
    visit = Visit(wire, rehearsal.card(TARO))
    session = asyncio.run(visit.enter())
    return next(offer for offer in session.offers if offer.kind == "juminhyo")


class _Of(Direct):
    understands: tuple[str, ...] = ()

    async def open_session(self, message: messages.SessionRequest) -> messages.SessionAnswer:
        return await super().open_session(structs.replace(message, understands=self.understands))


def test_a_notice_of_the_household_is_told_with_its_own_end(rehearsal: Rehearsal) -> None:
    """Of two notices the later one decides: the first opening of the day from which both hold."""
    strict(rehearsal)
    change(rehearsal, "kenta", notified_on=date(2026, 11, 20))
    change(rehearsal, "hanako", notified_on=date(2026, 11, 24))
    offer = entered(rehearsal, messages.UNDERSTOOD)
    assert offer.refusal is RefusalCode.HOUSEHOLD_NOTICE
    assert offer.opens_at == "2026-11-27T06:30:00+09:00"
    assert entered(rehearsal, (messages.OPENINGS,)).refusal is RefusalCode.NOTICE_IN_PROCESS


def test_a_member_who_is_leaving_keeps_the_notice_from_ending(rehearsal: Rehearsal) -> None:
    strict(rehearsal)
    change(rehearsal, "hanako", standing=Standing.LEAVING, notified_on=date(2026, 11, 24))
    offer = entered(rehearsal, messages.UNDERSTOOD)
    assert (offer.refusal, offer.opens_at) == (RefusalCode.HOUSEHOLD_NOTICE, None)


def test_what_is_refused_at_the_order_has_its_end_too(rehearsal: Rehearsal) -> None:
    """A kiosk asks for no such thing; whatever it asks, it is told the same as with the session."""
    strict(rehearsal)
    change(rehearsal, "hanako", notified_on=date(2026, 11, 24))
    visit = Visit(Direct(rehearsal.city), rehearsal.card(TARO))
    asyncio.run(visit.enter())
    with pytest.raises(CityRefusal) as caught:
        asyncio.run(visit.line.order(visit.asks("juminhyo")))
    assert caught.value.refusal.code is RefusalCode.HOUSEHOLD_NOTICE
    assert caught.value.refusal.opens_at == "2026-11-27T06:30:00+09:00"


# -- midnight --------------------------------------------------------------------------------------


def sells(rehearsal: Rehearsal, kind: str, *certificates: Certificate) -> None:
    """At all hours, and of this kind nothing but these."""
    data = rehearsal.city.data
    hours = (Hours(since=date(2016, 1, 1), calendar=ALL_DAY),)
    others = tuple(each for each in data.certificates if each.kind != kind)
    rehearsal.govern(
        structs.replace(data, certificates=(*others, *certificates), hours=hours, maintenance=())
    )


def of_kind(rehearsal: Rehearsal, kind: str) -> Certificate:
    return next(each for each in rehearsal.city.data.certificates if each.kind == kind)


def fees(*steps: tuple[date, int]) -> tuple[Fee, ...]:
    return tuple(Fee(since=since, yen=yen) for since, yen in steps)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_fee_confirmed_is_the_fee_charged_or_the_order_is_refused(
    rehearsal: Rehearsal, data: st.DataObject
) -> None:
    """Around the midnight at which a fee changes, at its very seconds too."""
    before, after = (data.draw(st.sampled_from((0, 100, 200, 300))) for _ in range(2))
    seal = of_kind(rehearsal, "inkan")
    steps = fees((seal.since, before), (MIDNIGHT.date(), after))
    sells(rehearsal, "inkan", structs.replace(seal, fees=steps))
    second = st.sampled_from((-600, -61, -2, -1, 0, 1, 2, 60, 600)) | st.integers(-700, 100)
    session_at = data.draw(second)
    order_at = data.draw(st.integers(session_at, session_at + 890))
    rehearsal.clock.now = MIDNIGHT + timedelta(seconds=session_at)
    visit = Visit(Direct(rehearsal.city), rehearsal.card(TARO))
    session = asyncio.run(visit.enter())
    shown = next(offer.fee for offer in session.offers if offer.kind == "inkan")
    menu = next(each.fee for each in visit.terms.certificates if each.kind == "inkan")
    assert shown == menu == (before if session_at < 0 else after)
    rehearsal.clock.now = MIDNIGHT + timedelta(seconds=order_at)
    changes = session_at < 0 <= order_at and before != after
    if changes:
        assert told(visit, "inkan", messages.UNDERSTOOD) is RefusalCode.DAY_CHANGED
        assert told(visit, "inkan", ()) is RefusalCode.CHANGED_MEANWHILE
        return
    order = visit.asks("inkan", copies=2)
    answer = asyncio.run(visit.line.order(order))
    manifest = json.decode(answer.manifest, type=messages.Manifest)
    assert manifest.fee == 2 * shown
    # Paid on the other day: what was confirmed holds.
    rehearsal.clock.now = max(rehearsal.clock.now, MIDNIGHT + timedelta(seconds=1))
    release = messages.ReleaseRequest(
        session=order.session,
        order=order.order,
        document_sha256=manifest.document_sha256,
        paid=manifest.fee,
    )
    if order_at - session_at < 890 and rehearsal.clock.now < MIDNIGHT + timedelta(
        seconds=session_at + rehearsal.city.data.session_s
    ):
        assert asyncio.run(visit.line.release(release)).released


def test_a_title_that_changes_at_midnight_is_no_anomaly(rehearsal: Rehearsal) -> None:
    """The kiosk would refuse such a document, and open a case."""
    seal = of_kind(rehearsal, "inkan")
    renamed = "印鑑登録証明書（新）"
    sells(
        rehearsal,
        "inkan",
        structs.replace(seal, until=NOON.date()),
        structs.replace(seal, since=MIDNIGHT.date(), title={"ja": renamed}, printed=renamed),
    )
    rehearsal.clock.now = MIDNIGHT - timedelta(seconds=1)
    visit = Visit(Direct(rehearsal.city), rehearsal.card(TARO))
    asyncio.run(visit.enter())
    rehearsal.clock.now = MIDNIGHT
    assert told(visit, "inkan", messages.UNDERSTOOD) is RefusalCode.DAY_CHANGED
    assert asyncio.run(visit.line.order(visit.asks("juminhyo")))


def test_a_certificate_that_ends_at_midnight_is_told_so(rehearsal: Rehearsal) -> None:
    seal = of_kind(rehearsal, "inkan")
    sells(rehearsal, "inkan", structs.replace(seal, until=NOON.date()))
    rehearsal.clock.now = MIDNIGHT - timedelta(seconds=1)
    visit = Visit(Direct(rehearsal.city), rehearsal.card(TARO))
    asyncio.run(visit.enter())
    rehearsal.clock.now = MIDNIGHT
    assert told(visit, "inkan", messages.UNDERSTOOD) is RefusalCode.DAY_CHANGED


# -- none is told as another -----------------------------------------------------------------------


@pytest.mark.parametrize("language", languages())
def test_a_newer_cause_has_words_of_its_own(language: str) -> None:
    texts = Texts.load(language)
    for newer, older in OLDER.items():
        words = {texts.get(f"refusal.{code}.cause") for code in (newer, older)}
        assert len(words) == 2
