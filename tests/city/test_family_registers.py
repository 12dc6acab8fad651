"""Certificates of family registers: who may have them, what they show, and what a kiosk takes.

The oracle is the sample's own file and the sentence of the law in `allowed`; it shares no code with
`city.relations`.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product
from typing import Any, Final

import msgspec
import pytest
from city_bench import CITY_FILES, NOON, Direct, Rehearsal, Visit, refused, strings
from paper_bench import assert_taken, order, visit_of
from sqlalchemy import select, update

from city import composition, files, rules, sample, tables
from city.cards import fingerprint
from city.composition import Stamp, compose, session_records
from city.records import File
from city.sample import families
from city.typesetting import people_on_sheets, typeset
from firmware.link import messages
from firmware.link.form_terms import FAMILY_FORMS
from firmware.link.messages import RefusalCode
from firmware.sheets.admit import Admitted
from firmware.sheets.admit import RefusedDocument as SheetRefused
from firmware.sheets.expected import BIRTH
from firmware.sheets.fault import SheetReason

ALL_KINDS: Final = ("koseki-zenbu", "koseki-kojin", "fuhyo-zenbu", "fuhyo-kojin")
FAMILIES: Final = tomllib.loads(families.FAMILIES.read_text("utf-8"))["families"]
HOUSEHOLDS: Final = tomllib.loads(sample.RESIDENTS.read_text("utf-8"))["households"]
TODAY: Final = NOON.date()


@pytest.fixture(scope="module")
def shiomi(
    tmp_path_factory: pytest.TempPathFactory, line_pki: Any, authority: Any, card_key: Any
) -> Iterator[Rehearsal]:
    folder = tmp_path_factory.mktemp("families")
    made = Rehearsal(folder, line_pki, authority, card_key, city_file=CITY_FILES["shiomi"])
    made.typeset, made.paginate = typeset, people_on_sheets
    yield made
    made.city.engine.dispose()


@pytest.fixture
def changed(shiomi: Rehearsal) -> Iterator[Rehearsal]:
    """What the test changes in the registers is undone."""
    yield shiomi
    with shiomi.city.engine.begin() as connection:
        families.seed(connection, TODAY)
        cleared = update(tables.residents).values(protected=False)
        connection.execute(cleared.where(tables.residents.c.id.in_(("kenta", "sakura"))))


def change(town: Rehearsal, table: Any, id_: str, **values: Any) -> None:
    with town.city.engine.begin() as connection:
        connection.execute(update(table).where(table.c.id == id_).values(values))


def file_of(town: Rehearsal, resident: str) -> File:
    card = town.card(resident)
    with town.city.engine.begin() as connection:
        file = files.file_of(connection, fingerprint(card.der))
    assert file is not None
    return file


def offered(town: Rehearsal, file: File) -> dict[str, messages.Offer]:
    return {offer.kind: offer for offer in rules.offers(town.city.data, town.clock(), file)}


# -- who may have what -----------------------------------------------------------------------------


def allowed(holder: str, kind: str) -> set[str]:
    """Whose entries the holder of this card may have on a certificate of this kind.

    戸籍法第10条: somebody who is in a family register may have it, and all who are in it. Of the
    register of residents, members of the household; of the others, nobody but oneself.
    """
    for family in FAMILIES:
        ids = {each["id"] for each in family["members"]}
        mine = [m for m in family["members"] if holder in (m["id"], m.get("resident"))]
        if kind in ALL_KINDS and mine and not mine[0].get("removed"):
            return ids
    for household in HOUSEHOLDS:
        ids = {each["id"] for each in household["members"]}
        if holder in ids and kind not in ALL_KINDS:
            return ids if kind in ("juminhyo", "jokyo") else {holder}  # test_entries.py: the latter
    return set()


def marked(town: Rehearsal) -> dict[str, str]:
    """Every entry of every register has a mark of its own, in its values: mark -> whose it is."""
    marks: dict[str, str] = {}
    with town.city.engine.begin() as connection:
        for table in (tables.residents, tables.family_members):
            for (id_,) in connection.execute(select(table.c.id)).all():
                mark = f"印{len(marks):04d}番"
                marks[mark] = id_
                values: dict[str, Any] = {"previous_address": mark}
                if table is tables.family_members:
                    values = {
                        "details": [["出生", f"【出生日】{mark}"]],
                        "addresses": [[mark, "2001-01-01"]],
                    }
                connection.execute(update(table).where(table.c.id == id_).values(values))
    return marks


def test_nobody_elses_entry_can_be_reached(shiomi: Rehearsal) -> None:
    """Every card, every entry, every kind: in what a session binds itself to, and on the paper."""
    holders = [p.id for p in sample.load() if p.card] + list(families.applicants())
    marks = marked(shiomi)
    try:
        reached = 0
        for holder in holders:
            file = file_of(shiomi, holder)
            if rules.person_refusal(shiomi.city.data, NOON, file):
                continue
            records = session_records(shiomi.city.data, TODAY, file)
            told = {
                mark for r in records.values() for v in r.values() for mark in marks if mark in v
            }
            everything = set[str]().union(*(allowed(holder, k) for k in ("juminhyo", *ALL_KINDS)))
            assert {marks[mark] for mark in told} <= everything | {holder}, holder
            for kind, offer in offered(shiomi, file).items():
                if offer.refusal is None:
                    shown = {marks[m] for m in marks if m in printed(shiomi, file, kind, offer)}
                    assert shown <= allowed(holder, kind), (holder, kind)
                    reached += len(shown)
        assert reached > 100, "the marks are not on the paper"
    finally:
        with shiomi.city.engine.begin() as connection:
            families.seed(connection, TODAY)


def printed(town: Rehearsal, file: File, kind: str, offer: messages.Offer) -> str:
    """With everybody and everything that can be chosen."""
    certificate = town.city.data.certificate_on(kind, TODAY)
    assert certificate is not None
    choices = {}
    for option in offer.options:
        if option.id in ("members", "fields") and option.when is None:
            choices[option.id] = tuple(choice.id for choice in option.choices)
        if option.id == "scope":
            choices[option.id] = ("household",)
    chosen = rules.picked(offer, choices, 1)
    stamp = Stamp("0" * 12, TODAY)
    return "".join(strings(compose(town.city.data, certificate, file, chosen, stamp).content))


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_who_was_removed_from_a_register_has_nothing_of_it(changed: Rehearsal, kind: str) -> None:
    change(changed, tables.family_members, "akashi-kenta", removed=True)
    file = file_of(changed, "kenta")
    assert offered(changed, file)[kind].refusal is RefusalCode.NO_FAMILY_REGISTER
    assert not any("f1" in key for key in session_records(changed.city.data, TODAY, file))


# -- refusals, one cause each ----------------------------------------------------------------------


def codes(town: Rehearsal, holder: str) -> set[RefusalCode | None]:
    found = offered(town, file_of(town, holder))
    return {found[kind].refusal for kind in ALL_KINDS}


def test_somebody_whose_family_register_is_elsewhere(shiomi: Rehearsal) -> None:
    assert codes(shiomi, "yoshiko") == {RefusalCode.NO_FAMILY_REGISTER}
    assert codes(shiomi, "mai") == {RefusalCode.NO_FAMILY_REGISTER}  # a foreign resident has none


def test_a_notice_that_is_not_entered_yet(shiomi: Rehearsal) -> None:
    """Filed on a Tuesday: five working days later is the Tuesday after."""
    offers = offered(shiomi, file_of(shiomi, "genzo"))
    for kind in ALL_KINDS:
        assert offers[kind].refusal is RefusalCode.FILING_IN_PROCESS
        assert offers[kind].opens_at == "2026-12-01T09:00:00+09:00"
    assert offers["juminhyo"].refusal is None


def test_a_filing_holds_until_its_day_and_no_longer(changed: Rehearsal) -> None:
    for days, code in ((7, RefusalCode.FILING_IN_PROCESS), (8, None)):  # a Monday off between
        filed = TODAY - timedelta(days=days)
        change(changed, tables.family_registers, "futami", filed_on=filed)
        assert codes(changed, "genzo") == {code}, days


@pytest.mark.parametrize(
    ("table", "id_", "values", "code"),
    [
        ("family_members", "akashi-akane", {"protected": True}, RefusalCode.NOT_AVAILABLE),
        ("residents", "sakura", {"protected": True}, RefusalCode.NOT_AVAILABLE),
        ("family_registers", "akashi", {"stopped": True}, RefusalCode.NOT_ISSUED),
        ("family_registers", "akashi", {"domicile": "転籍した先"}, RefusalCode.NOT_ISSUED),
        ("family_members", "akashi-taro", {"name": "明石　次郎"}, RefusalCode.NOT_ISSUED),
        ("family_members", "akashi-taro", {"birth": date(1980, 5, 15)}, RefusalCode.NOT_ISSUED),
        ("family_members", "akashi-sakura", {"details": [["推定", "あ"]]}, RefusalCode.NOT_ISSUED),
    ],
)
def test_a_register_that_stays_out_of_the_machine(
    changed: Rehearsal, table: str, id_: str, values: dict[str, Any], code: RefusalCode
) -> None:
    """And then nothing of it is told, not even committed to."""
    change(changed, getattr(tables, table), id_, **values)
    file = file_of(changed, "taro")
    assert codes(changed, "taro") == {code}
    visit = visit_of(changed, "taro")
    assert visit.session.family is None
    if values.keys() != {"details"}:
        told = session_records(changed.city.data, TODAY, file)
        assert not any(key.startswith("f") for key in told)


# -- people who live elsewhere ---------------------------------------------------------------------


def test_who_lives_elsewhere_has_certificates_of_the_family_register_alone(
    shiomi: Rehearsal,
) -> None:
    visit = Visit(Direct(shiomi.city), shiomi.card("asagiri-wataru"))
    session = asyncio.run(visit.enter())
    assert session.members == {"m1": "朝霧　渉"}
    assert session.holder_address == "京都府宇治市宇治妙楽99番地"
    found = {offer.kind: offer.refusal for offer in session.offers}
    assert found == {kind: None if kind in ALL_KINDS else RefusalCode.NOT_LINKED for kind in found}
    for kind in ALL_KINDS:
        chosen = kind.endswith("kojin")
        made = order(shiomi, visit, kind, 1, **({"members": ("f2",)} if chosen else {}))
        assert_taken(made)
        sheet = made.manifest.content.sheets[0]
        assert sheet.applicant == ("朝霧　渉" if chosen else "")


def test_a_registration_that_does_not_hold_yet(shiomi: Rehearsal) -> None:
    """Registered on a Tuesday: from the Monday after, four working days later."""
    offers = offered(shiomi, file_of(shiomi, "asagiri-yuki"))
    for kind in ALL_KINDS:
        assert offers[kind].refusal is RefusalCode.REGISTRATION_IN_PROCESS
        assert offers[kind].opens_at == "2026-11-30T09:00:00+09:00"


def test_a_card_that_nobody_registered(shiomi: Rehearsal) -> None:
    visit = Visit(Direct(shiomi.city), shiomi.unknown_card())
    assert asyncio.run(refused(visit.enter())) is RefusalCode.NOT_REGISTERED_FOR_USE


def test_a_registration_that_was_ended(changed: Rehearsal) -> None:
    card = changed.card("asagiri-wataru")
    ended = update(tables.use_registrations).values(ended=True)
    with changed.city.engine.begin() as connection:
        connection.execute(ended.where(tables.use_registrations.c.member == "asagiri-wataru"))
    visit = Visit(Direct(changed.city), card)
    assert asyncio.run(refused(visit.enter())) is RefusalCode.NOT_REGISTERED_FOR_USE


def test_a_city_or_a_site_for_residents_only(shiomi: Rehearsal) -> None:
    data = shiomi.city.data
    only = tuple(msgspec.structs.replace(e, registration_days=None) for e in data.eligibility)
    here = msgspec.structs.replace(data, eligibility=only)
    file = file_of(shiomi, "asagiri-wataru")
    assert rules.person_refusal(here, NOON, file) is RefusalCode.NOT_LINKED
    assert rules.unknown_card(here, NOON) is RefusalCode.NOT_LINKED
    assert rules.person_refusal(data, NOON, file) is None


def test_who_moved_out_and_registered_is_served_as_living_elsewhere(changed: Rehearsal) -> None:
    card = changed.card("makoto")  # moved out
    gone = asyncio.run(Visit(Direct(changed.city), card).enter())
    assert {o.kind for o in gone.offers if o.refusal is None} == {"jokyo"}
    with changed.city.engine.begin() as connection:
        families.register_card(connection, "asagiri-wataru", fingerprint(card.der), TODAY)
    session = asyncio.run(Visit(Direct(changed.city), card).enter())
    assert {o.kind for o in session.offers if o.refusal is None} == set(ALL_KINDS)


class OlderKiosk(Direct):
    """One of a build before family registers."""

    async def open_session(self, message: messages.SessionRequest) -> messages.SessionAnswer:
        return await super().open_session(msgspec.structs.replace(message, understands=()))


def test_a_kiosk_that_has_no_words_for_it_is_told_nothing_of_it(shiomi: Rehearsal) -> None:
    answer = asyncio.run(Visit(OlderKiosk(shiomi.city), shiomi.card("genzo")).enter())
    assert not {offer.kind for offer in answer.offers} & set(ALL_KINDS)
    assert b"family" not in msgspec.json.encode(answer)
    unknown = Visit(OlderKiosk(shiomi.city), shiomi.unknown_card())
    assert asyncio.run(refused(unknown.enter())) is RefusalCode.NOT_LINKED


# -- what is printed, and what a kiosk takes -------------------------------------------------------


@pytest.mark.parametrize(("kind", "fields"), list(product(ALL_KINDS, ((), ("domicile",)))))
def test_domicile_and_head_stand_on_a_supplement_only_when_asked_for(
    shiomi: Rehearsal, kind: str, fields: tuple[str, ...]
) -> None:
    visit = visit_of(shiomi, "hanako")
    asked: dict[str, tuple[str, ...]] = {"fields": fields} if kind.startswith("fuhyo") else {}
    some = {"members": ("f2", "f5")} if kind.endswith("kojin") else {}
    made = order(shiomi, visit, kind, 1, **asked, **some)
    assert_taken(made)
    labels = {row.label for sheet in made.manifest.content.sheets for row in sheet.head}
    register = {"本籍", "氏名", "戸籍編製"}
    supplement = {"本籍", "筆頭者"} if fields else set()
    assert labels == (register if kind.startswith("koseki") else supplement)
    people = [p.name for sheet in made.manifest.content.sheets for p in sheet.people]
    assert people == (["花子", "さくら"] if some else ["太郎", "花子", "茜", "健太", "さくら"])


def test_who_was_removed_is_marked(shiomi: Rehearsal) -> None:
    made = order(shiomi, visit_of(shiomi, "taro"), "koseki-zenbu")
    rows = {
        person.name: {row.label: row.value for row in person.rows}
        for sheet in made.manifest.content.sheets
        for person in sheet.people
    }
    assert {name for name in rows if rows[name].get("戸籍に記録されている者") == "除籍"} == {"茜"}


def test_a_change_in_the_register_stops_the_release(changed: Rehearsal) -> None:
    """Fresh: the notice that came between order and payment is in the file's version."""
    visit = visit_of(changed, "taro")
    made = order(changed, visit, "koseki-zenbu")
    change(changed, tables.family_members, "akashi-akane", removed=False)
    call = Direct(changed.city).release(visit.pays(made.manifest))
    assert asyncio.run(refused(call)) is RefusalCode.CHANGED_MEANWHILE


