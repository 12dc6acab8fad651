"""A scenario on the pure machine: time is virtual, and every command passes the same permits as on the board."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.machine import Flow
from firmware.flow.permits import Permits
from firmware.flow.screens import Screen
from firmware.flow.states import State
from firmware.texts.texts import Texts
from firmware.texts.voice import words
from madoguchi.scenario.city import ModelCity
from madoguchi.scenario.script import Expect, Failed, Script, Step, compare, holds
from madoguchi.scenario.world import World

STEPS_WITHOUT_TIME = 200  # screens may follow each other by themselves, but not for ever


class ModelRun:
    """One scenario. `now` is virtual seconds."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._queue: deque[e.Event] = deque()
        self.world = World(script, ModelCity(script.city, script.at), self._queue.append)
        self.now = 0.0
        self._texts = {language: Texts.load(language) for language in ("ja", "en")}
        self._next_process()

    def run(self) -> None:
        """Raises Failed, with the step's number."""
        if self._script.defect:
            raise Failed("a machine that is wrong is run on the wires only")
        for number, step in enumerate(self._script.steps, 1):
            try:
                STEPS[step.verb](self, step)
                self._settle()
            except Failed as failed:
                raise Failed(f"step {number} ({step.verb} {step.value}): {failed}") from None
        world = self.world
        came: dict[str, Any] = {
            "outcomes": tuple(world.outcomes),
            "cases": tuple(world.cases),
            "open_at_city": int(world.at_city),
        }
        compare(self._script.expect, Expect(**world.found, **came))

    # -- the process

    def _next_process(self) -> None:
        """The person is gone, and so is the process: the next one knows nothing."""
        self.flow, self.permits = Flow(), Permits()
        self._timers: dict[str, tuple[float, e.TimerFired]] = {}
        self._queue.clear()
        self._digits = 0
        self.world.accepting = self.world.watching = False
        self.world.held.clear()
        self._carry_out(self.flow.start())
        self.world.news_of_card()
        self._settle()

    def _settle(self) -> None:
        for _ in range(STEPS_WITHOUT_TIME):
            if not self._queue:
                return
            event = self._queue.popleft()
            self.permits.observe(event)
            self._carry_out(self.flow.handle(event))
        raise Failed("the machine does not come to rest")

    def _carry_out(self, commands: c.Commands) -> None:
        for command in commands:
            reason = self.permits.refuse(command)
            if reason:
                raise Failed(f"permit refused {type(command).__name__}: {reason}")
            self.permits.issued(command)
            match command:
                case c.StartTimer(name=name, generation=generation, seconds=seconds):
                    self._timers[name] = (self.now + seconds, e.TimerFired(name=name, generation=generation))
                case c.StopTimer(name=name):
                    self._timers.pop(name, None)
                case c.ShowScreen(screen=screen, speak=True) | c.Announce(screen=screen):
                    self._say(screen)
                case c.ForgetPin():
                    self._digits = 0
                case c.EndSession():
                    self._balance()
                    self._next_process()
                    return
                case _:
                    self.world.answer(command)

    def _say(self, screen: Screen) -> None:
        self.said = words(screen, self._texts[screen.language])
        if not self.said:
            raise Failed(f"nothing is said on {screen.name}")

    def _balance(self) -> None:
        """inserted = kept + returned + owed, for the person who leaves."""
        session = self.flow.session
        facts = self.permits.facts
        kept = facts.document.fee if facts.complete and facts.document else 0
        if session.inserted != session.returned + session.owed + kept:
            raise Failed(f"money: {session.inserted} in, {session.returned} back, {session.owed} owed, {kept} kept")

    # -- steps

    def touch(self, step: Step) -> None:
        action, _, value = str(step.touch).partition(":")
        if action == "digit" and self.flow.state is State.PIN:
            digit = e.PinDigit(screen=self.flow.screen.number, count=self.flow.session.digits + 1)
            return self._queue.append(digit)
        if action not in self.flow.screen.actions:
            raise Failed(f"{self.flow.screen.name} does not offer {action!r}")
        return self._queue.append(e.Touch(screen=self.flow.screen.number, action=action, value=value))

    def slip(self, step: Step) -> None:
        self._queue.append(e.Touch(screen=self.flow.screen.number, action=str(step.slip)))

    def pin(self, step: Step) -> None:
        self.world.pin_right = step.pin == "right"
        for count in range(1, 5):
            self._queue.append(e.PinDigit(screen=self.flow.screen.number, count=count))
            self._settle()
        self._queue.append(e.Touch(screen=self.flow.screen.number, action="enter"))

    def card(self, step: Step) -> None:
        if step.card == "off":
            self.world.lift_card()
        else:
            self.world.put_card(str(step.card))

    def coin(self, step: Step) -> None:
        self.world.insert(step.coin or 0)

    def take(self, step: Step) -> None:
        if step.take == "sheets":
            if not self.world.waiting:
                raise Failed("nothing is in the outlet")
            self.world.take_sheets()

    def fault(self, step: Step) -> None:
        self.world.set_fault(str(step.fault), on=True)

    def heal(self, step: Step) -> None:
        if step.heal == "paper-out":
            self.world.faults.discard("paper-out-in-second-sheet")
        self.world.set_fault(str(step.heal), on=False)

    def operator(self, _: Step) -> None:
        self.world.paused = False

    def wait(self, step: Step) -> None:
        if step.wait in ("noticed", "shut"):  # at once
            return
        if step.wait not in self._timers:
            raise Failed(f"{self.flow.screen.name} has no {step.wait}")
        while True:
            name = min(self._timers, key=lambda n: self._timers[n][0])
            self.now, fired = self._timers.pop(name)
            self._queue.append(fired)
            if name == step.wait:
                return
            self._settle()

    def see(self, step: Step) -> None:
        for _ in range(STEPS_WITHOUT_TIME):
            screen = self.flow.screen
            wrong = holds(step.facts, screen.facts)
            if (screen.name == step.see and not wrong) or not self._pass_by():
                break
        if screen.name != step.see:
            raise Failed(f"the screen is {screen.name}")
        if wrong:
            raise Failed("; ".join(wrong))
        if step.says and not any(step.says in phrase for phrase in self.said):
            raise Failed(f"said {self.said}")

    def _pass_by(self) -> bool:
        """Out of service is asked again and again by itself: let that time pass, and only that."""
        if self.flow.state.phase not in ("out", "welcome") or not self._timers:
            return False
        name = min(self._timers, key=lambda n: self._timers[n][0])
        self.now, fired = self._timers.pop(name)
        self._queue.append(fired)
        self._settle()
        return True


STEPS: dict[str, Callable[[ModelRun, Step], None]] = {
    "touch": ModelRun.touch,
    "slip": ModelRun.slip,
    "pin": ModelRun.pin,
    "card": ModelRun.card,
    "coin": ModelRun.coin,
    "take": ModelRun.take,
    "fault": ModelRun.fault,
    "heal": ModelRun.heal,
    "operator": ModelRun.operator,
    "wait": ModelRun.wait,
    "see": ModelRun.see,
}
