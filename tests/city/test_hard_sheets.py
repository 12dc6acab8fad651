"""People who are hard to print: the city refuses before money, as CHARACTERS, or the kiosk takes
what it lets out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import count

import pytest
from city_bench import Rehearsal
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from paper_bench import Choices, assert_taken, everything, order, some_choices, visit_of

from city import registry, tables
from city.ordering import UNPRINTABLE
from city.records import Payment, Resident, Seal, TaxRecord, TaxStanding
from city.sample.imprint import draw
from city.typesetting import load_font
from firmware.link import messages
from firmware.link.client import CityRefusal

NUMBERS = count()
LATIN_75 = "JOSE MARIA ALEXANDER MAXIMILIAN CHRISTOPHER DE LA CRUZ Y VILLANUEVA SANTOS"
LONG_ADDRESS = (
    "兵庫県明石市大久保町八木字上ノ池76番地の3　"
    "明石海峡グランドタワーレジデンス　ウエスト棟2305号室　"
    "西明石コーポラティブハウス管理組合気付　与左衛門様方"
)
PLACES = ("address", "previous_address", "domicile")
FOREIGN = {
    "nationality": "朝鮮民主主義人民共和国",
    "residence_status": "高度専門職１号ハ・特定活動（日本人の配偶者等）",
    "residence_period": "5年（在留カード交付から）",
    "residence_until": date(2031, 11, 30),
    "residence_card": "AB12345678CD",
    "domicile": "",
    "domicile_head": "",
}
AMOUNTS = tuple(
    (label, 123_456_789)
    for label in (
        "給与収入金額",
        "公的年金等収入金額",
        "営業等所得金額",
        "不動産所得金額",
        "給与所得金額",
        "雑所得金額",
        "合計所得金額",
        "総所得金額",
        "社会保険料控除",
        "生命保険料控除",
        "配偶者控除",
        "扶養控除",
        "基礎控除",
        "所得控除合計額",
        "課税標準額",
        "市民税所得割額",
        "市民税均等割額",
        "県民税所得割額",
        "県民税均等割額",
        "森林環境税額",
        "年税額",
    )
)


def person(**values: object) -> Resident:
    """Everything of a Japanese resident that a form can show. `values` change it."""
    plain = Resident(
        id="",
        household="",
        position=1,
        name="明石　太郎",
        kana="アカシ　タロウ",
        sex="男",
        birth=date(1980, 5, 14),
        relationship="世帯主",
        resident_since=date(2000, 12, 31),
        address="兵庫県明石市中崎一丁目5番1号",
        settled_on=date(2012, 12, 31),
        notified_on=date(2012, 12, 31),
        previous_address="兵庫県神戸市垂水区平磯二丁目99番4号",
        domicile="兵庫県明石市中崎一丁目5番地の17",
        domicile_head="明石　太郎",
        mynumber="123456789010",
    )
    return structs.replace(plain, **values)


def move_in(town: Rehearsal, people: Sequence[Resident]) -> str:
    """A household of these people, each with a seal, a tax return, and a vehicle whose tax is
    paid. Returns the first one's id.
    """
    household = f"hard-{next(NUMBERS)}"
    with town.city.engine.begin() as connection:
        registry.put(connection, tables.households, {"id": household})
        for place, one in enumerate(people, 1):
            its = structs.replace(
                one, id=f"{household}-{place}", household=household, position=place
            )
            registry.put(connection, tables.residents, structs.asdict(its))
            seal = Seal(resident=its.id, registered_on=date(2015, 6, 1), imprint=draw("明石"))
            registry.put(connection, tables.seals, structs.asdict(seal))
            for year in (2025, 2026):
                tax = TaxRecord(
                    resident=its.id,
                    year=year,
                    standing=TaxStanding.FILED,
                    address=its.address,
                    amounts=AMOUNTS,
                )
                registry.put(connection, tables.taxes, structs.asdict(tax))
                for payment in payments(its.id, year):
                    registry.put(connection, tables.payments, structs.asdict(payment))
    return f"{household}-1"


def payments(resident: str, year: int) -> list[Payment]:
    land = Payment(
        id=f"{resident}-{year}-land",
        resident=resident,
        year=year,
        tax="固定資産税・都市計画税",
        billed=123_456_789,
        paid=123_456_789,
        paid_on=date(year, 12, 31),
    )
    vehicle = structs.replace(
        land,
        id=f"{resident}-{year}-vehicle",
        tax="軽自動車税（種別割）",
        vehicle="明石580あ12-34",
        chassis="ZR99B-004405",
        inspected=True,
        valid_until=date(year + 1, 12, 30),
    )
    return [land, vehicle]


def refused_kinds(
    town: Rehearsal,
    people: Sequence[Resident],
    chosen: Callable[[messages.Offer], Iterable[Choices]] = some_choices,
) -> set[str]:
    """Kinds of which some order was refused as unprintable. Everything else is on paper, and the
    kiosk took it.
    """
    visit = visit_of(town, move_in(town, people))
    refused = set()
    offered = [offer for offer in visit.session.offers if offer.refusal is None]
    assert len(offered) >= 3, "these people have no family register, and everything else"
    for offer in offered:
        for choices in chosen(offer):
            try:
                made = order(town, visit, offer.kind, **choices)
            except CityRefusal as refusal:
                assert refusal.refusal.code in UNPRINTABLE.values()
                refused.add(offer.kind)
            else:
                assert_taken(made)
    return refused


def kinds(town: Rehearsal) -> set[str]:
    """All but those of a family register, and of an entry that was removed, which these people do
    not have.
    """
    return {
        certificate.kind
        for certificate in town.city.data.offered(date(2026, 11, 24))
        if certificate.form not in ("koseki", "fuhyo", "jokyo")
    }


def many(number: int, **values: object) -> list[Resident]:
    others = (
        person(name=f"明石　{n}郎", relationship="子の夫の子", **values)
        for n in "二三四五六七八九十"
    )
    return [person(**values), *others][:number]


PRINTABLE = {
    "a foreign resident": [
        person(name="NGUYEN　THI　MAI", kana="グエン　ティ　マイ", alias="山本　マイ", **FOREIGN)
    ],
    "旧氏": [person(former_surname="旧佐々木")],
    "旧氏 and 通称": [person(former_surname="旧佐々木", alias="通称　太郎")],
    "no reading": [person(kana="")],
    "a name of 60 letters": [person(name=LATIN_75[:60], **FOREIGN)],
    "a member of 75 letters": [person(), person(name=LATIN_75, **FOREIGN)],
    "long addresses": [person(**dict.fromkeys(PLACES, LONG_ADDRESS))],
    "ten people": many(10),
    "ten foreigners": many(10, former_surname="旧佐々木", alias="通称　太郎", **FOREIGN),
    "ten people of long addresses": many(10, **dict.fromkeys(PLACES, LONG_ADDRESS)),
    "five people of few rows": many(5, kana="", previous_address=""),
    "an address of two paragraphs": [
        person(address="兵庫県明石市中崎一丁目5番1号\n明石ハイツ101号")
    ],
    "spaces of all kinds": [person(name=" 明石 \u3000 太郎 ", address="明石市　 中崎\u00a0一丁目")],
    "two spellings of one drawing": [
        person(name="侮\U000e0103川　\ufa30山"),
        person(name="\ufa30川　侮田"),
    ],
    "marks of markup": [
        person(name="#panic() $x$ [a] *b* _c_ <d>", address="@e \\ // /* ` ' \" -- ... ~")
    ],
}


@pytest.mark.parametrize("case", PRINTABLE)
def test_the_kiosk_takes_people_who_are_hard_to_print(town: Rehearsal, case: str) -> None:
    assert refused_kinds(town, PRINTABLE[case]) == set()


@pytest.mark.parametrize(
    "one",
    [
        person(name="\ue000田"),
        person(name="あ" * 399),
        person(kana="田\u200b中"),
        person(address="葛\U000e0100城"),
        person(alias="e\u0301"),
        person(former_surname="ก"),
        person(name="\u3000"),
        person(name=""),
    ],
    ids=[
        "private use",
        "too long",
        "invisible",
        "variation",
        "combining",
        "not in the font",
        "spaces",
        "no name",
    ],
)
def test_what_nobody_can_print_is_refused_before_money(town: Rehearsal, one: Resident) -> None:
    assert refused_kinds(town, [one]) == kinds(town)


@pytest.mark.parametrize(("letters", "taken"), [(108, True), (116, False)])
def test_a_holders_name_has_room_in_the_code_or_is_refused(
    town: Rehearsal, letters: int, taken: bool
) -> None:
    """The code of a sheet has 108 bytes for the holder's name on the longest kind; other members
    are not in it.
    """
    name = ("MARIA " * 20)[: letters - 1] + "Z"
    refused = set() if taken else kinds(town)
    assert refused_kinds(town, [person(name=name, **FOREIGN)]) == refused
    assert refused_kinds(town, [person(), person(name=name, **FOREIGN)]) == set()


PRINTED = sorted(load_font().glyphs)
NAMES = st.lists(st.sampled_from(PRINTED), min_size=1, max_size=40).map("".join)
ADDRESSES = st.lists(
    st.sampled_from([*PRINTED, "\n", "　", "一丁目"]), min_size=1, max_size=150
).map("".join)
ODD = st.text(min_size=1, max_size=20)


@settings(max_examples=12)
@given(
    people=st.lists(
        st.builds(
            person,
            name=NAMES | ODD,
            kana=st.just("") | NAMES,
            alias=st.just("") | NAMES,
            former_surname=st.just("") | NAMES,
            address=ADDRESSES,
            previous_address=ADDRESSES,
            domicile=ADDRESSES | ODD,
            relationship=st.sampled_from(["世帯主", "妻の子の夫の子", "子"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_the_city_lets_out_the_kiosk_takes(
    town: Rehearsal, people: list[Resident]
) -> None:
    refused_kinds(town, people, everything)
