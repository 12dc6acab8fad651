"""When the service, or one of its certificates, is open: pure functions of the city's data and the
time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from city.calendars import DAY, Spans, clock, common, spans_of, united, within, without
from city.clock import JST
from city.entries import Hours, current
from city.municipality import Municipality
from firmware.link import messages
from firmware.link.messages import RefusalCode

LOOK_AHEAD_DAYS: Final = 400  # what opens later than that is told without a day


@dataclass(frozen=True)
class Opening:
    """Open (no refusal) until `closes_at`, or closed until `opens_at`; None when no such moment is
    in sight.
    """

    refusal: RefusalCode | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None


def opening(city: Municipality, now: datetime, kind: str = "") -> Opening:
    """Whether the service, or this certificate of it, is open at `now` (with zone)."""
    now = now.astimezone(JST)
    today, minute = now.date(), now.hour * 60 + now.minute
    span = within(open_spans(city, today, kind), minute)
    if span is None:
        return Opening(_cause(city, today, minute, kind), opens_at=_next(city, now, kind))
    return Opening(closes_at=_end(city, today, span[1], kind))


def open_spans(city: Municipality, day: date, kind: str = "") -> Spans:
    """When it is open that day."""
    spans = _by(city.hours, city, day)
    if kind:
        certificate = city.certificate_on(kind, day)
        if certificate is None or certificate.between_years(day):
            return ()
        if certificate.hours:
            spans = common(spans, _by(certificate.hours, city, day))
    return without(spans, _stopped(city, day, kind))


def hours_of(city: Municipality, now: datetime) -> messages.Hours | None:
    """From when until when the service is open today; None: not at all, or all day. With several
    times a day, those that hold or come next. Maintenance has its own words.
    """
    now = now.astimezone(JST)
    spans = _by(city.hours, city, now.date())
    minute = now.hour * 60 + now.minute
    span = next((span for span in spans if minute < span[1]), spans[-1] if spans else None)
    if span is None or span == (0, DAY):
        return None
    return messages.Hours(opens=clock(span[0]), closes=clock(span[1] % DAY))


def _by(table: Sequence[Hours], city: Municipality, day: date) -> Spans:
    try:
        hours = current(table, day)
    except LookupError:  # not yet
        return ()
    return spans_of(hours.calendar, day, city.holidays)


def _stopped(city: Municipality, day: date, kind: str) -> Spans:
    stops = [stop.calendar for stop in city.maintenance if stop.stops(kind)]
    return united(span for stop in stops for span in spans_of(stop, day, city.holidays))


def _cause(city: Municipality, day: date, minute: int, kind: str) -> RefusalCode:
    if within(_stopped(city, day, kind), minute):
        return RefusalCode.MAINTENANCE
    certificate = city.certificate_on(kind, day) if kind else None
    if certificate and certificate.between_years(day):
        return RefusalCode.YEAR_NOT_YET
    return RefusalCode.CLOSED


def _next(city: Municipality, now: datetime, kind: str) -> datetime | None:
    begins = (
        _at(day, begin) for day in _days(now.date()) for begin, _ in open_spans(city, day, kind)
    )
    return next((at for at in begins if at > now), None)


def _end(city: Municipality, day: date, minute: int, kind: str) -> datetime | None:
    """Where it closes: not at midnight when the next day begins open. None when it never does."""
    if minute < DAY:
        return _at(day, minute)
    for later in _days(day + timedelta(days=1)):
        span = within(open_spans(city, later, kind), 0)
        if span is None:
            return _at(later, 0)
        if span[1] < DAY:
            return _at(later, span[1])
    return None


def _days(first: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range(LOOK_AHEAD_DAYS))


def _at(day: date, minute: int) -> datetime:
    return datetime.combine(day, time(minute // 60, minute % 60), JST)
