"""The instants, from the data: every kind of entry that a journey writes, and what happens on the
wires in between.

A point is a journey, an instant of it, and a cut. The same seed makes the same points.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from power_cut.cuts import CUTS
from power_cut.journeys import JOURNEYS, Journey

from firmware.service.entry import KINDS

# What a journey writes in each of its phases. Kinds that this build does not have yet make no
# instants.
JOURNALLED: Mapping[str, tuple[str, ...]] = {
    "card": ("begun", "authenticated", "ordered", "checked"),
    "slot": ("coin-counter",),
    "coins": ("coin",),
    "charge": ("charge-begun", "charge-done"),
    "declined": ("charge-begun", "charge-failed"),
    "reverse": ("reversal-begun", "reversal-done"),
    "release": ("release-asked", "released"),
    "print": ("sheet-begun", "sheet-done"),
    "pay-out": ("payout-begun", "dispense", "payout-done"),
    "owed": ("payout-failed", "owed", "slip", "case"),
    "torn": ("sheet-failed", "purge-needed", "purged"),
    "receipt": (),
    "end": ("outcome", "delivered", "ended"),
    "end-unprinted": ("ended",),
    "refused": ("begun", "authenticated", "ended"),
}
# What happens on the wires meanwhile (instants.py).
ON_THE_WIRES: Mapping[str, tuple[str, ...]] = {
    "slot": ("slot-open", "slot-shut"),
    "coins": ("coin-in", "credits-asked"),
    "charge": ("asked-to-pay", "presented", "charged"),
    "declined": ("asked-to-pay",),
    "reverse": ("given-back",),
    "print": ("line-drawn", "half-drawn", "sheet-out"),
    "pay-out": ("dispense-heard", "count-asked", "coin-out"),
    "receipt": ("slip-drawn", "slip-out"),
    "owed": ("slip-drawn", "slip-out"),
}
# Entries that no journey writes by itself, and why.
ELSEWHERE: Mapping[str, str] = {
    "denied": "the city contradicts an outcome",
    "case-closed": "an operator's act",
    "cash-layout": "before an operator's act",
    "cash-count": "an operator's act",
    "cash-refill": "an operator's act",
    "cash-emptied": "an operator's act",
    "cash-closed": "an operator's act",
    "held-settled": "an operator's act",
    "service-stopped": "a technician's act, in a process of its own",
    "service-resumed": "a technician's act, in a process of its own",
    "held": "follows from a cut",
    "coins-missed": "follows from a cut",
    "reversal-failed": "follows from a cut",
}
DELAYS_MS = (0, 0, 4, 15, 40, 120, 350, 800)


@dataclass(frozen=True)
class Point:
    """`event` has happened `times` times, and then so many milliseconds pass."""

    number: int
    journey: str
    event: str
    times: int
    delay_ms: int
    cut: str

    def __str__(self) -> str:
        return (
            f"{self.number}: {self.journey} | {self.event} {self.times} +{self.delay_ms} ms "
            f"| {self.cut}"
        )


def draw(many: int, seed: int) -> list[Point]:
    """Each cut in turn, as often as its weight says; for each a journey and an instant where it can
    do harm.
    """
    luck = random.Random(seed)
    turns = [name for name, cut in CUTS.items() for _ in range(cut.weight)]
    luck.shuffle(turns)
    decks = {
        phases: _deck(phases, luck) for phases in dict.fromkeys(cut.phases for cut in CUTS.values())
    }
    return [
        _point(number, cut, decks[CUTS[cut].phases], luck)
        for number, cut in enumerate(islice(cycle(turns), many))
    ]


def instants(journey: Journey, phases: Sequence[str]) -> list[tuple[str, int]]:
    """Every event of these phases that the journey goes through, the first time and each time
    after.
    """
    events = dict.fromkeys(
        event
        for phase in journey.phases
        if phase in phases
        for event in (
            *(kind for kind in JOURNALLED[phase] if kind in KINDS),
            *ON_THE_WIRES.get(phase, ()),
        )
    )
    return [(event, times) for event in events for times in range(1, _times(journey, event) + 1)]


def _times(journey: Journey, event: str) -> int:
    """How often it happens."""
    sheets = 2 if journey.tears else journey.sheets
    per_coin = ("coin", "coin-in", "credits-asked")
    per_sheet = ("sheet-begun", "line-drawn", "half-drawn")
    done = {
        "sheet-done": sheets - bool(journey.tears),
        "sheet-out": sheets - bool(journey.tears),
        "coin-out": 2,
    }
    if event in per_coin:
        return journey.pieces
    return sheets if event in per_sheet else done.get(event, 1)


def _deck(phases: Sequence[str], luck: random.Random) -> Iterator[tuple[str, str, int]]:
    """Phase by phase, in each event by event: what happens often does not crowd out what happens
    once.
    """
    return _in_turn([_events(phase, luck) for phase in phases], luck)


def _events(phase: str, luck: random.Random) -> Iterator[tuple[str, str, int]]:
    by_event: dict[str, list[tuple[str, str, int]]] = {}
    for name, journey in JOURNEYS.items():
        for event, times in instants(journey, (phase,)):
            by_event.setdefault(event, []).append((name, event, times))
    return _in_turn([cycle(luck.sample(ones, len(ones))) for ones in by_event.values()], luck)


def _in_turn(
    decks: Sequence[Iterator[tuple[str, str, int]]], luck: random.Random
) -> Iterator[tuple[str, str, int]]:
    """One card of each, in an order drawn once; a deck without a card is none."""
    shuffled = luck.sample(decks, len(decks))
    return (card for deck in cycle(shuffled) if (card := next(deck, None)) is not None)


def _point(
    number: int, cut: str, deck: Iterator[tuple[str, str, int]], luck: random.Random
) -> Point:
    journey, event, times = next(deck)
    return Point(number, journey, event, times, luck.choice(DELAYS_MS), cut)
