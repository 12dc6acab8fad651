"""From records and choices to the content of one certificate. Pure; what was not chosen never gets
in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from msgspec.structs import replace

from city.entries import Certificate, current
from city.entry_forms import (
    REMOVAL,
    SECTIONS,
    payment_record,
    payments,
    removal,
    removed,
    vehicle_record,
    vehicles,
)
from city.family_forms import ALWAYS as FAMILY_ALWAYS
from city.family_forms import DOMICILE_FIELD, member_record, register_record
from city.family_forms import HEAD as FAMILY_HEAD
from city.family_forms import LABELS as FAMILY_LABELS
from city.municipality import Municipality
from city.records import File, Resident, TaxRecord, TaxStanding, members, stays_out
from city.relations import family_holder, family_members
from city.vocabulary import FIELD_ROWS, Case, Field, RowKey
from firmware.link import era
from firmware.link.commitments import FAMILY_RECORD, SEAL_RECORD
from firmware.link.content import GIVEN, IMPRINT, NAME, Content, Person, Row, Sheet
from firmware.link.form_terms import ENTRY_FORMS, FAMILY_FORMS, RETURN, UNTAXED, FormName

# Rows of a person that a resident can choose or a city always prints: key, label, value ("" for
# none), in form order.
LINES: Final[tuple[tuple[RowKey, str, Callable[[Resident], str]], ...]] = (
    ("birth", "生年月日", lambda r: born(r)),
    ("sex", "性別", lambda r: r.sex),
    ("relationship", "続柄", lambda r: r.relationship),
    (
        "resident-since",
        "住民となった年月日",
        lambda r: "" if r.foreign else era.written(r.resident_since),
    ),
    (
        "resident-since",
        "外国人住民となった年月日",
        lambda r: era.written(r.resident_since) if r.foreign else "",
    ),
    ("settled", "住所を定めた年月日", lambda r: era.written(r.settled_on)),
    ("notified", "届出の年月日", lambda r: era.written(r.notified_on)),
    ("previous-address", "前住所", lambda r: r.previous_address),
    ("domicile", "本籍", lambda r: r.domicile),
    ("domicile-head", "筆頭者の氏名", lambda r: r.domicile_head),
    ("nationality", "国籍・地域", lambda r: r.nationality),
    ("residence-status", "在留資格", lambda r: r.residence_status),
    ("residence-period", "在留期間等", lambda r: r.residence_period),
    (
        "residence-until",
        "在留期間の満了の日",
        lambda r: era.western(r.residence_until) if r.residence_until else "",
    ),
    ("residence-card", "在留カード等の番号", lambda r: r.residence_card),
    ("mynumber", "個人番号", lambda r: r.mynumber),
)
# What is registered beside the name stands behind it on every form.
BESIDE_NAME: Final = ("フリガナ", "旧氏", "通称")
BIRTH = "生年月日"
ADDRESS = "住所"
HOUSEHOLD_HEAD = "世帯主"
ADDRESS_NOW = "現住所"

# By form: labels of the head, labels of a person's box, those that are printed of everybody.
HEAD: Final[Mapping[FormName, tuple[str, ...]]] = {
    "juminhyo": (ADDRESS, HOUSEHOLD_HEAD),
    "inkan": (),
    "kazei": (),
    **FAMILY_HEAD,
    **dict.fromkeys(ENTRY_FORMS, ()),
}
LABELS: Final[Mapping[FormName, tuple[str, ...]]] = {
    "juminhyo": (*BESIDE_NAME, *(label for _, label, _ in LINES)),
    "inkan": (*BESIDE_NAME, BIRTH, ADDRESS),
    "kazei": (*BESIDE_NAME, BIRTH, ADDRESS_NOW),
    **FAMILY_LABELS,
    "nozei": (*BESIDE_NAME, ADDRESS),
    "keiji": (*BESIDE_NAME, ADDRESS),
    "jokyo": (*BESIDE_NAME, ADDRESS, *(label for _, label, _ in LINES), *REMOVAL),
}
ALWAYS: Final[Mapping[FormName, tuple[str, ...]]] = {
    "juminhyo": (ADDRESS, *BESIDE_NAME),
    "inkan": LABELS["inkan"],
    "kazei": LABELS["kazei"],
    **FAMILY_ALWAYS,
    "nozei": LABELS["nozei"],
    "keiji": LABELS["keiji"],
    "jokyo": (*BESIDE_NAME, ADDRESS, *REMOVAL),
}
NO_RETURN: Final = "なし（被扶養者）"  # at RETURN
TAX_ROWS: Final = ("{calendar}1月1日の住所",)
SHOWN_OF_HOLDER: Final = (
    NAME,
    BIRTH,
    ADDRESS,
)  # the kiosk compares them with what its screen showed

CASES: Final[Mapping[str, Case]] = {
    "payment": "payment",
    "vehicle": "vehicle",
    "removed": "removed",
}

Picked = Mapping[str, tuple[str, ...]]  # the answer to every option that was asked
Values = Mapping[str, str]  # label -> value of one record


@dataclass(frozen=True)
class Stamp:
    """What is decided when the certificate is issued, not by its content."""

    unique_number: str
    issued_on: date


@dataclass(frozen=True)
class Composed:
    """`content` has everybody on one sheet still. `open`: labels of each record that the manifest
    opens.

    `people` and `whole`: on a certificate of residence, how many are certified, and whether that is
    everybody.
    """

    content: Content
    open: Mapping[str, frozenset[str]]
    holder: str  # as printed
    holder_at: int | None  # place among the people; None: not among them
    year: int | None = None
    people: int | None = None
    whole: bool = False


def born(person: Resident) -> str:
    """In the era; for foreign residents in the western calendar, as registered."""
    return era.western(person.birth) if person.foreign else era.written(person.birth)


# -- records ---------------------------------------------------------------------------------------


def person_record(person: Resident, head: str) -> Values:
    """All that any form can print of one person. `head`: the name of the household's head."""
    lines: dict[str, str] = {}
    for _, label, value in LINES:
        lines[label] = value(person)
    return {
        NAME: person.name,
        "フリガナ": person.kana,
        "旧氏": person.former_surname,
        "通称": person.alias,
        ADDRESS: person.address,
        ADDRESS_NOW: person.address,
        HOUSEHOLD_HEAD: head,
        **lines,
    }


