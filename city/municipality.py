"""A city as data: certificates, hours, fees, eligibility, contacts, each with the day from which it
holds.

`data/akashi.toml` is an example, `docs/city.md` explains every key. Codes, lengths and ranges are
in the types; what one entry says about another is checked by `_faults`: a file with a mistake is
refused at start, with its key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct

from city.config import ConfigError
from city.vocabulary import (
    CAUSES,
    ELSE,
    FIELD_ROWS,
    MOST_AMOUNTS,
    OF_A_SEAL,
    STATEMENTS,
    YEAR_WORDS,
    Case,
    Field,
    RowKey,
)
from firmware.link.base import Key, Localized, Text
from firmware.link.form_terms import Address, FormName
from firmware.link.messages import Contact

MonthDay = Annotated[str, Meta(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\Z")]
Names = Localized  # Japanese must be there


class DatedData(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all tables."""


class ClosedDays(DatedData, frozen=True, kw_only=True, rename={"begin": "from", "end": "to"}):
    """Days of every year, both included; may run over New Year."""

    begin: MonthDay
    end: MonthDay

    def __contains__(self, day: date) -> bool:
        at = day.strftime("%m-%d")
        if self.begin <= self.end:
            return self.begin <= at <= self.end
        return at >= self.begin or at <= self.end


class Hours(DatedData, frozen=True, kw_only=True, rename={"since": "from"}):
    since: date
    opens: time
    closes: time
    closed: tuple[ClosedDays, ...] = ()
    weekdays_only: bool = False  # nor on public holidays


class Maintenance(DatedData, frozen=True, kw_only=True, rename={"begin": "from", "end": "to"}):
    begin: datetime  # local time of the city
    end: datetime


class Fee(DatedData, frozen=True, kw_only=True, rename={"since": "from"}):
    since: date
    yen: Annotated[int, Meta(ge=0, le=10_000, multiple_of=10)]  # a copy, to be paid in coins


class Issuer(DatedData, frozen=True, kw_only=True, rename={"since": "from"}):
    since: date
    name: Text  # as printed: office, a full-width space, name

    @property
    def office(self) -> str:
        return self.name.partition("\u3000")[0]

    @property
    def officer(self) -> str:
        return self.name.partition("\u3000")[2]

    @property
    def stamp(self) -> str:
        """The letters of the office's seal."""
        return f"{self.office}之印"


class Eligibility(DatedData, frozen=True, kw_only=True, rename={"since": "from"}):
    """Who can use the machine, and from when after something was filed at a counter."""

    since: date
    minimum_age: Annotated[int, Meta(ge=0, le=99)]
    # after the working day that takes a filing up
    processing_days: Annotated[int, Meta(ge=0, le=30)]
    # beside weekends and public holidays
    office_closed: tuple[ClosedDays, ...] = ()
    # 継続利用手続, from the day of moving in
    continuation_days: Annotated[int, Meta(ge=1, le=366)] = 90
    # a notice of one member stops the residence certificates of all
    notice_blocks_household: bool = False


class Phones(DatedData, frozen=True, kw_only=True, rename={"since": "from"}):
    """Whether phones are taken in place of the card, from that day on."""

    since: date
    taken: bool


class Office(DatedData, frozen=True, kw_only=True, rename={"since": "from"}):
    """A place to go, from that day on."""

    since: date
    office: Names
    phone: Text
    hours: Names


class Certificate(DatedData, frozen=True, kw_only=True, rename={"since": "from"}):
    """A certificate on offer, from `since` to `until`. What changes in it beside its fee is a new
    entry of its kind.
    """

    kind: Key
    form: FormName
    since: date
    until: date | None = None
    title: Names
    printed: Text  # title on the paper
    fees: tuple[Fee, ...]
    hours: tuple[Hours, ...] = ()  # own hours, when shorter than the city's
    copies: Annotated[int, Meta(ge=1, le=10)]
    statement: dict[Case, Text]
    subtitle: dict[Case, Text] = {}  # with {fiscal}, {calendar} or {income} for the chosen year
    notes: tuple[Text, ...] = ()
    # juminhyo
    rows: tuple[RowKey, ...] = ()  # printed for everybody
    fields: tuple[Field, ...] = ()  # printed when chosen
    others: bool = True  # whether members of the household can be shown
    # inkan
    seal_mm: Annotated[float, Meta(ge=8, le=25)] = 18.0
    # kazei
    fiscal_year_begins: MonthDay = "06-15"  # from this day on the year's own certificate
    years: Annotated[int, Meta(ge=1, le=5)] = 2  # how many of the latest
    # heading -> rows of the record; all of them when empty
    amounts: dict[Text, tuple[Text, ...]] = {}

    def holds_on(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day <= self.until)

    def fiscal_years(self, day: date) -> range:
        """The years on offer, latest first: the newest begins in the middle of June."""
        latest = day.year
        if day.strftime("%m-%d") < self.fiscal_year_begins:
            latest -= 1
        return range(latest, latest - self.years, -1)

    def texts_on_paper(self) -> Iterator[str]:
        """All texts of this certificate that go onto paper."""
        yield self.printed
        yield from self.statement.values()
        yield from _plain(self.subtitle.values())
        yield from self.notes
        for heading, labels in self.amounts.items():
            yield heading
            yield from labels


