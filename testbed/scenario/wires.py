"""A scenario on the simulated wires: the whole system, driven from the outside, judged by what came
out of it.

What is seen is the panel's own page, what is heard the speaker's own recordings, what is printed
the printer's own paper; money and cases are read from the kiosk's journal afterwards.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from firmware.service.cases import journal_path
from hal.sim.bench import Bench, BenchError
from testbed.customer import Watcher
from testbed.model_check import wrong
from testbed.rehearsal import OPENING, SPOKEN, Rehearsal, prepare
from testbed.scenario.panel_run import STEPS as STEPS
from testbed.scenario.panel_run import PanelRun, wrong_pin
from testbed.scenario_file import Expect, Failed, Script, Step
from testbed.system import KIOSK, System

PACE = 0.05  # of the kiosk where a scenario waits for a limit: nobody waits a minute in a test
LINE_S = 2.0  # deadline of a call on the line
FIRST_WHOLE_SHEET = 1_000  # lines; what is shorter was torn


def paced(script: Script) -> bool:
    """Whether this journey waits for time to run out."""
    return any(step.wait in ("limit", "remind") for step in script.steps)


def setting(script: Script) -> tuple[bytes, str | None, bool, str]:
    """Scripts of one setting can run one after the other on one system."""
    alone = script.title if _leaves_a_mess(script) else ""
    return (
        msgspec.json.encode(script.city, order="deterministic"),
        script.at,
        paced(script),
        alone + " cashless" * script.cashless,
    )


def _leaves_a_mess(script: Script) -> bool:
    """A machine that is wrong, or a journey that may break off anywhere."""
    return bool(script.defect) or script.expect is None


@asynccontextmanager
async def system_for(script: Script, folder: Path, run: Path) -> AsyncIterator[System]:
    """A system at work in this script's setting. `folder` keeps keys, cards and voice
    between runs.
    """
    rehearsal = prepare_for(script, folder, run)
    async with System(rehearsal, kiosk=_program(script)) as system:
        yield system


def prepare_for(
    script: Script, folder: Path, run: Path, spoken: Collection[str] = SPOKEN
) -> Rehearsal:
    """In this script's setting. Raises RehearsalError."""
    return prepare(
        folder,
        run,
        pace=PACE if paced(script) else 1.0,
        cashless=script.cashless,
        start=datetime.fromisoformat(script.at) if script.at else OPENING,
        city=script.city,
        kiosk={"line": {"deadline_s": LINE_S}, "kiosk": {"log": "debug"}},
        spoken=spoken,
    )


def _program(script: Script) -> tuple[str, ...]:
    return wrong.program(script.defect) if script.defect else KIOSK


async def change_kiosk(script: Script, system: System) -> None:
    """The kiosk of this script serves at the wires of the one before, everything mended."""
    await system.kiosk.stop()
    system.kiosk.program, *words = _program(script)
    system.kiosk.arguments = (*words, "--config", str(system.rehearsal.kiosk_toml))
    await system.kiosk.start()
    async with Watcher(system.rehearsal.panel, system.rehearsal.panel_key).watching() as watcher:
        await WireRun(script, system, watcher).tidy_up()


async def run(script: Script, system: System) -> None:
    """Raises Failed, with the step's number. The system is left idle, everything mended, for the
    next script.
    """
    async with Watcher(system.rehearsal.panel, system.rehearsal.panel_key).watching() as watcher:
        journey = WireRun(script, system, watcher)
        try:
            await journey.run()
        finally:
            if not _leaves_a_mess(script):
                await journey.tidy_up()


