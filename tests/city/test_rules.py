"""The rules as tables: hours, each refusal, what is asked, what is printed."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec
import pytest
from city_bench import AKASHI, NOON
from hypothesis import given
from hypothesis import strategies as st

from city import municipality, rules, sample
from city.calendars import Line
from city.clock import JST
from city.composition import Composed, Stamp, compose, session_records
from city.entries import FiscalYear, Hours, Maintenance
from city.opening import hours_of, opening
from city.records import Card, File, Resident, Seal, Standing, TaxRecord, TaxStanding
from firmware.link import era
from firmware.link.content import Row, Sheet
from firmware.link.messages import Offer, RefusalCode

CITY = municipality.load(AKASHI)
CERTIFICATES = {c.kind: c for c in CITY.certificates}
change = msgspec.structs.replace


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JST)


# -- records to judge ------------------------------------------------------------------------------


def person(id_: str = "a", position: int = 1, **values: object) -> Resident:
    plain = Resident(
        id=id_,
        household="h",
        position=position,
        name=f"明石　{id_}",
        sex="女",
        birth=date(1980, 5, 14),
        relationship="世帯主" if position == 1 else "子",
        resident_since=date(2000, 1, 1),
        address="兵庫県明石市中崎一丁目99番",
        settled_on=date(2012, 4, 1),
        notified_on=date(2012, 4, 3),
        previous_address="兵庫県神戸市垂水区平磯二丁目99番",
        domicile="兵庫県明石市中崎一丁目99番",
        domicile_head="明石　a",
        mynumber="123456789010",
    )
    return change(plain, **values)


SEAL = Seal(resident="a", registered_on=date(2015, 6, 1), imprint=b"png")


def tax(year: int, standing: TaxStanding = TaxStanding.FILED) -> TaxRecord:
    return TaxRecord(
        resident="a",
        year=year,
        standing=standing,
        address="明石",
        amounts=(("合計所得金額", 1_234_000),),
    )


def file(
    *others: Resident,
    seal: Seal | None = SEAL,
    taxes: tuple[TaxRecord, ...] | None = None,
    **values: object,
) -> File:
    card_values = {
        k: values.pop(k) for k in ("issued_on", "continued_on", "revoked") if k in values
    }
    card = change(
        Card(fingerprint="0" * 64, resident="a", issued_on=date(2025, 1, 6)), **card_values
    )
    me = person(**values)
    both = (tax(2026), tax(2025)) if taxes is None else taxes
    return File(card=card, resident=me, household=(me, *others), seal=seal, taxes=both)


def offer(kind: str, of: File, now: datetime = NOON) -> Offer:
    return next(o for o in rules.offers(CITY, now, of) if o.kind == kind)


def made(kind: str, of: File, now: datetime = NOON, **choices: tuple[str, ...]) -> Composed:
    chosen = rules.picked(offer(kind, of, now), choices, 1)
    return compose(CITY, CERTIFICATES[kind], of, chosen, Stamp("ABCDEFGH1234", now.date()))


def sheet(composed: Composed) -> Sheet:
    """Everybody on one sheet: who stands on which is the typesetter's matter."""
    [one] = composed.content.sheets
    return one


def values(rows: tuple[Row, ...]) -> dict[str, str]:
    return {row.label: row.value for row in rows}


