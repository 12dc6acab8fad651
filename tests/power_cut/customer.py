"""The customer whose journey is cut: does on each screen what people do there, and takes whatever
comes out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from power_cut.journeys import Journey, Then

from hal.sim.bench import Bench, BenchError, PrintedSheet
from testbed.customer import Watcher
from testbed.screen import Seen
from testbed.system import System

OPENS_S, AGAIN_S = 3.0, 0.02  # until a slot takes the coin that is held to it
LOOK_S = 0.15


class Customer:
    """`papers`: all that was taken, in order. `began`: a card was laid. `seen`: the newest screen.

    `fell`: the coins that fell in, and when (monotonic seconds). `read`: the words of every screen.
    """

    def __init__(self, system: System, watcher: Watcher, journey: Journey) -> None:
        self._system, self._watcher, self._journey = system, watcher, journey
        self._bench: Bench = system.bench
        self._coins = list(journey.coins)
        self._picks = dict(journey.picks)
        self.papers: list[PrintedSheet] = []
        self.fell: list[tuple[float, int]] = []
        self.read: list[str] = []
        self.began = self.left = self._presented = False
        self.seen: Seen | None = None

    async def look(self, *, begin: bool = True) -> None:
        """At the next screen, if one comes soon, and act on it. `begin`: a journey may begin."""
        self.take()
        try:
            self.seen = await self._watcher.next(LOOK_S)
        except TimeoutError:
            return
        self.read.append(self.seen.text)
        if begin or self.seen.name != "menu":
            await DOES.get(self.seen.name, Customer._wait)(self, self.seen)

    async def begin(self) -> None:
        """On the screen that is shown already."""
        if self.seen is not None:
            await DOES.get(self.seen.name, Customer._wait)(self, self.seen)

    def take(self) -> None:
        bench = self._bench
        if any(sheet.printer == "sheets" for sheet in bench.waiting):
            self.papers += bench.take_sheets()
        if any(sheet.printer == "receipts" for sheet in bench.waiting):
            self.papers += bench.take_receipt()
        if bench.coins.cup:
            bench.take_coins()

    async def _touch(self, seen: Seen, action: str, value: str = "") -> None:
        if seen.offers(action, value):
            await self._watcher.touch(seen, action, value)

    # -- screen by screen

    async def _wait(self, seen: Seen) -> None:
        pass

    async def _begin(self, seen: Seen) -> None:
        """Once: a customer whose journey has ended goes away."""
        if not self.began:
            self.began = True
            try:
                self._bench.insert_card(self._journey.resident)
            except BenchError:
                return

    async def _menu(self, seen: Seen) -> None:
        self.left = self.began and self._bench.on_reader is None
        await self._begin(seen)

    async def _pin(self, seen: Seen) -> None:
        pin, typed = (
            self._system.rehearsal.pin(self._journey.resident),
            int(seen.facts.get("digits") or 0),
        )
        if typed >= len(pin):
            await self._touch(seen, "enter")
        else:
            await self._touch(seen, "digit", pin[typed])

    async def _card_off(self, seen: Seen) -> None:
        self._bench.remove_card()

    async def _choose(self, seen: Seen) -> None:
        self._picks = dict(self._journey.picks)
        await self._touch(seen, "choose", self._journey.certificate)

    async def _answer(self, seen: Seen) -> None:
        question = str(seen.facts.get("option"))
        first, *more = self._picks.get(question, ()) or ("",)
        self._picks[question] = tuple(more)
        await (self._touch(seen, "pick", first) if first else self._touch(seen, "next"))

    async def _confirm(self, seen: Seen) -> None:
        await self._touch(seen, "confirm")

    async def _pay(self, seen: Seen) -> None:
        if self._coins:
            await self._insert()
        elif self._journey.then is Then.CANCEL:
            await self._touch(seen, "cancel")

    async def _pay_way(self, seen: Seen) -> None:
        await self._touch(seen, "cashless" if self._journey.by_card else "cash")

    async def _present(self, seen: Seen) -> None:
        """Once, when the terminal asks for it."""
        if self._journey.then is Then.CANCEL:
            await self._touch(seen, "cancel")
            return
        for _ in range(0 if self._presented else round(OPENS_S / AGAIN_S)):
            if self._bench.present():
                self._presented = True
                return
            await asyncio.sleep(AGAIN_S)

    async def _insert(self) -> None:
        """The next coins, one behind the other without a pause; what falls through is tried again
        once.
        """
        for _ in range(round(OPENS_S / AGAIN_S)):
            if self._bench.coins.acceptor.accepting:
                group = self._coins.pop(0)
                again = tuple(value for value in group if not self._coin(value))
                self._bench.take_coins()
                self._coins[:0] = [again] if again else []
                return
            await asyncio.sleep(AGAIN_S)

    def _coin(self, value: int) -> bool:
        fell = self._bench.coin(value)
        if fell:
            self.fell.append((time.monotonic(), value))
        return fell

    async def _ok(self, seen: Seen) -> None:
        self.take()
        await self._touch(seen, "ok")

    async def _taken(self, seen: Seen) -> None:
        self.take()
        await self._touch(seen, "taken")


DOES: Mapping[str, Callable[[Customer, Seen], Awaitable[None]]] = {
    "menu": Customer._menu,
    "place": Customer._begin,
    "pin": Customer._pin,
    **dict.fromkeys(("remove", "removealarm", "hold", "takecard", "cardleft"), Customer._card_off),
    "certificates": Customer._choose,
    "options": Customer._answer,
    "confirm": Customer._confirm,
    "payway": Customer._pay_way,
    "charging": Customer._present,
    "paying": Customer._pay,
    **dict.fromkeys(("sheets", "uncollected"), Customer._taken),
    **dict.fromkeys(("receipt", "thanks", "refused", "trouble"), Customer._ok),
}