class WireRun(PanelRun):
    """The hands are at the simulated far ends."""

    def __init__(self, script: Script, system: System, watcher: Watcher) -> None:
        super().__init__(script, watcher, journal_path(system.rehearsal.state))
        self._system = system
        self._bench: Bench = system.bench
        self._paper = 0
        self._log = system.rehearsal.run / "kiosk.log"
        self._moves = 0  # of cards, that the kiosk knew of before the last one
        self._balance = self._bench.terminal.terminal.balance
        self._open = self._open_at_city()

    async def run(self) -> None:
        self._paper = max(
            (sheet.id for sheet in (*self._bench.waiting, *self._bench.taken)), default=0
        )
        await super().run()
        if self._bench.violations:
            raise Failed(f"on a wire: {self._bench.violations[0]}")

    async def tidy_up(self) -> None:
        """For the next script: what was broken is mended, what lies about is taken, the kiosk is
        idle.
        """
        self._bench.remove_card()
        await self._bench.mend()
        self._bench.load_paper()
        self._bench.take_sheets()
        self._bench.take_receipt()
        self._bench.take_coins()
        await self._leave()
        self._bench.new_cards()

    def _take_what_lies_there(self) -> None:
        self._bench.take_sheets()

    # -- the hands

    async def pin(self, step: Step) -> None:
        right = self._system.rehearsal.pin(self._bench.on_reader or "")
        await self.type_pin(right if step.pin == "right" else wrong_pin(right))

    async def card(self, step: Step) -> None:
        self._moves = self._known_moves()
        self._bench.remove_card()
        if step.card != "off":
            self._lay(str(step.card))

    def _lay(self, name: str) -> None:
        try:
            self._bench.insert_card(name)
        except BenchError as error:
            raise Failed(str(error)) from None

    async def coin(self, step: Step) -> None:
        """The slot opens a little after the screen; where it does not, the coin stays in
        the hand.
        """
        if self._seen is None or self._seen.name == "paying":
            await self._slot(accepting=True)
        self._bench.coin(step.coin or 0)
        self._bench.take_coins()

    async def present(self, _: Step) -> None:
        """The terminal asks a little after the screen."""
        terminal = self._bench.terminal.terminal
        await self._sooner_or_later(
            lambda: terminal.waiting, "nothing is to be paid at the terminal"
        )
        self._bench.present()

    async def take(self, step: Step) -> None:
        if step.take == "receipt":
            self._bench.take_receipt()
        elif not self._bench.take_sheets():
            raise Failed("nothing is in the outlet")

    async def fault(self, step: Step) -> None:
        """What change there is, is asked just before the slot opens: hoppers that run empty do so
        after that.
        """
        if step.fault == "hoppers-empty" and self._seen is not None and self._seen.name == "paying":
            await self._slot(accepting=True)
        self._moves = self._known_moves()
        await self._bench.switch(str(step.fault), True)

    async def heal(self, step: Step) -> None:
        self._moves = self._known_moves()
        await self._bench.switch(str(step.heal), False)

    async def wait(self, step: Step) -> None:
        if step.wait == "remind":
            last = self._last_spoken()
            if not await self._bench.until(lambda _: self._last_spoken() > last, self.see_s):
                raise Failed("nothing is said again")
        if step.wait == "noticed":
            await self._sooner_or_later(
                lambda: self._known_moves() > self._moves, "nobody knows that the card was moved"
            )
            await self._latest()
        if step.wait == "shut":
            await self._slot(accepting=False)

    async def _slot(self, *, accepting: bool) -> None:
        acceptor = self._bench.coins.acceptor
        otherwise = "the slot is shut" if accepting else "the slot is open"
        await self._sooner_or_later(lambda: acceptor.accepting is accepting, otherwise)

    # -- listening

    async def hear(self, words: str) -> None:
        if not await self._bench.until(lambda _: self._is_spoken(words), self.see_s):
            raise Failed(f"nobody said {words!r}")

    def _last_spoken(self) -> int:
        return max((said.id for said in self._bench.spoken if said.text), default=0)

    def _is_spoken(self, words: str) -> bool:
        return any(words in said.text for said in self._bench.spoken)

    # -- what it came to

    def _known_moves(self) -> int:
        return self._log.read_text("utf-8").count('"card.status"')

    def _open_at_city(self) -> int:
        """Sessions that the city holds open, by its own database."""
        database = sqlite3.connect(
            f"file:{self._system.rehearsal.run / 'city.sqlite'}?mode=ro", uri=True
        )
        try:
            return int(
                database.execute("SELECT count(*) FROM sessions WHERE state = 'open'").fetchone()[0]
            )
        finally:
            database.close()

    def found(self) -> Expect:
        """Paper and charges by the far ends' own account."""
        entries = self._entries()[self._start :]
        came = [s for s in (*self._bench.taken, *self._bench.waiting) if s.id > self._paper]
        return msgspec.structs.replace(
            self.booked(entries),
            sheets=sum(s.printer == "sheets" and s.image.height >= FIRST_WHOLE_SHEET for s in came),
            receipts=sum(s.printer == "receipts" for s in came)
            - sum(entry.kind == "owed" for entry in entries),
            charged=self._bench.terminal.terminal.balance - self._balance,
            open_at_city=self._open_at_city() - self._open,
        )