# -- hours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "refusal", "opens", "closes"),
    [
        ("2026-11-24T06:29:59", RefusalCode.CLOSED, "2026-11-24T06:30", None),
        ("2026-11-24T06:30", None, None, "2026-11-24T23:00"),
        ("2026-11-24T22:59:59", None, None, "2026-11-24T23:00"),
        ("2026-11-24T23:00", RefusalCode.CLOSED, "2026-11-25T06:30", None),
        ("2026-12-28T23:30", RefusalCode.CLOSED, "2027-01-04T06:30", None),
        ("2026-12-31T12:00", RefusalCode.CLOSED, "2027-01-04T06:30", None),
        ("2027-01-03T12:00", RefusalCode.CLOSED, "2027-01-04T06:30", None),
        ("2026-11-17T23:30", RefusalCode.CLOSED, "2026-11-19T06:30", None),
        ("2026-11-18T12:00", RefusalCode.MAINTENANCE, "2026-11-19T06:30", None),
        ("2027-02-17T12:00", None, None, "2027-02-17T18:00"),
        ("2015-12-31T12:00", RefusalCode.CLOSED, None, None),
    ],
)
def test_hours(
    now: str, refusal: RefusalCode | None, opens: str | None, closes: str | None
) -> None:
    when = opening(CITY, at(now))
    assert when.refusal is refusal
    if opens or refusal is None:
        assert when.opens_at == (at(opens) if opens else None)
    assert when.closes_at == (at(closes) if closes else None)


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2026-11-24", ("06:30", "23:00")),
        ("2026-12-31", None),  # closed
        ("2027-02-17", ("06:30", "23:00")),  # maintenance in the evening is told when it comes
        ("2015-12-31", None),  # the service has not begun
    ],
)
def test_the_hours_of_a_day(day: str, hours: tuple[str, str] | None) -> None:
    told = hours_of(CITY, at(f"{day}T12:00"))
    assert (told and (told.opens, told.closes)) == hours


def opens(*lines: Line) -> tuple[Hours, ...]:
    return (Hours(since=date(2016, 1, 1), calendar=lines),)


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-11-24T08:00", ("09:00", "12:00")),
        ("2026-11-24T12:30", ("13:00", "00:00")),
        ("2026-11-28T12:30", None),  # a Saturday
    ],
)
def test_with_several_times_a_day_the_next_are_told(
    now: str, hours: tuple[str, str] | None
) -> None:
    city = change(CITY, hours=opens(Line(days=("weekdays",), times=("09:00-12:00", "13:00-24:00"))))
    told = hours_of(city, at(now))
    assert (told and (told.opens, told.closes)) == hours


def test_a_city_open_all_day_closes_where_it_does() -> None:
    lines = (
        Line(days=("2026-11-26",), times=("00:00-03:00",)),
        Line(days=("every-day",), times=("00:00-24:00",)),
    )
    city = change(CITY, hours=opens(*lines), maintenance=())
    assert hours_of(city, NOON) is None
    assert opening(city, NOON).closes_at == at("2026-11-26T03:00")
    always = change(city, hours=opens(lines[1]))
    assert opening(always, NOON).closes_at is None


def test_a_certificate_with_its_own_hours_closes_alone() -> None:
    office = opens(Line(days=("weekdays",), times=("09:00-17:00",)))
    city = change(CITY, certificates=(change(CERTIFICATES["inkan"], hours=office),))
    friday = at("2026-11-27T17:00")
    [notice] = rules.notices(city, friday)
    assert (notice.open, notice.opens_at) == (False, "2026-11-30T09:00:00+09:00")
    assert opening(city, friday).refusal is None
    assert rules.offers(city, friday, file())[0].refusal is RefusalCode.CLOSED


def test_a_stop_of_some_certificates_leaves_the_others_open() -> None:
    line = Line(days=("2026-11-24",), times=("00:00-24:00",))
    stop = Maintenance(calendar=(line,), kinds=("kazei",))
    city = change(CITY, maintenance=(stop,))
    assert opening(city, NOON).refusal is None
    assert {n.kind: n.open for n in rules.notices(city, NOON)} == {
        "juminhyo": True,
        "inkan": True,
        "kazei": False,
    }
    stopped = next(o for o in rules.offers(city, NOON, file()) if o.kind == "kazei")
    assert stopped.refusal is RefusalCode.MAINTENANCE
    assert stopped.opens_at == "2026-11-25T06:30:00+09:00"


