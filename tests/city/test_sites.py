"""Sites: what differs from place to place, and what contradicts itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec
import pytest
from city_bench import AKASHI, HELLO, NOON, Direct, Rehearsal

from city import municipality, rules
from city.config import ConfigError
from city.contradictions import contradictions
from city.entries import Phones
from city.municipality import Municipality
from city.opening import opening
from firmware.link.messages import RefusalCode

KIOSK = "kiosk-1"
HOURS = """[[hours]]
from = 2016-01-01
calendar = [
  { days = ["12-29..01-03"], times = [] },
  { days = ["every-day"], times = ["06:30-23:00"] },
]
"""
SITES = f"""[sites.hall]
name = {{ ja = "市役所" }}
kiosks = ["{KIOSK}"]

[sites.shop]
name = {{ ja = "商店" }}
kiosks = ["kiosk-9"]

[[hours]]
from = 2016-01-01
sites = ["hall"]
calendar = [{{ days = ["weekdays"], times = ["08:30-11:00"] }}]

[[hours]]
from = 2016-01-01
sites = ["shop"]
calendar = [{{ days = ["every-day"], times = ["06:30-23:00"] }}]

[[maintenance]]
sites = ["shop"]
calendar = [{{ days = ["2026-11-26"], times = ["00:00-24:00"] }}]
"""
AKASHI_TEXT = AKASHI.read_text("utf-8")
TEXT = AKASHI_TEXT.replace(HOURS, SITES)


def read(text: str) -> Municipality:
    return msgspec.toml.decode(text, type=Municipality)


CITY = read(TEXT)


def test_each_site_has_its_hours_and_its_maintenance() -> None:
    assert list(contradictions(CITY)) == []
    hall, shop = CITY.at("hall"), CITY.at("shop")
    assert opening(hall, NOON).refusal is RefusalCode.CLOSED
    assert opening(shop, NOON).refusal is None
    thursday = NOON.replace(day=26, hour=10)
    assert opening(hall, thursday).refusal is None
    assert opening(shop, thursday).refusal is RefusalCode.MAINTENANCE


def test_a_kiosk_belongs_to_one_site_or_serves_nobody() -> None:
    assert CITY.seen_by("kiosk-9") == CITY.at("shop")
    assert CITY.seen_by("kiosk-7") is None
    plain = read(AKASHI_TEXT)
    assert plain.seen_by("kiosk-7") is plain


def test_every_entry_that_takes_sites_is_left_out_elsewhere() -> None:
    seal = next(c for c in CITY.certificates if c.kind == "inkan")
    others = tuple(c for c in CITY.certificates if c.kind != "inkan")
    [tax] = CITY.contacts["tax"]
    at_shop = msgspec.structs.replace(
        CITY,
        certificates=(*others, msgspec.structs.replace(seal, sites=("shop",))),
        phones=(Phones(since=date(2016, 1, 1), taken=True, sites=("shop",)),),
        contacts={**CITY.contacts, "tax": (msgspec.structs.replace(tax, sites=("shop",)),)},
    )
    day = NOON.date()
    found = [
        (
            "inkan" in {n.kind for n in rules.notices(city, NOON)},
            city.takes_phones(day),
            "tax" in city.contacts_on(day),
        )
        for city in (at_shop.at("shop"), at_shop.at("hall"))
    ]
    assert found == [(True, True, True), (False, False, False)]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            lambda text: text.replace('["kiosk-9"]', f'["{KIOSK}"]'),
            f"sites.shop.kiosks: {KIOSK} belongs to the site hall",
        ),
        (
            lambda text: text.replace('sites = ["hall"]\n', "", 1),
            "hours[0]: holds at all sites, hours[1] at some of them: name the sites of each",
        ),
        (
            lambda text: text.replace('sites = ["shop"]', 'sites = ["hall"]', 1),
            "hours: two entries from one day, at the site hall",
        ),
        (
            lambda text: text.replace('sites = ["shop"]', 'sites = ["shops"]', 1),
            "hours[1].sites: no site 'shops'",
        ),
        (
            lambda text: text.replace(
                'from = 2016-01-01\nsites = ["shop"]', 'from = 2020-01-01\nsites = ["shop"]'
            ),
            "hours: nothing holds yet on 2016-01-25, the first day of a certificate, "
            "at the site shop",
        ),
        (
            lambda text: text.replace('{ ja = "商店" }', '{ en = "Shop" }'),
            "sites.shop.name.ja: missing",
        ),
    ],
)
def test_contradicting_sites_are_refused(
    tmp_path: Path, change: Callable[[str], str], fault: str
) -> None:
    path = tmp_path / "city.toml"
    path.write_text(change(TEXT), "utf-8")
    assert path.read_text("utf-8") != TEXT
    with pytest.raises(ConfigError) as caught:
        municipality.load(path)
    assert str(caught.value) == f"{path}: {fault}"


def test_the_gateway_answers_for_the_kiosks_site(rehearsal: Rehearsal) -> None:
    def told(data: Municipality) -> tuple[bool, RefusalCode | None]:
        rehearsal.city = replace(rehearsal.city, data=data)
        terms = asyncio.run(Direct(rehearsal.city).hello(HELLO))
        return terms.open, terms.refusal.code if terms.refusal else None

    assert told(CITY) == (False, RefusalCode.CLOSED)
    at_shop = read(TEXT.replace(f'["{KIOSK}"]', "[]").replace("kiosk-9", KIOSK))
    assert told(at_shop) == (True, None)
    nowhere = read(TEXT.replace(f'["{KIOSK}"]', "[]"))
    assert told(nowhere) == (False, RefusalCode.MAINTENANCE)
