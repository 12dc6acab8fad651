"""What each case means and what a person looks at before closing it: the table `cases.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

GUIDE_FILE: Final = Path(__file__).with_name("cases.toml")
ALL_OF: Final = ".*"  # how the code of a row ends that stands for many


@dataclass(frozen=True)
class Guide:
    """`code` may end in `ALL_OF`. `happened` is English; `en` and `ja` say what to do."""

    code: str
    happened: str
    en: str
    ja: str


@cache
def guides() -> Mapping[str, Guide]:
    """Every row, in the order of the file."""
    rows = tomllib.loads(GUIDE_FILE.read_text("utf-8"))
    return {code: Guide(code, **row) for code, row in rows.items()}


def guide(code: str) -> Guide | None:
    """Of this case: its own row, else the one for all that begin so. None for a code of another
    build.
    """
    area = code.partition(".")[0] + ALL_OF
    return guides().get(code) or guides().get(area)