def test_between_two_fiscal_years_a_certificate_says_when_it_is_issued_again() -> None:
    years = (
        FiscalYear(year=2025, since=date(2025, 6, 1), until=date(2026, 5, 31)),
        FiscalYear(year=2026, since=date(2026, 6, 13)),
    )
    city = change(CITY, certificates=(change(CERTIFICATES["kazei"], years=years),))
    now = at("2026-06-05T12:00")
    [notice] = rules.notices(city, now)
    assert (notice.open, notice.opens_at) == (False, "2026-06-13T06:30:00+09:00")
    assert opening(city, now).refusal is None
    [offered] = rules.offers(city, now, file())
    assert (offered.refusal, offered.opens_at) == (RefusalCode.YEAR_NOT_YET, notice.opens_at)
    assert rules.offers(city, at("2026-06-13T12:00"), file())[0].refusal is None


def moments(first: str, last: str) -> st.SearchStrategy[datetime]:
    return st.datetimes(
        datetime.fromisoformat(first), datetime.fromisoformat(last), timezones=st.just(JST)
    )


@given(moments("2016-01-01", "2060-01-01"))
def test_every_moment_is_open_or_says_when(now: datetime) -> None:
    when = opening(CITY, now)
    if when.refusal is None:
        assert when.closes_at is not None
        assert now < when.closes_at <= now + timedelta(hours=17)
        assert opening(CITY, when.closes_at).refusal is not None
    else:
        assert when.opens_at is not None
        assert when.opens_at > now
        assert opening(CITY, when.opens_at).refusal is None


@pytest.mark.parametrize(("day", "yen"), [("2024-01-03", 250), ("2024-01-04", 100)])
def test_fee_holds_from_its_day(day: str, yen: int) -> None:
    assert rules.fee(CERTIFICATES["juminhyo"], date.fromisoformat(day)) == yen


# -- who -------------------------------------------------------------------------------------------

TODAY = NOON.date()


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, None),
        ({"revoked": True}, RefusalCode.CARD_REVOKED),
        ({"protected": True}, RefusalCode.NOT_AVAILABLE),
        ({"protected": True, "birth": date(2020, 1, 1)}, RefusalCode.NOT_AVAILABLE),
        ({"standing": Standing.DEAD}, RefusalCode.NOT_AVAILABLE),
        ({"standing": Standing.MOVED_OUT}, RefusalCode.MOVED_OUT),
        ({"birth": date(2011, 11, 24)}, None),
        ({"birth": date(2011, 11, 25)}, RefusalCode.UNDER_15),
        ({"issued_on": TODAY}, RefusalCode.CARD_TOO_NEW),
        ({"issued_on": date(2026, 11, 20)}, None),
        (
            {"issued_on": date(2026, 11, 21)},
            RefusalCode.CARD_TOO_NEW,
        ),  # a Saturday before a holiday: from the 25th
        ({"issued_on": date(2026, 11, 23)}, RefusalCode.CARD_TOO_NEW),
        ({"notified_on": TODAY}, RefusalCode.NOTICE_IN_PROCESS),
        ({"notified_on": date(2026, 11, 21)}, RefusalCode.NOTICE_IN_PROCESS),
        ({"standing": Standing.LEAVING}, RefusalCode.MOVED_OUT),
        ({"resident_since": date(2026, 8, 26)}, RefusalCode.CARD_NOT_CONTINUED),
        (
            {"resident_since": date(2026, 8, 25)},
            RefusalCode.CARD_REVOKED,
        ),  # the 91st day: the card has lapsed
        (
            {"resident_since": date(2026, 8, 25), "continued_on": date(2026, 8, 24)},
            RefusalCode.CARD_REVOKED,
        ),
        ({"resident_since": date(2026, 8, 25), "continued_on": date(2026, 8, 25)}, None),
        ({"resident_since": date(2026, 8, 25), "continued_on": TODAY}, RefusalCode.CARD_TOO_NEW),
    ],
)
def test_who_can_have_nothing(values: dict[str, object], code: RefusalCode | None) -> None:
    assert rules.person_refusal(CITY, NOON, file(**values)) is code


