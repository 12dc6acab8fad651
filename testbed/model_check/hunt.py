"""The search for a seeded defect: in small worlds first, and in the whole world when they do not
show it. Nothing says where the defect is; a small world only has fewer things that can happen.
"""

from __future__ import annotations

from testbed.model_check.defects import Defect
from testbed.model_check.search import Search, SearchResult

# One copy for a fee; no coin comes that is not asked for; line and printers are well while nobody
# is there.
CALM = frozenset(
    {
        "terms closed",
        "line-lost",
        "health paper-out",
        "shutdown",
        "card-read 1",
        "pin-wrong 1",
        "document-checked 2 2 200",
        "document-checked 1 1 0",
        "printers-ready blind",
        "printers-ready exact",
        "stray-coin 50",
        "falling-coin 50",
        "coin-returned",
    }
)
# What does not happen in each world, from the smallest to the whole one.
COINS_ONLY = CALM | {
    "printers-ready terminal",
    "session-opened asked",
    "document-checked 2 1 100",
    "coins-failed",
    "card-unknown",
}
TERMINAL_ONLY = CALM | {
    "printers-ready sensor",
    "session-opened plain",
    "document-checked 1 1 100",
}
WHOLE: frozenset[str] = frozenset()
WORLDS = (COINS_ONLY, TERMINAL_ONLY, WHOLE)


def find_fault(defect: Defect) -> SearchResult:
    """Up to the first fault, in the smallest world that shows one."""
    found = SearchResult()
    for world in WORLDS:
        found = Search(defect.kiosk(), first=True, without=world).run()
        if found.counterexamples:
            break
    return found


def explore_until_stopped(defect: Defect, *, first: bool = False) -> Search:
    """All of the smallest world in which the permits stop the wrong machine somewhere; with
    `first`, up to the first stop.
    """
    for world in WORLDS:
        search = Search(defect.kiosk(), first=first, stops=True, without=world)
        search.run()
        if search.refusals:
            return search
    raise ValueError(f"never stopped: {defect.name}")
