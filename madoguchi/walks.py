"""Long random walks over the whole system on simulated wires, judged from the outside.

A walk is a list of numbers: each picks one of the things that a person, a card or bad luck can do at that moment, so
the same numbers are the same walk, and a shorter list is a shorter one. What is asserted is read from where it really
is: coins from the coin unit, paper from the printer, outcomes from the kiosk's journal, orders from the city.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import zxingcpp
from sqlalchemy import select

from city import tables
from city.config import load as load_city
from firmware.flow.states import CardPolicy
from firmware.flow.table import SPECS
from firmware.link.messages import CODE_HEAD, SheetCode
from firmware.service.cases import journal_path
from firmware.service.journal import Entry, Journal
from firmware.service.replay import balance
from firmware.sheets import base45
from hal.sim.bench import Sheet
from madoguchi.person import Watcher
from madoguchi.screen import Seen
from madoguchi.system import System

PACE = 0.05
SETTLE_S = 1.5  # for the kiosk to notice what was done
IDLE_S = 40.0  # for the last person to be gone
WHOLE_SHEET = 1_000  # lines; what is shorter was torn
CARDS = ("taro", "hanako", "yoshiko", "chie", "genzo", "sakura", "misaki", "sachiko")
COINS = (10, 50, 100, 500)
BREAK = ("line-cut", "line-stalled", "reader-lost", "paper-out", "printer-mute", "receipt-mute", "coins-mute")
# Screens of the states in which no card may be there, and nothing go on while that is not known.
SCREENS = {state.screen: spec.card for state, spec in SPECS.items()}
CARD_FREE = frozenset(name for name, policy in SCREENS.items() if policy is CardPolicy.MUST_BE_ABSENT)
FORWARD = ("start", "choose", "next", "confirm", "ok", "try", "pick")
FAR = 6  # how much likelier than anything else
# Anomalies that a person or a broken wire explains. Any other case is a defect of ours.
EXPLAINED = ("print.", "payout.", "coins.", "paper.not-taken", "claim", "power.")


class Violated(Exception):
    """What did not hold, and the walk that led there."""


@dataclass
class Walk:
    system: System
    watcher: Watcher
    seen: Seen | None = None
    did: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    taken: list[Sheet] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    _begun: int = 0  # journal entries before this walk
    _inside: int = 0  # yen in the machine before it

    async def run(self, numbers: Sequence[int]) -> None:
        """Raises Violated."""
        self._begun, self._inside = self._entries(), self._money()
        for number in numbers:
            await self._look(0.05)
            choices = self._possible()
            name, act = choices[number % len(choices)]
            self.did.append(name)
            await act()
            await self._look(0.02)
            await self._check_card()
        await self._go_home()
        self._check_books()

    # -- what can be done now

    def _possible(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """Everything, and what a person would do next many times over: else no walk gets far."""
        bench, seen = self.system.bench, self.seen
        found: list[tuple[str, Callable[[], Awaitable[None]]]] = [("wait", lambda: self._look(0.3))]
        if seen is not None:
            touches = [self._touch(b.action, b.value) for b in seen.buttons if b.action not in ("repeat", "volume")]
            found += touches + [touch for touch in touches if touch[0].split()[1] in FORWARD] * FAR
            found.append(("touch an older screen", self._old_touch))
            if seen.name == "pin" and bench.on_reader:
                found += [self._pin()] * 3 * FAR
            if seen.name in ("menu", "place") and bench.on_reader is None:
                found += [(f"card {name}", partial(self._put, name)) for name in CARDS] * (FAR // 2)
            if seen.name == "paying":
                found += [(f"coin {value}", partial(self._coin, value)) for value in COINS] * FAR
        if bench.on_reader is None:
            found.append(("card hanako", partial(self._put, "hanako")))
        else:
            leaving = seen is not None and SCREENS.get(seen.name) is CardPolicy.MUST_LEAVE
            found += [("card off", self._lift)] * (3 * FAR if leaving else 2)
        found += [(f"coin {value}", partial(self._coin, value)) for value in COINS[:1]]
        found += [("take what is there", self._take)] * (FAR if bench.waiting else 0)
        if self.broken:
            found += [(f"mend {name}", partial(self._switch, name, False)) for name in sorted(self.broken)] * FAR
        else:
            name = BREAK[len(self.did) % len(BREAK)]
            found += [(f"break {name}", partial(self._switch, name, True))] * 2
        return found

    def _touch(self, action: str, value: str) -> tuple[str, Callable[[], Awaitable[None]]]:
        async def act() -> None:
            if self.seen is not None:
                await self.watcher.touch(self.seen, action, value)

        return f"touch {action} {value}".strip() if action != "digit" else "touch a digit", act

    def _pin(self) -> tuple[str, Callable[[], Awaitable[None]]]:
        async def act() -> None:
            for digit in self.system.rehearsal.pin(self.system.bench.on_reader or "taro"):
                await self._look(0.1)
                if self.seen is not None:
                    await self.watcher.touch(self.seen, "digit", digit)
            await self._look(0.1)
            if self.seen is not None:
                await self.watcher.touch(self.seen, "enter")

        return "type the PIN", act

    async def _old_touch(self) -> None:
        if self.seen is not None:
            old = Seen(self.seen.number - 1)
            await self.watcher.touch(old, "confirm")

    async def _put(self, name: str) -> None:
        self.system.bench.insert_card(name)

    async def _lift(self) -> None:
        self.system.bench.remove_card()

    async def _coin(self, value: int) -> None:
        self.system.bench.coin(value)

    async def _take(self) -> None:
        self.taken += self.system.bench.take_sheets()
        self.system.bench.take_receipt()
        self.system.bench.take_coins()

    async def _switch(self, name: str, on: bool) -> None:
        await self.system.bench.switch(name, on)
        (self.broken.add if on else self.broken.discard)(name)

    async def _look(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self.seen = await self.watcher.next(left)
            except TimeoutError:
                return

    # -- what must hold at every step

    async def _check_card(self) -> None:
        """With a card on the reader no screen of choosing, paying or printing lasts."""
        end = time.monotonic() + SETTLE_S
        while self.system.bench.on_reader and self.seen is not None and self.seen.name in CARD_FREE:
            if time.monotonic() > end:
                self._violated(f"the screen is {self.seen.name} and a card is on the reader")
            await self._look(0.1)

    def _violated(self, what: str) -> None:
        raise Violated(f"{what}; the walk: {', '.join(self.did)}")

    # -- at the end: everybody goes home, then the books must balance

    async def _go_home(self) -> None:
        bench = self.system.bench
        bench.remove_card()
        await bench.mend()
        self.broken.clear()
        end = time.monotonic() + IDLE_S
        while time.monotonic() < end:
            bench.load_paper()
            await self._take()
            self._close_cases()
            await self._look(0.3)
            if self.seen is not None and self.seen.name == "menu" and not self._open_sessions():
                return
            for action in ("cancel", "stop", "ok"):
                if self.seen is not None and self.seen.offers(action):
                    await self.watcher.touch(self.seen, action)
        self._violated(f"no way home: the screen is {self.seen.name if self.seen else 'dark'}")

    def _journal(self) -> Journal:
        return Journal(journal_path(self.system.rehearsal.state))

    def _close_cases(self) -> None:
        journal = self._journal()
        for case in journal.cases():
            if not case.code.startswith(EXPLAINED):
                self._violated(f"case {case.code}")
            self.cases.append(case.code)
            journal.close_case(case.id, "walk")
        journal.close()

    def _open_sessions(self) -> bool:
        journal = self._journal()
        found = bool(journal.unfinished())
        journal.close()
        return found

    def _entries(self) -> int:
        journal = self._journal()
        count = journal.verify()
        journal.close()
        return count

    def _money(self) -> int:
        coins = self.system.bench.coins
        return sum(coins.acceptor.swallowed) - sum(coins.paid_out)

    def _check_books(self) -> None:
        journal = self._journal()
        journal.verify()
        sessions: dict[str, list[Entry]] = {}
        for entry in journal.entries():
            if entry.seq > self._begun and entry.session:
                sessions.setdefault(entry.session, []).append(entry)
        books = [balance(entries) for entries in sessions.values()]
        journal.close()
        inside = self._money() - self._inside
        kept_or_owed = sum(book.kept + book.owed for book in books)
        if inside != kept_or_owed and not any(code.startswith("coins.") for code in self.cases):  # nobody was told
            self._violated(f"{inside} yen in the machine, {kept_or_owed} in the books")
        self._check_paper(sum(book.printed for book in books))
        if self.system.bench.violations:
            self._violated(f"on a wire: {self.system.bench.violations[0]}")

    def _check_paper(self, printed: int) -> None:
        """Every whole sheet belongs to an order that the city issued, and came out once."""
        whole = [sheet for sheet in self.taken if sheet.image.height >= WHOLE_SHEET]
        numbers = Counter(code for sheet in whole for code in [_code(sheet)] if code)
        issued = self._issued()
        for (number, page), times in numbers.items():
            if number not in issued:
                self._violated(f"page {page} of an order that was not issued came out")
            if times > issued[number]:
                self._violated(f"page {page} came out {times} times")
        if len(whole) < printed:
            self._violated(f"{printed} sheets in the journal, {len(whole)} came out")

    def _issued(self) -> dict[str, int]:
        """Unique number of every order the city has issued, and how many copies of it may be there."""
        engine = tables.connect(load_city(self.system.rehearsal.city_toml).gateway.database)
        with engine.connect() as connection:
            rows = connection.execute(
                select(tables.orders.c.unique_number, tables.orders.c.fee).where(tables.orders.c.state == "issued")
            ).all()
        engine.dispose()
        return {number: fee // 100 for number, fee in rows}


def _code(sheet: Sheet) -> tuple[str, int] | None:
    for found in zxingcpp.read_barcodes(sheet.image.convert("L")):
        try:
            code = SheetCode.decode(base45.decode(found.text)[:CODE_HEAD])
        except ValueError:
            continue
        return code.unique_number, code.page
    return None


def numbers(seed: int, steps: int) -> list[int]:
    """The same seed is the same walk."""
    source = random.Random(seed)  # noqa: S311 - reproducible on purpose
    return [source.randrange(1 << 16) for _ in range(steps)]


async def walk(system: System, steps: Sequence[int]) -> list[str]:
    """What was done. Raises Violated. The system is idle before and after."""
    async with Watcher(system.rehearsal.panel).watching() as watcher:
        one = Walk(system, watcher)
        await one.run(steps)
        return one.did
