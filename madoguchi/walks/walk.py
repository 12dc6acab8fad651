"""One walk: a person's hands and eyes, an operator's, and bad luck; after each step what must hold is asked."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from firmware.flow.states import State
from firmware.flow.table import SPECS
from hal.sim.bench import BenchError
from madoguchi.person import Watcher
from madoguchi.screen import Seen
from madoguchi.system import System
from madoguchi.walks import acts, judge, luck
from madoguchi.walks.evidence import Evidence

PACE = 0.05
NOTICE_S = 4.0  # for the kiosk to notice what was done
HANDS_S = 0.6  # an operator's hands need a moment: no printer is filled between two questions of the kiosk
QUIET_S = 0.04  # without a new screen: it waits for the person
SETTLE_S = 1.0
ASIDE_S = 0.1  # for a touch that must change nothing to change something
STILL_S = 25.0  # all limits of a journey one after the other, at this pace
IDLE_S = 60.0  # for the last person to be gone
CALM_S = 3.0  # for what was broken until now to be told
TOLD_S = 10.0  # for the city to hear the outcomes
DEVICE = frozenset(state.screen for state, spec in SPECS.items() if spec.device or state is State.ENDING)
# Where a kiosk that is left alone comes to rest.
REST = frozenset({"menu", "fault", "closed", "cardleft", "uncollected"})
REST_WITH_CARD = frozenset({"fault", "cardleft", "uncollected"})
HASTY = 4  # one step in so many does not wait until the screen waits for somebody


class Violated(Exception):
    """What did not hold, and the walk that led there."""

    def __init__(self, fault: judge.Fault, did: Sequence[str]) -> None:
        super().__init__(f"({fault.letter}) {fault.what}")
        self.fault, self.did = fault, tuple(did)


class Walk:
    def __init__(self, system: System, watcher: Watcher) -> None:
        self.system, self.bench, self.watcher = system, system.bench, watcher
        self.evidence = Evidence(system)
        self.seen: Seen | None = None
        self.did: list[str] = []
        self.broken: set[str] = set()
        self.lock: sqlite3.Connection | None = None  # on the city's database
        self.stood_still = 0
        self.counts: Counter[str] = Counter()

    async def run(self, numbers: Sequence[int]) -> None:
        """Raises Violated. The system is idle before and, unless it raises, after."""
        for number in numbers:
            choice, hurry = divmod(number, HASTY)
            await (self.look(0.01) if hurry == HASTY - 1 else self.settle())
            act = acts.choose(acts.possible(self), choice)
            self.did.append(act.name)
            await act.do()
            await self._check()
        await self._go_home()
        await self._settle_books()

    def close(self) -> None:
        """What it holds beside the system."""
        if self.lock is not None:
            self.lock.close()
        self.evidence.close()

    def counted(self) -> Counter[str]:
        """For the figures."""
        done = Counter(entry.kind for entry in self.evidence.walked())
        kept = sum(entry.kind == "ended" and entry.facts["kept"] > 0 for entry in self.evidence.walked())
        return self.counts + Counter(steps=len(self.did), sheets=done["sheet-done"], journeys=kept)

    # -- eyes

    async def look(self, seconds: float) -> None:
        """Watch the panel for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self.seen = await self.watcher.next(left)
            except TimeoutError:
                break
        self._read_log()

    async def settle(self) -> None:
        """Until the screen waits for a person; not long where it waits for a device."""
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            before = self.seen
            await self.look(QUIET_S)
            if self.seen is not None and self.seen is before and self.seen.name not in DEVICE:
                return

    def _read_log(self) -> None:
        trail, before = self.evidence.trail, self.evidence.trail.serving
        trail.read()
        if trail.serving and trail.serving != before:
            self.evidence.coins.counted_again()

    # -- a person's hands

    async def touch(self, seen: Seen, action: str, value: str) -> None:
        await self.watcher.touch(seen, action, value)

    async def type_pin(self, right: bool) -> None:
        pin = self.system.rehearsal.pin(self.bench.on_reader or acts.CARDS[0])
        for digit in pin if right else f"{(int(pin) + 1) % 10_000:04d}":
            if self.seen is None or self.seen.name != "pin":
                return
            await self.watcher.touch(self.seen, "digit", digit)
            await self.look(QUIET_S)
        if self.seen is not None:
            await self.watcher.touch(self.seen, "enter")

    async def touch_aside(self, by: int) -> None:
        """A touch on a screen that is not the one shown, or of what this one does not offer: nothing may change."""
        await self.settle()
        seen = self.seen
        if seen is None or seen.name in DEVICE:
            return
        action, value = next(((b.action, b.value) for b in seen.buttons if b.action not in acts.NOT_ITS), ("ok", ""))
        if not by:
            action = next(action for action in ("confirm", "taken", "ok", "start") if not seen.offers(action))
        seen_before = len(self.evidence.trail.lines)
        await self.watcher.touch(Seen(seen.number + by), action, value)
        await self.look(ASIDE_S)
        for line in self.evidence.trail.lines[seen_before:]:
            if line.log == "state" and line.event == f"touch.{action}":
                self._judge([judge.Fault("f", f"{action} on another screen than {seen.name} led to {line.state}")])

    async def lay(self, name: str) -> None:
        try:
            self.bench.insert_card(name)
        except BenchError:
            return  # the person has pulled it, or laid one, this very moment
        self.evidence.lay(name)

    async def lift(self) -> None:
        self.bench.remove_card()

    async def swap(self, name: str) -> None:
        await self.lift()
        await self.lay(name)

    async def coin(self, value: int) -> None:
        if self.bench.coin(value):
            self.evidence.coins.fell(value, heard=not self.bench.coins_mute)

    async def take(self) -> None:
        self.evidence.papers += self.bench.take_sheets() + self.bench.take_receipt()
        self.bench.take_coins()

    async def stand_still(self) -> None:
        """Nobody does anything for as long as all limits take: the kiosk comes to rest, with a card in the alarm."""
        self.stood_still += 1
        rest = REST_WITH_CARD if self.bench.on_reader else REST
        end = time.monotonic() + STILL_S
        while time.monotonic() < end:
            await self.settle()
            if self.seen is not None and self.seen.name in rest:
                return
        if not self.broken:
            name = self.seen.name if self.seen else "dark"
            self._judge([judge.Fault("e", f"left alone, the screen is still {name} after {STILL_S:.0f} s")])

    # -- the operator, and luck

    async def close_cases(self) -> None:
        journal = self.evidence.journal
        for case in journal.cases():
            journal.close_case(case.id, "walk")
            self.counts["cases"] += 1

    async def load_paper(self) -> None:
        await self.look(HANDS_S)
        self.bench.load_paper()

    async def switch(self, name: str, on: bool) -> None:
        kind, switch = luck.BREAKS[name]
        if on:
            self._trouble(kind)
        else:
            await self.look(HANDS_S)
        if name == "coins-mute":
            (self.evidence.coins.unheard if on else self.evidence.coins.counted_again)()
        (self.broken.add if on else self.broken.discard)(name)
        done = switch(self, on)
        if done is not None:
            await done

    async def once(self, name: str) -> None:
        kind, act = luck.ONCE[name]
        self._trouble(kind)
        act(self.bench)

    async def kill(self, name: str) -> None:
        _, kind, act = luck.KILLS[name]
        self._trouble(kind)
        self.counts["kills"] += 1
        self.evidence.coins.unheard()
        await act(self)
        self.seen = None
        self._read_log()

    def _trouble(self, kind: str) -> None:
        self.counts["faults"] += 1
        self.evidence.causes.add(kind)

    # -- what must hold

    def _judge(self, faults: Iterable[judge.Fault]) -> None:
        for fault in faults:
            raise Violated(fault, self.did)

    def _standing(self) -> list[judge.Fault]:
        seen = self.seen
        digits = int(seen.facts.get("digits") or 0) if seen else 0
        return list(judge.standing(self.evidence.now(seen.name if seen else "", digits)))

    async def _check(self) -> None:
        """What is wrong may last while the kiosk notices, and no longer."""
        end = time.monotonic() + NOTICE_S
        await self.look(0.01)
        self._judge(judge.beside_a_card(self.evidence.written_beside_a_card()))
        while found := self._standing():
            if time.monotonic() > end:
                self._judge(found)
            await self.look(0.1)

    # -- at the end everybody goes home

    async def _go_home(self) -> None:
        self.bench.remove_card()
        calm = time.monotonic() + (CALM_S if self.broken else 0)
        await luck.mend(self)
        end = time.monotonic() + IDLE_S
        while not await self._at_home() or time.monotonic() < calm:
            if time.monotonic() > end:
                name = self.seen.name if self.seen else "dark"
                self._judge([judge.Fault("e", f"no way home: the screen is {name}")])
            for action in ("cancel", "stop", "ok"):
                if self.seen is not None and self.seen.offers(action):
                    await self.watcher.touch(self.seen, action)

    async def _settle_books(self) -> None:
        """What the last step has begun ends, and the city hears of it; then nothing may be wrong."""
        end = time.monotonic() + TOLD_S
        while found := list(self._afterwards()):
            if time.monotonic() > end:
                self._judge(found)
            await self._at_home()
        self.bench.new_cards()

    def _afterwards(self) -> Iterator[judge.Fault]:
        yield from self._standing()
        yield from judge.trail(self.evidence.trail.lines)
        yield from judge.books(self.evidence.books())
        yield from (judge.Fault("l", f"on a wire: {what}") for what in self.bench.violations)
        yield from self.evidence.leaks()

    async def _at_home(self) -> bool:
        self.bench.load_paper()
        await self.take()
        await self.close_cases()
        await self.look(0.3)
        menu = self.seen is not None and self.seen.name == "menu"
        return menu and bool(self.evidence.trail.serving) and not self._standing()
