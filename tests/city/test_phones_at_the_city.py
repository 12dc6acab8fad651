"""Phones in place of the card, at the city's end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from city_bench import HELLO, NOON, Direct, Rehearsal, Visit, refused
from msgspec import json, structs

from city import tables
from city.cards import fingerprint
from city.entries import Phones
from firmware.link.messages import RefusalCode

PHONE = "2.999.3.30"
TODAY = NOON.date()


def taking(rehearsal: Rehearsal, *phones: Phones, policies: tuple[str, ...] = (PHONE,)) -> Direct:
    """This city, with these entries of `phones` and these policies."""
    data = structs.replace(rehearsal.city.data, phones=phones)
    rehearsal.city = replace(rehearsal.city, data=data, phone_policies=policies)
    return Direct(rehearsal.city)


def enter(rehearsal: Rehearsal, line: Direct) -> RefusalCode | None:
    """What becomes of taro's phone."""
    return asyncio.run(refused(Visit(line, rehearsal.card("taro", policy=PHONE)).enter()))


@pytest.mark.parametrize(
    ("since", "taken", "policies", "accepted"),
    [
        (TODAY, True, (PHONE,), True),
        (TODAY + timedelta(days=1), True, (PHONE,), False),
        (TODAY, False, (PHONE,), False),
        (None, True, (PHONE,), False),
        (TODAY, True, (), False),
    ],
)
def test_a_city_takes_phones_from_a_day_on(
    rehearsal: Rehearsal, since: object, taken: bool, policies: tuple[str, ...], accepted: bool
) -> None:
    entries = (Phones(since=since, taken=taken),) if since else ()  # type: ignore[arg-type]
    line = taking(rehearsal, *entries, policies=policies)
    assert asyncio.run(line.hello(structs.replace(HELLO, phones=True))).phones is accepted
    code = enter(rehearsal, line)
    if accepted:
        assert code is None
    else:
        assert code in (RefusalCode.PHONE_NOT_ACCEPTED, RefusalCode.CARD_INVALID)
        assert (code is RefusalCode.CARD_INVALID) is (policies == ())


def test_a_kiosk_that_knows_no_phones_is_told_nothing_of_them(rehearsal: Rehearsal) -> None:
    """One of an older build refuses terms with a field that it does not know."""
    line = taking(rehearsal, Phones(since=TODAY, taken=True))
    assert b"phones" not in json.encode(asyncio.run(line.hello(HELLO)))
    assert b"phones" not in json.encode(HELLO)


def test_card_and_phone_of_one_person_are_one_resident(rehearsal: Rehearsal) -> None:
    line = taking(rehearsal, Phones(since=TODAY, taken=True))
    card, phone = rehearsal.card("taro"), rehearsal.card("taro", policy=PHONE)
    assert card.certificate.serial_number != phone.certificate.serial_number
    answers = [asyncio.run(Visit(line, token).enter()) for token in (card, phone)]
    assert answers[0].members == answers[1].members
    assert answers[0].holder == answers[1].holder


def test_a_revoked_phone_leaves_the_card_alone(rehearsal: Rehearsal) -> None:
    line = taking(rehearsal, Phones(since=TODAY, taken=True))
    card, phone = rehearsal.card("taro"), rehearsal.card("taro", policy=PHONE)
    revoke = tables.cards.update().where(tables.cards.c.fingerprint == fingerprint(phone.der))
    with rehearsal.city.engine.begin() as connection:
        connection.execute(revoke.values(revoked=True))
    assert asyncio.run(refused(Visit(line, phone).enter())) is RefusalCode.CARD_REVOKED
    assert asyncio.run(Visit(line, card).enter()).members


@pytest.mark.parametrize("policy", ["", "1.2.392.200149.8.5.1.1.20", "2.999.3.31", "2.999.3"])
def test_a_certificate_for_something_else_is_none(rehearsal: Rehearsal, policy: str) -> None:
    """Of the same authority, and for signing documents, say: neither a card's nor a phone's."""
    line = taking(rehearsal, Phones(since=TODAY, taken=True))
    card = rehearsal.card("taro", policy=policy)
    assert asyncio.run(refused(Visit(line, card).enter())) is RefusalCode.CARD_INVALID


def test_phones_may_have_an_authority_of_their_own(rehearsal: Rehearsal) -> None:
    own = type(rehearsal.authority)()
    line = taking(rehearsal, Phones(since=TODAY, taken=True))
    rehearsal.authority = own
    assert enter(rehearsal, line) is RefusalCode.CARD_INVALID
    both = (*rehearsal.city.authorities, own.certificate)
    rehearsal.city = replace(rehearsal.city, authorities=both)
    assert enter(rehearsal, Direct(rehearsal.city)) is None
