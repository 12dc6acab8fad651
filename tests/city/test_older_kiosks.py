"""A kiosk refuses fields that it does not know: the city sends newer ones only to those who have
named them.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date

import pytest
from city_bench import HELLO, Direct, Rehearsal, Visit
from msgspec import json, structs

from city.calendars import Line
from city.entries import Hours
from firmware.link import messages, signing

# Where each field stands, and how it looks on the line.
FIELDS = {
    messages.TODAY: ("hello", b'"today":'),
    messages.OPENINGS: ("sessions", b'"opens_at":'),
    messages.READINGS: ("sessions", b'"readings":'),
    messages.CAUSES: ("hello", b'"refusal":"closed"'),
    messages.WORDS: ("sessions", b'"not_for":'),
}


class OneThatUnderstands(Direct):
    """A kiosk of another build."""

    understands: tuple[str, ...] = ()

    async def hello(self, message: messages.Hello) -> messages.Terms:
        return await super().hello(structs.replace(message, understands=self.understands))

    async def open_session(self, message: messages.SessionRequest) -> messages.SessionAnswer:
        return await super().open_session(structs.replace(message, understands=self.understands))


@pytest.mark.parametrize("left_out", [(), *((name,) for name in FIELDS), tuple(FIELDS)])
def test_the_city_tells_what_a_kiosk_understands(
    rehearsal: Rehearsal, left_out: tuple[str, ...]
) -> None:
    # Certificates that are not to be had yet at noon, so that their offers say when they are.
    line = Line(days=("every-day",), times=("17:00-20:00",))
    evening = Hours(since=date(2016, 1, 1), calendar=(line,))
    data = rehearsal.city.data
    not_for = {"ja": "使えません。"}
    later = tuple(structs.replace(c, hours=(evening,), not_for=not_for) for c in data.certificates)
    rehearsal.city = replace(rehearsal.city, data=structs.replace(data, certificates=later))
    wire = OneThatUnderstands(rehearsal.city)
    wire.understands = tuple(name for name in FIELDS if name not in left_out)
    visit = Visit(wire, rehearsal.card("taro"))
    answers = {"sessions": json.encode(asyncio.run(visit.enter()))}
    answers["hello"] = json.encode(visit.terms)
    told = {name for name, (answer, field) in FIELDS.items() if field in answers[answer]}
    assert told == set(wire.understands)


def test_every_field_of_this_kind_is_tried() -> None:
    """Four come only in their own circumstances: test_builds.py, test_rollout.py,
    test_family_registers.py and test_entries.py try them.
    """
    assert (
        {*FIELDS, messages.BUILDS, messages.UPDATES, messages.FAMILY, messages.ENTRIES}
        == set(messages.UNDERSTOOD)
        == set(HELLO.understands)
    )


def test_an_older_kiosk_names_nothing() -> None:
    hello = structs.replace(HELLO, understands=())
    assert b"understands" not in json.encode(hello)


def test_the_issuing_key_is_told_to_whoever_asks(rehearsal: Rehearsal) -> None:
    """`kiosk diagnose` compares it with the keys that the kiosk pins."""
    asking = structs.replace(HELLO, understands=(messages.ISSUING,))
    public = rehearsal.city.issuing.public_key()
    told = asyncio.run(Direct(rehearsal.city).hello(asking))
    assert told.issuing == signing.reference(public).hex()
    assert asyncio.run(Direct(rehearsal.city).hello(HELLO)).issuing == ""
