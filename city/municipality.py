"""A city as data: certificates, hours, fees, eligibility, contacts, each with the day from which it holds.

`data/akashi.toml` is an example, `docs/city.md` explains every key. Codes, lengths and ranges are in the types; what
one entry says about another is checked by `_faults`: a file with a mistake is refused at start, with its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct

from city.config import ConfigError
from firmware.link.messages import Contact, Key, Localized, RefusalCode, Text
from firmware.link.refusals import LINE

MonthDay = Annotated[str, Meta(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\Z")]
Names = Localized  # Japanese must be there
# Rows of a person's box on a certificate of residence, in the order of the form (`city.composition.LINES`).
RowKey = Literal[
    "birth", "sex", "relationship", "resident-since", "settled", "notified", "previous-address", "domicile",
    "domicile-head", "nationality", "residence-status", "residence-period", "residence-until", "residence-card",
    "mynumber",
]  # fmt: skip
# What a resident can be asked to have printed, and the rows behind it. The kiosk has words for these fields only.
Field = Literal["relationship", "domicile", "residence", "mynumber"]
FIELD_ROWS: Final[dict[Field, tuple[RowKey, ...]]] = {
    "relationship": ("relationship",),  # and the head of the household
    "domicile": ("domicile", "domicile-head"),
    "residence": ("nationality", "residence-status", "residence-period", "residence-until", "residence-card"),
    "mynumber": ("mynumber",),
}
Form = Literal["juminhyo", "inkan", "kazei"]
OF_A_SEAL: Final = "印鑑"  # kiosks look for the imprint on what is called so, and for none on anything else
STATEMENTS: Final[dict[Form, frozenset[str]]] = {
    "juminhyo": frozenset({"household", "part"}),
    "inkan": frozenset({"seal"}),
    "kazei": frozenset({"tax"}),
}

ELSE: Final = "resident"  # the contact for causes without one of their own
# Causes of the kiosk's own for which there is a place to go; the city's own are its refusal codes.
KIOSK_CAUSES: Final = (
    "pin-locked", "pin-kept", "not-mynumber", "no-certificate", "card-unsupported", "card-unreadable", "card-reader",
    "line-down", "printer", "coins", "document-rejected", "print-failed", "change-owed",
)  # fmt: skip
CAUSES: Final = (*(code.value for code in RefusalCode if code not in LINE), "protocol-error", *KIOSK_CAUSES)


class Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all tables."""


class Closed(Entry, frozen=True, kw_only=True, rename={"begin": "from", "end": "to"}):
    """Days of every year, both included; may run over New Year."""

    begin: MonthDay
    end: MonthDay

    def __contains__(self, day: date) -> bool:
        at = day.strftime("%m-%d")
        return self.begin <= at <= self.end if self.begin <= self.end else not self.end < at < self.begin


class Hours(Entry, frozen=True, kw_only=True, rename={"since": "from"}):
    since: date
    opens: time
    closes: time
    closed: tuple[Closed, ...] = ()
    weekdays_only: bool = False  # nor on public holidays


class Maintenance(Entry, frozen=True, kw_only=True, rename={"begin": "from", "end": "to"}):
    begin: datetime  # local time of the city
    end: datetime


class Fee(Entry, frozen=True, kw_only=True, rename={"since": "from"}):
    since: date
    yen: Annotated[int, Meta(ge=0, le=10_000)]  # a copy


class Issuer(Entry, frozen=True, kw_only=True, rename={"since": "from"}):
    since: date
    name: Text  # as printed: office, a full-width space, name


class Eligibility(Entry, frozen=True, kw_only=True, rename={"since": "from"}):
    """Who can use the machine, and from when after something was filed at a counter."""

    since: date
    minimum_age: Annotated[int, Meta(ge=0, le=99)]
    processing_days: Annotated[int, Meta(ge=0, le=30)]  # after the working day that takes a filing up
    office_closed: tuple[Closed, ...] = ()  # beside weekends and public holidays
    continuation_days: Annotated[int, Meta(ge=1, le=366)] = 90  # 継続利用手続, from the day of moving in
    notice_blocks_household: bool = False  # a notice of one member stops the residence certificates of all


class Office(Entry, frozen=True, kw_only=True, rename={"since": "from"}):
    """A place to go, from that day on."""

    since: date
    office: Names
    phone: Text
    hours: Names


