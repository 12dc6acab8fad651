"""From records and choices to the content of one certificate. Pure; what was not chosen never gets in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from city import era
from city.document import Document, Person, Row
from city.municipality import Certificate, Municipality, current
from city.records import File, Resident
from city.rules import Picked, members

# label, value ("" = no such row), the field that must have been chosen
Line = tuple[str, Callable[[Resident], str], str | None]
LINES: Final[tuple[Line, ...]] = (
    ("生年月日", lambda r: born(r), None),
    ("性別", lambda r: r.sex, None),
    ("続柄", lambda r: r.relationship, "relationship"),
    ("住民となった年月日", lambda r: "" if r.foreign else era.written(r.resident_since), None),
    ("外国人住民となった年月日", lambda r: era.written(r.resident_since) if r.foreign else "", None),
    ("住所を定めた年月日", lambda r: era.written(r.settled_on), None),
    ("届出の年月日", lambda r: era.written(r.notified_on), None),
    ("前住所", lambda r: r.previous_address, None),
    ("本籍", lambda r: r.domicile, "domicile"),
    ("筆頭者の氏名", lambda r: r.domicile_head, "domicile"),
    ("国籍・地域", lambda r: r.nationality, "residence"),
    ("在留資格", lambda r: r.residence_status, "residence"),
    ("在留期間等", lambda r: r.residence_period, "residence"),
    ("在留期間の満了の日", lambda r: era.western(r.residence_until) if r.residence_until else "", "residence"),
    ("在留カード等の番号", lambda r: r.residence_card, "residence"),
    ("個人番号", lambda r: r.mynumber, "mynumber"),
)


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
    return replace(blank, **CONTENT[certificate.kind](certificate, file, chosen))


def _juminhyo(certificate: Certificate, file: File, chosen: Picked) -> dict[str, Any]:
    fields, everybody = set(chosen["fields"]), members(file)
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
    return {
        "subtitle": "（世帯全員）" if whole else "（世帯の一部）",
        "head": tuple(head),
        "people": tuple(_person(person, fields) for person in people),
        "statement": certificate.statement["household" if whole else "part"],
    }


def _head_of(file: File) -> Resident:
    return min((p for p in file.household if p.listed), key=lambda p: p.position)


def _person(person: Resident, fields: set[str]) -> Person:
    rows = ((label, value(person)) for label, value, field in LINES if field is None or field in fields)
    return Person(
        name=person.name, kana=person.kana, alias=person.alias, rows=tuple(Row(*row) for row in rows if row[1])
    )


def _holder(file: File, rows: Sequence[Row]) -> tuple[Person, ...]:
    return (Person(name=file.resident.name, kana=file.resident.kana, alias=file.resident.alias, rows=tuple(rows)),)


def _inkan(certificate: Certificate, file: File, _: Picked) -> dict[str, Any]:
    if file.seal is None:
        raise LookupError("no seal")
    return {
        "people": _holder(file, (Row("生年月日", born(file.resident)), Row("住所", file.resident.address))),
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
        "people": _holder(file, rows),
        "amounts": tuple(Row(label, f"{yen:,}円") for label, yen in record.amounts),
        "statement": certificate.statement["tax"],
    }


CONTENT: Final = {"juminhyo": _juminhyo, "inkan": _inkan, "kazei": _kazei}
