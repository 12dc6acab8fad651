"""From records and choices to the content of one certificate. Pure; what was not chosen never gets
in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from msgspec.structs import replace

from city.entries import Certificate, current
from city.entry_forms import SECTIONS
from city.family_forms import DOMICILE_FIELD
from city.municipality import Municipality
from city.records import File, Resident, members
from city.relations import family_holder, family_members
from city.session_records import ADDRESS as ADDRESS
from city.session_records import ALWAYS as ALWAYS
from city.session_records import BIRTH as BIRTH
from city.session_records import HEAD as HEAD
from city.session_records import HOUSEHOLD_HEAD as HOUSEHOLD_HEAD
from city.session_records import LABELS as LABELS
from city.session_records import LINES as LINES
from city.session_records import SHOWN_OF_HOLDER, with_year
from city.session_records import TAX_ROWS as TAX_ROWS
from city.session_records import Values as Values
from city.session_records import born as born
from city.session_records import holder_id as holder_id
from city.session_records import session_records as session_records
from city.vocabulary import FIELD_ROWS, Case, Field, RowKey
from firmware.link import era
from firmware.link.commitments import FAMILY_RECORD, SEAL_RECORD
from firmware.link.content import GIVEN, IMPRINT, NAME, Content, Person, Row, Sheet
from firmware.link.form_terms import ENTRY_FORMS, RETURN, UNTAXED, FormName

CASES: Final[Mapping[str, Case]] = {
    "payment": "payment",
    "vehicle": "vehicle",
    "removed": "removed",
}

Picked = Mapping[str, tuple[str, ...]]  # the answer to every option that was asked


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