class Certificate(Entry, frozen=True, kw_only=True, rename={"since": "from"}):
    """A certificate on offer, from `since` to `until`. What changes in it beside its fee is a new entry of its kind."""

    kind: Key
    form: Form
    since: date
    until: date | None = None
    title: Names
    printed: Text  # title on the paper
    fees: tuple[Fee, ...]
    hours: tuple[Hours, ...] = ()  # own hours, when shorter than the city's
    copies: Annotated[int, Meta(ge=1, le=10)]
    statement: dict[Literal["household", "part", "seal", "tax"], Text]  # by case of the document
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
    amounts: dict[Text, tuple[Text, ...]] = {}  # heading -> rows of the record; all of them when empty


class Municipality(Entry, frozen=True, kw_only=True):
    code: Annotated[str, Meta(pattern=r"^\d{6}\Z")]  # 全国地方公共団体コード
    name: Names
    challenge_s: Annotated[int, Meta(ge=30, le=86_400)]
    session_s: Annotated[int, Meta(ge=60, le=86_400)]
    verification: Text
    issuers: tuple[Issuer, ...]
    hours: tuple[Hours, ...]
    holidays: tuple[date, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    eligibility: tuple[Eligibility, ...]
    certificates: tuple[Certificate, ...]
    contacts: dict[Key, tuple[Office, ...]]
    refusal_contacts: dict[Key, Key]

    def offered(self, day: date) -> tuple[Certificate, ...]:
        """Certificates this city issues on that day."""
        return tuple(c for c in self.certificates if c.since <= day and (c.until is None or day <= c.until))

    def contacts_on(self, day: date) -> dict[str, Contact]:
        """The places to go that day, by subject."""
        begun = {subject: [o for o in offices if o.since <= day] for subject, offices in self.contacts.items()}
        known = {subject: current(offices, day) for subject, offices in begun.items() if offices}
        return {subject: Contact(office=at.office, phone=at.phone, hours=at.hours) for subject, at in known.items()}

    @property
    def places(self) -> dict[Key, Key]:
        """The subject of every cause that a resident can be told."""
        return {cause: self.refusal_contacts.get(cause, ELSE) for cause in CAUSES}

    def printed(self) -> Iterator[tuple[str, str]]:
        """Key and text of all that goes onto paper from here."""
        yield from (("name.ja", self.name["ja"]), ("verification", self.verification))
        yield from ((f"issuers[{n}].name", issuer.name) for n, issuer in enumerate(self.issuers))
        for n, c in enumerate(self.certificates):
            labels = (label for heading, labels in c.amounts.items() for label in (heading, *labels))
            texts = (c.printed, *c.statement.values(), *c.notes, *labels)
            yield from ((f"certificates[{n}] ({c.kind})", text) for text in texts)

    def working_day(self, day: date, closed: tuple[Closed, ...] = ()) -> bool:
        return day.weekday() < 5 and day not in self.holidays and not any(day in days for days in closed)


class Dated(Protocol):
    @property
    def since(self) -> date: ...


D = TypeVar("D", bound=Dated)


def current(entries: Sequence[D], day: date) -> D:
    """The entry that holds on that day. Raises LookupError before the first."""
    begun = [entry for entry in entries if entry.since <= day]
    if not begun:
        raise LookupError(f"nothing holds yet on {day}")
    return max(begun, key=lambda entry: entry.since)


# -- reading ------------------------------------------------------------------------------------------------------


def load(path: Path) -> Municipality:
    """Raises ConfigError: one line with the file and the line (no TOML) or the key (no such city)."""
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
    first = min((c.since for c in city.certificates), default=None)
    if first is None:
        yield "certificates: none"
        return
    for key, table in (("issuers", city.issuers), ("hours", city.hours), ("eligibility", city.eligibility)):
        yield from _dated(key, table, first)
    yield from _hours("hours", city.hours)
    for n, window in enumerate(city.maintenance):
        if (window.begin.tzinfo is None) is not (window.end.tzinfo is None):
            yield f"maintenance[{n}]: both times with a zone, or neither"
        elif window.begin >= window.end:
            yield f"maintenance[{n}]: ends before it begins"
    for n, certificate in enumerate(city.certificates):
        yield from _certificate(f"certificates[{n}] ({certificate.kind})", certificate)
    yield from _periods(city.certificates)
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
        yield f"{key}.printed: {OF_A_SEAL} stands in the title of the form inkan and of no other, or no kiosk takes it"


def _periods(certificates: Sequence[Certificate]) -> Iterator[str]:
    """One kind is offered once a day."""
    for kind in dict.fromkeys(c.kind for c in certificates):
        entries = sorted((c for c in certificates if c.kind == kind), key=lambda c: c.since)
        if any(a.until is None or a.until >= b.since for a, b in pairwise(entries)):
            yield f"certificates ({kind}): two entries hold on one day"


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
