"""What the document must say, worked out by the kiosk itself.

From the order that the person confirmed, the signed terms of the forms, and the records that the
city committed to before anything was ordered. The city's content is then compared with it string by
string; what the city can still decide alone is the unique number and how many people stand on a
sheet.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Final

from firmware.link.commitments import FAMILY_RECORD, SEAL_RECORD, commitment, opened
from firmware.link.content import GIVEN, IMPRINT, NAME, Content, Person, Row, Sheet
from firmware.link.form_terms import (
    BETWEEN,
    ENTRY_FORMS,
    FAMILY_FORMS,
    RETURN,
    UNTAXED,
    Current,
    EntryForm,
    FormName,
    FormTerms,
    current,
)
from firmware.link.messages import (
    Manifest,
)
from firmware.sheets import era
from firmware.sheets.binding import Ordered, check_binding, check_offer, day_of_issue
from firmware.sheets.fault import SheetFault, SheetReason

BIRTH, ADDRESS = "生年月日", "住所"  # what the screen shows of the holder besides the name
READING: Final = "フリガナ"  # by which the voice names people, where the city tells it

# The questions before each form. Another one would be on the screen and decide nothing on the
# paper.
OPTIONS: Final[Mapping[FormName, frozenset[str]]] = {
    "juminhyo": frozenset({"scope", "members", "fields"}),
    "inkan": frozenset(),
    "kazei": frozenset({"year"}),
    "koseki": frozenset({"members"}),
    "fuhyo": frozenset({"members", "fields"}),
    "nozei": frozenset({"payment"}),
    "keiji": frozenset({"vehicle"}),
    "jokyo": frozenset({"removed", "fields"}),
}

# the records of people; no seal and no year has such a name
MEMBER: Final = re.compile(r"m\d{1,2}")
RELATIVE: Final = re.compile(r"f\d{1,2}")  # of a family register
ENTRY: Final = re.compile(r"p\d{4}\.\d{1,2}|[dv]\d{1,2}")  # of what one entry is about

Values = Mapping[str, str]  # label -> value of one record


@dataclass(frozen=True)
class Expected:
    """`content` as the kiosk would have it, and what else goes into the sheets' codes."""

    content: Content
    current: Current
    day: date
    holder: str = field(repr=False)
    year: int | None
    people: int | None
    whole: bool


def expect(ordered: Ordered, terms: FormTerms, manifest: Manifest) -> Expected:
    """Check the manifest's binding, open its records, compose. Raises SheetFault."""
    check_binding(ordered, manifest)
    day = day_of_issue(ordered, manifest)
    try:
        now = current(terms, manifest.kind, day)
    except LookupError:
        raise SheetFault(SheetReason.TERMS) from None
    check_offer(ordered, now, manifest)
    return _Composition(ordered, now, day, manifest).expected()


