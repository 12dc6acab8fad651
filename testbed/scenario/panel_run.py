"""A scenario's steps at the panel of a running kiosk, whoever's hands move cards, coins and paper.

What is seen is the panel's own page; money and cases are read from the kiosk's journal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from firmware.service.journal import Entry, Journal
from testbed.customer import Watcher
from testbed.scenario_file import Expect, Failed, Script, Step, compare, holds
from testbed.screen import Seen

IDLE: Final = ("menu", "closed")
WAYS_OUT: Final = ("cancel", "ok", "stop")


class PanelRun:
    """One scenario. A subclass has the hands: it says what `card`, `coin`, `present`, `take`,
    `fault`, `heal` and `wait` mean where it is, what a PIN is, and whether something is said.
    """

    # for a screen to come; the longest the kiosk waits for a wire that says nothing is well below
    see_s = 25.0

    def __init__(self, script: Script, watcher: Watcher, journal: Path) -> None:
        self._script = script
        self._watcher = watcher
        self._seen: Seen | None = None
        self._journal = journal
        self._start = len(self._entries())

    async def run(self) -> None:
        """Raises Failed, with the step's number."""
        for number, step in enumerate(self._script.steps, 1):
            try:
                await self.step(number, step)
            except Failed as failed:
                raise Failed(f"step {number} ({step.verb} {step.value}): {failed}") from None
        await self._compare()

    async def step(self, number: int, step: Step) -> None:
        """`number` counts from one."""
        await STEPS[step.verb](self, step)

    # -- the hands

    async def card(self, step: Step) -> None:
        raise NotImplementedError

    async def coin(self, step: Step) -> None:
        raise NotImplementedError

    async def present(self, step: Step) -> None:
        raise NotImplementedError

    async def take(self, step: Step) -> None:
        raise NotImplementedError

    async def fault(self, step: Step) -> None:
        raise NotImplementedError

    async def heal(self, step: Step) -> None:
        raise NotImplementedError

    async def wait(self, step: Step) -> None:
        raise NotImplementedError

    async def pin(self, step: Step) -> None:
        raise NotImplementedError

    async def hear(self, words: str) -> None:
        """Raises Failed where this is not said."""
        raise NotImplementedError

    def found(self) -> Expect:
        """What it has come to by now."""
        raise NotImplementedError

    # -- steps at the panel

    async def touch(self, step: Step) -> None:
        action, _, value = str(step.touch).partition(":")
        seen = await self._now()
        if not seen.offers(action, value):
            raise Failed(f"{seen.name} does not offer {step.touch!r}")
        await self._watcher.touch(seen, action, value)
        self._seen = None

    async def slip(self, step: Step) -> None:
        await self._watcher.touch(await self._now(), str(step.slip))

    async def type_pin(self, digits: str) -> None:
        """With Enter."""
        for count, digit in enumerate(digits, 1):
            seen = await self._now()
            await self._watcher.touch(seen, "digit", digit)
            await self._until(lambda s, n=count: s.facts.get("digits") == n, "digit shown")  # type: ignore[misc]
        await self.touch(Step(touch="enter"))

    async def operator(self, _: Step) -> None:
        self._close_cases()

    async def see(self, step: Step) -> None:
        def there(seen: Seen) -> bool:
            return seen.name == step.see and not holds(step.facts, seen.facts)

        await self._until(there, f"{step.see} {step.facts or ''}".strip())
        if step.says:
            await self.hear(step.says)

    async def _leave(self) -> None:
        """Until the kiosk is idle, by whatever way out its screens offer."""
        end = time.monotonic() + self.see_s
        while time.monotonic() < end:
            self._close_cases()
            seen = await self._latest()
            if seen is not None and seen.name in IDLE:
                break
            for action in WAYS_OUT:
                if seen is not None and seen.offers(action):
                    await self._watcher.touch(seen, action)
            self._take_what_lies_there()

    def _take_what_lies_there(self) -> None:
        """Before the kiosk is idle, where these hands can."""

    # -- looking

    async def _now(self) -> Seen:
        return self._seen if self._seen is not None else await self._next(self.see_s)

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
        end = time.monotonic() + self.see_s
        while self._seen is None or not there(self._seen):
            try:
                await self._next(max(end - time.monotonic(), 0.01))
            except Failed:
                shown = f"{self._seen.name} {self._seen.facts}" if self._seen else "nothing"
                raise Failed(f"no {what}; shown: {shown}") from None

    async def _sooner_or_later(self, there: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + self.see_s
        while not there():
            if time.monotonic() > end:
                raise Failed(otherwise)
            await asyncio.sleep(0.02)

    # -- what it came to

    def _entries(self) -> list[Entry]:
        """All of the journal."""
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
        end = time.monotonic() + self.see_s
        while True:
            try:
                return compare(self._script.expect, self.found())
            except Failed:
                if time.monotonic() > end:
                    raise
            await asyncio.sleep(0.1)

    def booked(self, entries: list[Entry]) -> Expect:
        """What the journal says of these."""
        ended = [entry.facts for entry in entries if entry.kind == "ended"]
        return Expect(
            sheets=sum(entry.kind == "sheet-done" for entry in entries),
            inserted=sum(entry.facts["value"] for entry in entries if entry.kind == "coin"),
            kept=sum(facts["kept"] for facts in ended),
            returned=sum(facts["returned"] for facts in ended),
            owed=sum(facts["owed"] for facts in ended),
            held=sum(facts["held"] for facts in ended),
            outcomes=tuple(entry.facts["result"] for entry in entries if entry.kind == "outcome"),
            cases=tuple(
                e.facts["code"] for e in entries if e.kind == "case" and e.facts["code"] != "claim"
            ),
        )


def wrong_pin(right: str) -> str:
    """Another one."""
    return f"{(int(right) + 1) % 10_000:04d}"


STEPS: dict[str, Callable[[PanelRun, Step], Awaitable[None]]] = {
    "touch": lambda run, step: run.touch(step),
    "slip": lambda run, step: run.slip(step),
    "pin": lambda run, step: run.pin(step),
    "card": lambda run, step: run.card(step),
    "coin": lambda run, step: run.coin(step),
    "present": lambda run, step: run.present(step),
    "take": lambda run, step: run.take(step),
    "fault": lambda run, step: run.fault(step),
    "heal": lambda run, step: run.heal(step),
    "wait": lambda run, step: run.wait(step),
    "operator": lambda run, step: run.operator(step),
    "see": lambda run, step: run.see(step),
}
