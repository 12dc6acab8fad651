"""One question to the rules, and the arithmetic of days that the answers need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from city.clock import JST
from city.entries import Certificate, Eligibility, current
from city.municipality import Municipality
from city.opening import opening
from city.records import File


@dataclass(frozen=True)
class Inquiry:
    """May this person have this certificate today?"""

    city: Municipality
    certificate: Certificate
    today: date
    file: File

    @property
    def terms(self) -> Eligibility:
        return current(self.city.eligibility, self.today)


def usable_from(city: Municipality, filed: date) -> date:
    """The day from which what was filed holds here: so long after the working day that takes
    it up.
    """
    first = min(entry.since for entry in city.eligibility)
    terms = current(city.eligibility, max(filed, first))
    day = filed
    while not city.working_day(day):
        day += timedelta(days=1)
    return day + timedelta(days=terms.processing_days)


def entered_from(city: Municipality, filed: date, working_days: int) -> date:
    """The day from which what was filed is in its register: so many working days after it."""
    day = filed
    while working_days:
        day += timedelta(days=1)
        working_days -= city.working_day(day)
    return day


def opens(city: Municipality, day: date, kind: str = "") -> datetime | None:
    """The first opening, of the service or of a certificate, from that day on."""
    morning = datetime.combine(day, datetime.min.time(), JST)
    when = opening(city, morning, kind)
    return when.opens_at if when.refusal else morning
