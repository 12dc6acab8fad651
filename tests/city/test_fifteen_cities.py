"""Fifteen municipalities as they publish themselves: their files, asked at moments of their own."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from city import municipality, rules
from city.clock import JST
from city.terms import form_terms
from city.typesetting import check_texts
from firmware.link.messages import RefusalCode

FOLDER = Path(__file__).parent / "cities"
MOMENTS: dict[str, dict[str, dict[str, Any]]] = tomllib.loads(
    (FOLDER / "moments.toml").read_text("utf-8")
)
FILES = {path.stem: path for path in sorted(FOLDER.glob("*.toml")) if path.stem != "moments"}
CITIES = {name: municipality.load(path) for name, path in FILES.items()}
each_city = pytest.mark.parametrize("name", CITIES)


def told(table: str) -> Iterator[Any]:
    for name, tables in MOMENTS.items():
        for key, said in tables.get(table, {}).items():
            yield pytest.param(name, key, said, id=f"{name} {key}")


def test_every_city_has_about_ten_moments() -> None:
    assert MOMENTS.keys() == CITIES.keys()
    assert len(CITIES) == 15
    assert all(sum(map(len, tables.values())) >= 9 for tables in MOMENTS.values())


@pytest.mark.parametrize(("name", "moment", "said"), list(told("open")))
def test_what_can_be_had_at_a_moment(name: str, moment: str, said: str) -> None:
    site, _, at = moment.rpartition(" ")
    city = CITIES[name].at(site) if site else CITIES[name]
    now = datetime.fromisoformat(at).replace(tzinfo=JST)
    kinds = {each.kind for each in city.certificates}
    had = {notice.kind for notice in rules.notices(city, now) if notice.open}
    assert had == {"all": kinds, "none": set()}.get(said, set(said.split()))


@pytest.mark.parametrize(
    ("form", "name", "day", "said"),
    [
        pytest.param(form, *case.values, id=case.id)
        for form, table in (("kazei", "years"), ("nozei", "paid-years"))
        for case in told(table)
    ],
)
def test_which_fiscal_years_are_on_offer(form: str, name: str, day: str, said: list[int]) -> None:
    offered = CITIES[name].offered(date.fromisoformat(day))
    taxes = [each for each in offered if each.form == form]
    assert taxes
    for tax in taxes:
        assert list(tax.fiscal_years(date.fromisoformat(day))) == said


@pytest.mark.parametrize(("name", "day", "said"), list(told("fees")))
def test_what_a_copy_costs(name: str, day: str, said: dict[str, int]) -> None:
    offered = CITIES[name].offered(date.fromisoformat(day))
    fees = {each.kind: rules.fee(each, date.fromisoformat(day)) for each in offered}
    assert {kind: fees[kind] for kind in said} == said


@each_city
def test_every_city_can_be_printed_and_is_believed_by_kiosks(name: str) -> None:
    city = CITIES[name]
    check_texts(city, FILES[name])
    now = datetime(2026, 11, 24, 12, tzinfo=JST)
    form_terms(city)
    assert rules.notices(city, now)


@pytest.mark.parametrize(("site", "taken"), [("hall", False), ("post", False), ("shop", True)])
def test_miyako_serves_people_from_elsewhere_in_shops_alone(site: str, taken: bool) -> None:
    noon = datetime(2026, 11, 24, 12, tzinfo=JST)
    told = rules.unknown_card(CITIES["miyako"].at(site), noon)
    assert told is (RefusalCode.NOT_REGISTERED_FOR_USE if taken else RefusalCode.NOT_LINKED)


@each_city
def test_what_the_format_has_no_word_for_is_named(name: str) -> None:
    head = FILES[name].read_text("utf-8").partition("\n\n")[0]
    assert "Published: " in head and "Assumed: " in head
    assert "No word yet: " in head or name in EXPRESSED


# All that they publish.
EXPRESSED = (
    "ashikita",
    "atsugi",
    "harima",
    "kitakyushu",
    "minato",
    "miyako",
    "nara",
    "sakai",
    "sunagawa",
    "susono",
)