def tax_record(record: TaxRecord, amounts: Sequence[str]) -> Values:
    """One fiscal year: where the person lived, then the amounts. `amounts`: labels that some form
    could show.
    """
    values = {with_year(label, record.year): record.address for label in TAX_ROWS}
    values |= {label: f"{amount:,}円" for label, amount in record.amounts}
    if record.standing is TaxStanding.DEPENDANT:
        values[RETURN] = NO_RETURN
    return values | {label: "" for label in amounts if label not in values}


def session_records(city: Municipality, day: date, file: File) -> Mapping[str, Values]:
    """Every record that this person's certificates can be made of, by the name that the manifest
    gives it.
    """
    head = household_head(file)
    records: dict[str, Values] = {}
    records |= {key: person_record(person, head) for key, person in members(file).items()}
    if file.seal is not None and file.seal.certifiable(day):
        records[SEAL_RECORD] = {IMPRINT: hashlib.sha256(file.seal.imprint).hexdigest()}
    if file.family is not None and any(c.form in FAMILY_FORMS for c in city.certificates):
        people = family_members(file)
        records |= {FAMILY_RECORD: register_record(file.family)} if people else {}
        records |= {key: member_record(member) for key, member in people.items()}
    records |= _entry_records(city, file)
    offered = [certificate for certificate in city.offered(day) if certificate.form == "kazei"]
    years = {year for certificate in offered for year in certificate.fiscal_years(day)}
    certified = {TaxStanding.FILED}
    if without_return := any("dependant" in each.statement for each in city.certificates):
        certified.add(TaxStanding.DEPENDANT)
    filed = [tax for tax in file.taxes if tax.standing in certified and tax.year in years]
    # Of all days, so that midnight between session and order changes no record.
    labels = [
        label
        for certificate in city.certificates
        for part in certificate.amounts.values()
        for label in part
    ]
    labels += [RETURN] if without_return else []
    return records | {f"y{tax.year}": tax_record(tax, labels) for tax in filed}


