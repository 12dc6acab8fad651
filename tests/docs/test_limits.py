"""Limits that the documentation tells are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from city import listener
from firmware.service import closure, coin_recovery, deaths, supervisor
from firmware.tools.diagnose import line
from hal.panel import watch

DOCS = Path(__file__).parents[2] / "docs"

# The page, what is written there with {} for the limit, and the limit.
TOLD = [
    ("architecture.md", "silent for {} s", supervisor.SILENT_S),
    ("architecture.md", "alive {} s after it said that it ended", supervisor.DYING_S),
    ("architecture.md", "executes itself anew after {} residents", supervisor.RENEW_AFTER),
    ("operations.md", "looked at every {} s", closure.RETRY_S),
    ("operations.md", "tried again after {} s", deaths.FIRST_CLOSED_S),
    ("operations.md", "this takes at most {} s", coin_recovery.DEADLINE_S),
    ("operations.md", "difference of the clocks ({} s;", line.MOST_APART.total_seconds()),
    ("coins.md", "in a forked child with a deadline of {} s", coin_recovery.DEADLINE_S),
    ("line.md", "TLS handshake | {} s;", listener.HANDSHAKE_S),
    ("panel-and-voice.md", "| was started | {} |", watch.LIMITS[watch.Stage.STARTING]),
    ("panel-and-voice.md", "| has loaded the page | {} |", watch.LIMITS[watch.Stage.LOADED]),
    ("panel-and-voice.md", "| has shown what was due | {} |", watch.LIMITS[watch.Stage.SHOWING]),
    ("line.md", "a request's head | {} s", listener.HEAD_S),
]


@pytest.mark.parametrize(("page", "words", "limit"), TOLD, ids=[words for _, words, _ in TOLD])
def test_the_limit_is_that_of_the_code(page: str, words: str, limit: float) -> None:
    pattern = re.escape(words).replace(re.escape("{}"), r"(\d+)")
    told = re.findall(pattern, " ".join((DOCS / page).read_text("utf-8").split()))
    assert told == [f"{limit:g}"]