def test_born_on_29_february() -> None:
    assert rules.birthday(date(2012, 2, 29), 15) == date(2027, 3, 1)
    assert rules.birthday(date(2012, 2, 29), 16) == date(2028, 2, 29)


ELSEWHERE, NOT_HERE, NONE = TaxStanding.ELSEWHERE, TaxStanding.NOT_RESIDENT, TaxStanding.NO_RETURN


@pytest.mark.parametrize(
    ("kind", "of", "code"),
    [
        ("juminhyo", file(), None),
        ("juminhyo", file(person("b", 2, protected=True)), RefusalCode.NOT_AVAILABLE),
        ("inkan", file(person("b", 2, protected=True)), None),
        ("inkan", file(seal=None), RefusalCode.SEAL_NOT_REGISTERED),
        ("inkan", file(seal=change(SEAL, deregistered_on=TODAY)), RefusalCode.SEAL_DEREGISTERED),
        (
            "inkan",
            file(seal=change(SEAL, registered_on=TODAY + timedelta(days=1))),
            RefusalCode.SEAL_NOT_REGISTERED,
        ),
        ("kazei", file(), None),
        ("kazei", file(taxes=()), RefusalCode.NO_TAX_RETURN),
        ("kazei", file(taxes=(tax(2024),)), RefusalCode.NO_TAX_RETURN),
        ("kazei", file(taxes=(change(tax(2026), amounts=()),)), RefusalCode.NO_TAX_RETURN),
        (
            "kazei",
            file(taxes=(change(tax(2026), amounts=(("その他", 1),)),)),
            RefusalCode.NO_TAX_RETURN,
        ),
        ("kazei", file(taxes=(tax(2026, ELSEWHERE), tax(2025, NONE))), RefusalCode.TAXED_ELSEWHERE),
        ("kazei", file(taxes=(tax(2026, NOT_HERE),)), RefusalCode.NOT_RESIDENT_ON_JANUARY_1),
        ("kazei", file(taxes=(tax(2026, NONE), tax(2025))), None),
        ("kazei", file(taxes=(tax(2026, NOT_HERE), tax(2027))), RefusalCode.YEAR_NOT_YET),
        (
            "kazei",
            file(taxes=(tax(2026, NOT_HERE), tax(2027, NONE))),
            RefusalCode.NOT_RESIDENT_ON_JANUARY_1,
        ),
        (
            "juminhyo",
            file(person("b", 2, standing=Standing.LEAVING)),
            RefusalCode.HOUSEHOLD_NOTICE,
        ),
        (
            "juminhyo",
            file(person("b", 2, notified_on=date(2026, 11, 24))),
            RefusalCode.HOUSEHOLD_NOTICE,
        ),
        (
            "juminhyo",
            file(person("b", 2, notified_on=date(2026, 11, 24), standing=Standing.DEAD)),
            None,
        ),
        ("inkan", file(person("b", 2, standing=Standing.LEAVING)), None),
    ],
)
def test_which_certificate_is_refused_and_why(
    kind: str, of: File, code: RefusalCode | None
) -> None:
    assert offer(kind, of).refusal is code
    assert bool(offer(kind, of).options) is (code is None)


@pytest.mark.parametrize(
    ("of", "ends"),
    [
        (file(person("b", 2, notified_on=date(2026, 11, 24))), "2026-11-25T06:30"),
        (
            file(
                person("b", 2, notified_on=date(2026, 11, 24)),
                person("c", 3, notified_on=date(2026, 11, 23)),
            ),
            "2026-11-25T06:30",
        ),
        (file(person("b", 2, standing=Standing.LEAVING)), None),  # until they have left
        (
            file(
                person("b", 2, notified_on=date(2026, 11, 24)),
                person("c", 3, standing=Standing.LEAVING),
            ),
            None,
        ),
    ],
)
def test_a_notice_in_the_household_ends_when_the_city_says(of: File, ends: str | None) -> None:
    refused = offer("juminhyo", of)
    assert refused.refusal is RefusalCode.HOUSEHOLD_NOTICE
    assert refused.opens_at == (at(ends).isoformat() if ends else None)


