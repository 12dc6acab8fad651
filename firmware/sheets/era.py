"""Dates as a certificate prints them.

The kiosk has a table of its own: it checks the city's era (in 大阪 an old one was printed).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

ERAS: Final = (
    ("令和", date(2019, 5, 1)),
    ("平成", date(1989, 1, 8)),
    ("昭和", date(1926, 12, 25)),
)
MAX_YEAR: Final = 2117  # 令和99年: the eras are written with two digits
_WRITTEN: Final = re.compile(r"(令和|平成|昭和)(元|[1-9]\d?)年([1-9]\d?)月([1-9]\d?)日")


def year_of(day: date) -> str:
    """令和8年, 令和元年. Raises ValueError before 昭和."""
    for name, first in ERAS:
        if day >= first:
            number = day.year - first.year + 1
            return f"{name}元年" if number == 1 else f"{name}{number}年"
    raise ValueError("before the eras of this table")


def written(day: date) -> str:
    """令和8年11月24日. Raises ValueError before 昭和."""
    return f"{year_of(day)}{day.month}月{day.day}日"


def read(text: str) -> date:
    """The day that `written` writes so. Raises ValueError for anything else, an era that is over
    included.
    """
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise ValueError("not a date")
    first = dict(ERAS)[match[1]]
    number = 1 if match[2] == "元" else int(match[2])
    day = date(first.year + number - 1, int(match[3]), int(match[4]))
    if written(day) != text:
        raise ValueError("not a day of this era")
    return day


def year_words(year: int) -> Mapping[str, str]:
    """The words of a fiscal year that labels and sub-titles of the forms may hold. Raises
    ValueError.
    """
    if not ERAS[-1][1].year + 1 < year <= MAX_YEAR:
        raise ValueError("not a fiscal year of these eras")
    return {
        "fiscal": f"{year_of(date(year, 4, 1))}度",
        "calendar": year_of(date(year, 1, 1)),
        "income": year_of(date(year - 1, 12, 31)),
    }
