"""Public holidays of Japan: calculated by a library, corrected by the city.

The state announces a year's holidays in the February before; the library knows the law and
calculates the equinoxes. Therefore a city says until when it has compared the two
(`checked_until`), and enters what differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Final

from holidays.countries.japan import Japan
from msgspec import Struct

# The library's table of the equinoxes ends here.
LAST_YEAR: Final = Japan.end_year


class PublicHolidays(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """国民の祝日・休日."""

    # compared with the state's announcement up to this day
    checked_until: date
    added: tuple[date, ...] = ()
    removed: tuple[date, ...] = ()

    def __contains__(self, day: object) -> bool:
        if not isinstance(day, date):
            return False
        return day in self.added or (day in _calculated(day.year) and day not in self.removed)

    def faults(self) -> Iterator[str]:
        """What contradicts the library, or lies beyond its end."""
        if self.checked_until.year > LAST_YEAR:
            yield f"holidays.checked_until: public holidays are calculated until {LAST_YEAR} only"
        for day in self.added:
            if day in _calculated(day.year):
                yield f"holidays.added: {day} is a public holiday anyway"
        for day in self.removed:
            if day not in _calculated(day.year):
                yield f"holidays.removed: {day} is no public holiday"


@cache
def _calculated(year: int) -> frozenset[date]:
    return frozenset(Japan(years=year, expand=False)) if year <= LAST_YEAR else frozenset()
