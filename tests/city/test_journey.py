"""The whole protocol over real TLS on loopback, with a card's signature made in software."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from city_bench import (
    HELLO,
    NOON,
    Rehearsal,
    Visit,
    both,
    new_id,
    outcome_of,
    refused,
    sealed,
    session_request,
    sha256,
)
from sqlalchemy import select, update

from city import tables
from city.calendars import Line
from city.document import Layout, Typeset
from firmware.link import messages, sealing, signing
from firmware.link.commitments import commitment
from firmware.link.content import Content, sheet_digest
from firmware.link.messages import RefusalCode

pytestmark = both


def on_line(rehearsal: Rehearsal, scenario) -> None:
    """Run `scenario(line, url)` against a serving gateway."""

    async def with_line(url: str) -> None:
        async with rehearsal.line(url) as line:
            await scenario(line, url)

    asyncio.run(rehearsal.run(with_line)())


def count(rehearsal: Rehearsal, table, **where) -> int:
    with rehearsal.city.engine.begin() as connection:
        rows = connection.execute(select(table).filter_by(**where)).all()
    return len(rows)


@pytest.mark.parametrize(
    ("kind", "choices", "fee"),
    [
        ("juminhyo", {"scope": ("household",), "fields": ("relationship", "mynumber")}, 200),
        ("inkan", {}, 200),
        ("kazei", {"year": ("y2025",)}, 200),
    ],
)
def test_each_certificate_from_hello_to_outcome(
    rehearsal: Rehearsal, kind: str, choices, fee: int
) -> None:
    pinned = signing.load_public([rehearsal.pki.issuing])

    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card("hanako"))
        session = await visit.enter()
        assert session.members[session.holder] == "明石　花子"
        assert list(session.members) == ["m1", "m2", "m3", "m4"]
        assert session.records.keys() == {*session.members, "seal", "y2026", "y2025"}
        manifest, pdf = await visit.orders(kind, 2, **choices)
        signing.verify_manifest(pinned, visit.answer.manifest, visit.answer.manifest_signature)
        assert manifest.document_sha256 == sha256(pdf)
        assert manifest.request_sha256 == messages.request_sha256(visit.order)
        assert manifest.card_sha256 == sha256(visit.card.der)
        assert (manifest.kind, manifest.fee, manifest.copies) == (kind, fee, 2)
        content = manifest.content
        assert content.issued_on == "令和8年11月24日"
        assert [bool(sheet.seal) for sheet in content.sheets] == [kind == "inkan"] * content.pages
        assert content.unique_number in pdf.decode()
        codes = [signing.verify_code(pinned, code) for code in manifest.codes]
        pages = range(1, content.pages + 1)
        assert [(c.page, c.pages) for c in codes] == [(n, content.pages) for n in pages]
        assert [c.digest for c in codes] == [sheet_digest(content, n, manifest.salt) for n in pages]
        assert {(c.unique_number, c.holder) for c in codes} == {
            (content.unique_number, "明石　花子")
        }
        assert {c.year for c in codes} == {2025 if kind == "kazei" else None}
        assert {(c.people, c.whole) for c in codes} == {
            (4, True) if kind == "juminhyo" else (None, False)
        }
        released = await line.release(visit.pays(manifest))
        assert released.document_sha256 == manifest.document_sha256
        outcome = outcome_of(manifest)
        assert (await line.outcome(outcome)).accepted
        assert (await line.outcome(outcome)).accepted
        assert (await line.cancel(manifest.session)).accepted

    on_line(rehearsal, scenario)
    assert count(rehearsal, tables.outcomes) == 1
    assert count(rehearsal, tables.orders, state="issued", sealed=None, manifest=None) == 1


def test_repeated_order_has_the_same_answer_and_another_under_its_id_is_refused(
    rehearsal: Rehearsal,
) -> None:
    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card("yoshiko"))
        await visit.enter()
        await visit.orders("juminhyo")
        assert await line.order(visit.order) == visit.answer
        other = msgspec.structs.replace(visit.order, copies=2)
        assert await refused(line.order(other)) is RefusalCode.ORDER_REUSED

    on_line(rehearsal, scenario)
    assert count(rehearsal, tables.orders) == 1


def test_simultaneous_orders_of_one_id_are_one_order(rehearsal: Rehearsal) -> None:
    async def scenario(line, url) -> None:
        visit = Visit(line, rehearsal.card("yoshiko"))
        await visit.enter()
        order = visit.asks("juminhyo")
        lines = [rehearsal.line(url) for _ in range(5)]
        answers = await asyncio.gather(*(each.order(order) for each in lines))
        await asyncio.gather(*(each.close() for each in lines))
        assert len({answer.manifest for answer in answers}) == 1

    on_line(rehearsal, scenario)
    assert count(rehearsal, tables.orders) == 1


def test_a_second_order_voids_the_first(rehearsal: Rehearsal) -> None:
    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card("yoshiko"))
        await visit.enter()
        first, _ = await visit.orders("juminhyo")
        second, _ = await visit.orders("inkan")
        assert await refused(line.release(visit.pays(first))) is RefusalCode.ORDER_OVER
        assert (await line.release(visit.pays(second))).released

    on_line(rehearsal, scenario)


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("double", RefusalCode.ORDER_OVER),
        ("underpaid", RefusalCode.UNDERPAID),
        ("other document", RefusalCode.OTHER_DOCUMENT),
        ("other session", RefusalCode.SESSION_UNKNOWN),
        ("unknown order", RefusalCode.ORDER_UNKNOWN),
    ],
)
def test_release_happens_once_for_exactly_this(
    rehearsal: Rehearsal, case: str, code: RefusalCode
) -> None:
    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card("yoshiko"))
        await visit.enter()
        manifest, _ = await visit.orders("juminhyo", 2)
        good = visit.pays(manifest)
        bad = {
            "double": good,
            "underpaid": visit.pays(manifest, 100),
            "other document": msgspec.structs.replace(good, document_sha256="0" * 64),
            "other session": msgspec.structs.replace(good, session=new_id()),
            "unknown order": msgspec.structs.replace(good, order=new_id()),
        }[case]
        if case == "double":
            await line.release(good)
        assert await refused(line.release(bad)) is code

    on_line(rehearsal, scenario)
    assert count(rehearsal, tables.orders, state="issued") == (1 if case == "double" else 0)


@pytest.mark.parametrize(
    ("table", "key", "change"),
    [
        ("residents", "hanako", {"address": "兵庫県明石市二見町東二見1番地"}),
        ("residents", "taro", {"standing": "moved-out"}),
        ("residents", "hanako", {"protected": True}),
        ("seals", "hanako", {"deregistered_on": NOON.date()}),
    ],
)
def test_a_record_that_changed_before_release_is_not_printed(
    rehearsal: Rehearsal, table, key, change
) -> None:
    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card("hanako"))
        await visit.enter()
        manifest, _ = await visit.orders("inkan")
        rows = tables.metadata.tables[table]
        with rehearsal.city.engine.begin() as connection:
            connection.execute(
                update(rows).where(next(iter(rows.primary_key)) == key).values(change)
            )
        assert await refused(line.release(visit.pays(manifest))) is RefusalCode.CHANGED_MEANWHILE

    on_line(rehearsal, scenario)
    assert count(rehearsal, tables.orders, state="void", sealed=None) == 1


def test_a_record_that_changed_before_the_order_is_not_what_the_session_committed_to(
    rehearsal: Rehearsal,
) -> None:
    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card("hanako"))
        await visit.enter()
        with rehearsal.city.engine.begin() as connection:
            row = (
                update(tables.residents)
                .where(tables.residents.c.id == "taro")
                .values(previous_address="神戸市")
            )
            connection.execute(row)
        assert await refused(line.order(visit.asks("inkan"))) is RefusalCode.CHANGED_MEANWHILE
        await visit.enter()
        assert await refused(line.order(visit.asks("inkan"))) is None

    on_line(rehearsal, scenario)


def test_a_value_longer_than_the_line_carries_is_refused_before_money(rehearsal: Rehearsal) -> None:
    async def scenario(line, _url) -> None:
        for length, code in ((400, None), (401, RefusalCode.TEXT_TOO_LONG)):
            values = {"previous_address": "あ" * length}
            with rehearsal.city.engine.begin() as connection:
                row = (
                    update(tables.residents).where(tables.residents.c.id == "hanako").values(values)
                )
                connection.execute(row)
            visit = Visit(line, rehearsal.card("hanako"))
            await visit.enter()
            assert await refused(line.order(visit.asks("juminhyo"))) is code

    on_line(rehearsal, scenario)


def test_midnight_between_session_and_order_changes_no_record(rehearsal: Rehearsal) -> None:
    """Of a city whose amounts have other names from the next day on."""
    taxes = next(c for c in rehearsal.city.data.certificates if c.form == "kazei")
    today, tomorrow = NOON.date(), NOON.date() + timedelta(days=1)
    renamed = {"税額": (*taxes.amounts["課税標準額・税額"], "新しい税額")}
    later = msgspec.structs.replace(taxes, since=tomorrow, amounts=renamed)
    others = [c for c in rehearsal.city.data.certificates if c.form != "kazei"]
    certificates = (*others, msgspec.structs.replace(taxes, until=today), later)
    open_all_day = tuple(
        msgspec.structs.replace(
            hours, calendar=(Line(days=("every-day",), times=("00:00-24:00",)),)
        )
        for hours in rehearsal.city.data.hours
    )
    rehearsal.govern(
        msgspec.structs.replace(rehearsal.city.data, certificates=certificates, hours=open_all_day)
    )
    card = rehearsal.card("hanako")

    async def scenario(line, _url) -> None:
        rehearsal.clock.now = NOON.replace(hour=23, minute=58)
        visit = Visit(line, card)
        session = await visit.enter()
        rehearsal.clock.now = NOON.replace(hour=0, minute=1) + timedelta(days=1)
        manifest, _ = await visit.orders("kazei", year=("y2026",))
        assert manifest.content.issued_on == "令和8年11月25日"
        for name, opening in manifest.openings.items():
            told = commitment(session.session, name, session.record_version, opening)
            assert told == session.records[name]

    on_line(rehearsal, scenario)


@pytest.mark.parametrize(
    ("resident", "code"),
    [
        ("sakura", RefusalCode.UNDER_15),
        ("misaki", RefusalCode.NOT_AVAILABLE),
        ("makoto", RefusalCode.MOVED_OUT),
        ("ryo", RefusalCode.NOTICE_IN_PROCESS),
    ],
)
def test_a_person_the_rules_refuse_gets_no_session(
    rehearsal: Rehearsal, resident: str, code: RefusalCode
) -> None:
    async def scenario(line, _url) -> None:
        assert await refused(Visit(line, rehearsal.card(resident)).enter()) is code

    on_line(rehearsal, scenario)
    assert count(rehearsal, tables.sessions) == 0


def test_cards_the_city_does_not_accept(rehearsal: Rehearsal, authority) -> None:
    stranger = type(authority)()  # same name, another key: only the signature tells them apart
    forged = replace(rehearsal.unknown_card(), certificate=stranger.issue(rehearsal.card_key))
    cases = [
        (rehearsal.unknown_card(), RefusalCode.NOT_LINKED),
        (rehearsal.card("taro", end=-1), RefusalCode.CARD_EXPIRED),
        (rehearsal.card("taro", issued_on=NOON.date()), RefusalCode.CARD_TOO_NEW),
        (forged, RefusalCode.CARD_INVALID),
    ]

    async def scenario(line, _url) -> None:
        for card, code in cases:
            assert await refused(Visit(line, card).enter()) is code

    on_line(rehearsal, scenario)


def test_transcript_binds_kiosk_session_challenge_and_key(rehearsal: Rehearsal) -> None:
    card = rehearsal.card("taro")

    async def scenario(line, _url) -> None:
        async def fresh(kiosk: str = "kiosk-1") -> messages.SessionRequest:
            return session_request(
                card, (await line.hello(HELLO)).challenge, sealing.generate(), kiosk
            )

        good, swap = await fresh(), msgspec.structs.replace
        altered = [
            swap(await fresh(), session=new_id()),
            swap(await fresh(), document_key=sealing.generate().public),
            swap(await fresh(), signature=bytes(256)),
            swap(await fresh(), card_certificate=b"0" * 900),
            await fresh(kiosk="kiosk-2"),
        ]
        for request in altered:
            assert await refused(line.open_session(request)) is RefusalCode.CARD_INVALID
        short = swap(await fresh(), document_key=b"short")
        assert await refused(line.open_session(short)) is RefusalCode.DOCUMENT_KEY
        assert (await line.open_session(good)).session == good.session

    on_line(rehearsal, scenario)


def test_a_challenge_is_good_once_for_its_kiosk_and_for_a_while(rehearsal: Rehearsal) -> None:
    card = rehearsal.card("taro")

    async def scenario(line, url) -> None:
        used = (await line.hello(HELLO)).challenge
        keys = sealing.generate()
        await line.open_session(session_request(card, used, keys))
        for challenge in (used, bytes(32)):
            assert (
                await refused(line.open_session(session_request(card, challenge, keys)))
                is RefusalCode.CHALLENGE
            )
        mine = (await line.hello(HELLO)).challenge
        async with rehearsal.line(url, "kiosk-2") as other:
            theirs = session_request(card, mine, keys, kiosk="kiosk-2")
            assert await refused(other.open_session(theirs)) is RefusalCode.CHALLENGE
        late = (await line.hello(HELLO)).challenge
        rehearsal.clock.now += timedelta(seconds=rehearsal.city.data.challenge_s + 1)
        assert (
            await refused(line.open_session(session_request(card, late, keys)))
            is RefusalCode.CHALLENGE
        )

    on_line(rehearsal, scenario)


def test_a_challenge_is_spent_even_by_a_request_that_fails(rehearsal: Rehearsal) -> None:
    card, keys = rehearsal.card("taro"), sealing.generate()

    async def scenario(line, _url) -> None:
        challenge = (await line.hello(HELLO)).challenge
        good = session_request(card, challenge, keys)
        bad = msgspec.structs.replace(good, signature=bytes(256))
        assert await refused(line.open_session(bad)) is RefusalCode.CARD_INVALID
        assert await refused(line.open_session(good)) is RefusalCode.CHALLENGE

    on_line(rehearsal, scenario)


def test_another_kiosks_session_is_out_of_reach(rehearsal: Rehearsal) -> None:
    async def scenario(line, url) -> None:
        visit = Visit(line, rehearsal.card("taro"))
        await visit.enter()
        manifest, _ = await visit.orders("inkan")
        async with rehearsal.line(url, "kiosk-2") as other:
            calls = [
                (other.order(visit.order), RefusalCode.SESSION_UNKNOWN),
                (other.release(visit.pays(manifest)), RefusalCode.SESSION_UNKNOWN),
                (other.cancel(manifest.session), RefusalCode.SESSION_UNKNOWN),
                (other.outcome(outcome_of(manifest)), RefusalCode.ORDER_UNKNOWN),
            ]
            for call, code in calls:
                assert await refused(call) is code
        assert (await line.release(visit.pays(manifest))).released  # nothing of it had an effect

    on_line(rehearsal, scenario)


def test_cancel_ends_the_session_and_what_it_reserved_and_can_be_repeated(
    rehearsal: Rehearsal,
) -> None:
    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card("taro"))
        await visit.enter()
        manifest, _ = await visit.orders("inkan")
        assert (await line.cancel(manifest.session)).accepted
        assert (await line.cancel(manifest.session)).accepted
        assert await refused(line.release(visit.pays(manifest))) is RefusalCode.SESSION_UNKNOWN
        assert await refused(line.order(visit.asks("inkan"))) is RefusalCode.SESSION_UNKNOWN

    on_line(rehearsal, scenario)


def test_a_session_that_arrives_after_its_cancellation_does_not_open(rehearsal: Rehearsal) -> None:
    async def scenario(line, _url) -> None:
        challenge = (await line.hello(HELLO)).challenge
        request = session_request(rehearsal.card("taro"), challenge, sealing.generate())
        assert (await line.cancel(request.session)).accepted
        assert await refused(line.open_session(request)) is RefusalCode.SESSION_REUSED

    on_line(rehearsal, scenario)


def test_time_ends_the_session_and_destroys_what_it_reserved(rehearsal: Rehearsal) -> None:
    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card("taro"))
        await visit.enter()
        manifest, _ = await visit.orders("inkan")
        rehearsal.clock.now += timedelta(seconds=rehearsal.city.data.session_s)
        assert await refused(line.release(visit.pays(manifest))) is RefusalCode.SESSION_UNKNOWN
        await line.hello(HELLO)

    on_line(rehearsal, scenario)
    assert count(rehearsal, tables.orders, state="void", sealed=None) == 1


def test_a_session_cancelled_while_typesetting_leaves_no_order(rehearsal: Rehearsal) -> None:
    async def scenario(line, url) -> None:
        visit = Visit(line, rehearsal.card("taro"))
        await visit.enter()
        typeset = rehearsal.typeset

        def slow(content: Content, layout: Layout) -> Typeset:
            done = asyncio.run_coroutine_threadsafe(cancel(), loop)
            done.result(5)
            return typeset(content, layout)

        async def cancel() -> None:
            async with rehearsal.line(url) as other:
                await other.cancel(visit.request.session)

        loop = asyncio.get_running_loop()
        rehearsal.typeset = slow
        assert await refused(line.order(visit.asks("inkan"))) is RefusalCode.SESSION_UNKNOWN

    on_line(rehearsal, scenario)
    assert count(rehearsal, tables.orders) == 0


@pytest.mark.parametrize(
    ("kind", "copies", "choices"),
    [
        ("koseki", 1, {}),
        ("inkan", 4, {}),
        ("inkan", 1, {"year": ("y2026",)}),
        ("juminhyo", 1, {"scope": ("self", "some")}),
        ("juminhyo", 1, {"scope": ("some",)}),
        ("juminhyo", 1, {"scope": ("some",), "members": ("m5",)}),
        ("juminhyo", 1, {"scope": ("self",), "members": ("m1",)}),
        ("juminhyo", 1, {"fields": ("domicile", "domicile")}),
        ("juminhyo", 1, {"fields": ("residence",)}),
        ("kazei", 1, {"year": ("y2024",)}),
        ("kazei", 1, {"count": ("1",)}),
    ],
)
def test_what_was_not_offered_cannot_be_ordered(
    rehearsal: Rehearsal, kind: str, copies: int, choices
) -> None:
    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card("taro"))
        await visit.enter()
        assert (
            await refused(line.order(visit.asks(kind, copies, **choices)))
            is RefusalCode.NOT_OFFERED
        )

    on_line(rehearsal, scenario)
    assert count(rehearsal, tables.orders) == 0


@pytest.mark.parametrize(
    ("resident", "kind", "code"),
    [
        ("tetsuo", "inkan", RefusalCode.SEAL_DEREGISTERED),
        ("yui", "inkan", RefusalCode.SEAL_NOT_REGISTERED),
        ("shota", "kazei", RefusalCode.NO_TAX_RETURN),
        ("aoi", "kazei", RefusalCode.TAXED_ELSEWHERE),
        ("daichi", "kazei", RefusalCode.NOT_RESIDENT_ON_JANUARY_1),
        ("susumu", "juminhyo", RefusalCode.CHARACTERS),
    ],
)
def test_a_certificate_the_rules_refuse(
    rehearsal: Rehearsal, resident: str, kind: str, code: RefusalCode
) -> None:
    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card(resident))
        offers = {offer.kind: offer.refusal for offer in (await visit.enter()).offers}
        assert offers[kind] is (None if code is RefusalCode.CHARACTERS else code)
        assert await refused(line.order(visit.asks(kind))) is code

    on_line(rehearsal, scenario)


def test_out_of_hours_hello_says_when_and_nothing_else_is_done(rehearsal: Rehearsal) -> None:
    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card("taro"))
        rehearsal.clock.now = NOON.replace(hour=22, minute=50)
        assert (await line.hello(HELLO)).closes_in_s == 600
        await visit.enter()
        rehearsal.clock.now = NOON.replace(hour=23, minute=0)
        assert await refused(line.order(visit.asks("inkan"))) is RefusalCode.CLOSED
        terms = await line.hello(HELLO)
        assert not terms.open
        assert terms.refusal is not None
        assert terms.refusal.opens_at == "2026-11-25T06:30:00+09:00"
        assert terms.refusal.contact is not None
        assert await refused(Visit(line, visit.card).enter()) is RefusalCode.CLOSED

    on_line(rehearsal, scenario)


def test_failed_outcome_voids_what_was_not_released_and_an_id_has_one_meaning(
    rehearsal: Rehearsal,
) -> None:
    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card("taro"))
        await visit.enter()
        manifest, _ = await visit.orders("inkan")
        outcome = outcome_of(manifest, messages.Result.FAILED)
        await line.outcome(outcome)
        assert await refused(line.release(visit.pays(manifest))) is RefusalCode.ORDER_OVER
        contrary = msgspec.structs.replace(outcome, result=messages.Result.PRINTED)
        assert await refused(line.outcome(contrary)) is RefusalCode.OUTCOME_REUSED
        unknown = msgspec.structs.replace(outcome_of(manifest), order=new_id())
        assert await refused(line.outcome(unknown)) is RefusalCode.ORDER_UNKNOWN

    on_line(rehearsal, scenario)


def test_audit_is_chained_tells_refusals_and_holds_no_content(rehearsal: Rehearsal) -> None:
    async def scenario(line, _url) -> None:
        visit = Visit(line, rehearsal.card("hanako"))
        await visit.enter()
        manifest, _ = await visit.orders("inkan")
        await line.release(visit.pays(manifest))
        await refused(line.release(visit.pays(manifest)))
        await line.outcome(outcome_of(manifest))

    on_line(rehearsal, scenario)
    with rehearsal.city.engine.begin() as connection:
        entries = [row.entry for row in connection.execute(select(tables.audit))]
    found = sealed(rehearsal.city)
    assert (found.broken, found.head.entries) == (None, len(entries))
    text = "\n".join(entries)
    for event in ("session", "reserved", "issued", "release-refused", "outcome"):
        assert f'"event":"{event}"' in text
    assert "hanako" not in text
    assert "明石" not in text


def test_a_busy_gateway_refuses_at_once(rehearsal: Rehearsal, tmp_path: Path) -> None:
    rehearsal.config = msgspec.structs.replace(
        rehearsal.config,
        gateway=msgspec.structs.replace(rehearsal.config.gateway, workers=1, waiting=1),
    )

    async def scenario(line, url) -> None:
        lines = [rehearsal.line(url) for _ in range(12)]
        codes = await asyncio.gather(*(refused(each.hello(HELLO)) for each in lines))
        await asyncio.gather(*(each.close() for each in lines))
        assert set(codes) == {None, RefusalCode.BUSY}
        assert await refused(line.hello(HELLO)) is None  # and is well again

    on_line(rehearsal, scenario)