class Municipality(DatedData, frozen=True, kw_only=True):
    code: Annotated[str, Meta(pattern=r"^\d{6}\Z")]  # 全国地方公共団体コード
    name: Names
    challenge_s: Annotated[int, Meta(ge=30, le=86_400)]
    session_s: Annotated[int, Meta(ge=60, le=86_400)]
    verification: Text
    verification_page: Address  # what the code on each sheet opens
    issuers: tuple[Issuer, ...]
    hours: tuple[Hours, ...]
    # of what is signed; kiosks can refuse an earlier one
    edition: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    holidays: tuple[date, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    eligibility: tuple[Eligibility, ...]
    certificates: tuple[Certificate, ...]
    phones: tuple[Phones, ...] = ()  # none: no phone is taken
    contacts: dict[Key, tuple[Office, ...]]
    refusal_contacts: dict[Key, Key]

    def offered(self, day: date) -> tuple[Certificate, ...]:
        """Certificates this city issues on that day."""
        return tuple(certificate for certificate in self.certificates if certificate.holds_on(day))

    def takes_phones(self, day: date) -> bool:
        begun = [entry for entry in self.phones if entry.since <= day]
        return bool(begun) and current(begun, day).taken

    def contacts_on(self, day: date) -> dict[str, Contact]:
        """The places to go that day, by subject."""
        known: dict[str, Contact] = {}
        for subject, offices in self.contacts.items():
            begun = [office for office in offices if office.since <= day]
            if begun:
                at = current(begun, day)
                known[subject] = Contact(office=at.office, phone=at.phone, hours=at.hours)
        return known

    @property
    def places(self) -> dict[Key, Key]:
        """The subject of every cause that a resident can be told."""
        return {cause: self.refusal_contacts.get(cause, ELSE) for cause in CAUSES}

    def printed(self) -> Iterator[tuple[str, str]]:
        """Key and text of all that goes onto paper from here."""
        yield "name.ja", self.name["ja"]
        yield "verification", self.verification
        for n, issuer in enumerate(self.issuers):
            yield f"issuers[{n}].name", issuer.name + issuer.stamp
        for n, certificate in enumerate(self.certificates):
            for text in certificate.texts_on_paper():
                yield f"certificates[{n}] ({certificate.kind})", text

    def working_day(self, day: date, closed: tuple[ClosedDays, ...] = ()) -> bool:
        return (
            day.weekday() < 5
            and day not in self.holidays
            and not any(day in days for days in closed)
        )


def _plain(texts: Iterable[str]) -> Iterator[str]:
    """Without the words of a fiscal year, which are digits and the names of eras."""
    return (re.sub(r"{\w*}", "", text) for text in texts)


class Dated(Protocol):
    @property
    def since(self) -> date: ...


D = TypeVar("D", bound=Dated)


def current(entries: Sequence[D], day: date) -> D:
    """The entry that holds on that day. Raises LookupError before the first."""
    begun = [entry for entry in entries if entry.since <= day]
    if not begun:
        raise LookupError(f"nothing holds yet on {day}")
    return max(begun, key=attrgetter("since"))


# -- reading ---------------------------------------------------------------------------------------


def load(path: Path) -> Municipality:
    """Raises ConfigError: one line with the file and the line (no TOML) or the key (no
    such city).
    """
    try:
        city = msgspec.toml.decode(path.read_bytes(), type=Municipality)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if fault := next(_faults(city), None):
        raise ConfigError(f"{path}: {fault}")
    return city


def _faults(city: Municipality) -> Iterator[str]:
    """What the types cannot say."""
    if not city.certificates:
        yield "certificates: none"
        return
    first = min(certificate.since for certificate in city.certificates)
    yield from _dated("issuers", city.issuers, first)
    yield from _dated("hours", city.hours, first)
    yield from _dated("eligibility", city.eligibility, first)
    yield from _hours("hours", city.hours)
    for n, window in enumerate(city.maintenance):
        if (window.begin.tzinfo is None) is not (window.end.tzinfo is None):
            yield f"maintenance[{n}]: both times with a zone, or neither"
        elif window.begin >= window.end:
            yield f"maintenance[{n}]: ends before it begins"
    for n, certificate in enumerate(city.certificates):
        yield from _certificate(f"certificates[{n}] ({certificate.kind})", certificate)
    yield from _periods(city.certificates)
    amounts: set[str] = set()
    for certificate in city.certificates:
        for labels in certificate.amounts.values():
            amounts.update(labels)
    if len(amounts) > MOST_AMOUNTS:
        yield f"certificates.amounts: more than {MOST_AMOUNTS} labels over all entries"
    yield from _places(city, first)
    yield from _japanese("name", city.name)


def _dated(key: str, entries: Sequence[Dated], first: date) -> Iterator[str]:
    """One entry a day, and one on the first day."""
    days = [entry.since for entry in entries]
    if len(set(days)) != len(days):
        yield f"{key}: two entries from one day"
    if not days or min(days) > first:
        yield f"{key}: nothing holds yet on {first}, the first day of a certificate"


def _hours(key: str, table: tuple[Hours, ...]) -> Iterator[str]:
    for n, hours in enumerate(table):
        if hours.opens >= hours.closes:
            yield f"{key}[{n}]: closes before it opens"
        if hours.opens.tzinfo or hours.closes.tzinfo:
            yield f"{key}[{n}]: a time with a zone"


def _certificate(key: str, certificate: Certificate) -> Iterator[str]:
    yield from _dated(f"{key}.fees", certificate.fees, certificate.since)
    yield from _hours(f"{key}.hours", certificate.hours)
    if certificate.hours:
        yield from _dated(f"{key}.hours", certificate.hours, certificate.since)
    if certificate.until is not None and certificate.until < certificate.since:
        yield f"{key}.until: before its first day"
    if not certificate.subtitle.keys() <= STATEMENTS[certificate.form]:
        yield f"{key}.subtitle: for {', '.join(sorted(STATEMENTS[certificate.form]))} alone"
    year_words = YEAR_WORDS if certificate.form == "kazei" else ()
    for text in certificate.subtitle.values():
        if not set(re.findall(r"{([^}]*)}?", text)) <= set(year_words):
            words = ", ".join(f"{{{word}}}" for word in YEAR_WORDS)
            yield f"{key}.subtitle: {words} stand for words of a fiscal year, no others"
    if certificate.statement.keys() != STATEMENTS[certificate.form]:
        yield f"{key}.statement: needs exactly {', '.join(sorted(STATEMENTS[certificate.form]))}"
    shown = [*certificate.rows, *(row for field in certificate.fields for row in FIELD_ROWS[field])]
    if (certificate.form == "juminhyo") is not bool(certificate.rows):
        yield f"{key}.rows: for the form juminhyo, and needed there"
    if len(set(shown)) != len(shown):
        yield f"{key}.rows: a row twice, or chosen and always printed"
    yield from _japanese(f"{key}.title", certificate.title)
    if certificate.printed != certificate.title.get("ja", certificate.printed):
        yield f"{key}.printed: not title.ja, so that every kiosk would refuse the sheets"
    if (certificate.form == "inkan") is not (OF_A_SEAL in certificate.printed):
        yield (
            f"{key}.printed: {OF_A_SEAL} stands in the title of the form inkan and of no "
            "other, or no kiosk takes it"
        )


def _periods(certificates: Sequence[Certificate]) -> Iterator[str]:
    """One kind is offered once a day."""
    for kind in dict.fromkeys(certificate.kind for certificate in certificates):
        entries = sorted(
            (certificate for certificate in certificates if certificate.kind == kind),
            key=attrgetter("since"),
        )
        for earlier, later in pairwise(entries):
            if earlier.until is None or earlier.until >= later.since:
                yield f"certificates ({kind}): two entries hold on one day"
                break


def _places(city: Municipality, first: date) -> Iterator[str]:
    if ELSE not in city.contacts:
        yield f"contacts.{ELSE}: missing; refusals without a contact of their own go there"
    for cause, subject in city.refusal_contacts.items():
        if cause not in CAUSES:
            yield f"refusal_contacts.{cause}: no such cause"
        if subject not in city.contacts:
            yield f"refusal_contacts.{cause}: no contact {subject!r}"
    for subject, offices in city.contacts.items():
        yield from _dated(f"contacts.{subject}", offices, first)
        for office in offices:
            yield from _japanese(f"contacts.{subject}.office", office.office)
            yield from _japanese(f"contacts.{subject}.hours", office.hours)


def _japanese(key: str, names: Names) -> Iterator[str]:
    if not names.get("ja"):
        yield f"{key}.ja: missing"