OTHERS: Final = {
    "another holder": {"holder": "f2"},
    "a stranger's name": {"members": {"f1": "明石　太郎", "f2": "明石　鼻子"}},
    "a member less": {"members": {"f1": "明石　太郎"}},
    "a record of the household": {"members": {"m1": "明石　太郎"}, "holder": "m1"},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_kiosk_that_was_told_other_people_takes_no_sheet(
    shiomi: Rehearsal, other: dict[str, Any]
) -> None:
    visit = visit_of(shiomi, "taro")
    made = order(shiomi, visit, "koseki-zenbu")
    assert isinstance(made.verdict, Admitted)
    assert visit.session.family is not None
    family = msgspec.structs.replace(visit.session.family, **other)
    visit.session = msgspec.structs.replace(visit.session, family=family)
    verdict = visit.admits(shiomi.trust)
    assert isinstance(verdict, SheetRefused)


def test_a_kiosk_takes_no_other_persons_register(shiomi: Rehearsal) -> None:
    """All of it is committed to, signed and consistent; only the holder is somebody else."""
    visit = visit_of(shiomi, "taro")
    other = Visit(Direct(shiomi.city), shiomi.card("asagiri-wataru"))
    asyncio.run(other.enter())
    made = order(shiomi, other, "koseki-zenbu")
    assert isinstance(made.verdict, Admitted)
    told = {"holder_birth": visit.session.holder_birth, "members": visit.session.members}
    other.session = msgspec.structs.replace(other.session, **told)
    verdict = other.admits(shiomi.trust)
    assert isinstance(verdict, SheetRefused)
    assert verdict.reason in (SheetReason.MEMBERS, SheetReason.HOLDER)


def test_the_screen_must_have_named_the_people_of_the_register(shiomi: Rehearsal) -> None:
    visit = visit_of(shiomi, "taro")
    order(shiomi, visit, "koseki-zenbu")
    lied = tuple(msgspec.structs.replace(offer, family=False) for offer in visit.session.offers)
    visit.session = msgspec.structs.replace(visit.session, offers=lied)
    assert visit.admits(shiomi.trust) == SheetRefused(SheetReason.MEMBERS)


def test_every_label_of_a_register_has_its_place_once() -> None:
    for form in FAMILY_FORMS:
        labels = (*composition.HEAD[form], *composition.LABELS[form])
        assert len(set(labels)) == len(labels)
        assert BIRTH in composition.LABELS[form]
