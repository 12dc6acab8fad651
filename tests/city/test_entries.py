"""Certificates of one entry: payments of a tax, vehicles, and removed entries of the register of
residents. Who may have them, what they show, and what a kiosk takes.

The oracle is the sample's own files and the sentences of the law in `allowed`; it shares no code
with `city.entry_rules`.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from city_bench import CITY_FILES, NOON, Direct, Rehearsal, Visit, refused
from paper_bench import assert_taken, order, some_choices, visit_of
from sqlalchemy import select, update

from city import files, municipality, rules, sample, tables
from city.cards import fingerprint
from city.composition import session_records
from city.config import ConfigError
from city.contradictions import contradictions
from city.records import File, TaxStanding
from city.typesetting import people_on_sheets, typeset
from firmware.link import messages
from firmware.link.messages import RefusalCode
from firmware.sheets.admit import Admitted
from firmware.sheets.admit import RefusedDocument as SheetRefused
from firmware.sheets.fault import SheetReason
from testbed.inspection import entry_register
from testbed.inspection.errand import Errand

KINDS: Final = ("nozei", "keiji-nozei", "jokyo")
TODAY: Final = NOON.date()


@pytest.fixture(scope="module")
def shiomi(
    tmp_path_factory: pytest.TempPathFactory, line_pki: Any, authority: Any, card_key: Any
) -> Iterator[Rehearsal]:
    folder = tmp_path_factory.mktemp("entries")
    made = Rehearsal(folder, line_pki, authority, card_key, city_file=CITY_FILES["shiomi"])
    made.typeset, made.paginate = typeset, people_on_sheets
    yield made
    made.city.engine.dispose()


@pytest.fixture
def changed(shiomi: Rehearsal) -> Iterator[Rehearsal]:
    """What the test changes in the registers is undone."""
    yield shiomi
    sample.seed(shiomi.city.engine, shiomi.clock, shiomi.city.data)


def change(town: Rehearsal, table: Any, **values: Any) -> Callable[[Any], None]:
    def where(condition: Any) -> None:
        with town.city.engine.begin() as connection:
            connection.execute(update(table).where(condition).values(values))

    return where


def file_of(town: Rehearsal, resident: str) -> File:
    card = town.card(resident)
    with town.city.engine.begin() as connection:
        file = files.file_of(connection, fingerprint(card.der))
    assert file is not None
    return file


def offered(town: Rehearsal, resident: str) -> dict[str, messages.Offer]:
    file = file_of(town, resident)
    return {offer.kind: offer for offer in rules.offers(town.city.data, town.clock(), file)}


def codes(town: Rehearsal, resident: str) -> dict[str, RefusalCode | None]:
    found = offered(town, resident)
    return {kind: found[kind].refusal for kind in KINDS}


# -- who may have what -----------------------------------------------------------------------------


def allowed(holder: str, kind: str) -> set[str]:
    """Whose entries the holder of this card may have on a certificate of this kind.

    地方税法第20条の10: whoever was billed. 住民基本台帳法第15条の4: whoever the removed entry is
    about; of the dead, this city gives it to the household that they left behind.
    """
    if kind != "jokyo":
        return {holder}
    everybody = entry_register.residents()
    me = everybody[holder]
    if me.get("standing") == "moved-out":
        return {holder}
    return {
        key
        for key, each in everybody.items()
        if each["household"] == me["household"] and each.get("standing") == "dead"
    }


def test_nobody_elses_entry_can_be_reached(changed: Rehearsal) -> None:
    """Every card, every entry, every kind: in what a session binds itself to, and on the paper.
    Each entry has a mark of its own in its values.
    """
    marks: dict[str, str] = {}
    with changed.city.engine.begin() as connection:
        for id_, resident in connection.execute(
            select(tables.payments.c.id, tables.payments.c.resident)
        ).all():
            mark = f"印{len(marks):04d}番"
            marks[mark] = resident
            values = {"chassis": mark, "vehicle": f"汐見 {mark}"}
            connection.execute(
                update(tables.payments).where(tables.payments.c.id == id_).values(values)
            )
        for (id_,) in connection.execute(select(tables.residents.c.id)).all():
            mark = f"印{len(marks):04d}番"
            marks[mark] = id_
            values = {"previous_address": mark, "moved_to": mark}
            connection.execute(
                update(tables.residents).where(tables.residents.c.id == id_).values(values)
            )
    reached = 0
    for person in sample.load():
        if person.card is None:
            continue
        visit = Visit(Direct(changed.city), changed.card(person.id))
        try:
            asyncio.run(visit.enter())
        except Exception:  # whoever is refused at the door reaches nothing
            continue
        told = session_records(changed.city.data, TODAY, file_of(changed, person.id))
        entries = {key: record for key, record in told.items() if key[0] in "pvd"}
        for key, record in entries.items():
            whose = {marks[m] for m in marks for value in record.values() if m in value}
            assert whose <= allowed(person.id, "jokyo" if key[0] == "d" else "nozei"), person.id
        for offer in visit.session.offers:
            if offer.kind in KINDS and offer.refusal is None:
                choices = next(iter(some_choices(offer)))
                manifest, _ = asyncio.run(visit.orders(offer.kind, 1, **choices))
                printed = msgspec.json.encode(manifest).decode()
                whose = {marks[mark] for mark in marks if mark in printed}
                assert whose <= allowed(person.id, offer.kind), (person.id, offer.kind)
                reached += len(whose)
    assert reached > 5, "the marks are not on the paper"


@pytest.mark.parametrize(
    ("resident", "expected"),
    [
        ("taro", (None, None, RefusalCode.NO_REMOVED_ENTRY)),
        ("yoshiko", (None, RefusalCode.NO_VEHICLE, RefusalCode.NO_REMOVED_ENTRY)),
        ("fumie", (RefusalCode.NOTHING_BILLED, RefusalCode.NO_VEHICLE, None)),
        ("makoto", (RefusalCode.MOVED_OUT, RefusalCode.MOVED_OUT, None)),
        (
            "shota",
            (
                RefusalCode.PAYMENT_NOT_RECORDED,
                RefusalCode.PAYMENT_NOT_RECORDED,
                RefusalCode.NO_REMOVED_ENTRY,
            ),
        ),
    ],
)
def test_each_person_has_one_cause(
    shiomi: Rehearsal, resident: str, expected: tuple[RefusalCode | None, ...]
) -> None:
    assert codes(shiomi, resident) == dict(zip(KINDS, expected, strict=True))


def test_who_moved_out_has_their_removed_entry_and_nothing_else(shiomi: Rehearsal) -> None:
    visit = visit_of(shiomi, "makoto")
    session = visit.session
    assert session.members == {"m1": "中村　誠"}
    assert session.entries == {"removed": {"d1": "中村　誠"}}
    assert {offer.kind for offer in session.offers if offer.refusal is None} == {"jokyo"}
    made = order(shiomi, visit, "jokyo", 1, removed=("d1",))
    assert_taken(made)
    shown = {row.label: row.value for row in made.manifest.content.sheets[0].people[0].rows}
    assert shown["転出先の住所"] == "広島県尾道市久保一丁目81番3号"


def test_a_former_household_tells_somebody_who_moved_out_of_nobody(changed: Rehearsal) -> None:
    """Not who lives there still, nor who died there since."""
    gone = tables.residents.c.id == "hanako"
    change(changed, tables.residents, standing="moved-out", removed_on=date(2026, 7, 1))(gone)
    dead = tables.residents.c.id == "sakura"
    change(changed, tables.residents, standing="dead", removed_on=date(2026, 9, 1))(dead)
    visit = visit_of(changed, "hanako")
    assert visit.session.members == {"m1": "明石　花子"}
    assert visit.session.entries == {"removed": {"d1": "明石　花子"}}
    told = session_records(changed.city.data, TODAY, file_of(changed, "hanako"))
    assert told.keys() == {"m1", "d1"}
    named = {
        label for record in told.values() for label, value in record.items() if "太郎" in value
    }
    assert named == {"筆頭者の氏名"}  # of the holder's own entry


def test_where_somebody_else_moved_to_is_told_nobody(changed: Rehearsal) -> None:
    gone = tables.residents.c.id == "hanako"
    values = {"standing": "moved-out", "removed_on": date(2026, 7, 1), "moved_to": "行き先"}
    change(changed, tables.residents, **values)(gone)
    assert codes(changed, "taro")["jokyo"] is RefusalCode.NO_REMOVED_ENTRY
    told = session_records(changed.city.data, TODAY, file_of(changed, "taro"))
    assert "行き先" not in {value for record in told.values() for value in record.values()}


def test_a_protected_household_has_no_removed_entry_at_the_machine(changed: Rehearsal) -> None:
    dead = tables.residents.c.id == "tadao"
    change(changed, tables.residents, protected=True)(dead)
    assert codes(changed, "fumie")["jokyo"] is RefusalCode.NOT_AVAILABLE
    told = session_records(changed.city.data, TODAY, file_of(changed, "fumie"))
    assert not any(key.startswith("d") for key in told)


def test_a_city_that_keeps_the_dead_to_the_counter(shiomi: Rehearsal) -> None:
    data = shiomi.city.data
    kept = tuple(msgspec.structs.replace(c, dead=False) for c in data.certificates)
    here = msgspec.structs.replace(data, certificates=kept)
    file = file_of(shiomi, "fumie")
    found = {offer.kind: offer.refusal for offer in rules.offers(here, NOON, file)}
    assert found["jokyo"] is RefusalCode.NO_REMOVED_ENTRY
    assert not any(key.startswith("d") for key in session_records(here, TODAY, file))


def test_a_city_without_removed_entries_refuses_who_moved_out(shiomi: Rehearsal) -> None:
    data = shiomi.city.data
    others = tuple(c for c in data.certificates if c.form != "jokyo")
    here = msgspec.structs.replace(data, certificates=others)
    file = file_of(shiomi, "makoto")
    assert rules.person_refusal(here, NOON, file) is RefusalCode.MOVED_OUT
    assert rules.person_refusal(data, NOON, file) is None


# -- payments --------------------------------------------------------------------------------------


def named(town: Rehearsal, resident: str, kind: str) -> list[str]:
    return [choice.name for choice in offered(town, resident)[kind].options[0].choices]


def test_payments_can_be_told_apart(shiomi: Rehearsal) -> None:
    assert named(shiomi, "taro", "nozei") == [
        "令和8年度　固定資産税・都市計画税　普通徴収",
        "令和8年度　市民税・県民税　特別徴収",
        "令和8年度　軽自動車税（種別割）　汐見 580 あ 12-34　普通徴収",
        "令和8年度　軽自動車税（種別割）　1汐見 い 56-78　普通徴収",
        "令和8年度　軽自動車税（種別割）　汐見市 う 90-12　普通徴収",
        "令和7年度　市民税・県民税　特別徴収",
    ]
    assert named(shiomi, "taro", "keiji-nozei") == ["1汐見 い 56-78", "汐見 580 あ 12-34"]


def test_a_year_with_something_unpaid_is_not_offered_unless_the_city_prints_it(
    changed: Rehearsal,
) -> None:
    late = (tables.payments.c.resident == "hanako") & (tables.payments.c.year == 2026)
    change(changed, tables.payments, not_due=0)(late)
    assert named(changed, "hanako", "nozei") == [
        "令和8年度　軽自動車税（種別割）　汐見 581 え 43-21　普通徴収",
        "令和7年度　市民税・県民税　普通徴収",
    ]
    data = changed.city.data
    shown = tuple(
        msgspec.structs.replace(c, unpaid_shown=c.form == "nozei") for c in data.certificates
    )
    here = msgspec.structs.replace(data, certificates=shown)
    offers = {o.kind: o for o in rules.offers(here, NOON, file_of(changed, "hanako"))}
    assert len(offers["nozei"].options[0].choices) == 3


def test_what_the_employer_collects_is_masked_where_the_city_says_so(shiomi: Rehearsal) -> None:
    rows = {row.label: row.value for row in amounts(shiomi, "taro", payment=("p2026.2",))}
    assert rows["納付方法"] == "特別徴収"
    assert {rows[label] for label in ("課税額", "納付済額", "未納額")} == {"＊＊＊＊＊"}
    rows = {row.label: row.value for row in amounts(shiomi, "hanako", payment=("p2026.1",))}
    assert (rows["課税額"], rows["納付済額"]) == ("91,600円", "45,800円")
    assert (rows["納期未到来額"], rows["未納額"]) == ("45,800円", "0円")


def amounts(town: Rehearsal, resident: str, **choices: tuple[str, ...]) -> Any:
    made = order(town, visit_of(town, resident), "nozei", 1, **choices)
    assert_taken(made)
    return made.manifest.content.sheets[0].amounts


def test_a_stop_for_one_person_is_no_other_cause(changed: Rehearsal) -> None:
    stopped = (tables.taxes.c.resident == "taro") & (tables.taxes.c.year == 2026)
    change(changed, tables.taxes, standing=TaxStanding.STOPPED)(stopped)
    assert codes(changed, "taro")["nozei"] is RefusalCode.NOT_ISSUED
    assert codes(changed, "taro")["keiji-nozei"] is None


def test_a_vehicle_whose_certificate_is_over(changed: Rehearsal) -> None:
    mine = tables.payments.c.resident == "hanako"
    change(changed, tables.payments, valid_until=TODAY.replace(day=TODAY.day - 1))(mine)
    assert codes(changed, "hanako")["keiji-nozei"] is RefusalCode.PAYMENT_NOT_RECORDED
    change(changed, tables.payments, valid_until=TODAY)(mine)
    assert codes(changed, "hanako")["keiji-nozei"] is None
    change(changed, tables.payments, inspected=False)(mine)
    assert codes(changed, "hanako")["keiji-nozei"] is RefusalCode.NO_VEHICLE


# -- on the paper, and at the kiosk's door ---------------------------------------------------------

ERRANDS: Final = (
    Errand("hanako", "nozei", {"payment": ("p2025.3",)}),
    Errand("taro", "keiji-nozei", {"vehicle": ("v2",)}),
    Errand("makoto", "jokyo", {"removed": ("d1",), "fields": ("domicile",)}),
    Errand("fumie", "jokyo", {"removed": ("d1",)}),
)


@pytest.mark.parametrize("errand", ERRANDS, ids=lambda each: each.name)
def test_the_sheet_says_what_the_sample_says(shiomi: Rehearsal, errand: Errand) -> None:
    made = order(shiomi, visit_of(shiomi, errand.resident), errand.kind, 1, **errand.picks)
    assert_taken(made)
    content = msgspec.to_builtins(made.manifest.content, builtin_types=(bytes,))
    assert entry_register.faults_of_entry(errand, content, TODAY) == []
    rows = [row for p in content["sheets"][0]["people"] for row in p["rows"]]
    for row in (*rows, *content["sheets"][0]["amounts"][1:]):  # and the judge sees each of them
        was, row["value"] = row["value"], row["value"] + "〇"
        assert entry_register.faults_of_entry(errand, content, TODAY)
        row["value"] = was


@pytest.mark.parametrize(
    ("resident", "kind", "option"),
    [("taro", "nozei", "payment"), ("taro", "keiji-nozei", "vehicle")],
)
def test_an_entry_under_anothers_name_is_refused(
    shiomi: Rehearsal, resident: str, kind: str, option: str
) -> None:
    """The screen called an entry what it is not: the person confirmed another one."""
    visit = visit_of(shiomi, resident)
    entries = dict(visit.session.entries[option])
    first, second = list(entries)[:2]
    entries[first], entries[second] = entries[second], entries[first]
    told = {**visit.session.entries, option: entries}
    made = order(shiomi, visit, kind, 1, **{option: (first,)})
    assert isinstance(made.verdict, Admitted)
    visit.session = msgspec.structs.replace(visit.session, entries=told)
    verdict = visit.admits(shiomi.trust)
    assert isinstance(verdict, SheetRefused)
    assert verdict.reason is SheetReason.AMOUNTS


def test_a_kiosk_that_has_no_words_for_it_is_told_nothing_of_it(shiomi: Rehearsal) -> None:
    class OlderKiosk(Direct):
        async def open_session(self, message: messages.SessionRequest) -> messages.SessionAnswer:
            known = tuple(w for w in message.understands if w != messages.ENTRIES)
            return await super().open_session(msgspec.structs.replace(message, understands=known))

    answer = asyncio.run(Visit(OlderKiosk(shiomi.city), shiomi.card("taro")).enter())
    assert not {offer.kind for offer in answer.offers} & set(KINDS)
    assert b"entries" not in msgspec.json.encode(answer)
    gone = Visit(OlderKiosk(shiomi.city), shiomi.card("makoto"))
    assert asyncio.run(refused(gone.enter())) is RefusalCode.MOVED_OUT


# -- the city's data -------------------------------------------------------------------------------

CITY: Final = CITY_FILES["shiomi"].read_text("utf-8")


@pytest.mark.parametrize(
    ("was", "put", "key"),
    [
        (
            'taxes = ["市民税・県民税", "固定資産税・都市計画税", "軽自動車税（種別割）"]\n',
            "",
            "taxes",
        ),
        (
            'taxes = ["市民税・県民税", "固',
            'taxes = ["市民税・県民税", "市民税・県民税", "固',
            "taxes",
        ),
        ("dead = true\n", "masked = true\n", "unpaid_shown"),
        ("masked = true\n", "dead = true\n", "dead"),
        ("dead = true\n", "dead = true\nyears = [{ year = 2026, from = 2026-06-01 }]\n", "years"),
        ('fields = ["domicile"]\ndead', 'fields = ["mynumber"]\ndead', "fields"),
        ("statement.removed", "statement.part", "statement"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, was: str, put: str, key: str) -> None:
    assert CITY.count(was) == 1
    path = tmp_path / "city.toml"
    path.write_text(CITY.replace(was, put), "utf-8")
    with pytest.raises(ConfigError, match=rf"certificates\[\d+\].*\.{key}"):
        municipality.load(path)


def test_what_decides_a_record_is_the_same_for_all_of_a_form(shiomi: Rehearsal) -> None:
    data = shiomi.city.data
    one = next(each for each in data.certificates if each.form == "nozei")
    other = msgspec.structs.replace(one, kind="nozei-kotei", masked=False)
    twice = msgspec.structs.replace(data, certificates=(*data.certificates, other))
    assert "certificates.masked: the same for all of the form nozei" in set(contradictions(twice))


def test_the_samples_entries_are_nobodys() -> None:
    known = tomllib.loads((entry_register.SAMPLE / "payments.toml").read_text("utf-8"))["payments"]
    everybody = entry_register.residents()
    assert {each["resident"] for each in known} <= everybody.keys()
    assert all("汐見" in each["vehicle"] for each in known if "vehicle" in each)