def test_only_what_ends_by_itself_has_an_end() -> None:
    assert offer("juminhyo", file()).opens_at is None
    assert offer("inkan", file(seal=None)).opens_at is None


def test_every_refusal_has_a_place_to_go() -> None:
    for code in RefusalCode:
        assert rules.refusal(CITY, code, NOON).contact is not None, code


# -- what is asked ---------------------------------------------------------------------------------


def asked(of: File) -> dict[str, list[str]]:
    return {o.id: [c.id for c in o.choices] for o in offer("juminhyo", of).options}


def test_scope_is_asked_only_where_there_is_somebody_else_to_show() -> None:
    assert asked(file()) == {"fields": ["relationship", "domicile", "mynumber"], "copies": []}
    gone = (person("b", 2, standing=Standing.DEAD), person("c", 3, standing=Standing.MOVED_OUT))
    assert "scope" not in asked(file(*gone))
    both = asked(file(*gone, person("d", 4)))
    assert both["scope"] == ["self", "household", "some"]
    assert both["members"] == ["m1", "m2"]


def test_domicile_is_for_japanese_and_residence_for_foreign_residents() -> None:
    foreign = {"nationality": "ベトナム", "domicile": "", "domicile_head": ""}
    assert asked(file(**foreign))["fields"] == ["relationship", "residence", "mynumber"]
    assert asked(file(person("b", 2, **foreign)))["fields"] == [
        "relationship",
        "domicile",
        "residence",
        "mynumber",
    ]


@pytest.mark.parametrize(
    ("day", "names"),
    [
        ("2026-06-14", ["令和7年度", "令和6年度"]),
        ("2026-06-15", ["令和8年度", "令和7年度"]),
    ],
)
def test_fiscal_year_switches_in_mid_june(day: str, names: list[str]) -> None:
    of = file(taxes=tuple(tax(year) for year in range(2023, 2027)))
    [year, copies] = offer("kazei", of, at(f"{day}T12:00")).options
    assert [choice.name for choice in year.choices] == names
    assert (copies.id, copies.minimum, copies.maximum) == ("copies", 1, 3)


def test_a_year_that_cannot_be_had_is_not_a_choice() -> None:
    [year, _] = offer("kazei", file(taxes=(tax(2026, NONE), tax(2025)))).options
    assert ([c.id for c in year.choices], year.default) == (["y2025"], ("y2025",))


# -- what is printed -------------------------------------------------------------------------------


def test_juminhyo_shows_what_was_chosen_and_nothing_else() -> None:
    of = file(person("b", 2), person("c", 3, standing=Standing.DEAD))
    bare = made("juminhyo", of, scope=("self",))
    assert [p.name for p in sheet(bare).people] == ["明石　a"]
    assert bare.content.subtitle == "（世帯の一部）"
    assert "一部" in bare.content.statement
    assert (bare.people, bare.whole) == (1, False)
    assert values(sheet(bare).head).keys() == {"住所"}
    labels = values(sheet(bare).people[0].rows).keys()
    assert "前住所" in labels
    assert not {"続柄", "本籍", "筆頭者の氏名", "個人番号"} & labels
    full = made(
        "juminhyo", of, scope=("household",), fields=("relationship", "domicile", "mynumber")
    )
    assert [p.name for p in sheet(full).people] == ["明石　a", "明石　b"]
    assert full.content.subtitle == "（世帯全員）"
    assert (full.people, full.whole) == (2, True)
    assert {"続柄", "本籍", "筆頭者の氏名", "個人番号"} <= values(sheet(full).people[1].rows).keys()
    assert values(sheet(full).head)["世帯主"] == "明石　a"
    some = made("juminhyo", of, scope=("some",), members=("m2",))
    assert [p.name for p in sheet(some).people] == ["明石　b"]
    assert (some.holder, some.holder_at) == ("明石　a", None)


