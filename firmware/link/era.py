"""Dates as they are printed in Japan: 令和8年11月24日, 令和元年."""

from __future__ import annotations

from datetime import date
from typing import Final

# First day of each era (the day of the change belongs to the new one). 改元の政令.
ERAS: Final = (
    (date(2019, 5, 1), "令和"),
    (date(1989, 1, 8), "平成"),
    (date(1926, 12, 25), "昭和"),
    (date(1912, 7, 30), "大正"),
    (date(1873, 1, 1), "明治"),  # the Gregorian calendar begins here, in 明治6年
)
FIRST_YEAR: Final = {"明治": 1868}


def year_of(day: date) -> str:
    """令和8年, 令和元年. Raises ValueError before 1873, when the calendar was another."""
    for begin, name in ERAS:
        if day >= begin:
            number = day.year - FIRST_YEAR.get(name, begin.year) + 1
            return f"{name}{'元' if number == 1 else number}年"
    raise ValueError("before the Gregorian calendar")


def written(day: date) -> str:
    """令和8年11月24日. Raises ValueError before 1873."""
    return f"{year_of(day)}{day.month}月{day.day}日"


def western(day: date) -> str:
    """1990年5月14日: birth dates of foreign residents are recorded so."""
    return f"{day.year}年{day.month}月{day.day}日"


def fiscal_year(year: int) -> str:
    """令和8年度, after the era of its first of April (平成31年度 for 2019)."""
    return f"{year_of(date(year, 4, 1))}度"
