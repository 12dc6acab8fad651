"""What a customer waits for, on a whole system: the time from what they did to what they see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar

from testbed.bench_card.sessions import Pace
from testbed.customer import JourneyFailed, Watcher
from testbed.rehearsal import Rehearsal
from testbed.screen import Seen
from testbed.system import System

SCREEN_S = 20.0
DIGIT_S = 0.3  # a brisk customer


@dataclass
class Screens:
    """Milliseconds of each journey."""

    set_down: list[float] = field(default_factory=list)
    entered: list[float] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)

    WORDS: ClassVar = {
        "set_down": "card set down -> screen for the PIN",
        "entered": 'PIN entered -> "take your card"',
        "taken": "card taken -> next screen",
    }

    def figures(self) -> dict[str, tuple[float, float]]:
        """Median and longest."""
        return {what: (round(median(ms), 1), round(max(ms), 1)) for what, ms in vars(self).items()}


async def measure_screens(made: Rehearsal, resident: str, card: Pace, journeys: int) -> Screens:
    """Raises RehearsalError, ProcessDead."""
    found = Screens()
    async with System(made) as system, Watcher(made.panel, made.panel_key).watching() as watcher:
        system.bench.card_faults.apdu_ms = card.apdu_ms
        system.bench.card_faults.sign_ms = card.sign_ms
        for _ in range(journeys):
            await _journey(system, watcher, resident, found)
    return found


async def _journey(system: System, watcher: Watcher, resident: str, found: Screens) -> None:
    await _until(watcher, lambda seen: seen.name == "menu")
    began = time.monotonic()
    system.bench.insert_card(resident)
    seen = await _until(watcher, lambda seen: seen.name == "pin")
    found.set_down.append(_ms(began))
    for count, digit in enumerate(system.rehearsal.pin(resident), 1):
        await asyncio.sleep(DIGIT_S)
        await watcher.touch(seen, "digit", digit)
        seen = await _until(watcher, lambda seen, n=count: seen.facts.get("digits") == n)  # type: ignore[misc]
    began = time.monotonic()
    await watcher.touch(seen, "enter")
    await _until(watcher, lambda seen: seen.name == "remove")
    found.entered.append(_ms(began))
    began = time.monotonic()
    system.bench.remove_card()
    seen = await _until(watcher, lambda seen: seen.name != "remove")
    found.taken.append(_ms(began))
    seen = (
        seen
        if seen.name == "certificates"
        else await _until(watcher, lambda seen: seen.name == "certificates")
    )
    await watcher.touch(seen, "cancel")


async def _until(watcher: Watcher, wanted: Callable[[Seen], bool]) -> Seen:
    name = "nothing"
    try:
        while True:
            seen = await watcher.next(SCREEN_S)
            if wanted(seen):
                return seen
            name = seen.name
    except TimeoutError:
        raise JourneyFailed(f"{SCREEN_S:.0f} s without progress on {name!r}") from None


def _ms(since: float) -> float:
    return (time.monotonic() - since) * 1000