def test_everybody_of_a_household_chosen_one_by_one_is_the_whole_household() -> None:
    all_chosen = made("juminhyo", file(person("b", 2)), scope=("some",), members=("m2", "m1"))
    assert [p.name for p in sheet(all_chosen).people] == ["明石　a", "明石　b"]
    assert (all_chosen.content.subtitle, all_chosen.whole) == ("（世帯全員）", True)


def test_foreign_resident_has_western_birth_date_and_residence_rows_when_chosen() -> None:
    foreign = {
        "nationality": "ベトナム",
        "residence_status": "留学",
        "residence_until": date(2028, 4, 17),
        "domicile": "",
    }
    rows = values(sheet(made("juminhyo", file(**foreign), fields=("residence",))).people[0].rows)
    assert rows["生年月日"] == "1980年5月14日"
    assert rows["国籍・地域"] == "ベトナム"
    assert rows["在留期間の満了の日"] == "2028年4月17日"
    assert "住民となった年月日" not in rows
    assert "国籍・地域" not in values(sheet(made("juminhyo", file(**foreign))).people[0].rows)


def test_inkan_and_kazei() -> None:
    seal = made("inkan", file()).content
    assert (seal.sheets[0].seal, seal.title, seal.issued_on) == (
        b"png",
        "印鑑登録証明書",
        "令和8年11月24日",
    )
    income = made("kazei", file(), year=("y2025",))
    assert (income.content.subtitle, income.year) == ("令和7年度（令和6年分所得）", 2025)
    amounts = [(row.label, row.value) for row in sheet(income).amounts]
    assert amounts == [
        ("収入・所得の金額", ""),
        ("合計所得金額", "1,234,000円"),
    ]  # no heading without a row
    assert values(sheet(income).people[0].rows)["令和7年1月1日の住所"] == "明石"
    assert sheet(income).seal == b""


def test_what_is_registered_beside_a_name_is_printed_on_every_certificate() -> None:
    of = file(former_surname="渡邉", alias="ワタナベ", kana="アカシ　ア")
    for kind in CERTIFICATES:
        [shown] = sheet(made(kind, of)).people
        assert [(row.label, row.value) for row in shown.rows[:3]] == [
            ("フリガナ", "アカシ　ア"),
            ("旧氏", "渡邉"),
            ("通称", "ワタナベ"),
        ]


def test_what_is_not_registered_has_no_row() -> None:
    for kind in CERTIFICATES:
        [shown] = sheet(made(kind, file(kana=""))).people
        assert not {"フリガナ", "旧氏", "通称"} & values(shown.rows).keys()


# -- what is opened --------------------------------------------------------------------------------


def test_exactly_what_was_asked_for_is_opened_empty_or_not() -> None:
    of = file(person("b", 2), person("c", 3))
    some = made("juminhyo", of, scope=("some",), members=("m2",), fields=("domicile",))
    always = {"氏名", "フリガナ", "旧氏", "通称", "住所"}
    rows = {
        "生年月日",
        "性別",
        "住民となった年月日",
        "外国人住民となった年月日",
        "住所を定めた年月日",
        "届出の年月日",
    }
    assert some.open == {
        "m1": {"氏名", "生年月日", "住所"},
        "m2": {*always, *rows, "前住所", "本籍", "筆頭者の氏名"} - {"住所"},
    }
    assert made("inkan", of).open == {"m1": {*always, "生年月日"}, "seal": {"印影"}}
    [city_sections] = [
        [label for part in c.amounts.values() for label in part]
        for c in CITY.certificates
        if c.amounts
    ]
    assert made("kazei", of, year=("y2025",)).open == {
        "m1": {*always, "生年月日", "現住所"},
        "y2025": {"令和7年1月1日の住所", *city_sections},
    }


