"""A city as data: hours, fees, certificates, contacts, each with the day from which it holds. See data/akashi.toml."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct

from city.config import ConfigError
from firmware.link.messages import Contact, Key

MonthDay = Annotated[str, Meta(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
Text = dict[str, str]


class Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all tables."""


class Closed(Entry, frozen=True, kw_only=True, rename={"begin": "from", "end": "to"}):
    """Days of every year, both included; may run over New Year."""

    begin: MonthDay
    end: MonthDay


class Hours(Entry, frozen=True, kw_only=True, rename={"since": "from"}):
    since: date
    opens: time
    closes: time
    closed: tuple[Closed, ...] = ()
    weekdays_only: bool = False


class Maintenance(Entry, frozen=True, kw_only=True, rename={"begin": "from", "end": "to"}):
    begin: datetime  # local time of the city
    end: datetime


class Fee(Entry, frozen=True, kw_only=True, rename={"since": "from"}):
    since: date
    yen: int


class Issuer(Entry, frozen=True, kw_only=True, rename={"since": "from"}):
    since: date
    name: str  # as printed


class Certificate(Entry, frozen=True, kw_only=True, rename={"since": "from"}):
    kind: Literal["juminhyo", "inkan", "kazei"]
    since: date
    until: date | None = None
    title: Text
    printed: str  # title on the paper
    fees: tuple[Fee, ...]
    hours: tuple[Hours, ...] = ()  # own hours, when shorter than the city's
    copies: Annotated[int, Meta(ge=1, le=10)]
    statement: dict[str, str]  # by case of the document
    notes: tuple[str, ...] = ()
    seal_mm: float = 18.0
    fiscal_year_begins: MonthDay = "06-15"  # kazei: from this day on the year's own certificate
    years: Annotated[int, Meta(ge=1, le=5)] = 2  # kazei: how many of the latest


class Municipality(Entry, frozen=True, kw_only=True):
    code: Annotated[str, Meta(pattern=r"^\d{6}$")]  # 全国地方公共団体コード
    name: Text
    minimum_age: int
    challenge_s: int
    session_s: int
    verification: str
    issuers: tuple[Issuer, ...]
    hours: tuple[Hours, ...]
    maintenance: tuple[Maintenance, ...] = ()
    certificates: tuple[Certificate, ...]
    contacts: dict[Key, Contact]
    refusal_contacts: dict[str, Key]

    def offered(self, day: date) -> tuple[Certificate, ...]:
        """Certificates this city issues on that day."""
        return tuple(c for c in self.certificates if c.since <= day and (c.until is None or day <= c.until))


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


def load(path: Path) -> Municipality:
    """Raises ConfigError, also for a contact that does not exist or a fee that begins too late."""
    try:
        city = msgspec.toml.decode(path.read_bytes(), type=Municipality)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    for cause, subject in city.refusal_contacts.items():
        if subject not in city.contacts:
            raise ConfigError(f"{path}: refusal_contacts.{cause}: no contact {subject!r}")
    for certificate in city.certificates:
        if min(fee.since for fee in certificate.fees) > certificate.since:
            raise ConfigError(f"{path}: {certificate.kind}: no fee on its first day")
    return city
