"""`kiosk city check`: what holds, what changes, what is missing, and the pictures."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from city_bench import AKASHI, Rehearsal
from PIL import Image

from city import gateway, municipality, outlook, specimens
from city.check_command import main
from city.clock import JST
from city.config import ConfigError
from city.contradictions import contradictions
from city.entries import FiscalYear
from city.municipality import Municipality
from city.terms import check_line
from city.vocabulary import USUAL_TITLES
from firmware.texts import texts
from testbed.inspection.family_register import KINDS as FAMILY_KINDS

CITIES = Path(__file__).parent / "cities"
CITY = municipality.load(AKASHI)
TODAY = date(2026, 11, 24)
change = msgspec.structs.replace


def susono() -> Municipality:
    return municipality.load(CITIES / "susono.toml")


def test_what_changes_in_the_next_400_days() -> None:
    found = sorted(f"{day} {what}" for day, what in outlook.changes(susono(), date(2026, 9, 30)))
    assert found == [
        "2026-10-01 inkan, fee: 200 yen -> 300 yen",
        "2026-10-01 juminhyo, fee: 200 yen -> 300 yen",
        "2026-10-01 kazei, fee: 200 yen -> 300 yen",
        "2026-10-01 maintenance: none -> everything",
        "2026-10-02 maintenance: everything -> none",
        "2026-10-05 maintenance: none -> everything",
        "2026-10-06 maintenance: everything -> none",
        "2027-06-01 kazei, fiscal years: 2026 -> 2027",
    ]


def test_a_closure_of_one_year_is_a_change() -> None:
    city = municipality.load(CITIES / "sunagawa.toml")
    found = [f"{day} {what}" for day, what in outlook.changes(city, date(2024, 12, 1), 60)]
    assert "2024-12-28 hours of this day: - -> closed" in found
    assert "2025-01-06 hours of this day: closed -> -" in found


def test_what_holds_at_each_site() -> None:
    city = municipality.load(CITIES / "miyako.toml")
    sunday = datetime(2026, 11, 29, 12, tzinfo=JST)
    found = list(outlook.holding(city, sunday))
    assert "hall: service: closed until 2026-11-30 08:30; 2026-11-29: closed" in found
    assert "shop: juminhyo: open until 2026-11-29 23:00, 200 yen" in found


def test_a_city_with_nothing_missing() -> None:
    assert list(outlook.missing(CITY, TODAY)) == []


def gaps(city: Municipality) -> Iterator[tuple[Municipality, str]]:
    """What is taken away, and what is said then."""
    seal, taxes = (next(c for c in city.certificates if c.kind == k) for k in ("inkan", "kazei"))
    late = change(city.holidays, checked_until=date(2026, 12, 31))
    yield change(city, holidays=late), "holidays.checked_until: 2026-12-31"
    odd = change(seal, kind="tokubetsu", title={"ja": "特別証明書"}, printed="特別証明書")
    yield (
        change(city, certificates=(odd,)),
        "certificates[0] (tokubetsu).title: 特別証明書 has to be recorded",
    )
    yield change(city, certificates=(odd,)), "certificates[0] (tokubetsu).title.en: missing"
    years = (FiscalYear(year=2026, since=date(2026, 6, 15), until=date(2027, 6, 9)),)
    last = change(city, certificates=(change(taxes, years=years),))
    yield last, "certificates[0] (kazei).years: none on 203 days from 2027-06-10"
    yield last, "certificates[0] (kazei).years: when the fiscal year 2027 begins"
    [office] = city.contacts["tax"]
    nobody = change(office, phone="000-000-0000", hours={"ja": "平日"})
    contacts = {**city.contacts, "tax": (nobody,)}
    yield change(city, contacts=contacts), "contacts.tax.phone: 000-000-0000"
    yield change(city, contacts=contacts), "contacts.tax.hours.en: missing"
    yield change(city, refusal_contacts={}), "refusal_contacts.no-tax-return: goes to resident"


def test_the_order_of_fiscal_years_in_the_file_is_free() -> None:
    turned = tuple(
        change(each, years=tuple(reversed(each.years))) if each.years else each
        for each in CITY.certificates
    )
    assert list(outlook.missing(change(CITY, certificates=turned), TODAY)) == []


def test_the_places_to_go_of_every_site_are_looked_at() -> None:
    city = municipality.load(CITIES / "miyako.toml")
    [office] = city.contacts["resident"]
    offices = tuple(
        change(office, since=date(2020 + n, 1, 1), phone=phone, sites=(site,))
        for n, (site, phone) in enumerate(
            zip(city.sites, ("000-1", "1", "000-2", "1"), strict=True)
        )
    )
    changed = change(city, contacts={**city.contacts, "resident": offices})
    found = [line for line in outlook.missing(changed, TODAY) if "resident.phone" in line]
    assert [line.split()[1] for line in found] == ["000-1", "000-2"]


@pytest.mark.parametrize(
    ("today", "due"), [("2027-02-28", None), ("2027-03-01", "2028-12-31"), ("2028-01-01", "2028")]
)
def test_holidays_are_compared_when_the_state_has_announced_them(
    today: str, due: str | None
) -> None:
    lines = [
        line
        for line in outlook.missing(CITY, date.fromisoformat(today))
        if line.startswith("holidays")
    ]
    assert bool(lines) is (due is not None)
    assert all(f"until {due}" in line for line in lines)


@pytest.mark.parametrize(("city", "said"), list(gaps(CITY)), ids=[said for _, said in gaps(CITY)])
def test_what_is_missing_is_named(city: Municipality, said: str) -> None:
    found = list(outlook.missing(city, TODAY))
    assert any(line.startswith(said) for line in found), found


def test_the_gateway_writes_into_its_log_what_is_missing(
    rehearsal: Rehearsal, caplog: pytest.LogCaptureFixture
) -> None:
    whole = replace(rehearsal.city, data=CITY)
    gateway.warn(AKASHI, whole)
    assert caplog.messages == []
    late = change(CITY.holidays, checked_until=date(2026, 12, 31))
    gateway.warn(AKASHI, replace(whole, data=change(CITY, holidays=late)))
    [line] = caplog.messages
    assert line.startswith(f"{AKASHI}: holidays.checked_until: 2026-12-31")


def test_the_kinds_that_are_spoken_are_those_recorded() -> None:
    """The city does not import the kiosk's texts: it has a list of its own."""
    words = tomllib.loads((Path(texts.__file__).parent / "ja.toml").read_text("utf-8"))
    assert words["kind"] == USUAL_TITLES