def test_only_what_can_be_certified_is_committed_to() -> None:
    of = file(
        person("b", 2),
        person("c", 3, standing=Standing.DEAD),
        taxes=(tax(2026), tax(2025, NONE), tax(2024), tax(2027)),
    )
    assert session_records(CITY, TODAY, of).keys() == {"m1", "m2", "seal", "y2026"}
    gone = file(seal=change(SEAL, deregistered_on=TODAY), taxes=())
    assert session_records(CITY, TODAY, gone).keys() == {"m1"}


def test_who_lives_with_somebody_protected_is_told_of_nobody() -> None:
    of = file(person("b", 2, protected=True), person("c", 3))
    assert session_records(CITY, TODAY, of).keys() == {"m1", "seal", "y2026", "y2025"}


def test_a_household_larger_than_a_session_can_name_stays_out_of_the_machine() -> None:
    many = [person(f"p{n}", n) for n in range(2, 34)]
    assert offer("juminhyo", file(*many)).refusal is RefusalCode.NOT_AVAILABLE
    assert rules.members(file(*many)).keys() == {"m1"}
    ids = {o.id: o.choices for o in offer("juminhyo", file(*many[:-1])).options}
    assert len(ids["members"]) == 32
    assert len(sheet(made("juminhyo", file(*many[:-1]), scope=("household",))).people) == 32


@pytest.mark.parametrize(
    ("values", "code", "opens"),
    [
        ({"issued_on": date(2026, 11, 24)}, RefusalCode.CARD_TOO_NEW, "2026-11-25T06:30"),
        ({"issued_on": date(2026, 11, 21)}, RefusalCode.CARD_TOO_NEW, "2026-11-25T06:30"),
        ({"notified_on": date(2026, 11, 27)}, RefusalCode.NOTICE_IN_PROCESS, "2026-11-28T06:30"),
        ({"notified_on": date(2026, 11, 28)}, RefusalCode.NOTICE_IN_PROCESS, "2026-12-01T06:30"),
        ({"notified_on": date(2026, 12, 28)}, RefusalCode.NOTICE_IN_PROCESS, "2027-01-04T06:30"),
        ({"notified_on": date(2026, 12, 29)}, RefusalCode.NOTICE_IN_PROCESS, "2027-01-05T06:30"),
        ({}, RefusalCode.MOVED_OUT, None),
    ],
)
def test_a_refusal_that_ends_by_itself_says_when(
    values, code: RefusalCode, opens: str | None
) -> None:
    of = file(**values)
    when = rules.person_opens_at(CITY, code, of)
    assert when == (at(opens) if opens else None)
    if when is not None:
        assert rules.person_refusal(CITY, when, of) is None
        [filed] = values.values()
        assert rules.person_refusal(CITY, datetime.combine(filed, NOON.timetz()), of) is code


def test_version_follows_every_record() -> None:
    base = file(person("b", 2))
    others = [
        file(person("b", 2), address="別の住所"),
        file(person("b", 2, name="明石　改")),
        file(person("b", 2), seal=None),
        file(person("b", 2), taxes=()),
        file(person("b", 2), revoked=True),
    ]
    assert len({f.version for f in (base, *others)}) == 6
    assert file(person("b", 2)).version == base.version


# -- totality --------------------------------------------------------------------------------------

DATES = st.dates(date(1900, 1, 1), date(2060, 12, 31))
PEOPLE = st.builds(
    person,
    birth=DATES,
    protected=st.booleans(),
    standing=st.sampled_from(Standing),
    notified_on=DATES,
    nationality=st.sampled_from(["", "ドイツ"]),
    domicile=st.sampled_from(["", "兵庫県"]),
)
TAXES = st.lists(
    st.builds(tax, st.integers(2015, 2061), st.sampled_from(TaxStanding)), max_size=5
).map(tuple)
SEALS = st.none() | st.builds(
    Seal,
    resident=st.just("a"),
    registered_on=DATES,
    deregistered_on=st.none() | DATES,
    imprint=st.just(b""),
)
CARDS = st.builds(
    Card,
    fingerprint=st.just("0" * 64),
    resident=st.just("a"),
    issued_on=DATES,
    revoked=st.booleans(),
)