def _entry_records(city: Municipality, file: File) -> Mapping[str, Values]:
    """Of the forms of an entry, of all days."""
    of = {form: [each for each in city.certificates if each.form == form] for form in ENTRY_FORMS}
    masked = any(each.masked for each in of["nozei"])
    found = {key: payment_record(each, masked) for key, each in payments(of["nozei"], file).items()}
    if of["keiji"]:
        found |= {key: vehicle_record(each) for key, each in vehicles(of["keiji"], file).items()}
    if of["jokyo"] and not stays_out(file):
        gone = removed(of["jokyo"], file)
        found |= {key: {**person_record(p, ""), **removal(p)} for key, p in gone.items()}
    return found


def holder_id(file: File) -> str:
    """The name of the record of whoever set the card."""
    return next(key for key, person in members(file).items() if person.id == file.resident.id)


def household_head(file: File) -> str:
    listed = [person for person in file.household if person.listed]
    return min(listed or [file.resident], key=lambda person: person.position).name


def with_year(text: str, year: int) -> str:
    """`text` with the words of a fiscal year in it, as `firmware.link.form_terms.Form` has them."""
    return text.format(
        fiscal=era.fiscal_year(year),
        calendar=era.year_of(date(year, 1, 1)),
        income=era.year_of(date(year - 1, 12, 31)),
    )


# -- content ---------------------------------------------------------------------------------------


def compose(
    city: Municipality, certificate: Certificate, file: File, chosen: Picked, stamp: Stamp
) -> Composed:
    """The certificate. `chosen` comes from `rules.picked`. Raises LookupError when the city's data
    has a hole.
    """
    records = session_records(city, stamp.issued_on, file)
    return CONTENT[certificate.form](_Order(city, certificate, file, records, chosen, stamp))


@dataclass(frozen=True)
class _Order:
    city: Municipality
    certificate: Certificate
    file: File
    records: Mapping[str, Values]
    chosen: Picked
    stamp: Stamp

    @property
    def holder(self) -> Values:
        return self.records[holder_id(self.file)]

    def content(self, sheet: Sheet, case: Case, year: int | None = None) -> Content:
        certificate = self.certificate
        stamp = self.stamp
        issuer = current(self.city.issuers, stamp.issued_on)
        subtitle = certificate.subtitle.get(case, "")
        return Content(
            heading=self.city.name["ja"],
            title=certificate.titles.get(case, certificate.printed),
            subtitle=subtitle if year is None else with_year(subtitle, year),
            unique_number=stamp.unique_number,
            statement=certificate.statement[case],
            issued_on=era.written(stamp.issued_on),
            office=issuer.office,
            officer=issuer.officer,
            stamp=issuer.stamp,
            notes=(*certificate.notes, *filter(None, (certificate.remarks.get(case, ""),))),
            verification=self.city.verification,
            sheets=(sheet,),
        )


def available(certificate: Certificate, people: Sequence[Resident]) -> tuple[Field, ...]:
    """What can be chosen to be printed: fields of which there is something about one of these
    people.
    """
    return tuple(
        f for f in certificate.fields if any(_has(person, FIELD_ROWS[f]) for person in people)
    )


def _has(person: Resident, keys: Collection[RowKey]) -> bool:
    return any(value(person) for key, _, value in LINES if key in keys)


