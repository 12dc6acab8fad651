"""One walk: a customer's hands and eyes, an operator's, and disturbances; after each step it is
checked what must hold.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from firmware.flow.states import SETTINGS, State
from firmware.flow.table import SPECS
from firmware.service.deaths import MANY, Deaths
from hal.sim.bench import BenchError
from testbed.customer import Watcher
from testbed.random_walk import acts, books, disturbances, judge
from testbed.random_walk.evidence import Evidence
from testbed.screen import Seen
from testbed.system import System

PACE = 0.05
NOTICE_S = 15.0  # for the kiosk to notice what was done
# an operator's hands need a moment: no printer is filled between two questions of the kiosk
HANDS_S = 0.6
QUIET_S = 0.04  # without a new screen: it waits for the customer
GLANCE_S = 0.01
SETTLE_S = 1.0
ASIDE_S = 0.1  # for a touch that must change nothing to change something
STILL_S = 25.0  # all limits of a journey one after the other, at this pace
IDLE_S = 120.0  # for the last customer to be gone
CALM_S = 3.0  # for the kiosk to notice what was broken until now
REPORTED_S = 60.0  # for the city to hear the outcomes
DEVICE = frozenset(
    state.screen for state, spec in SPECS.items() if spec.device or state is State.ENDING
)
# Where a kiosk that is left alone comes to rest.
REST = frozenset({"menu", "fault", "closed", "cardleft", "uncollected"})
REST_WITH_CARD = frozenset({"fault", "cardleft", "uncollected"})
HASTY = 4  # one step in so many does not wait until the screen waits for somebody


class Violated(Exception):
    """What did not hold, and the walk that led there."""

    def __init__(self, fault: judge.Violation, did: Sequence[str]) -> None:
        super().__init__(f"({fault.letter}) {fault.what}")
        self.fault = fault
        self.did = tuple(did)


class Walk:
    """`deaths`: how often processes of this system were killed; kept from walk to walk."""

    def __init__(self, system: System, watcher: Watcher, deaths: Deaths) -> None:
        self.system = system
        self.deaths = deaths
        self.bench = system.bench
        self.watcher = watcher
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
            if hurry == HASTY - 1:
                await self.look(GLANCE_S)
            else:
                await self.settle()
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
        entries = self.evidence.walked()
        sheets = [entry for entry in entries if entry.kind == "sheet-done"]
        paid = [entry for entry in entries if entry.kind == "ended" and entry.facts["kept"] > 0]
        own = Counter(steps=len(self.did), sheets=len(sheets), journeys=len(paid))
        return self.counts + own

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
        """Until the screen waits for a customer; not long where it waits for a device."""
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            before = self.seen
            await self.look(QUIET_S)
            if self.seen is not None and self.seen is before and self.seen.name not in DEVICE:
                return

    def _read_log(self) -> None:
        trail = self.evidence.trail
        before = trail.serving
        trail.read()
        if trail.serving and trail.serving != before:
            self.evidence.coins.end_gap()

    # -- a customer's hands

    async def touch(self, seen: Seen, action: str, value: str) -> None:
        await self.watcher.touch(seen, action, value)

    async def type_pin(self, right: bool) -> None:
        pin = self.system.rehearsal.pin(self.bench.on_reader or acts.CARDS[0])
        if not right:
            pin = f"{(int(pin) + 1) % 10_000:04d}"
        for digit in pin:
            if self.seen is None or self.seen.name != "pin":
                return
            await self.watcher.touch(self.seen, "digit", digit)
            await self.look(QUIET_S)
        if self.seen is not None:
            await self.watcher.touch(self.seen, "enter")

    async def touch_aside(self, by: int) -> None:
        """A touch on a screen that is not the one shown, or of what this one does not offer:
        nothing may change.
        """
        await self.settle()
        seen = self.seen
        if seen is None or seen.name in DEVICE:
            return
        action, value = self._touch_of_this_screen(seen)
        if not by:
            action = next(
                action for action in ("confirm", "taken", "ok", "start") if not seen.offers(action)
            )
        lines_before = len(self.evidence.trail.lines)
        await self.watcher.touch(Seen(seen.number + by), action, value)
        await self.look(ASIDE_S)
        for line in self.evidence.trail.lines[lines_before:]:
            if line.log == "state" and line.event == f"touch.{action}":
                what = f"{action} on another screen than {seen.name} led to {line.state}"
                self._raise_first([judge.Violation("f", what)])

    def _touch_of_this_screen(self, seen: Seen) -> tuple[str, str]:
        """Action and value of one that would change the state."""
        for button in seen.buttons:
            if button.action not in (*acts.OF_THE_PANEL, *SETTINGS, "more-time"):
                return button.action, button.value
        return "ok", ""

    async def lay(self, name: str) -> None:
        try:
            self.bench.insert_card(name)
        except BenchError:
            return  # the card was pulled, or another one laid, this very moment
        self.evidence.lay(name)

    async def lift(self) -> None:
        self.bench.remove_card()

    async def swap(self, name: str) -> None:
        await self.lift()
        await self.lay(name)

    async def coin(self, value: int) -> None:
        if self.bench.coin(value):
            self.evidence.coins.note_coin(value, counted=not self.bench.coins_mute)

    async def take(self) -> None:
        self.evidence.papers += self.bench.take_sheets() + self.bench.take_receipt()
        self.bench.take_coins()

    async def stand_still(self) -> None:
        """Nobody does anything for as long as all limits take: the kiosk comes to rest, with a card
        in the alarm.
        """
        self.stood_still += 1
        rest = REST_WITH_CARD if self.bench.on_reader else REST
        end = time.monotonic() + STILL_S
        while time.monotonic() < end:
            await self.settle()
            if self.seen is not None and self.seen.name in rest:
                return
        if not self.broken:
            name = self.seen.name if self.seen else "dark"
            what = f"left alone, the screen is still {name} after {STILL_S:.0f} s"
            self._raise_first([judge.Violation("e", what)])

    # -- the operator, and disturbances

    async def close_cases(self) -> None:
        journal = self.evidence.journal
        for case in journal.cases():
            journal.close_case(case.id, "walk")
            self.counts["cases"] += 1

    async def load_paper(self) -> None:
        await self.look(HANDS_S)
        self.bench.load_paper()

    async def switch(self, name: str, on: bool) -> None:
        broken = disturbances.BREAKS[name]
        if on:
            self._count_trouble(broken.cause)
            self.broken.add(name)
        else:
            await self.look(HANDS_S)
            self.broken.discard(name)
        if name == "coins-mute":
            self._let_coins_be_counted(not on)
        done = broken.switch(self, on)
        if done is not None:
            await done

    def _let_coins_be_counted(self, counted: bool) -> None:
        if counted:
            self.evidence.coins.end_gap()
        else:
            self.evidence.coins.begin_gap()

    async def once(self, name: str) -> None:
        incident = disturbances.ONCE[name]
        self._count_trouble(incident.cause)
        incident.act(self.bench)

    @property
    def may_kill_a_process(self) -> bool:
        """With one more the kiosk goes out of service, as it should: too many died in a while."""
        return self.deaths.recent(time.monotonic()) < MANY - 1

    async def kill(self, name: str) -> None:
        killing = disturbances.KILLS[name]
        self._count_trouble(killing.cause)
        self.counts["kills"] += 1
        self.evidence.coins.begin_gap()
        await killing.act(self)
        self.seen = None
        self._read_log()

    def _count_trouble(self, cause: str) -> None:
        self.counts["faults"] += 1
        self.evidence.causes.add(cause)

    # -- what must hold

    def _raise_first(self, faults: Iterable[judge.Violation]) -> None:
        for fault in faults:
            raise Violated(fault, self.did)

    def _standing(self) -> list[judge.Violation]:
        seen = self.seen
        digits = int(seen.facts.get("digits") or 0) if seen else 0
        return list(judge.check_moment(self.evidence.now(seen.name if seen else "", digits)))

    async def _check(self) -> None:
        """What is wrong may last while the kiosk notices, and no longer."""
        end = time.monotonic() + NOTICE_S
        await self.look(GLANCE_S)
        self._raise_first(judge.check_beside_a_card(self.evidence.written_beside_a_card()))
        while found := self._standing():
            if time.monotonic() > end:
                self._raise_first(found)
            await self.look(0.1)

    # -- at the end everybody goes home

    async def _go_home(self) -> None:
        self.bench.remove_card()
        calm = time.monotonic() + (CALM_S if self.broken else 0)
        await disturbances.mend(self)
        end = time.monotonic() + IDLE_S
        while not await self._at_home() or time.monotonic() < calm:
            if time.monotonic() > end:
                name = self.seen.name if self.seen else "dark"
                self._raise_first([judge.Violation("e", f"no way home: the screen is {name}")])
            for action in ("cancel", "stop", "ok"):
                if self.seen is not None and self.seen.offers(action):
                    await self.watcher.touch(self.seen, action)

    async def _settle_books(self) -> None:
        """What the last step has begun ends, and the city hears of it; then nothing may
        be wrong.
        """
        end = time.monotonic() + REPORTED_S
        while found := list(self._afterwards()):
            if time.monotonic() > end:
                self._raise_first(found)
            await self._at_home()
        self.bench.new_cards()

    def _afterwards(self) -> Iterator[judge.Violation]:
        yield from self._standing()
        yield from judge.check_log(self.evidence.trail.lines)
        yield from books.check_books(self.evidence.left_behind())
        yield from (judge.Violation("l", f"on a wire: {what}") for what in self.bench.violations)
        yield from self.evidence.leaks()

    async def _at_home(self) -> bool:
        self.bench.load_paper()
        await self.take()
        await self.close_cases()
        await self.look(0.3)
        menu = self.seen is not None and self.seen.name == "menu"
        return menu and bool(self.evidence.trail.serving) and not self._standing()
