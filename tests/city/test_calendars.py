"""The words for days, the order of lines, and the arithmetic of times."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.calendars import (
    DAY,
    WEEKDAYS,
    Calendar,
    Days,
    Line,
    clock,
    common,
    faults,
    idle,
    spans_of,
    united,
    within,
    without,
)
from city.public_holidays import PublicHolidays

HOLIDAYS = PublicHolidays(checked_until=date(2027, 12, 31))
MORNING = (9 * 60, 12 * 60)
AFTERNOON = (13 * 60, 17 * 60)


def on(days: str, day: str, holidays: PublicHolidays = HOLIDAYS) -> bool:
    line = Line(days=(msgspec.convert(days, Days),), times=("00:00-24:00",))
    return bool(spans_of((line,), date.fromisoformat(day), holidays))


@pytest.mark.parametrize(
    ("days", "fits", "others"),
    [
        ("every-day", ["2026-11-29", "2027-01-01"], []),
        # Tuesday 22 September 2026 is a holiday between two others.
        ("weekdays", ["2026-11-24"], ["2026-11-28", "2026-11-29", "2026-11-23", "2026-09-22"]),
        ("holidays", ["2026-11-23", "2026-09-22", "2027-03-22"], ["2026-11-24", "2026-11-29"]),
        ("holiday-eves", ["2026-11-22", "2026-12-31"], ["2026-11-23", "2026-11-24"]),
        ("sat", ["2026-11-28"], ["2026-11-27", "2026-11-29"]),
        ("1st sun", ["2026-11-01", "2026-12-06"], ["2026-11-08", "2026-11-02"]),
        ("2nd sun", ["2026-11-08"], ["2026-11-01", "2026-11-15"]),
        ("5th sun", ["2026-11-29"], ["2026-11-22"]),
        ("last sun", ["2026-11-29", "2026-12-27"], ["2026-11-22", "2026-12-20"]),
        ("12-29", ["2026-12-29", "2027-12-29"], ["2026-12-28"]),
        ("02-29", ["2028-02-29"], ["2027-02-28", "2027-03-01"]),
        ("12-29..01-03", ["2026-12-29", "2027-01-03"], ["2026-12-28", "2027-01-04"]),
        ("05-03..05-05", ["2026-05-03", "2027-05-05"], ["2026-05-06", "2026-01-01"]),
        ("2026-12-01", ["2026-12-01"], ["2027-12-01"]),
        ("2024-12-28..2025-01-05", ["2024-12-28", "2025-01-05"], ["2025-12-28", "2025-01-06"]),
    ],
)
def test_the_words_for_days(days: str, fits: list[str], others: list[str]) -> None:
    assert [day for day in (*fits, *others) if on(days, day)] == fits


@pytest.mark.parametrize(
    "days", ["", "sunday", "6th sun", "1st", "12-32", "2026-1-1", "12-29..2027-01-03", "mon\n"]
)
def test_other_words_are_refused(days: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(days, Days)


def test_the_first_line_that_fits_holds() -> None:
    calendar: Calendar = (
        Line(days=("12-29..01-03",), times=()),
        Line(days=("sat", "sun", "holidays"), times=("08:45-17:00",)),
        Line(days=("every-day",), times=("07:00-12:00", "13:00-20:00")),
    )
    found = [
        spans_of(calendar, date.fromisoformat(day), HOLIDAYS)
        for day in ("2027-01-02", "2026-11-28", "2026-11-24")
    ]
    assert found == [(), ((525, 1020),), ((420, 720), (780, 1200))]
    assert spans_of(calendar[:1], date(2026, 11, 24), HOLIDAYS) == ()
    assert list(faults("hours", calendar, HOLIDAYS)) == []


def test_the_city_corrects_the_calculated_holidays() -> None:
    """As in 2020 and 2021, when the days of the Olympic Games were moved by law."""
    own = PublicHolidays(
        checked_until=date(2027, 12, 31),
        added=(date(2026, 11, 24),),
        removed=(date(2026, 11, 23),),
    )
    assert on("holidays", "2026-11-24", own)
    assert on("weekdays", "2026-11-23", own)
    assert on("holiday-eves", "2026-11-23", own)


def test_the_holidays_of_two_years_are_those_announced() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(730)]
    assert [f"{day:%m%d}" for day in days if day in HOLIDAYS] == (
        "0101 0112 0211 0223 0320 0429 0503 0504 0505 0506 0720 0811 0921 0922 0923 1012 1103 1123 "
        "0101 0111 0211 0223 0321 0322 0429 0503 0504 0505 0719 0811 0920 0923 1011 1103 1123"
    ).split()


# -- arithmetic ------------------------------------------------------------------------------------

spans = st.lists(
    st.tuples(st.integers(0, DAY - 1), st.integers(1, DAY)).filter(lambda s: s[0] < s[1]),
    max_size=5,
).map(united)


@given(spans, spans, st.integers(0, DAY - 1))
def test_a_minute_is_in_what_is_said(some, others, minute: int) -> None:
    in_some, in_others = bool(within(some, minute)), bool(within(others, minute))
    assert bool(within(united((*some, *others)), minute)) is (in_some or in_others)
    assert bool(within(common(some, others), minute)) is (in_some and in_others)
    assert bool(within(without(some, others), minute)) is (in_some and not in_others)


def test_what_touches_is_one() -> None:
    assert united([(0, 60), (60, 120), (30, 40)]) == ((0, 120),)
    assert united([AFTERNOON, MORNING]) == (MORNING, AFTERNOON)


def test_a_clock_is_written_as_it_is_read() -> None:
    assert [clock(minutes) for minutes in (0, 525, DAY)] == ["00:00", "08:45", "24:00"]


@given(st.dates(date(2000, 1, 1), date(2060, 1, 1)))
def test_every_day_has_one_place_in_its_month(day: date) -> None:
    name = WEEKDAYS[day.weekday()]
    counts = [c for c in ("1st", "2nd", "3rd", "4th", "5th") if on(f"{c} {name}", f"{day}")]
    assert len(counts) == 1
    assert on(f"last {name}", f"{day}") is ((day + timedelta(days=7)).month != day.month)


WORDS = (
    ("weekdays", "mon"),
    ("sat", "sun", "2nd sun"),
    ("every-day", "holidays"),
    ("12-29..01-03", "01-01"),
    ("2026-12-01..2026-12-31", "2026-12-30"),
    ("holiday-eves", "last fri", "fri"),
    ("mon", "tue", "wed", "thu", "fri", "weekdays"),
    ("weekdays", "holidays", "sat", "sun", "02-29"),
)


@pytest.mark.parametrize("words", WORDS)
def test_a_word_that_never_holds_is_told(words: tuple[str, ...]) -> None:
    """Judged by each day of fifteen years, on which the lines before are left out one by one."""
    calendar = tuple(
        Line(days=(word,), times=(f"0{n}:00-0{n}:30",)) for n, word in enumerate(words)
    )
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(15 * 366)]
    ever = {spans_of(calendar, day, HOLIDAYS) for day in days}
    silent = {n for n in range(len(words)) if ((n * 60, n * 60 + 30),) not in ever}
    assert {n for n, _ in idle(calendar, HOLIDAYS)} == silent
    told = list(faults("hours", calendar, HOLIDAYS))
    assert len(told) == len(silent)
    assert all("never holds" in line for line in told)
