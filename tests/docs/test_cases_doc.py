"""Every case that the program can open has its guide, and the page is that of the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generate import cases
from firmware.link.case_guide import ALL_OF, guide, guides
from firmware.service import log

ROOT = Path(__file__).parents[2]
SOURCES = "\n".join(
    path.read_text("utf-8")
    for folder in ("firmware/flow", "firmware/service")
    for path in (ROOT / folder).rglob("*.py")
)
AREAS = {code.partition(".")[0] for code in guides() if "." in code}
# Words of the same form that are none: files.
NONE = {"journal.sqlite", "journal.head"}
WRITTEN = set(re.findall(r'f?"([a-z]+\.[a-z-]+)"', SOURCES))
OPENED = {
    code
    for code in WRITTEN
    if code.partition(".")[0] in AREAS and code not in log.CATALOGUE and code not in NONE
}
PREFIXES = set(re.findall(r'f"([a-z]+\.)\{', SOURCES))


def test_the_page_is_current() -> None:
    assert cases.PAGE.read_text("utf-8") == cases.page(), "python -m docs.generate.cases"


@pytest.mark.parametrize("code", sorted(OPENED))
def test_every_case_that_is_opened_has_a_guide(code: str) -> None:
    assert guide(code) is not None


def test_every_case_whose_end_is_made_has_a_guide() -> None:
    made = {prefix for prefix in PREFIXES if prefix.rstrip(".") in AREAS}
    assert {"document.", "coins.", "outcome.", "child.", "attestation."} <= made
    for prefix in made - {"child."}:  # their ends are fixed: they have rows of their own
        assert guide(f"{prefix}anything") is not None, prefix


def test_no_guide_is_for_nothing() -> None:
    """A code that ends in a fixed word made at run time is looked for by that word."""
    for code in guides():
        if code.endswith(ALL_OF):
            assert code[:-1] in PREFIXES, code
        else:
            word = code.partition(".")[2] or code
            assert f'"{code}"' in SOURCES or word.replace("-", " ") in SOURCES, code


def test_a_code_of_another_build_has_none() -> None:
    assert guide("holiday.today") is None
    assert guide("coins.coin-jam") == guides()["coins.*"]
    assert guide("coins.silent") == guides()["coins.silent"]
