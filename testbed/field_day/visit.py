"""One resident of a day: from laying the card to walking away, and then the kiosk's way back to its
first screen, with an operator where one is needed.

What a resident does on a screen without trouble is `testbed.customer`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hal.sim.bench import BenchError, PrintedSheet
from hal.sim.breakage import FULL_HOPPER
from testbed import customer
from testbed.customer import Errand, Journey, JourneyFailed, Watcher
from testbed.field_day.judge import (
    FIRST_SCREEN,
    MOST_SCREENS,
    OUT_OF_SERVICE,
    PIN_WRONG,
    Stay,
    Told,
)
from testbed.field_day.troubles import Troubles
from testbed.field_day.visitors import Visitor
from testbed.random_walk.evidence import Evidence
from testbed.screen import Seen
from testbed.system import System

STILL_S = 90.0  # no screen lasts longer, at any pace
IMPATIENT_S = 3.0  # then a resident lays the card down again, or tries the coin again
MOST_LAID = 4  # times
PAY_S = 10.0
AGAIN_S = 0.05
HAND_S = 0.5
LOOK_S = 0.3
CLOSED_S = 1.0  # between two looks of the operator into the cases
FEW = 15  # sheets or coins: then more are filled in
NOTE = "looked into on a simulated day"


@dataclass
class Place:
    """The running system, and what is kept between residents."""

    system: System
    watcher: Watcher
    troubles: Troubles
    evidence: Evidence
    seen: Seen | None = None
    sheets: list[PrintedSheet] = field(default_factory=list)  # that somebody took

    async def look(self, seconds: float) -> Seen | None:
        """The next screen, if one comes in that time."""
        try:
            self.seen = await self.watcher.next(seconds)
        except TimeoutError:
            return None
        return self.seen

    def take(self, stay: Stay) -> None:
        """Everything that lies at the outlets."""
        bench = self.system.bench
        sheets = bench.take_sheets()
        stay.pages += len(sheets)
        self.sheets += sheets
        self.evidence.papers += sheets + bench.take_receipt()
        bench.take_coins()


@dataclass
class Visit(Journey):
    """One resident. `stay` is what is known of it afterwards."""

    place: Place = field(kw_only=True)
    visitor: Visitor = field(kw_only=True)
    stay: Stay = field(kw_only=True)
    laid: int = 0
    over: bool = False  # the resident walks away

    async def go(self) -> None:
        """From the first screen until the resident walks away."""
        seen = self.place.seen
        since = time.monotonic()
        while not self.over:
            if seen is not None:
                since = time.monotonic()
                await self.does(seen.name)(self, seen)
                if self.over:
                    return
            seen = await self.place.look(IMPATIENT_S)
            now = self.place.seen
            if seen is None and now is not None and now.name in AGAIN:
                await AGAIN[now.name](self, now)
            if seen is None and time.monotonic() - since > STILL_S:
                self.stay.stuck = now.name if now else "dark"
                return

    def does(self, screen: str) -> Act:
        """What this resident does there."""
        return DOES.get(screen, _wait)

    def lay(self) -> None:
        bench = self.system.bench
        if bench.on_reader is not None or self.laid >= MOST_LAID:
            return
        self.laid += 1
        self.place.troubles.prepare_card()
        try:
            bench.insert_card(self.visitor.card)
        except BenchError:
            return
        if self.stay.tries_before is None:
            self.stay.tries_before = bench.tries(self.visitor.card)

    def lift(self) -> None:
        self.system.bench.remove_card()
        self.place.troubles.count_card()


# -- what a resident does, screen by screen


async def _wait(visit: Visit, seen: Seen) -> None:
    pass


async def _lay(visit: Visit, seen: Seen) -> None:
    visit.lay()


async def _lay_again(visit: Visit, seen: Seen) -> None:
    if visit.laid >= MOST_LAID:
        await _leave(visit, seen)
        return
    visit.lift()
    visit.lay()


async def _type_pin(visit: Visit, seen: Seen) -> None:
    if seen.facts.get("notice") == PIN_WRONG:
        visit.stay.called_wrong += 1
        await _leave(visit, seen)
        return
    pin = visit.system.rehearsal.pin(visit.visitor.card)
    digits = int(seen.facts.get("digits") or 0)
    if digits < len(pin):
        await visit.watcher.touch(seen, "digit", pin[digits])
    else:
        visit.stay.typed += 1
        await visit.watcher.touch(seen, "enter")


async def _take_card(visit: Visit, seen: Seen) -> None:
    visit.lift()


async def _pay(visit: Visit, seen: Seen) -> None:
    """One coin for each screen, until the fee is in."""
    bench = visit.system.bench
    due = int(seen.facts["due"])
    for _ in range(round(PAY_S / AGAIN_S)):
        if visit.paid >= due:
            return
        if not bench.coins.acceptor.accepting:
            await asyncio.sleep(AGAIN_S)
            continue
        for value in visit.visitor.coins:
            if bench.coin(value):
                visit.place.evidence.coins.note_coin(value, counted=True)
                visit.paid += value
                return
        bench.take_coins()
        await asyncio.sleep(HAND_S)  # nobody puts in more than an acceptor can remember


async def _choose_way(visit: Visit, seen: Seen) -> None:
    await visit.touch(seen, "cashless" if visit.visitor.cashless else "cash")


async def _present(visit: Visit, seen: Seen) -> None:
    for _ in range(round(IMPATIENT_S / AGAIN_S)):
        if visit.system.bench.present():
            return
        await asyncio.sleep(AGAIN_S)


async def _take(visit: Visit, seen: Seen) -> None:
    visit.place.take(visit.stay)
    for action in ("taken", "ok"):
        if seen.offers(action):
            await visit.watcher.touch(seen, action)


async def _thank(visit: Visit, seen: Seen) -> None:
    visit.stay.thanked = True
    visit.place.take(visit.stay)
    await _leave(visit, seen)


async def _be_refused(visit: Visit, seen: Seen) -> None:
    visit.stay.told.append(Told(seen.name, str(seen.facts.get("code", ""))))
    await _leave(visit, seen)


async def _out_of_service(visit: Visit, seen: Seen) -> None:
    """Nobody waits for a kiosk that says that it is out of service."""
    _note_reason(visit.stay, seen)
    visit.over = True


async def _leave(visit: Visit, seen: Seen) -> None:
    visit.over = True
    visit.lift()
    await _touch_away(visit.watcher, seen)


async def _touch_away(watcher: Watcher, seen: Seen) -> None:
    """Whatever leads away from this screen."""
    for action in ("taken", "ok", "cancel", "stop"):
        if seen.offers(action):
            await watcher.touch(seen, action)
            return


Act = Callable[[Visit, Seen], Awaitable[None]]
DOES: Final[Mapping[str, Act]] = {
    **{name: customer.DOES[name] for name in ("lasttry", "certificates", "options", "confirm")},
    **dict.fromkeys(("menu", "place"), _lay),
    "pin": _type_pin,
    **dict.fromkeys(("remove", "removealarm", "hold", "takecard", "cardleft"), _take_card),
    "payway": _choose_way,
    "charging": _present,
    "paying": _pay,
    **dict.fromkeys(("sheets", "uncollected", "receipt"), _take),
    "thanks": _thank,
    **dict.fromkeys(("notoffered", "refused", "trouble"), _be_refused),
    **dict.fromkeys((OUT_OF_SERVICE, "closed"), _out_of_service),
}
# What an impatient resident does again.
AGAIN: Final[Mapping[str, Act]] = {
    **dict.fromkeys(("menu", "place"), _lay_again),
    "charging": _present,
    "paying": _pay,
}


def _note_reason(stay: Stay, seen: Seen) -> None:
    stay.reasons[str(seen.facts.get("problem") or seen.facts.get("code") or "other")] += 1
    stay.no_reason += not seen.marked.get("cause")


# -- the way back to the first screen


async def go_home(place: Place, stay: Stay) -> None:
    """The resident has gone; what is left is the kiosk's, and now and then an operator's."""
    since = looked = time.monotonic()
    seen = place.seen
    while not _is_home(place) and len(stay.home) <= MOST_SCREENS:
        place.take(stay)
        if seen is not None:
            since = time.monotonic()
            stay.home.append(seen.name)
            if seen.name == OUT_OF_SERVICE:
                _note_reason(stay, seen)
            else:
                await _touch_away(place.watcher, seen)
        if time.monotonic() - looked > CLOSED_S:
            looked = time.monotonic()
            _operate(place, stay)
        if time.monotonic() - since > STILL_S:
            stay.stuck = stay.home[-1] if stay.home else "dark"
            return
        seen = await place.look(LOOK_S)


def _is_home(place: Place) -> bool:
    return place.seen is not None and place.seen.name == FIRST_SCREEN


def _operate(place: Place, stay: Stay) -> None:
    """Closes the cases that keep the kiosk out of service, and fills what runs out."""
    journal = place.evidence.journal
    for case in journal.cases():
        journal.close_case(case.id, NOTE)
        stay.operator["cases closed"] += 1
    _fill(place, stay)


def _fill(place: Place, stay: Stay) -> None:
    bench = place.system.bench
    if min(bench.sheets.paper_left, bench.receipts.paper_left) < FEW:
        bench.load_paper()
        stay.operator["paper filled"] += 1
    for hopper in bench.coins.hoppers:
        if hopper.coins < FEW:
            hopper.coins = FULL_HOPPER
            stay.operator["hoppers filled"] += 1


# -- all of it


async def serve(
    place: Place, number: int, visitor: Visitor, out: Path, kind: type[Visit] = Visit
) -> Stay:
    """One resident, from the first screen to the first screen. `kind`: how they behave."""
    began = time.monotonic()
    stay = Stay(number, visitor.card, visitor.certificate, visitor.right)
    errand = Errand(visitor.card, visitor.certificate, out)
    visit = kind(place.system, errand, place.watcher, place=place, visitor=visitor, stay=stay)
    bench = place.system.bench
    bench.new_cards()
    _fill(place, stay)
    try:
        await visit.go()
    except JourneyFailed as failed:
        stay.told.append(Told(place.seen.name if place.seen else "dark", str(failed)))
    visit.lift()
    stay.sent = bench.pins(visitor.card)
    stay.tries_after = bench.tries(visitor.card)
    if not stay.stuck:
        await go_home(place, stay)
    stay.seconds = time.monotonic() - began
    return stay
