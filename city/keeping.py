"""How long a city keeps what, and what it publishes: data of the city, with its reasons.

A period has no default: where the city says nothing, nothing is deleted.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta
from msgspec.structs import asdict

from city.entries import DatedData, Names
from firmware.link.base import Text

FIRST_MONTH_OF_A_FISCAL_YEAR: Final = 4
EARLIEST: Final = date(2000, 1, 1)  # nothing here is older


class Counted(StrEnum):
    """Where a period begins: on the day itself, or, as with public records (起算日), on the first
    day of the next fiscal year.
    """

    DAY = "day"
    FISCAL_YEAR = "fiscal-year"


class Period(DatedData, frozen=True, kw_only=True):
    """How long, and why."""

    months: Annotated[int, Meta(ge=1, le=1800)]
    counted: Counted = Counted.DAY
    reason: Names
    source: Text  # the law, ordinance or rule

    def cutoff(self, today: date) -> date:
        """What ended before this day is over its period today."""
        if self.counted is Counted.DAY:
            return months_before(today, self.months)
        latest = months_before(today, self.months)
        year = latest.year - (latest.month < FIRST_MONTH_OF_A_FISCAL_YEAR)
        return date(year, FIRST_MONTH_OF_A_FISCAL_YEAR, 1)


class Retention(DatedData, frozen=True, kw_only=True):
    """A period for each key of `city/retention/holdings.toml`."""

    journeys: Period
    holders: Period
    cases: Period
    log: Period
    archives: Period
    # a run whose clock is further ahead of the run before wants a person
    gap_days: Annotated[int, Meta(ge=1, le=60)] = 7

    def periods(self) -> dict[str, Period]:
        return {name: value for name, value in asdict(self).items() if isinstance(value, Period)}

    def faults(self) -> Iterator[str]:
        """What the types cannot say."""
        for name, period in self.periods().items():
            if not period.source.strip() or not period.reason.get("ja", "").strip():
                yield f"retention.{name}: a reason in Japanese and a source are wanted"
        if self.holders.months > self.journeys.months:
            yield "retention.holders: longer than retention.journeys, with which it ends anyway"
        if self.log.months < MONTHS_PUBLISHED:
            yield f"retention.log: months: at least {MONTHS_PUBLISHED}; figures are made of it"


class Publication(DatedData, frozen=True, kw_only=True):
    """The public figures. A number from 1 to `hidden_below` - 1 is not told."""

    hidden_below: Annotated[int, Meta(ge=3, le=100)]
    contact: Names


MONTHS_PUBLISHED: Final = 3  # of the log, so that a month can be counted after its end


def months_before(day: date, months: int) -> date:
    """The same day of the month; its last day where there is no such day."""
    count = day.year * 12 + day.month - 1 - months
    year, month = divmod(count, 12)
    if year < EARLIEST.year:
        return EARLIEST
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