class _Composition:
    """One document. Every method raises SheetFault."""

    def __init__(self, ordered: Ordered, now: Current, day: date, manifest: Manifest) -> None:
        self._session, self._manifest = ordered.session, manifest
        self._choices = ordered.request.choices
        self._now, self._form, self._day = now, now.form, day
        if self._choices.keys() - OPTIONS[self._form.form]:
            raise SheetFault(SheetReason.REQUEST)
        self._entry = self._chosen_entry()
        self._people = self._chosen_people()
        self._year = self._chosen_year()
        self._words = {} if self._year is None else era.year_words(self._year)
        self._records = self._open()

    def expected(self) -> Expected:
        whole = len(self._people) == len(self._session.members)
        certified = self._form.form == "juminhyo"
        return Expected(
            content=self._content("household" if whole else "part"),
            current=self._now,
            day=self._day,
            holder=self._session.members[self._session.holder],
            year=self._year,
            people=len(self._people) if certified else None,
            whole=certified and whole,
        )

    # -- what was chosen

    def _chosen_people(self) -> tuple[str, ...]:
        """Record ids, in the household's order."""
        members, holder = self._session.members, self._session.holder
        if holder not in members or not all(map(MEMBER.fullmatch, members)):
            raise SheetFault(SheetReason.MEMBERS)
        if self._of_family:
            return self._chosen_relatives()
        if self._entry and not self._form.amounts:
            return (self._entry,)  # it is about a person
        if self._form.form != "juminhyo":
            return (holder,)
        scope = self._picked("scope")
        if scope == ("household",):
            return tuple(members)
        if scope not in ((), ("self",), ("some",)):
            raise SheetFault(SheetReason.MEMBERS)
        if scope == ("some",):
            chosen = self._picked("members")
            people = tuple(key for key in members if key in chosen)
            if not people or len(people) != len(chosen):
                raise SheetFault(SheetReason.MEMBERS)
            return people
        return (holder,)

    def _chosen_entry(self) -> str:
        """The record of the entry that was chosen; "" where the form is not of one."""
        if self._of_an_entry is None:
            return ""
        chosen = self._picked(self._of_an_entry.option)
        known = self._session.entries.get(self._of_an_entry.option, {})
        if len(chosen) != 1 or chosen[0] not in known or not ENTRY.fullmatch(chosen[0]):
            raise SheetFault(SheetReason.MEMBERS)
        return chosen[0]

    @property
    def _of_an_entry(self) -> EntryForm | None:
        return ENTRY_FORMS.get(self._form.form)

    @property
    def _of_family(self) -> bool:
        return self._form.form in FAMILY_FORMS

    @property
    def _holder(self) -> str:
        """Whose card it is, among those who can stand on this form."""
        family = self._session.family
        return family.holder if self._of_family and family else self._session.holder

    def _chosen_relatives(self) -> tuple[str, ...]:
        """Record ids, in the order of the family register: all of it, or those who were chosen."""
        family, chosen = self._session.family, self._choices.get("members")
        if family is None or family.holder not in family.members:
            raise SheetFault(SheetReason.MEMBERS)
        known = family.members
        whole = "all" in self._form.statements
        if not all(map(RELATIVE.fullmatch, known)) or whole is not (chosen is None):
            raise SheetFault(SheetReason.MEMBERS)
        people = tuple(key for key in known if chosen is None or key in chosen)
        if not people or (chosen is not None and len(people) != len(chosen)):
            raise SheetFault(SheetReason.MEMBERS)
        return people

    def _chosen_year(self) -> int | None:
        if self._form.form != "kazei":
            return None
        chosen = self._picked("year")
        if len(chosen) != 1 or not chosen[0].startswith("y") or not chosen[0][1:].isdecimal():
            raise SheetFault(SheetReason.SUBTITLE)
        year = int(chosen[0][1:])
        try:
            era.year_words(year)
        except ValueError:
            raise SheetFault(SheetReason.SUBTITLE) from None
        return year

    def _picked(self, option: str) -> tuple[str, ...]:
        """What the person chose. An option that was not asked has no answer, whatever its default
        is.
        """
        return self._choices.get(option, ())

    def _wanted(self) -> frozenset[str]:
        """Labels of a person's record that this order prints where they have a value."""
        chosen = self._picked("fields")
        if not set(chosen) <= self._form.fields.keys():
            raise SheetFault(SheetReason.ROW_MISSING)
        return frozenset(self._form.always).union(*(self._form.fields[name] for name in chosen))

    # -- what the city committed to

    def _open(self) -> Mapping[str, Values]:
        """The records of the manifest: each is the committed one, shows all it must and no more."""
        needed = self._needed()
        openings = self._manifest.openings
        if needed.keys() - openings.keys():
            raise SheetFault(SheetReason.NOT_OPENED)
        if openings.keys() - needed.keys():
            raise SheetFault(SheetReason.OPENED_UNASKED)
        records = {record: self._open_record(record) for record in openings}
        for record, labels in needed.items():
            self._check_opened(record, records[record].keys(), labels)
        return records

    def _check_opened(
        self, record: str, shown: Collection[str], labels: frozenset[str] | None
    ) -> None:
        if labels is None:
            all_fields = len(self._manifest.openings[record].fields)
            if len(shown) != all_fields:
                raise SheetFault(SheetReason.NOT_OPENED)
            return
        if labels - set(shown):
            raise SheetFault(SheetReason.NOT_OPENED)
        if set(shown) - labels:
            raise SheetFault(SheetReason.OPENED_UNASKED)

    def _open_record(self, record: str) -> Values:
        opening, session = self._manifest.openings[record], self._session
        stated = session.records.get(record)
        try:
            known = commitment(session.session, record, session.record_version, opening)
        except ValueError:
            raise SheetFault(SheetReason.COMMITMENT) from None
        if stated != known:
            raise SheetFault(SheetReason.COMMITMENT)
        return opened(opening)

    def _needed(self) -> dict[str, frozenset[str] | None]:
        """Record to the labels that must be open in it; None: all that the record has."""
        form, wanted = self._form, self._wanted()
        given = {GIVEN} if self._of_family else set()
        rows = {NAME, *given, *(label for label in form.rows if label in wanted)}
        needed: dict[str, frozenset[str] | None] = {
            key: frozenset(rows | self._spoken(key)) for key in self._people
        }
        head = {label for label in form.head if label in wanted}
        shown = needed.get(self._session.holder) or frozenset()
        needed[self._session.holder] = shown | {NAME, BIRTH, ADDRESS}
        if self._of_family:
            needed[self._holder] = (needed.get(self._holder) or frozenset()) | {NAME, BIRTH}
        if head:
            needed[self._head_record] = (needed.get(self._head_record) or frozenset()) | head
        if form.form == "inkan":
            needed[SEAL_RECORD] = frozenset({IMPRINT})
        if self._amounts_record:
            needed[self._amounts_record] = self._amount_labels()
        return needed

    def _spoken(self, key: str) -> frozenset[str]:
        """Who cannot see the screen has chosen people by how their names are read."""
        chosen_by_ear = self._form.form == "juminhyo" and key in self._session.readings
        return frozenset({READING}) if chosen_by_ear else frozenset()

    @property
    def _head_record(self) -> str:
        """Of what stands above the people."""
        return FAMILY_RECORD if self._of_family else self._session.holder

    @property
    def _amounts_record(self) -> str:
        """Of what stands below the people: a year's, or the chosen entry; "" for nothing."""
        if self._form.form == "kazei":
            return f"y{self._year}"
        return self._entry if self._form.amounts else ""

    def _amount_labels(self) -> frozenset[str] | None:
        if not self._form.amounts:
            return None
        amounts = [label for section in self._form.amounts for label in section.labels]
        without_return = [RETURN] if "dependant" in self._form.statements else []
        labels = (*map(self._with_year, self._form.tax_rows), *amounts, *without_return)
        return frozenset(labels)

    # -- the content

    def _content(self, people_case: str) -> Content:
        form, now, given = self._form, self._now, self._manifest.content
        case = self._case(people_case)
        if case not in form.statements:
            raise SheetFault(SheetReason.STATEMENT)
        self._check_holder()
        return Content(
            heading=now.terms.heading,
            title=form.titles.get(case, form.title.get("ja", "")),
            subtitle=self._with_year(form.subtitles.get(case, "")),
            unique_number=given.unique_number,
            statement=form.statements[case],
            issued_on=era.written(self._day),
            office=now.issuer.office,
            officer=now.issuer.officer,
            stamp=now.issuer.stamp,
            notes=(*form.notes, *filter(None, (form.remarks.get(case, ""),))),
            verification=now.terms.verification,
            sheets=self._sheets(given.sheets),
        )

    def _case(self, people_case: str) -> str:
        """What picks title, sentence and remark: the people, or what the record says."""
        form = self._form
        if self._of_family:
            return "all" if "all" in form.statements else "some"
        if self._of_an_entry:
            return self._of_an_entry.option
        if form.form == "kazei":
            record = self._records[self._amounts_record]
            if self._without_return(record):
                return "dependant"
            return "untaxed" if form.untaxed and record.get(form.untaxed) == UNTAXED else "tax"
        return {"juminhyo": people_case, "inkan": "seal"}[form.form]

    def _check_holder(self) -> None:
        """The holder is the one that the confirmation screen showed."""
        session = self._session
        stated = (session.members[session.holder], session.holder_birth, session.holder_address)
        record = self._records[session.holder]
        if stated != (record[NAME], record[BIRTH], record[ADDRESS]):
            raise SheetFault(SheetReason.HOLDER)
        entry = self._records[self._holder]
        if (entry[NAME], entry[BIRTH]) != stated[:2]:  # of the family register: the same person
            raise SheetFault(SheetReason.HOLDER)

    def _sheets(self, given: Sequence[Sheet]) -> tuple[Sheet, ...]:
        """The people in their order, on as many sheets as the city took; each sheet
        has somebody.
        """
        sizes = [len(sheet.people) for sheet in given]
        if sum(sizes) != len(self._people) or 0 in sizes:
            raise SheetFault(SheetReason.MEMBERS)
        if not (self._of_family or self._form.form == "juminhyo") and len(sizes) != 1:
            raise SheetFault(SheetReason.PAGE_COUNT)
        sheets = []
        begin = 0
        for size, sheet in zip(sizes, given, strict=True):
            sheets.append(self._sheet(self._people[begin : begin + size], sheet))
            begin += size
        return tuple(sheets)

    def _sheet(self, people: Collection[str], given: Sheet) -> Sheet:
        holder = self._session.holder
        head = self._records.get(self._head_record, {})
        return Sheet(
            head=self._rows(head, self._form.head),
            people=tuple(self._person(key) for key in people),
            amounts=self._amounts(),
            seal=self._seal(given),
            applicant="" if self._holder in people else self._session.members[holder],
        )

    def _person(self, key: str) -> Person:
        record = self._records[key]
        spoken = self._session.readings.get(key, "") if self._spoken(key) else ""
        if record[NAME] != self._names[key] or (spoken and record[READING] != spoken):
            raise SheetFault(SheetReason.MEMBERS)
        rows = self._rows(record, self._form.rows)
        if self._form.form == "kazei":
            year = self._records[self._amounts_record]
            labels = map(self._with_year, self._form.tax_rows)
            rows += tuple(Row(label=label, value=self._of(year, label)) for label in labels)
        name = record[GIVEN if self._of_family else NAME]
        if not name or not record[NAME].endswith(name):  # 名 stands behind 氏
            raise SheetFault(SheetReason.MEMBERS)
        return Person(name=name, rows=tuple(row for row in rows if row.value))

    @property
    def _names(self) -> Values:
        """In full, as the screen showed them."""
        family = self._session.family
        if self._entry and not self._form.amounts and self._of_an_entry:
            return self._session.entries[self._of_an_entry.option]
        return family.members if self._of_family and family else self._session.members

    def _rows(self, record: Values, labels: Sequence[str]) -> tuple[Row, ...]:
        wanted = self._wanted()
        rows = (Row(label=label, value=record[label]) for label in labels if label in wanted)
        return tuple(row for row in rows if row.value)

    def _of(self, record: Values, label: str) -> str:
        try:
            return record[label]
        except KeyError:
            raise SheetFault(SheetReason.NOT_OPENED) from None

    def _amounts(self) -> tuple[Row, ...]:
        """All of the record, by the sections of the form where it has some; never none. Of somebody
        who filed no return, that alone.
        """
        if not self._amounts_record:
            return ()
        record = self._records[self._amounts_record]
        self._check_called(record)
        rows: list[Row] = []
        if self._without_return(record):
            if any(record[label] for part in self._form.amounts for label in part.labels):
                raise SheetFault(SheetReason.AMOUNTS)
            return (Row(label=RETURN, value=record[RETURN]),)
        if not self._form.amounts:
            beside = set(map(self._with_year, self._form.tax_rows))
            rows = [Row(label=k, value=v) for k, v in record.items() if k not in beside and v]
        for section in self._form.amounts:
            known = [Row(label=k, value=record[k]) for k in section.labels if record[k]]
            rows += [Row(label=section.heading, value=""), *known] if known else []
        if not rows:
            raise SheetFault(SheetReason.AMOUNTS)
        return tuple(rows)

    def _without_return(self, record: Values) -> bool:
        """Whether the form has words for somebody who filed no return, and this is one."""
        return "dependant" in self._form.statements and bool(self._of(record, RETURN))

    def _check_called(self, record: Values) -> None:
        """The entry is the one that the screen called by this name."""
        if self._of_an_entry:
            values = (self._of(record, label) for label in self._of_an_entry.named_by)
            called = self._session.entries[self._of_an_entry.option][self._entry]
            if BETWEEN.join(filter(None, values)) != called:
                raise SheetFault(SheetReason.AMOUNTS)

    def _seal(self, given: Sheet) -> bytes:
        """The imprint itself is not in the record, its hash is."""
        if self._form.form != "inkan":
            return b""
        if sha256(given.seal).hexdigest() != self._records[SEAL_RECORD][IMPRINT]:
            raise SheetFault(SheetReason.SEAL)
        return given.seal

    def _with_year(self, text: str) -> str:
        for word, value in self._words.items():
            text = text.replace(f"{{{word}}}", value)
        return text
