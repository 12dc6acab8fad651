"""From records and choices to the content of one certificate. Pure; what was not chosen never gets in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from city import era
from city.document import Document, Person, Row
from city.municipality import FIELD_ROWS, Certificate, Field, Municipality, RowKey, current
from city.records import File, Resident, members

# label and value ("" = no such row) of each row, in the order of the form
LINES: Final[tuple[tuple[RowKey, str, Callable[[Resident], str]], ...]] = (
    ("birth", "生年月日", lambda r: born(r)),
    ("sex", "性別", lambda r: r.sex),
    ("relationship", "続柄", lambda r: r.relationship),
    ("resident-since", "住民となった年月日", lambda r: "" if r.foreign else era.written(r.resident_since)),
    ("resident-since", "外国人住民となった年月日", lambda r: era.written(r.resident_since) if r.foreign else ""),
    ("settled", "住所を定めた年月日", lambda r: era.written(r.settled_on)),
    ("notified", "届出の年月日", lambda r: era.written(r.notified_on)),
    ("previous-address", "前住所", lambda r: r.previous_address),
    ("domicile", "本籍", lambda r: r.domicile),
    ("domicile-head", "筆頭者の氏名", lambda r: r.domicile_head),
    ("nationality", "国籍・地域", lambda r: r.nationality),
    ("residence-status", "在留資格", lambda r: r.residence_status),
    ("residence-period", "在留期間等", lambda r: r.residence_period),
    ("residence-until", "在留期間の満了の日", lambda r: era.western(r.residence_until) if r.residence_until else ""),
    ("residence-card", "在留カード等の番号", lambda r: r.residence_card),
    ("mynumber", "個人番号", lambda r: r.mynumber),
)


Picked = Mapping[str, tuple[str, ...]]  # the answer to every option that was asked


@dataclass(frozen=True)
class Stamp:
    """What is decided when the certificate is issued, not by its content."""

    unique_number: str
    issued_on: date
    copies: int


def born(person: Resident) -> str:
    """In the era; for foreign residents in the western calendar, as registered."""
    return era.western(person.birth) if person.foreign else era.written(person.birth)


def compose(city: Municipality, certificate: Certificate, file: File, chosen: Picked, stamp: Stamp) -> Document:
    """The certificate. `chosen` comes from `rules.picked`. Raises LookupError when the city's data has a hole."""
    blank = Document(
        kind=certificate.kind,
        form=certificate.form,
        city=city.name["ja"],
        title=certificate.printed,
        subtitle="",
        holder=file.resident.name,
        head=(),
        people=(),
        amounts=(),
        statement="",
        notes=certificate.notes,
        unique_number=stamp.unique_number,
        issued_on=stamp.issued_on,
        issued_era=era.written(stamp.issued_on),
        issuer=current(city.issuers, stamp.issued_on).name,
        verification=city.verification,
        copies=stamp.copies,
    )
    return replace(blank, **CONTENT[certificate.form](certificate, file, chosen))


def available(certificate: Certificate, people: Sequence[Resident]) -> tuple[Field, ...]:
    """What can be chosen to be printed: fields of which there is something about one of these people."""
    return tuple(f for f in certificate.fields if any(_rows(person, FIELD_ROWS[f]) for person in people))


def _juminhyo(certificate: Certificate, file: File, chosen: Picked) -> dict[str, Any]:
    fields, everybody = chosen.get("fields", ()), members(file)
    scope = chosen.get("scope", ("self",))[0]
    people = {
        "self": [file.resident],
        "household": list(everybody.values()),
        "some": [person for key, person in everybody.items() if key in chosen.get("members", ())],
    }[scope]
    whole = len(people) == len(everybody)
    head = [Row("住所", file.resident.address)]
    if "relationship" in fields:
        head.append(Row("世帯主", _head_of(file).name))
    rows = {*certificate.rows, *(row for field in certificate.fields if field in fields for row in FIELD_ROWS[field])}
    return {
        "subtitle": "（世帯全員）" if whole else "（世帯の一部）",
        "head": tuple(head),
        "people": tuple(_person(person, _rows(person, rows)) for person in people),
        "statement": certificate.statement["household" if whole else "part"],
    }


def _head_of(file: File) -> Resident:
    return min((p for p in file.household if p.listed), key=lambda p: p.position)


def _rows(person: Resident, keys: Collection[RowKey]) -> tuple[Row, ...]:
    rows = (Row(label, value(person)) for key, label, value in LINES if key in keys)
    return tuple(row for row in rows if row.value)


def _person(person: Resident, rows: Sequence[Row]) -> Person:
    """The name with what is registered beside it: reading, former surname, alias."""
    return Person(
        name=person.name, kana=person.kana, former=person.former_surname, alias=person.alias, rows=tuple(rows)
    )


def _inkan(certificate: Certificate, file: File, _: Picked) -> dict[str, Any]:
    if file.seal is None:
        raise LookupError("no seal")
    return {
        "people": (_person(file.resident, (Row("生年月日", born(file.resident)), Row("住所", file.resident.address))),),
        "statement": certificate.statement["seal"],
        "seal": file.seal.imprint,
        "seal_mm": certificate.seal_mm,
    }


def _kazei(certificate: Certificate, file: File, chosen: Picked) -> dict[str, Any]:
    year = int(chosen["year"][0].removeprefix("y"))
    record = next(record for record in file.taxes if record.year == year)
    rows = (
        Row("生年月日", born(file.resident)),
        Row("現住所", file.resident.address),
        Row(f"{era.year_of(date(year, 1, 1))}1月1日の住所", record.address),
    )
    return {
        "subtitle": f"{era.fiscal_year(year)}（{era.year_of(date(year - 1, 12, 31))}分所得）",
        "people": (_person(file.resident, rows),),
        "amounts": _amounts(certificate, dict(record.amounts)),
        "statement": certificate.statement["tax"],
    }


def _amounts(certificate: Certificate, amounts: Mapping[str, int]) -> tuple[Row, ...]:
    """The record's amounts, by the city's headings (rows without a value) where it has some."""
    sections = certificate.amounts or {"": tuple(amounts)}
    rows = []
    for heading, labels in sections.items():
        known = [Row(label, f"{amounts[label]:,}円") for label in labels if label in amounts]
        rows += [Row(heading, ""), *known] if heading and known else known
    return tuple(rows)


CONTENT: Final = {"juminhyo": _juminhyo, "inkan": _inkan, "kazei": _kazei}
