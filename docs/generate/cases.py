"""docs/cases.md, written from the table of cases: `python -m docs.generate.cases`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from firmware.link.case_guide import Guide, guides

PAGE: Final = Path(__file__).parents[1] / "cases.md"
HEAD: Final = """# Cases, and what to look at before closing one

Written by `python -m docs.generate.cases` from `firmware/link/cases.toml`. A test compares them.

A case is an anomaly that a person must look at. `kiosk cases list` shows the open ones and
`kiosk cases show ID` one of them with its row of this page
([operations.md](operations.md#cases)). `*` stands for what the code says in more detail.

| code | what has happened | what to do | 対処 |
|---|---|---|---|
"""


def page() -> str:
    """The whole page, Markdown."""
    return HEAD + "".join(f"{_row(each)}\n" for each in guides().values())


def _row(each: Guide) -> str:
    return f"| `{each.code}` | {each.happened} | {each.en} | {each.ja} |"


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
