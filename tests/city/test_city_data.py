"""City files: two that differ in everything under the same rules, and those that are refused at
start.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from city_bench import CITY_FILES
from hypothesis import given, settings
from hypothesis import strategies as st

from city import composition, municipality, rules
from city.clock import JST
from city.config import ConfigError
from city.contradictions import contradictions
from city.entries import current
from city.municipality import Municipality
from city.opening import opening
from city.typesetting import check_texts
from city.vocabulary import FIELD_ROWS
from firmware.link.messages import RefusalCode

CITIES = {name: municipality.load(path) for name, path in CITY_FILES.items()}
SHIOMI = CITIES["shiomi"]
cities = pytest.mark.parametrize("city", CITIES.values(), ids=list(CITIES))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JST)


def moments(city: Municipality) -> st.SearchStrategy[datetime]:
    """From the day on which everything of this city holds, to the last fiscal year entered."""
    first = datetime.combine(max(c.since for c in city.certificates), datetime.min.time())
    return st.datetimes(
        max(first, datetime.fromisoformat("2022-06-15")),
        datetime.fromisoformat("2028-12-31"),
        timezones=st.just(JST),
    )


# -- terms are total and consistent ----------------------------------------------------------------


@cities
@settings(max_examples=60)
@given(data=st.data())
def test_at_any_moment_the_terms_are_whole(city: Municipality, data: st.DataObject) -> None:
    now = data.draw(moments(city))
    when = opening(city, now)
    assert (when.refusal is None) is (when.closes_at is not None)
    assert (when.refusal is None) is (when.opens_at is None)
    edge = when.closes_at or when.opens_at
    assert edge is not None
    assert edge > now
    assert (opening(city, edge).refusal is None) is (when.refusal is not None)
    notices = rules.notices(city, now)
    assert len({n.kind for n in notices}) == len(notices) > 0
    assert all(n.open is (n.opens_at is None) for n in notices)
    assert when.refusal is None or not any(n.open for n in notices)
    for code in RefusalCode:
        assert rules.refusal(city, code, now).contact is not None, code
    assert current(city.issuers, now.date()).name


@cities
@settings(max_examples=60)
@given(data=st.data())
def test_what_is_filed_holds_after_a_working_day_and_never_sooner_than_what_was_filed_before(
    city: Municipality, data: st.DataObject
) -> None:
    filed = data.draw(moments(city)).date()
    usable = rules.usable_from(city, filed)
    days = current(city.eligibility, filed).processing_days
    assert timedelta(days) <= usable - filed <= timedelta(days + 10)
    assert city.working_day(usable - timedelta(days))
    assert rules.usable_from(city, filed + timedelta(1)) >= usable


@cities
@given(data=st.data())
def test_the_year_switches_on_its_day(city: Municipality, data: st.DataObject) -> None:
    day = data.draw(st.dates(date(2022, 6, 15), date(2028, 1, 1)))
    for certificate in (c for c in city.offered(day) if c.form == "kazei"):
        newest = max(year.year for year in certificate.years if year.since <= day)
        assert newest in (day.year - 1, day.year)
        assert certificate.fiscal_years(day)[0] == newest
        assert not certificate.between_years(day)


@cities
def test_every_printed_word_is_in_the_font_and_every_row_has_its_line(city: Municipality) -> None:
    check_texts(city, Path("city.toml"))
    assert len(list(city.printed())) > 10
    lines = {key for key, _, _ in composition.LINES}
    assert {row for rows in FIELD_ROWS.values() for row in rows} <= lines
    assert {row for c in city.certificates for row in c.rows} <= lines


# -- the second city -------------------------------------------------------------------------------


def test_the_cities_differ_in_everything() -> None:
    akashi, shiomi = CITIES.values()
    noon = at("2026-11-24T12:00")
    assert "架空" in shiomi.name["ja"]
    for key in (
        "code",
        "verification",
        "issuers",
        "hours",
        "maintenance",
        "eligibility",
        "contacts",
    ):
        assert getattr(akashi, key) != getattr(shiomi, key), key
    ours, theirs = ({n.kind: n for n in rules.notices(city, noon)} for city in (akashi, shiomi))
    assert ours.keys() != theirs.keys()
    assert all(ours[kind].fee != theirs[kind].fee for kind in ours.keys() & theirs.keys())
    by_kind = [{c.kind: c for c in city.offered(noon.date())} for city in (akashi, shiomi)]
    for kind in ours.keys() & theirs.keys():
        one, other = (certificates[kind] for certificates in by_kind)
        for key in ("fees", "copies", "statement", "notes", "since"):
            assert getattr(one, key) != getattr(other, key), (kind, key)


OF_FAMILIES = {"koseki-zenbu": 450, "koseki-kojin": 450, "fuhyo-zenbu": 300, "fuhyo-kojin": 300}
OF_ENTRIES = {"nozei": 250, "keiji-nozei": 0, "jokyo": 300}  # at all hours


@pytest.mark.parametrize(
    ("day", "fees"),
    [
        ("2019-10-01", {"juminhyo": 300, "inkan": 300, "shotoku": 300}),
        ("2025-07-01", {"juminhyo": 200, "kisai": 200, "inkan": 300, "shotoku": 300}),
        ("2026-04-01", {"juminhyo": 200, "kisai": 200, "inkan": 300, "shotoku": 250}),
        ("2027-04-01", {"juminhyo": 250, "kisai": 200, "inkan": 350, "shotoku": 250}),
    ],
)
def test_offers_and_fees_by_date(day: str, fees: dict[str, int]) -> None:
    families = OF_FAMILIES if day >= "2024-03-01" else {}
    offered = {n.kind: n.fee for n in rules.notices(SHIOMI, at(f"{day}T12:00"))}
    assert offered == fees | families | (OF_ENTRIES if day >= "2025-04-01" else {})


def test_the_order_of_entries_in_the_file_means_nothing() -> None:
    turned = msgspec.structs.replace(
        SHIOMI,
        hours=SHIOMI.hours[::-1],
        eligibility=SHIOMI.eligibility[::-1],
        certificates=tuple(
            msgspec.structs.replace(c, fees=c.fees[::-1]) for c in SHIOMI.certificates
        ),
    )
    for moment in ("2025-06-30T12:00", "2026-04-01T07:30", "2027-05-01T21:59"):
        assert rules.notices(turned, at(moment)) == rules.notices(SHIOMI, at(moment))
        assert opening(turned, at(moment)) == opening(SHIOMI, at(moment))


@pytest.mark.parametrize(
    ("moment", "open_", "opens"),
    [
        ("2026-11-24T09:00", {"juminhyo", "kisai", "inkan", "shotoku", *OF_FAMILIES}, {}),
        (
            "2026-11-24T07:45",
            {"juminhyo", "shotoku"},
            {"kisai": "2026-11-24T09:00", "inkan": "2026-11-24T08:30"},
        ),
        ("2026-11-24T18:00", {"juminhyo", "inkan", "shotoku"}, {"kisai": "2026-11-25T09:00"}),
        (
            "2026-11-21T12:00",
            {"juminhyo", "inkan", "shotoku"},
            {"kisai": "2026-11-24T09:00"},
        ),  # a long weekend
        (
            "2026-12-13T10:00",
            set(),
            {"kisai": "2026-12-14T12:00", "inkan": "2026-12-14T12:00"},
        ),  # maintenance
        ("2026-12-27T22:00", set(), {"juminhyo": "2027-01-05T07:30", "kisai": "2027-01-05T09:00"}),
    ],
)
def test_hours_by_certificate(moment: str, open_: set[str], opens: dict[str, str]) -> None:
    notices = {n.kind: n for n in rules.notices(SHIOMI, at(moment))}
    entries = set(OF_ENTRIES) if "juminhyo" in open_ else set()
    assert {kind for kind, notice in notices.items() if notice.open} == open_ | entries
    for kind, begins in opens.items():
        assert notices[kind].opens_at == at(begins).isoformat()


def test_contacts_change_on_their_day() -> None:
    before, after = (
        rules.refusal(SHIOMI, RefusalCode.MOVED_OUT, at(f"2026-{day}T12:00"))
        for day in ("03-31", "04-01")
    )
    assert before.contact is not None
    assert after.contact is not None
    assert (before.contact.phone, after.contact.phone) == ("0990-00-0001", "0990-00-1000")


# -- files that are refused ------------------------------------------------------------------------

AKASHI_TEXT = CITY_FILES["akashi"].read_text(encoding="utf-8")


def _fault(tmp_path: Path, text: str) -> str:
    path = tmp_path / "city.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        municipality.load(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('code = "282031"', 'code = "28203"', "$.code"),
        ("challenge_s = 900", "challenge_s = 900\nopen_days = 7", "open_days"),
        ("challenge_s = 900  #", "challenge_s = 'long'  #", "$.challenge_s"),
        ('["06:30-23:00"]', '["23:30-23:00"]', "hours[0].calendar[1].times: closes before"),
        ('["06:30-23:00"]', "[06:30-23:00]", "line "),
        ('["06:30-23:00"]', '["06:30-24:30"]', "$.hours[0].calendar[1].times[0]"),
        ('"06:30-23:00"', '"06:30-12:00", "11:00-23:00"', "hours[0].calendar[1].times: one after"),
        ('["12-29..01-03"]', '["13-29..01-03"]', "$.hours[0].calendar[0].days[0]"),
        ('["12-29..01-03"]', '["02-30..03-03"]', "hours[0].calendar[0].days: 02-30"),
        (
            '["12-29..01-03"]',
            '["weekdays", "sat", "sun", "holidays"]',
            "hours[0].calendar[1].days: every-day never holds",
        ),
        ('["12-29..01-03"]', '["sun", "sun"]', "hours[0].calendar[0].days: sun is in"),
        ('["12-29..01-03"]', "[]", "$.hours[0].calendar[0].days"),
        ('["12-29..01-03"]', '["2026-12-01..2026-11-01"]', "ends before it begins"),
        ('["2026-11-18"]', '["2026-11-31"]', "maintenance[0].calendar[0].days: 2026-11-31"),
        ("[[maintenance]]", '[[maintenance]]\nkinds = ["koseki"]', "maintenance[0].kinds: no"),
        ("[[maintenance]]", '[[maintenance]]\nsites = ["hall"]', "maintenance[0].sites: no site"),
        ('["weekdays"]', '["2020-02-29"]', "eligibility[0].office: no working day"),
        ('["weekdays"]', '["2016-01-01..2030-12-31"]', "working day in the 400 days from 2099"),
        ("checked_until = 2027-12-31", "checked_until = 2100-12-31", "holidays.checked_until"),
        ("2027-12-31 }", "2027-12-31, removed = [2026-11-24] }", "holidays.removed: 2026-11-24"),
        ("2027-12-31 }", "2027-12-31, added = [2026-11-23] }", "holidays.added: 2026-11-23"),
        ("{ year = 2024,", "{ year = 2023,", "certificates[2] (kazei).years: 2023 twice"),
        ("{ year = 2022,", "{ year = 2021,", "certificates[2] (kazei).years: 2022 is missing"),
        ("2024-06-14 }", "2022-06-14 }", "certificates[2] (kazei).years[0]: ends before"),
        ("seal_mm = 18.0", "years = [{ year = 2026, from = 2026-06-01 }]", "(inkan).years: for"),
        ("minimum_age = 15", "minimum_age = -1", "$.eligibility[0].minimum_age"),
        ("processing_days = 1", "", "$.eligibility[0]"),
        ('form = "kazei"', 'form = "joseki"', "$.certificates[2].form"),
        (
            "fees = [{ from = 2016-01-25,",
            "fees = [{ from = 2016-01-26,",
            "certificates[0] (juminhyo).fees: nothing",
        ),
        (
            "fees = [{ from = 2016-01-25,",
            "fees = [{ from = 2024-01-04,",
            "certificates[0] (juminhyo).fees: two",
        ),
        ("yen = 100 }", "yen = -100 }", "$.certificates[0].fees[1].yen"),
        ("yen = 100 }", "yen = 105 }", "$.certificates[0].fees[1].yen"),  # no coins of 5 yen
        (
            "statement.part =",
            "statement.seal =",
            "certificates[0] (juminhyo).statement: needs exactly household, part",
        ),
        ('rows = ["birth", "sex",', 'rows = ["birth", "jumin-code",', "$.certificates[0].rows[1]"),
        (
            'rows = ["birth", "sex",',
            'rows = ["birth", "mynumber",',
            "certificates[0] (juminhyo).rows: a row twice",
        ),
        (
            'printed = "印鑑登録証明書"',
            'printed = "印鑑証明書"',
            "certificates[1] (inkan).printed: not title.ja",
        ),
        (
            (
                'title = { ja = "所得・課税証明書", en = "Income and tax certificate" }\nprinted = '
                '"所得・課税証明書"'
            ),
            'title = { ja = "印鑑税証明書" }\nprinted = "印鑑税証明書"',
            "certificates[2] (kazei).printed: 印鑑 stands in the title of",
        ),
        ('printed = "住民票の写し"', f'printed = "{"あ" * 41}"', "(juminhyo).printed: 41 char"),
        ('kind = "kazei"', 'kind = "inkan"', "certificates (inkan): two entries hold on one day"),
        ("seal_mm = 18.0", "seal_mm = 30.0", "$.certificates[1].seal_mm"),
        ("copies = 3", "copies = 3\nuntil = 2015-01-01", "certificates[0] (juminhyo).until"),
        ("[[contacts.resident]]", "[[contacts.counter]]", "contacts.resident: missing"),
        (
            "[[contacts.tax]]\nfrom = 2016-01-01",
            "[[contacts.tax]]\nfrom = 2020-01-01",
            "contacts.tax: nothing",
        ),
        (
            'card-revoked = "card"',
            'card-revoked = "police"',
            "refusal_contacts.card-revoked: no contact 'police'",
        ),
        (
            'no-tax-return = "tax"',
            'no-tax-returns = "tax"',
            "refusal_contacts.no-tax-returns: no such cause",
        ),
        (
            'title = { ja = "住民票の写し", ',
            "title = { ",
            "certificates[0] (juminhyo).title.ja: missing",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_place(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in AKASHI_TEXT
    assert key in _fault(tmp_path, AKASHI_TEXT.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        (
            "calendar = [",
            "opens = 06:30:00\ncalendar = [",
            "unknown field `opens` - at `$.hours[0]`",
        ),
        ("office = [", "office_closed = []\noffice = [", "`office_closed` - at `$.eligibility[0]`"),
        ("years = [", 'fiscal_year_begins = "06-15"\nyears = [', "`$.certificates[2]`"),
        ("{ checked_until = 2027-12-31 }", "[2026-01-01]", "got `array` - at `$.holidays`"),
    ],
)
def test_there_is_no_second_way_to_say_the_same(
    tmp_path: Path, old: str, new: str, key: str
) -> None:
    assert old in AKASHI_TEXT
    assert key in _fault(tmp_path, AKASHI_TEXT.replace(old, new, 1))


def test_more_certificates_than_kiosks_take_are_refused() -> None:
    seal = next(c for c in SHIOMI.certificates if c.kind == "inkan")
    many = tuple(msgspec.structs.replace(seal, kind=f"seal-{n}") for n in range(300))
    city = msgspec.structs.replace(SHIOMI, certificates=many)
    assert next(contradictions(city)) == ("certificates: 300 on 2019-10-01, and kiosks take 16")


@settings(max_examples=40)
@given(
    cut=st.integers(0, len(AKASHI_TEXT) - 1),
    put=st.sampled_from(["", '"', "[", "= ", "\x00", "9", "ü"]),
)
def test_a_damaged_file_is_a_city_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, cut: int, put: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.toml"
    path.write_text(AKASHI_TEXT[:cut] + put + AKASHI_TEXT[cut + 1 :], encoding="utf-8")
    try:
        assert municipality.load(path).certificates
    except ConfigError as error:
        assert re.fullmatch(r"[^\n]+", str(error))


def test_a_text_that_cannot_be_printed_is_found_at_start() -> None:
    city = msgspec.structs.replace(SHIOMI, verification="確認\U000e0101できます。")
    with pytest.raises(ConfigError, match=r"city\.toml: verification: unknown-variation"):
        check_texts(city, Path("city.toml"))


def test_every_cause_has_a_place() -> None:
    for city in CITIES.values():
        assert set(city.places.values()) <= city.contacts.keys()
        assert {
            "pin-locked",
            "line-down",
            "card-unconfirmed",
            "not-available",
        } <= city.places.keys()


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        municipality.load(tmp_path / "none.toml")
    (tmp_path / "picture.toml").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ConfigError, match=r"picture\.toml"):
        municipality.load(tmp_path / "picture.toml")
