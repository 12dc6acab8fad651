"""Whether the first journeys of a new build went well. Pure: a function of the journal's entries.

What a device or a person does wrong is no fault of the build. What only a program does wrong is.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from firmware.service.entry import Entry, NewEntry

JOURNEYS: Final = 3  # with all their sheets out, before a build is trusted
STARTS: Final = 3  # of the service after it ended by itself, before it counts as dying
# Of residents' processes, before a build counts as one that kills them. Most deaths open no case:
# one is an accident, and the person begins anew.
DEATHS: Final = 2
# The beginning of a case's code that only the program itself can be the cause of: a process of a
# resident that died or hung, a document that the build did not admit, a journal that it broke, and
# a build that is not the one that was signed.
FAULTS_OF_A_BUILD: Final = ("attestation.", "child.", "document.", "journal.", "program.")


class Verdict(StrEnum):
    """Of a build on trial."""

    WAIT = "wait"
    GOOD = "good"
    BAD = "bad"


def fault(
    entries: Sequence[Entry | NewEntry], starts: int, *, failed: bool, deaths: int = 0
) -> str:
    """What only the build can be the cause of, as a code; "" for nothing.

    `entries`: those since the build began to serve. `starts`: how often systemd has started the
    service again; `failed`: it does not any more. `deaths`: of residents' processes since the board
    was switched on.
    """
    if failed or starts >= STARTS:
        return "service-ended"
    if deaths >= DEATHS:
        return "visits-died"
    cases = (str(entry.facts["code"]) for entry in entries if entry.kind == "case")
    found = next((code for code in cases if code.startswith(FAULTS_OF_A_BUILD)), "")
    return f"case.{found}" if found else ""


def judge(
    entries: Sequence[Entry | NewEntry], starts: int, *, failed: bool, deaths: int = 0
) -> Verdict:
    """See `fault` for what is given."""
    if fault(entries, starts, failed=failed, deaths=deaths):
        return Verdict.BAD
    printed = {entry.session for entry in entries if entry.kind == "sheet-done"}
    ended = {entry.session for entry in entries if entry.kind == "ended"}
    return Verdict.GOOD if len(printed & ended) >= JOURNEYS else Verdict.WAIT
