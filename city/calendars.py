"""When something is open: an ordered list of days and times, of which the first that fits a day
holds.

The same type says when the city's service, a site, a certificate and the offices work, and when
maintenance stops something. `docs/city.md` lists the words for days.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Final

from msgspec import Meta, Struct

from city.public_holidays import PublicHolidays

DAY: Final = 24 * 60  # minutes
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Long enough for each weekday to be the nth of a month, a holiday and 29 February.
SAMPLE_FIRST: Final = date(2024, 1, 1)
SAMPLE_LAST: Final = date(2030, 12, 31)
COUNTS: Final = ("1st", "2nd", "3rd", "4th", "5th", "last")
EVERY_DAY: Final = "every-day"
_WEEKDAY = f"({'|'.join(WEEKDAYS)})"
_MONTH_DAY = r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_DATE = rf"\d{{4}}-{_MONTH_DAY}"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"

Days = Annotated[
    str,
    Meta(
        pattern=rf"^({EVERY_DAY}|weekdays|holidays|holiday-eves|(({'|'.join(COUNTS)}) )?{_WEEKDAY}"
        rf"|{_MONTH_DAY}(\.\.{_MONTH_DAY})?|{_DATE}(\.\.{_DATE})?)\Z"
    ),
]
Times = Annotated[str, Meta(pattern=rf"^{_CLOCK}-({_CLOCK}|24:00)\Z")]
Span = tuple[int, int]  # minutes since midnight: the first inside, the first after
Spans = tuple[Span, ...]  # of one day, in order, none touches another


class Line(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """On these days at these times; without times, not at all."""

    days: Annotated[tuple[Days, ...], Meta(min_length=1)]
    times: tuple[Times, ...]


Calendar = tuple[Line, ...]


def spans_of(calendar_: Calendar, day: date, holidays: PublicHolidays) -> Spans:
    """The times of the first line that fits; a day that no line names has none."""
    for line in calendar_:
        if any(_fits(days, day, holidays) for days in line.days):
            return united(map(_span, line.times))
    return ()


def faults(key: str, calendar_: Calendar, holidays: PublicHolidays) -> Iterator[str]:
    """What the types cannot say, each with its key."""
    if fault := next(_line_faults(key, calendar_), None):
        yield fault
        return
    for n, days in idle(calendar_, holidays):
        yield f"{key}[{n}].days: {days} never holds, because lines before it hold on all these days"


def _line_faults(key: str, calendar_: Calendar) -> Iterator[str]:
    known: dict[str, int] = {}
    for n, line in enumerate(calendar_):
        for days in line.days:
            if days in known:
                yield f"{key}[{n}].days: {days} is in {key}[{known[days]}] already"
            known[days] = n
            yield from _days_faults(f"{key}[{n}].days", days)
        spans = [_span(times) for times in line.times]
        if any(begin >= end for begin, end in spans):
            yield f"{key}[{n}].times: closes before it opens"
        if any(earlier[1] >= later[0] for earlier, later in pairwise(spans)):
            yield f"{key}[{n}].times: one after the other, with time between them"


def _days_faults(key: str, days: str) -> Iterator[str]:
    if not days[0].isdecimal() or " " in days:
        return
    # 2000 was a leap year: 02-29 is a day of every fourth year.
    ends = [end if len(end) > 5 else f"2000-{end}" for end in days.split("..")]
    try:
        whole = [date.fromisoformat(end) for end in ends]
    except ValueError:
        yield f"{key}: {days} is no day"
        return
    if len(days) > len("12-29..01-03") and whole[0] > whole[-1]:
        yield f"{key}: {days} ends before it begins"


@lru_cache(maxsize=256)
def idle(calendar_: Calendar, holidays: PublicHolidays) -> tuple[tuple[int, str], ...]:
    """The words for days, and the number of their line, on all of whose days an earlier line holds
    already: whoever wrote them wanted something that does not happen.
    """
    found = []
    for n, line in enumerate(calendar_):
        earlier = [word for each in calendar_[:n] for word in each.days]
        for word in line.days:
            days = [day for day in _days_of(word) if _fits(word, day, holidays)]
            if days and all(any(_fits(e, day, holidays) for e in earlier) for day in days):
                found.append((n, word))
    return tuple(found)


def _days_of(word: str) -> Iterable[date]:
    """Among these are days of every kind that a word can name."""
    first, _, last = word.partition("..")
    if len(first) == len("2026-12-29"):
        begin, end = date.fromisoformat(first), date.fromisoformat(last or first)
    else:
        begin, end = SAMPLE_FIRST, SAMPLE_LAST
    return (begin + timedelta(days=n) for n in range((end - begin).days + 1))


# -- does a word fit a day? ------------------------------------------------------------------------


def _fits(days: str, day: date, holidays: PublicHolidays) -> bool:
    match days:
        case "every-day":
            return True
        case "weekdays":
            return day.weekday() < 5 and day not in holidays
        case "holidays":
            return day in holidays
        case "holiday-eves":
            return day + timedelta(days=1) in holidays
    if days in WEEKDAYS:
        return days == WEEKDAYS[day.weekday()]
    if " " in days:
        return _is_nth(days, day)
    first, _, last = days.partition("..")
    return _between(first, last or first, day)


def _is_nth(days: str, day: date) -> bool:
    count, _, weekday = days.partition(" ")
    if weekday != WEEKDAYS[day.weekday()]:
        return False
    if count == "last":
        return day.day + 7 > calendar.monthrange(day.year, day.month)[1]
    return (day.day - 1) // 7 == COUNTS.index(count)


def _between(first: str, last: str, day: date) -> bool:
    """Dates, or days of every year that may run over New Year."""
    at = day.isoformat()[-len(first) :]
    if first <= last:
        return first <= at <= last
    return at >= first or at <= last


# -- times of a day --------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _span(times: str) -> Span:
    begin, _, end = times.partition("-")
    return _minutes(begin), _minutes(end)


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def clock(minutes: int) -> str:
    """HH:MM; midnight at the end of the day is 24:00."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def united(spans: Iterable[Span]) -> Spans:
    """What any of them has."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return tuple(found)


def common(some: Spans, others: Spans) -> Spans:
    """What both have."""
    pairs = ((max(a[0], b[0]), min(a[1], b[1])) for a in some for b in others)
    return tuple(sorted((begin, end) for begin, end in pairs if begin < end))


def without(some: Spans, taken: Spans) -> Spans:
    """What `some` has and `taken` has not. `taken` is as `united` makes it."""
    edges = [0, *(edge for span in taken for edge in span), DAY]
    free = tuple(zip(edges[::2], edges[1::2], strict=True))
    return common(some, free)


def within(spans: Spans, minute: int) -> Span | None:
    """The span that this minute is in."""
    return next((span for span in spans if span[0] <= minute < span[1]), None)


def any_day(calendar_: Calendar, days: Sequence[date], holidays: PublicHolidays) -> bool:
    """Whether one of these days has times."""
    return any(spans_of(calendar_, day, holidays) for day in days)
