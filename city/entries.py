"""The tables of a city's data file. Codes, lengths and ranges are in the types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from operator import attrgetter
from typing import Annotated, Protocol, TypeVar

from msgspec import Meta, Struct

from city.calendars import Calendar
from city.vocabulary import YEARLY, Case, Field, RowKey
from firmware.link.base import Key, Localized, Text
from firmware.link.form_terms import FormName

Names = Localized  # Japanese must be there


class DatedData(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all tables."""


class Site(DatedData, frozen=True, kw_only=True):
    """A place with kiosks: what may differ from place to place names it."""

    name: Names
    kiosks: tuple[Key, ...]


class Sited(DatedData, frozen=True, kw_only=True):
    """An entry that may be limited to some sites; without any it holds at all of them."""

    sites: tuple[Key, ...] = ()


class Hours(Sited, frozen=True, kw_only=True, rename={"since": "from"}):
    """When something is open, from that day on."""

    since: date
    calendar: Calendar


class Maintenance(Sited, frozen=True, kw_only=True):
    """When something is stopped: all of it, or some certificates only."""

    calendar: Calendar
    kinds: tuple[Key, ...] = ()

    def stops(self, kind: str) -> bool:
        """Whether it stops this certificate; "" is the service itself."""
        return not self.kinds or kind in self.kinds


class Fee(DatedData, frozen=True, kw_only=True, rename={"since": "from"}):
    """With `until` a discount: after that day holds again what held before it."""

    since: date
    until: date | None = None
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


class Eligibility(Sited, frozen=True, kw_only=True, rename={"since": "from"}):
    """Who can use the machine, and from when after something was filed at a counter."""

    since: date
    minimum_age: Annotated[int, Meta(ge=0, le=99)]
    # after the working day that takes a filing up
    processing_days: Annotated[int, Meta(ge=0, le=30)]
    # when the offices work: a day without times is no working day
    office: Calendar
    # 継続利用手続, from the day of moving in
    continuation_days: Annotated[int, Meta(ge=1, le=366)] = 90
    # a notice of one member stops the residence certificates of all
    notice_blocks_household: bool = False
    # working days until a notice about a family register (戸籍の届出) is entered
    filing_days: Annotated[int, Meta(ge=0, le=60)] = 7
    # working days until 利用登録 holds; without it nobody who lives elsewhere is served
    registration_days: Annotated[int, Meta(ge=0, le=60)] | None = None


class Phones(Sited, frozen=True, kw_only=True, rename={"since": "from"}):
    """Whether phones are taken in place of the card, from that day on."""

    since: date
    taken: bool


class Office(Sited, frozen=True, kw_only=True, rename={"since": "from"}):
    """A place to go, from that day on."""

    since: date
    office: Names
    phone: Text
    hours: Names


class FiscalYear(DatedData, frozen=True, kw_only=True, rename={"since": "from"}):
    """From when until when the tax certificates of a fiscal year are issued."""

    year: Annotated[int, Meta(ge=2021, le=2099)]
    since: date
    until: date | None = None  # no end yet

    def holds_on(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day <= self.until)


class Certificate(Sited, frozen=True, kw_only=True, rename={"since": "from"}):
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
    not_for: Names = {}  # what it cannot be used for, told before payment
    hours: tuple[Hours, ...] = ()  # own hours, inside the city's
    copies: Annotated[int, Meta(ge=1, le=10)]
    statement: dict[Case, Text]
    subtitle: dict[Case, Text] = {}  # with {fiscal}, {calendar} or {income} for the chosen year
    notes: tuple[Text, ...] = ()
    # juminhyo; `fields` of fuhyo too
    rows: tuple[RowKey, ...] = ()  # printed for everybody
    fields: tuple[Field, ...] = ()  # printed when chosen
    others: bool = True  # whether members of the household can be shown
    # inkan
    seal_mm: Annotated[float, Meta(ge=8, le=25)] = 18.0
    # kazei
    years: tuple[FiscalYear, ...] = ()
    # heading -> rows of the record; all of them when empty
    amounts: dict[Text, tuple[Text, ...]] = {}
    # the amount of which 0円 makes it the case "untaxed"; by case: another title, one note more
    untaxed: Text = ""
    # nozei: which taxes (税目); whether what is unpaid is printed, not refused; whether amounts
    # that an employer collects are printed as asterisks
    taxes: tuple[Text, ...] = ()
    unpaid_shown: bool = False
    masked: bool = False
    # jokyo: whether members of their household have the entries of those who died
    dead: bool = False
    titles: dict[Case, Text] = {}
    remarks: dict[Case, Text] = {}

    def holds_on(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day <= self.until)

    def fee_on(self, day: date) -> Fee:
        """Raises LookupError before the first one."""
        return current([fee for fee in self.fees if fee.until is None or day <= fee.until], day)

    def fiscal_years(self, day: date) -> tuple[int, ...]:
        """The years on offer, latest first: none while the city changes from one to the next."""
        return tuple(sorted((each.year for each in self.years if each.holds_on(day)), reverse=True))

    def between_years(self, day: date) -> bool:
        """Whether nothing can be issued because no year is on offer."""
        return self.form in YEARLY and not self.fiscal_years(day)

    def texts_on_paper(self) -> Iterator[str]:
        """All texts of this certificate that go onto paper."""
        yield self.printed
        yield from self.statement.values()
        yield from _plain(self.subtitle.values())
        yield from self.notes
        yield from self.titles.values()
        yield from self.remarks.values()
        yield from self.taxes
        for heading, labels in self.amounts.items():
            yield heading
            yield from labels


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
