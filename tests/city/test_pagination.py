"""How many people stand on a sheet: what was counted always fits, and no sheet is emptier than it
need be.
"""

from __future__ import annotations

from itertools import accumulate

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_typesetting import content, person, sheet

from city.document import CannotPrint, Layout, Unprintable
from city.typesetting import GAP, MOST_PEOPLE, ROOM, _fill, people_on_sheets, typeset
from firmware.link.content import MAX_SHEETS, Content, Person, Row

JUMINHYO = Layout("juminhyo")
SHORT = Row(label="性別", value="女")
LONG = Row(label="前住所", value="兵庫県神戸市中央区加納町六丁目5番1号　" * 6)


HEAD = (Row(label="住所", value="兵庫県明石市中崎一丁目5番1号"),)


def of_people(people: list[Person], head: tuple[Row, ...] = HEAD) -> Content:
    return content(sheet(tuple(people), head=head))


def on_sheets(made: Content, sizes: list[int]) -> Content:
    one, ends = made.sheets[0], list(accumulate(sizes))
    begins = [0, *ends[:-1]]
    sheets = (
        msgspec.structs.replace(one, people=one.people[begin:end])
        for begin, end in zip(begins, ends, strict=True)
    )
    return msgspec.structs.replace(made, sheets=tuple(sheets))


@st.composite
def boxes(draw: st.DrawFn) -> Person:
    """From two lines to half a sheet."""
    short, long = draw(st.integers(0, 12)), draw(st.integers(0, 5))
    return Person(
        name=draw(st.sampled_from(["明石　太郎", "JOSE MARIA ALEXANDER " * 8])),
        rows=(SHORT,) * short + (LONG,) * long,
    )


@settings(max_examples=12)
@given(
    people=st.lists(boxes(), min_size=2, max_size=12),
    head=st.lists(st.sampled_from([SHORT, LONG]), max_size=4).map(tuple),
)
def test_what_was_counted_fits_and_one_more_would_not(
    people: list[Person], head: tuple[Row, ...]
) -> None:
    made = of_people(people, head)
    try:
        sizes = people_on_sheets(made, JUMINHYO)
    except CannotPrint:  # a box that fits on no sheet: nor does the typesetter set it
        sizes = [1] * len(people)
        with pytest.raises(CannotPrint):
            typeset(on_sheets(made, sizes), JUMINHYO)
        return
    assert sum(sizes) == len(people)
    assert min(sizes) >= 1
    assert typeset(on_sheets(made, sizes), JUMINHYO).pdf
    for at, size in enumerate(sizes[:-1]):
        if size < MOST_PEOPLE:
            fuller = [*sizes[:at], size + 1, sizes[at + 1] - 1, *sizes[at + 2 :]]
            with pytest.raises(CannotPrint) as caught:
                typeset(on_sheets(made, [n for n in fuller if n]), JUMINHYO)
            assert caught.value.reason is Unprintable.TOO_LONG


@pytest.mark.parametrize(
    ("people", "sizes"), [(1, [1]), (4, [4]), (5, [4, 1]), (8, [4, 4]), (10, [4, 4, 2])]
)
@pytest.mark.parametrize("rows", [(), None], ids=["name alone", "every row"])
def test_four_people_on_a_sheet(
    people: int, sizes: list[int], rows: tuple[Row, ...] | None
) -> None:
    names = [f"明石　{n}郎" for n in "一二三四五六七八九十"[:people]]
    made = of_people([person(name) if rows is None else person(name, "", rows) for name in names])
    assert people_on_sheets(made, JUMINHYO) == sizes


def test_more_sheets_than_a_certificate_has() -> None:
    crowd = [person(f"{n}郎") for n in range(4 * MAX_SHEETS + 1)]
    with pytest.raises(CannotPrint) as caught:
        people_on_sheets(of_people(crowd), JUMINHYO)
    assert caught.value.reason is Unprintable.TOO_MANY
    assert people_on_sheets(of_people(crowd[:-1]), JUMINHYO) == [4] * MAX_SHEETS


def test_a_box_higher_than_a_sheet_is_refused() -> None:
    giant = Person(name="明石　太郎", rows=(LONG,) * 40)
    for people in ([giant], [giant, person("明石　花子")]):
        made = of_people(people)
        with pytest.raises(CannotPrint) as caught:
            typeset(on_sheets(made, people_on_sheets(made, JUMINHYO)), JUMINHYO)
        assert caught.value.reason is Unprintable.TOO_LONG


@given(st.just(0.0) | st.floats(20, 100), st.lists(st.floats(10, 400), min_size=1, max_size=30))
def test_no_sheet_is_emptier_than_it_need_be(head: float, heights: list[float]) -> None:
    def taken(boxes: list[float]) -> float:
        everything = [head, *boxes] if head else boxes
        return sum(everything) + GAP * (len(everything) - 1)

    begin = 0
    for size in _fill(head, heights):
        end = begin + size
        assert 1 <= size <= MOST_PEOPLE
        assert taken(heights[begin:end]) <= ROOM + 1e-6
        if end < len(heights) and size < MOST_PEOPLE:
            assert taken(heights[begin : end + 1]) > ROOM - 1e-6
        begin = end
    assert begin == len(heights)
