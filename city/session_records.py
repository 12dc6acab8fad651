"""What the city knows of one card's holder, as the labelled values of records: every form is made
of these, and a session binds itself to them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final

from city.entry_forms import (
    REMOVAL,
    payment_record,
    payments,
    removal,
    removed,
    vehicle_record,
    vehicles,
)
from city.family_forms import ALWAYS as FAMILY_ALWAYS
from city.family_forms import HEAD as FAMILY_HEAD
from city.family_forms import LABELS as FAMILY_LABELS
from city.family_forms import member_record, register_record
from city.municipality import Municipality
from city.records import File, Resident, Standing, TaxRecord, TaxStanding, members, stays_out
from city.relations import family_members
from city.vocabulary import RowKey
from firmware.link import era
from firmware.link.commitments import FAMILY_RECORD, SEAL_RECORD
from firmware.link.content import IMPRINT, NAME
from firmware.link.form_terms import ENTRY_FORMS, FAMILY_FORMS, RETURN, FormName

MYNUMBER: Final = "個人番号"
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
    ("mynumber", MYNUMBER, lambda r: r.mynumber),
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
    "jokyo": (*BESIDE_NAME, ADDRESS, *(x for _, x, _ in LINES if x != MYNUMBER), *REMOVAL),
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

Values = Mapping[str, str]  # label -> value of one record


def born(person: Resident) -> str:
    """In the era; for foreign residents in the western calendar, as registered."""
    return era.western(person.birth) if person.foreign else era.written(person.birth)


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


def removed_record(person: Resident) -> Values:
    """Of a removed entry: no machine prints its individual number."""
    return {**person_record(person, ""), MYNUMBER: "", **removal(person)}


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
    if file.resident.standing is Standing.MOVED_OUT:
        return records | _entry_records(city, file)
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


def _entry_records(city: Municipality, file: File) -> dict[str, Values]:
    """Of the forms of an entry, of all days."""
    of = {form: [each for each in city.certificates if each.form == form] for form in ENTRY_FORMS}
    masked = any(each.masked for each in of["nozei"])
    found: dict[str, Values] = {}
    if file.resident.listed:
        known = payments(of["nozei"], file)
        found |= {key: payment_record(each, masked) for key, each in known.items()}
    if of["keiji"] and file.resident.listed:
        found |= {key: vehicle_record(each) for key, each in vehicles(of["keiji"], file).items()}
    if of["jokyo"] and not stays_out(file):
        gone = removed(of["jokyo"], file)
        found |= {key: removed_record(person) for key, person in gone.items()}
    return found


def holder_id(file: File) -> str:
    """The name of the record of whoever set the card."""
    return next(key for key, person in members(file).items() if person.id == file.resident.id)


def household_head(file: File) -> str:
    if not file.resident.listed:
        return file.resident.name
    return min((p for p in file.household if p.listed), key=lambda p: p.position).name


def with_year(text: str, year: int) -> str:
    """`text` with the words of a fiscal year in it, as `firmware.link.form_terms.Form` has them."""
    return text.format(
        fiscal=era.fiscal_year(year),
        calendar=era.year_of(date(year, 1, 1)),
        income=era.year_of(date(year - 1, 12, 31)),
    )
