"""A scenario on the simulated wires: the whole system, driven from the outside, judged by what came
out of it.

What is seen is the panel's own page, what is heard the speaker's own recordings, what is printed
the printer's own paper; money and cases are read from the kiosk's journal afterwards.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

import msgspec

from firmware.service.cases import journal_path
from firmware.service.journal import Entry, Journal
from hal.sim.bench import Bench
from testbed.customer import Watcher
from testbed.model_check import wrong
from testbed.rehearsal import OPENING, prepare
from testbed.scenario.wire_faults import BENCH_FAULTS, FAR_END_FAULTS
from testbed.scenario_file import Expect, Failed, Script, Step, compare, holds
from testbed.screen import Seen
from testbed.system import KIOSK, System

# for a screen to come; the longest the kiosk waits for a wire that says nothing is well below
SEE_S = 25.0
PACE = 0.05  # of the kiosk where a scenario waits for a limit: nobody waits a minute in a test
LINE_S = 2.0  # deadline of a call on the line
FIRST_WHOLE_SHEET = 1_000  # lines; what is shorter was torn
IDLE = ("menu", "closed")

# The bench's own names, where they differ.


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
    rehearsal = prepare(
        folder,
        run,
        pace=PACE if paced(script) else 1.0,
        cashless=script.cashless,
        start=datetime.fromisoformat(script.at) if script.at else OPENING,
        city=script.city,
        kiosk={"line": {"deadline_s": LINE_S}, "kiosk": {"log": "debug"}},
    )
    async with System(rehearsal, kiosk=_program(script)) as system:
        yield system


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


class WireRun:
    def __init__(self, script: Script, system: System, watcher: Watcher) -> None:
        self._script = script
        self._system = system
        self._bench: Bench = system.bench
        self._watcher = watcher
        self._seen: Seen | None = None
        self._heard = 0  # number of the last thing said before the screen now seen
        self._paper = 0
        self._journal = journal_path(system.rehearsal.state)
        self._log = system.rehearsal.run / "kiosk.log"
        self._moves = 0  # of cards, that the kiosk knew of before the last one
        self._start = len(self._entries())
        self._balance = self._bench.terminal.terminal.balance
        self._open = self._open_at_city()
        self._language = "ja"

    async def run(self) -> None:
        self._paper = max(
            (sheet.id for sheet in (*self._bench.waiting, *self._bench.taken)), default=0
        )
        for number, step in enumerate(self._script.steps, 1):
            try:
                await STEPS[step.verb](self, step)
            except Failed as failed:
                raise Failed(f"step {number} ({step.verb} {step.value}): {failed}") from None
        await self._compare()
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
        end = time.monotonic() + SEE_S
        while time.monotonic() < end:
            self._close_cases()
            seen = await self._latest()
            if seen is not None and seen.name in IDLE:
                break
            for action in ("cancel", "ok", "stop"):
                if seen is not None and seen.offers(action):
                    await self._watcher.touch(seen, action)
            self._bench.take_sheets()
        self._bench.new_cards()

    # -- steps

    async def touch(self, step: Step) -> None:
        action, _, value = str(step.touch).partition(":")
        seen = await self._now()
        if not seen.offers(action, value):
            raise Failed(f"{seen.name} does not offer {step.touch!r}")
        await self._watcher.touch(seen, action, value)
        self._seen = None

    async def slip(self, step: Step) -> None:
        await self._watcher.touch(await self._now(), str(step.slip))

    async def pin(self, step: Step) -> None:
        right = self._system.rehearsal.pin(self._bench.on_reader or "")
        digits = right if step.pin == "right" else f"{(int(right) + 1) % 10_000:04d}"
        for count, digit in enumerate(digits, 1):
            seen = await self._now()
            await self._watcher.touch(seen, "digit", digit)
            await self._until(lambda s, n=count: s.facts.get("digits") == n, "digit shown")  # type: ignore[misc]
        await self.touch(Step(touch="enter"))

    async def card(self, step: Step) -> None:
        self._moves = self._known_moves()
        if step.card == "off":
            self._bench.remove_card()
        else:
            self._bench.remove_card()
            self._bench.insert_card(str(step.card))

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
        await _sooner_or_later(lambda: terminal.waiting, "nothing is to be paid at the terminal")
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
        await self._break(str(step.fault), on=True)

    async def heal(self, step: Step) -> None:
        await self._break(str(step.heal), on=False)

    async def _break(self, name: str, *, on: bool) -> None:
        self._moves = self._known_moves()
        special = FAR_END_FAULTS.get(name)
        if special is not None:
            special(self._bench, on)
        else:
            await self._bench.switch(BENCH_FAULTS.get(name, name), on)

    async def wait(self, step: Step) -> None:
        if step.wait == "remind":
            last = self._last_spoken()
            if not await self._bench.until(lambda _: self._last_spoken() > last, SEE_S):
                raise Failed("nothing is said again")
        if step.wait == "noticed":
            await _sooner_or_later(
                lambda: self._known_moves() > self._moves, "nobody knows that the card was moved"
            )
            await self._latest()
        if step.wait == "shut":
            await self._slot(accepting=False)

    async def _slot(self, *, accepting: bool) -> None:
        acceptor = self._bench.coins.acceptor
        otherwise = "the slot is shut" if accepting else "the slot is open"
        await _sooner_or_later(lambda: acceptor.accepting is accepting, otherwise)

    async def operator(self, _: Step) -> None:
        self._close_cases()

    async def see(self, step: Step) -> None:
        def there(seen: Seen) -> bool:
            return seen.name == step.see and not holds(step.facts, seen.facts)

        await self._until(there, f"{step.see} {step.facts or ''}".strip())
        if step.says and not await self._bench.until(
            lambda _: self._is_spoken(str(step.says)), SEE_S
        ):
            raise Failed(f"nobody said {step.says!r}")

    # -- looking and listening

    async def _now(self) -> Seen:
        return self._seen if self._seen is not None else await self._next(SEE_S)

    async def _next(self, timeout_s: float) -> Seen:
        try:
            self._seen = await self._watcher.next(timeout_s)
        except TimeoutError:
            raise Failed(f"no screen in {timeout_s:.0f} s") from None
        return self._seen

    async def _latest(self) -> Seen | None:
        with suppress(TimeoutError):
            self._seen = await self._watcher.next(0.5)
        return self._seen

    async def _until(self, there: Callable[[Seen], bool], what: str) -> None:
        """The screen now shown, or the first to come, that is `there`."""
        end = time.monotonic() + SEE_S
        while self._seen is None or not there(self._seen):
            try:
                await self._next(max(end - time.monotonic(), 0.01))
            except Failed:
                shown = f"{self._seen.name} {self._seen.facts}" if self._seen else "nothing"
                raise Failed(f"no {what}; shown: {shown}") from None

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

    def _entries(self) -> list[Entry]:
        journal = Journal(self._journal)
        try:
            return journal.entries()
        finally:
            journal.close()

    def _close_cases(self) -> None:
        journal = Journal(self._journal)
        try:
            for case in journal.cases():
                journal.close_case(case.id, "scenario")
        finally:
            journal.close()

    async def _compare(self) -> None:
        """The journal is written by another process: what it says last may be a moment behind the
        screen.
        """
        end = time.monotonic() + SEE_S
        while True:
            try:
                return compare(self._script.expect, self._found())
            except Failed:
                if time.monotonic() > end:
                    raise
            await asyncio.sleep(0.1)

    def _found(self) -> Expect:
        entries = self._entries()[self._start :]
        came = [s for s in (*self._bench.taken, *self._bench.waiting) if s.id > self._paper]
        ended = [entry.facts for entry in entries if entry.kind == "ended"]
        return Expect(
            sheets=sum(s.printer == "sheets" and s.image.height >= FIRST_WHOLE_SHEET for s in came),
            receipts=sum(s.printer == "receipts" for s in came)
            - sum(entry.kind == "owed" for entry in entries),
            inserted=sum(entry.facts["value"] for entry in entries if entry.kind == "coin"),
            charged=self._bench.terminal.terminal.balance - self._balance,
            kept=sum(facts["kept"] for facts in ended),
            returned=sum(facts["returned"] for facts in ended),
            owed=sum(facts["owed"] for facts in ended),
            held=sum(facts["held"] for facts in ended),
            outcomes=tuple(entry.facts["result"] for entry in entries if entry.kind == "outcome"),
            cases=tuple(
                e.facts["code"] for e in entries if e.kind == "case" and e.facts["code"] != "claim"
            ),
            open_at_city=self._open_at_city() - self._open,
        )


async def _sooner_or_later(there: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + SEE_S
    while not there():
        if time.monotonic() > end:
            raise Failed(otherwise)
        await asyncio.sleep(0.02)


STEPS: dict[str, Callable[[WireRun, Step], Awaitable[None]]] = {
    "touch": WireRun.touch,
    "slip": WireRun.slip,
    "pin": WireRun.pin,
    "card": WireRun.card,
    "coin": WireRun.coin,
    "present": WireRun.present,
    "take": WireRun.take,
    "fault": WireRun.fault,
    "heal": WireRun.heal,
    "wait": WireRun.wait,
    "operator": WireRun.operator,
    "see": WireRun.see,
}