def _juminhyo(order: _Order) -> Composed:
    everybody = members(order.file)
    holder = holder_id(order.file)
    scope = order.chosen.get("scope", ("self",))[0]
    keys = {
        "self": [holder],
        "household": list(everybody),
        "some": [key for key in everybody if key in order.chosen.get("members", ())],
    }[scope]
    whole = len(keys) == len(everybody)
    wanted = _wanted(order)
    labels = [label for label in LABELS["juminhyo"] if label in wanted]
    head = [label for label in HEAD["juminhyo"] if label in wanted]
    sheet = Sheet(
        head=_rows(order.holder, head),
        people=tuple(_person(order.records[key], labels) for key in keys),
        amounts=(),
        seal=b"",
        applicant="",
    )
    opened = {key: frozenset({NAME, *labels}) for key in keys}
    opened[holder] = opened.get(holder, frozenset()) | {*SHOWN_OF_HOLDER, *head}
    return Composed(
        content=order.content(sheet, "household" if whole else "part"),
        open=opened,
        holder=order.holder[NAME],
        holder_at=keys.index(holder) if holder in keys else None,
        people=len(keys),
        whole=whole,
    )


def _wanted(order: _Order) -> frozenset[str]:
    picked = order.chosen.get("fields", ())
    form = order.certificate.form
    chosen = [field for field in order.certificate.fields if field in picked]
    keys = {*order.certificate.rows, *(row for field in chosen for row in FIELD_ROWS[field])}
    head = {HOUSEHOLD_HEAD} if "relationship" in chosen else set()
    return frozenset({*ALWAYS[form], *head, *(label for key, label, _ in LINES if key in keys)})


def _rows(record: Values, labels: Sequence[str]) -> tuple[Row, ...]:
    return tuple(Row(label=label, value=record[label]) for label in labels if record[label])


def _person(record: Values, labels: Sequence[str]) -> Person:
    return Person(name=record[NAME], rows=_rows(record, labels))


def _inkan(order: _Order) -> Composed:
    seal = order.file.seal
    labels = LABELS["inkan"]
    if seal is None:
        raise LookupError("no seal")
    person = _person(order.holder, labels)
    sheet = Sheet(head=(), people=(person,), amounts=(), seal=seal.imprint, applicant="")
    opened = {
        holder_id(order.file): frozenset({*SHOWN_OF_HOLDER, *labels}),
        SEAL_RECORD: frozenset({IMPRINT}),
    }
    return Composed(order.content(sheet, "seal"), opened, person.name, 0)


def _kazei(order: _Order) -> Composed:
    labels = LABELS["kazei"]
    choice = order.chosen["year"][0]
    year = int(choice.removeprefix("y"))
    record = order.records[choice]
    tax_rows = [with_year(label, year) for label in TAX_ROWS]
    person = _person(order.holder, labels)
    with_address = replace(person, rows=(*person.rows, *_rows(record, tax_rows)))
    amounts = _amounts(order.certificate, record, tax_rows)
    sheet = Sheet(head=(), people=(with_address,), amounts=amounts, seal=b"", applicant="")
    sections = [label for section in order.certificate.amounts.values() for label in section]
    without_return = {RETURN} if "dependant" in order.certificate.statement else set()
    opened = {
        holder_id(order.file): frozenset({*SHOWN_OF_HOLDER, *labels}),
        choice: frozenset({*tax_rows, *sections, *without_return})
        if sections
        else frozenset(record),
    }
    case = _tax_case(order.certificate, record)
    return Composed(order.content(sheet, case, year), opened, person.name, 0, year=year)


def _tax_case(certificate: Certificate, record: Values) -> Case:
    if "dependant" in certificate.statement and record[RETURN]:
        return "dependant"
    untaxed = certificate.untaxed
    return "untaxed" if untaxed and record.get(untaxed) == UNTAXED else "tax"


