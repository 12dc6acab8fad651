"""A scenario on real devices: the kiosk of a configuration is running, and hands do what a person
does at its devices.

The scenario takes the place of the panel's browser. Sheets, money, outcomes and cases are read from
the kiosk's journal; receipts, charges by the terminal's own account and what the city holds open
stand in no journal, and are not compared.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from firmware.service.cases import journal_path
from firmware.service.config import ConfigError, load
from firmware.service.entry import JournalBroken
from firmware.service.journal import Journal
from firmware.service.panel_key import key_file
from testbed.customer import Watcher
from testbed.scenario.hands import Hands, HandsGaveUp
from testbed.scenario.panel_run import PanelRun, wrong_pin
from testbed.scenario_file import Expect, Failed, Script, Step

FIRST_SCREEN_S: Final = 25.0
NOTICED_S: Final = 2.0  # a reader is asked several times a second


class NoBench(Exception):
    """One line: what of the bench is not there, and what to do."""


@dataclass
class RealBench:
    """A running kiosk, and whoever works at its devices."""

    panel: str
    key: Path
    journal: Path
    cashless: bool
    hands: Hands
    city: dict[str, Any] = field(default_factory=dict)  # what was asked for last
    at: str | None = None

    async def play(self, script: Script) -> None:
        """Raises Failed, HandsGaveUp, NoBench. The kiosk is left idle, everything mended."""
        if script.defect:
            raise NoBench("a kiosk that is wrong is run --on wires only")
        if script.cashless and not self.cashless:
            raise NoBench("this scenario pays at a terminal, and the kiosk has no [cashless]")
        await self._set_up(script)
        async with self._watching() as watcher:
            run = BenchRun(script, watcher, self)
            try:
                await run.run()
            except Failed:
                await run.tidy_up()
                raise
            await run.tidy_up()

    async def _set_up(self, script: Script) -> None:
        if script.city != self.city:
            await self.hands.do("city", json.dumps(script.city, ensure_ascii=False))
            self.city = script.city
        if script.at != self.at:
            await self.hands.do("clock", script.at or "now")
            self.at = script.at

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[Watcher]:
        try:
            self.key.read_text()
            Journal(self.journal).close()
        except OSError as error:
            raise NoBench(
                f"{error.filename}: {error.strerror}: start the kiosk (kiosk run --config …), and"
                " run this as its user"
            ) from None
        except JournalBroken as error:
            raise NoBench(str(error)) from None
        async with Watcher(self.panel, self.key).watching() as watcher:
            yield watcher


class BenchRun(PanelRun):
    """The hands are somebody else's."""

    see_s = 180.0  # real sheets take their time, and nobody's clock is turned

    def __init__(self, script: Script, watcher: Watcher, bench: RealBench) -> None:
        super().__init__(script, watcher, bench.journal)
        self._bench = bench
        self._hands = bench.hands
        self._holder = ""

    async def run(self) -> None:
        """Raises NoBench where no screen comes at all."""
        try:
            await self._next(FIRST_SCREEN_S)
        except Failed:
            raise NoBench(f"{self._bench.panel} shows no screen: is the kiosk running?") from None
        await super().run()

    async def step(self, number: int, step: Step) -> None:
        try:
            await super().step(number, step)
        except HandsGaveUp as gave_up:
            raise HandsGaveUp(f"step {number} ({step.verb} {step.value}): {gave_up}") from None

    async def tidy_up(self) -> None:
        await self._hands.do("mend")
        await self._leave()

    async def card(self, step: Step) -> None:
        await self._hands.do("card", str(step.card))
        self._holder = str(step.card)

    async def pin(self, step: Step) -> None:
        right = await self._hands.do("pin", self._holder)
        if not (right.isascii() and right.isdecimal() and len(right) == 4):
            raise Failed("what the hands say is no PIN: four digits")
        await self.type_pin(right if step.pin == "right" else wrong_pin(right))

    async def coin(self, step: Step) -> None:
        """The slot opens a little after the screen; where it does not, the slot gives it back."""
        if self._seen is None or self._seen.name == "paying":
            await self._slot(accepting=True)
        await self._hands.do("coin", str(step.coin))

    async def present(self, step: Step) -> None:
        await self._hands.do("present", str(step.present))

    async def take(self, step: Step) -> None:
        await self._hands.do("take", str(step.take))

    async def fault(self, step: Step) -> None:
        await self._hands.do("fault", str(step.fault))

    async def heal(self, step: Step) -> None:
        await self._hands.do("heal", str(step.heal))

    async def hear(self, words: str) -> None:
        await self._hands.do("hear", words)

    async def wait(self, step: Step) -> None:
        if step.wait == "remind":
            await self.hear("again")
        if step.wait == "noticed":
            await asyncio.sleep(NOTICED_S)
            await self._latest()
        if step.wait == "shut":
            await self._slot(accepting=False)

    async def _slot(self, *, accepting: bool) -> None:
        otherwise = "the slot is shut" if accepting else "the slot is open"
        await self._sooner_or_later(lambda: self._is_open() is accepting, otherwise)

    def _is_open(self) -> bool:
        """By what the kiosk wrote down before it opened the slot, and when it was shut."""
        counters = [entry for entry in self._entries() if entry.kind == "coin-counter"]
        return bool(counters and counters[-1].facts["open"])

    def found(self) -> Expect:
        """By the journal; what does not stand there is as expected."""
        wanted = self._script.expect or Expect()
        return msgspec.structs.replace(
            self.booked(self._entries()[self._start :]),
            receipts=wanted.receipts,
            charged=wanted.charged,
            open_at_city=wanted.open_at_city,
        )


def find_bench(config: Path, hands: Hands) -> RealBench:
    """Of the kiosk with this configuration. Raises NoBench."""
    try:
        kiosk = load(config)
    except ConfigError as error:
        raise NoBench(str(error)) from None
    return RealBench(
        panel=f"http://{kiosk.panel.listen}",
        key=key_file(kiosk.kiosk.runtime),
        journal=journal_path(kiosk.kiosk.state),
        cashless=kiosk.cashless is not None,
        hands=hands,
    )
