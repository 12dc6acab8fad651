from __future__ import annotations

from docs.generate import holdings


def test_the_page_is_current() -> None:
    """When this fails: `python -m docs.generate.holdings`."""
    assert holdings.PAGE.read_text("utf-8") == holdings.page()
