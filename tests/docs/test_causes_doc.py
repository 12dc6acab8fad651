"""The page of causes is that of the table."""

from __future__ import annotations

from docs.generate import causes


def test_the_page_is_current() -> None:
    assert causes.PAGE.read_text("utf-8") == causes.page(), "python -m docs.generate.causes"


def test_no_area_stands_twice() -> None:
    headings = [line for line in causes.page().splitlines() if line.startswith("## ")]
    assert len(headings) == len(set(headings))