def test_the_command_says_and_draws_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(CITIES / "miyako.toml"), "--at", "2026-11-24T12:00", "--out", str(tmp_path)]
    assert main(arguments) == 1  # nobody's telephone number
    said = capsys.readouterr().out
    assert "hall: service: open until 2026-11-24 17:00" in said
    assert "contacts.resident.phone: 000-000-0000 is nobody's number" in said
    pictures = {path.name for path in tmp_path.iterdir()}
    assert pictures == {
        *(f"calendar-{site}.png" for site in ("hall", "branch", "post", "shop")),
        *(f"sheet-{kind}.png" for kind in ("juminhyo", "inkan", *FAMILY_KINDS)),
        *(f"calendar-shop-{kind}.png" for kind in FAMILY_KINDS),  # weekdays there too
    }
    with Image.open(tmp_path / "sheet-inkan.png") as sheet:
        red = sum(r > 150 and g < 180 and b < 180 for r, g, b in sheet.get_flattened_data())
        assert red > sheet.width * sheet.height / 100  # 見本


def test_a_certificate_with_days_of_its_own_has_its_calendar() -> None:
    city = municipality.load(CITIES / "bunkyo.toml")
    drawn = dict(specimens.calendars(city, date(2026, 5, 1)))
    assert drawn.keys() == {"calendar", "calendar-juminzei", "calendar-nozei"}
    assert drawn["calendar"] != drawn["calendar-juminzei"]


def test_every_entry_of_a_kind_has_a_specimen_of_its_own() -> None:
    seal = next(c for c in CITY.certificates if c.kind == "inkan")
    ends = change(seal, until=date(2027, 3, 31))
    begins = change(seal, since=date(2027, 4, 1))
    city = change(CITY, certificates=(ends, begins))
    now = datetime(2026, 11, 24, 12, tzinfo=JST)
    assert [name for name, _ in specimens.sheets(city, now)] == ["inkan", "inkan-2027-04-01"]


def test_a_long_title_is_set_smaller_and_stays_on_the_sheet() -> None:
    taxes = next(c for c in CITY.certificates if c.kind == "kazei")
    title = "市民税・県民税・森林環境税所得額課税額非課税額所得控除額証明書（全項目用見本）あ"
    city = change(CITY, certificates=(change(taxes, title={"ja": title}, printed=title),))
    now = datetime(2026, 11, 24, 12, tzinfo=JST)
    [(_, found)] = specimens.sheets(city, now)
    assert isinstance(found, bytes)
    assert len(title) == 40


def crowded(many: int, *, kinds: bool) -> Municipality:
    """So many certificates: kinds on one day, or entries of one kind, one day after the other."""
    seal = next(c for c in CITY.certificates if c.kind == "inkan")
    entries = (
        change(
            seal,
            kind=f"inkan{n}" if kinds else "inkan",
            since=seal.since + timedelta(days=0 if kinds else n),
            until=None if kinds else seal.since + timedelta(days=n),
        )
        for n in range(many)
    )
    return change(CITY, certificates=tuple(entries), maintenance=())


def test_three_hundred_certificates_are_one_line_with_the_key() -> None:
    line, *_ = contradictions(crowded(300, kinds=True))
    assert line.startswith("certificates: 300 on ")
    assert line.endswith("and kiosks take 16")
    one_by_one = crowded(300, kinds=False)
    assert list(contradictions(one_by_one)) == []
    with pytest.raises(ConfigError, match=r"c\.toml: kiosks cannot read it: .*<= 64.*certificates"):
        check_line(one_by_one, Path("c.toml"))
    check_line(crowded(64, kinds=False), Path("c.toml"))


def test_what_is_longer_than_kiosks_read_is_named(tmp_path: Path) -> None:
    """The command and the gateway's start say it, before any kiosk is out of service."""
    text = AKASHI.read_text("utf-8")
    notes = ", ".join(["'注'"] * 9)
    path = tmp_path / "city.toml"
    path.write_text(
        text.replace('kind = "inkan"', f'kind = "inkan"\nnotes = [{notes}]', 1), "utf-8"
    )
    for start in (
        lambda: main([str(path), "--out", str(tmp_path / "out")]),
        lambda: check_line(municipality.load(path), path),
    ):
        with pytest.raises(ConfigError) as caught:
            start()
        assert str(caught.value).startswith(f"{path}: kiosks cannot read it: ")
        assert "certificates[1].notes" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"), [("code = 1", "city.toml: "), ("", "city.toml: ")], ids=["wrong", "empty"]
)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "city.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        main([str(path), "--out", str(tmp_path / "out")])
    assert said in str(caught.value)
    assert not (tmp_path / "out").exists()
