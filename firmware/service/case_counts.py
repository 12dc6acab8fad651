"""The open cases by their codes, as the city's view of its fleet shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from firmware.link.messages import MAX_CASE_CODES, CaseCount
from firmware.service.entry import Case

MOST: Final = 99  # as the city counts
_OTHER: Final = re.compile(r"[^a-z0-9._/-]")  # what the line's type of a code does not take


def counted(cases: Iterable[Case]) -> tuple[CaseCount, ...]:
    """One for each code; the one with the oldest case first. `cases`: oldest first."""
    found: dict[str, list[str]] = {}
    for case in cases:
        found.setdefault(_told(case.code), []).append(case.opened_at)
    rows = [CaseCount(code, min(len(at), MOST), _seconds(at[0])) for code, at in found.items()]
    return tuple(rows[:MAX_CASE_CODES])


def _seconds(moment: str) -> int:
    """Since 1970; 0 of a clock that stood before."""
    return max(int(datetime.fromisoformat(moment).timestamp()), 0)


def _told(code: str) -> str:
    return _OTHER.sub("-", code.lower())[:64] or "-"