@given(
    now=moments("2016-02-01", "2060-01-01"),
    people=st.lists(PEOPLE, min_size=1, max_size=4),
    card=CARDS,
    seal=SEALS,
    taxes=TAXES,
)
def test_rules_answer_for_everybody_at_any_time(now, people, card, seal, taxes) -> None:
    of = File(card=card, resident=people[0], household=tuple(people), seal=seal, taxes=taxes)
    refusal = rules.person_refusal(CITY, now, of)
    if any(p.protected for p in people[:1]) and refusal is not RefusalCode.CARD_REVOKED:
        assert refusal is RefusalCode.NOT_AVAILABLE
    for each in rules.offers(CITY, now, of):
        if refusal is None and each.refusal is None:
            chosen = rules.picked(each, {}, 1)
            composed = compose(
                CITY, CERTIFICATES[each.kind], of, chosen, Stamp("A" * 12, now.date())
            )
            assert sheet(composed).people
            assert all(row.value for p in sheet(composed).people for row in p.rows)
            records = session_records(CITY, now.date(), of)
            assert all(labels <= records[name].keys() for name, labels in composed.open.items())


# -- eras ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "text"),
    [
        ("2026-11-24", "令和8年11月24日"),
        ("2019-05-01", "令和元年5月1日"),
        ("2019-04-30", "平成31年4月30日"),
        ("1989-01-08", "平成元年1月8日"),
        ("1989-01-07", "昭和64年1月7日"),
        ("1926-12-25", "昭和元年12月25日"),
        ("1926-12-24", "大正15年12月24日"),
        ("1912-07-30", "大正元年7月30日"),
        ("1912-07-29", "明治45年7月29日"),
        ("1873-01-01", "明治6年1月1日"),
    ],
)
def test_era_changes_on_its_day(day: str, text: str) -> None:
    assert era.written(date.fromisoformat(day)) == text


def test_before_the_calendar_there_is_no_date() -> None:
    with pytest.raises(ValueError, match="Gregorian"):
        era.written(date(1872, 12, 31))


def test_fiscal_year_has_the_name_of_its_april() -> None:
    assert [era.fiscal_year(y) for y in (2018, 2019, 2020)] == [
        "平成30年度",
        "平成31年度",
        "令和2年度",
    ]


@given(st.dates(date(1873, 1, 1), date(2200, 1, 1)))
def test_an_era_date_can_be_read_back(day: date) -> None:
    text = era.written(day)
    name, rest = text[:2], text[2:].replace("元", "1")
    year, month, number = (
        int(part) for part in rest.replace("年", " ").replace("月", " ").rstrip("日").split()
    )
    first = {"令和": 2019, "平成": 1989, "昭和": 1926, "大正": 1912, "明治": 1868}[name]
    assert date(first + year - 1, month, number) == day


# -- the sample people -----------------------------------------------------------------------------


def test_sample_residents_are_many_and_nobodys_number_is_real() -> None:
    members = [m for household in sample.read() for m in household.members]
    assert len([m for m in members if m.card]) >= 14
    assert len({m.id for m in members}) == len(members)
    for member in members:
        digits = [int(d) for d in reversed(member.mynumber)]
        weighted = (
            sum(d * (n + 1 if n <= 6 else n - 5) for n, d in enumerate(digits[1:], start=1)) % 11
        )
        assert digits[0] != (0 if weighted <= 1 else 11 - weighted), member.id
    names = "".join(m.name for m in members)
    assert all(pair in names for pair in ("葛\U000e0102", "辻\U000e0102", "邊\U000e0108", "𠮷"))


def test_no_repr_shows_a_person() -> None:
    of = file()
    shown = repr(
        (of, of.resident, of.seal, of.taxes, made("juminhyo", of), sample.read(), sample.load())
    )
    assert "明石　" not in shown
    assert "123456789010" not in shown
    assert "pin" not in shown