def _of_entry(order: _Order) -> Composed:
    """A payment or a vehicle of the holder's, or somebody's removed entry."""
    form = order.certificate.form
    option = ENTRY_FORMS[form].option
    entry = order.chosen[option][0]
    record, me = order.records[entry], holder_id(order.file)
    wanted = _wanted(order)
    labels = [label for label in LABELS[form] if label in wanted]
    opened = {me: frozenset(SHOWN_OF_HOLDER)}
    if form in SECTIONS:
        heading, section = SECTIONS[form]
        person, at = _person(order.holder, labels), 0
        amounts = (Row(label=heading, value=""), *_rows(record, section))
        opened[me] |= {*labels}
        opened[entry] = frozenset(section)
    else:
        person, at, amounts = _person(record, labels), None, ()
        opened[entry] = frozenset({NAME, *labels})
    sheet = Sheet(head=(), people=(person,), amounts=amounts, seal=b"", applicant="")
    content = order.content(sheet, CASES[option])
    return Composed(content, opened, order.holder[NAME], at)


def _of_family(order: _Order) -> Composed:
    """All of a family register, or those who were chosen."""
    form = order.certificate.form
    everybody = family_members(order.file)
    me = family_holder(order.file)
    case: Case = "all" if "all" in order.certificate.statement else "some"
    chosen = order.chosen.get("members", ())
    keys = [key for key in everybody if case == "all" or key in chosen]
    asked = "domicile" in order.chosen.get("fields", ())
    wanted = {*ALWAYS[form], *(DOMICILE_FIELD if asked else ())}
    head = [label for label in HEAD[form] if label in wanted]
    labels = LABELS[form]
    people = tuple(
        Person(name=order.records[key][GIVEN], rows=_rows(order.records[key], labels))
        for key in keys
    )
    rows = _rows(order.records[FAMILY_RECORD], head)
    sheet = Sheet(head=rows, people=people, amounts=(), seal=b"", applicant="")
    opened = {key: frozenset({NAME, GIVEN, *labels}) for key in keys}
    opened[me] = opened.get(me, frozenset()) | {NAME, BIRTH}
    opened[holder_id(order.file)] = frozenset(SHOWN_OF_HOLDER)
    if head:
        opened[FAMILY_RECORD] = frozenset(head)
    return Composed(
        content=order.content(sheet, case),
        open=opened,
        holder=order.holder[NAME],
        holder_at=keys.index(me) if me in keys else None,
    )


def _amounts(certificate: Certificate, record: Values, beside: Collection[str]) -> tuple[Row, ...]:
    """By the city's headings (rows without a value) where it has some; of somebody who filed no
    return, that alone.
    """
    if record.get(RETURN):
        return (Row(label=RETURN, value=record[RETURN]),)
    sections = certificate.amounts or {"": tuple(label for label in record if label not in beside)}
    rows: list[Row] = []
    for heading, labels in sections.items():
        known = _rows(record, [label for label in labels if label in record])
        rows += [Row(label=heading, value=""), *known] if heading and known else known
    return tuple(rows)


CONTENT: Final[Mapping[FormName, Callable[[_Order], Composed]]] = {
    "juminhyo": _juminhyo,
    "inkan": _inkan,
    "kazei": _kazei,
    "koseki": _of_family,
    "fuhyo": _of_family,
    **dict.fromkeys(ENTRY_FORMS, _of_entry),
}


def on_sheets(composed: Composed, sizes: Sequence[int]) -> Content:
    """The people on as many sheets as `sizes` has numbers; the holder's name on each sheet without
    the holder's box.
    """
    one = composed.content.sheets[0]
    sheets = []
    begin = 0
    for size in sizes:
        end = begin + size
        at = composed.holder_at
        applicant = "" if at is not None and begin <= at < end else composed.holder
        sheets.append(replace(one, people=one.people[begin:end], applicant=applicant))
        begin = end
    return replace(composed.content, sheets=tuple(sheets))
