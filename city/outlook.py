"""What a city's data says of a day, what changes in the days after it, and what is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final

from city.calendars import Calendar, Spans, clock
from city.clock import JST
from city.entries import current
from city.municipality import Municipality
from city.opening import open_spans, opening
from city.rules import TAX_REFUSALS, fee
from city.vocabulary import ELSE, USUAL_TITLES

AHEAD_DAYS: Final = 400
ANNOUNCED_MONTH: Final = 2  # in which the state announces the holidays of the next year
RECORD: Final = "kiosk city words, kiosk voice --words"
NO_PHONE: Final = "000"  # a number that begins so is a gap that somebody left


def sites(city: Municipality) -> Mapping[str, Municipality]:
    """The city as each of its sites sees it; without sites, once under ""."""
    return {key: city.at(key) for key in city.sites} or {"": city}


# -- what holds ------------------------------------------------------------------------------------


def holding(city: Municipality, now: datetime) -> Iterator[str]:
    """What holds at `now`: one line for the service and for each certificate, at each site."""
    day = now.astimezone(JST).date()
    for site, here in sites(city).items():
        head = f"{site}: " if site else ""
        yield f"{head}service: {_state(here, now)}; {day}: {written(open_spans(here, day))}"
        for each in here.offered(day):
            years = f", fiscal years {_years(each.fiscal_years(day))}" if each.years else ""
            until = each.fee_on(day).until
            price = f"{fee(each, day)} yen" + (f" until {until}" if until else "")
            yield f"{head}{each.kind}: {_state(here, now, each.kind)}, {price}{years}"


def _state(city: Municipality, now: datetime, kind: str = "") -> str:
    when = opening(city, now, kind)
    if when.refusal is None:
        return f"open until {when.closes_at:%Y-%m-%d %H:%M}" if when.closes_at else "open"
    if when.opens_at is None:
        return f"{when.refusal.value}, and no opening in sight"
    return f"{when.refusal.value} until {when.opens_at:%Y-%m-%d %H:%M}"


def written(spans: Spans) -> str:
    """06:30-23:00, or closed."""
    return ", ".join(f"{clock(begin)}-{clock(end)}" for begin, end in spans) or "closed"


def _years(years: tuple[int, ...]) -> str:
    return ", ".join(map(str, years)) or "none"


# -- what changes ----------------------------------------------------------------------------------


def changes(city: Municipality, first: date, days: int = AHEAD_DAYS) -> Iterator[tuple[date, str]]:
    """Day by day, what is otherwise than on the day before, at any of the sites. Weekdays and
    holidays change nothing: what is dated does.
    """
    for site, here in sites(city).items():
        head = f"{site}: " if site else ""
        told = ((day, _dated(here, day)) for day in _following(first, days))
        for (_, before), (day, after) in pairwise(told):
            for key in {**before, **after}:
                if before.get(key) != after.get(key):
                    was, now = before.get(key, "-"), after.get(key, "-")
                    yield day, f"{head}{key}: {was} -> {now}"


def _dated(city: Municipality, day: date) -> dict[str, str]:
    """Everything that a date in the file decides."""
    found = {"issuer": current(city.issuers, day).name} if _begun(city, day) else {}
    for each in city.offered(day):
        found[f"{each.kind}, fee"] = f"{fee(each, day)} yen"
        if each.years:
            found[f"{each.kind}, fiscal years"] = _years(each.fiscal_years(day))
    for key, entries in (("hours", city.hours), ("eligibility", city.eligibility)):
        begun = [entry.since for entry in entries if entry.since <= day]
        found[key] = f"as from {max(begun)}" if begun else "-"
    found["phones"] = "taken" if city.takes_phones(day) else "not taken"
    for subject, at in city.contacts_on(day).items():
        found[f"contact {subject}"] = f"{at.office['ja']} {at.phone}"
    if any(_names_it(hours.calendar, day) for hours in city.hours):
        found["hours of this day"] = written(open_spans(city, day))
    stopped = [stop for stop in city.maintenance if _names_it(stop.calendar, day)]
    found["maintenance"] = (
        "; ".join(" ".join(stop.kinds) or "everything" for stop in stopped) or "none"
    )
    return found


def _names_it(calendar: Calendar, day: date) -> bool:
    """Whether a line has this day by a date, or a range of dates, of one year."""
    words = (days.partition("..") for line in calendar for days in line.days)
    return any(
        first[:4].isdecimal() and first <= day.isoformat() <= (last or first)
        for first, _, last in words
    )


def _begun(city: Municipality, day: date) -> bool:
    return any(issuer.since <= day for issuer in city.issuers)


def _following(first: date, days: int) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range(days + 1))


# -- what is missing -------------------------------------------------------------------------------


def missing(city: Municipality, today: date) -> Iterator[str]:
    """What a file that can be used lacks still, each with its key."""
    announced = date(today.year + (today.month > ANNOUNCED_MONTH), 12, 31)
    if city.holidays.checked_until < announced:
        yield (
            f"holidays.checked_until: {city.holidays.checked_until}; compare the public holidays "
            f"until {announced} with those that the state has announced"
        )
    if city.retention is None:
        yield "retention: missing; nothing that the gateway keeps is ever deleted"
    if city.transparency is None:
        yield "transparency: missing; no figures can be published"
    spoken: set[str] = set()
    for n, each in enumerate(city.certificates):
        if each.until is not None and each.until < today:
            continue
        key = f"certificates[{n}] ({each.kind})"
        if USUAL_TITLES.get(each.kind) != each.printed and each.printed not in spoken:
            spoken.add(each.printed)
            yield f"{key}.title: {each.printed} has to be recorded at the kiosks: {RECORD}"
        if "en" not in each.title:
            yield f"{key}.title.en: missing"
        if each.years:
            newest = max(year.year for year in each.years)
            yield from _years_missing(f"{key}.years", newest, city, each.kind, today)
    at_sites = (line for here in sites(city).values() for line in _contacts(here, today))
    yield from dict.fromkeys(at_sites)


def _years_missing(
    key: str, newest: int, city: Municipality, kind: str, today: date
) -> Iterator[str]:
    gaps = [
        day
        for day in _following(today, AHEAD_DAYS)
        if (each := city.certificate_on(kind, day)) and each.between_years(day)
    ]
    if gaps:
        yield f"{key}: none on {len(gaps)} days from {gaps[0]}, when no certificate is issued"
    if newest < today.year + 1:
        yield f"{key}: when the fiscal year {newest + 1} begins"


def _contacts(city: Municipality, today: date) -> Iterator[str]:
    for subject, at in city.contacts_on(today).items():
        if at.phone.startswith(NO_PHONE):
            yield f"contacts.{subject}.phone: {at.phone} is nobody's number"
        for name, texts in (("office", at.office), ("hours", at.hours)):
            if "en" not in texts:
                yield f"contacts.{subject}.{name}.en: missing"
    if any(each.form == "kazei" for each in city.certificates):
        for code in dict.fromkeys(filter(None, TAX_REFUSALS.values())):
            if city.places[code.value] == ELSE:
                yield f"refusal_contacts.{code.value}: goes to {ELSE}, as no place is named"
