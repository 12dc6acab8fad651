"""One process of the kiosk: the flow and the permits of production, in the world around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from firmware.flow import commands, events
from firmware.flow.machine import Flow
from firmware.flow.permits import Permits
from firmware.flow.timers import Timer
from testbed.world.answers import AHEAD, Happening, after_command, after_happening
from testbed.world.state import Ask, World

Asking = TypeVar("Asking", bound=commands.Command)


class Refused(Exception):
    """The permits refused a command: where, which, and why."""


@dataclass
class Journey:
    """`issued` is every command and `happened` everything that happened, in order; `now` is virtual
    seconds.
    """

    world: World = field(default_factory=World)
    now: float = 0.0
    flow: Flow = field(default_factory=Flow)
    permits: Permits = field(default_factory=Permits)
    issued: list[commands.Command] = field(default_factory=list)
    happened: list[Happening] = field(default_factory=list)
    timers: dict[Timer, events.TimerFired] = field(default_factory=dict)
    due: dict[Timer, float] = field(default_factory=dict)
    ended: bool = False

    def start(self) -> commands.Commands:
        return self._carry_out(self.flow.start())

    def happen(self, happening: Happening) -> commands.Commands:
        """As in the service: permits first, then the machine, then every command behind the
        permits.
        """
        self.world = after_happening(self.world, happening, self.flow.session.epoch)
        self.happened.append(happening)
        if happening.event is None:
            return ()
        self.permits.observe(happening.event)
        return self._carry_out(self.flow.handle(happening.event))

    def fire(self, name: Timer) -> commands.Commands:
        """Its time has come."""
        self.now = self.due[name]
        return self.happen(Happening(name, self.timers.pop(name)))

    def touch(self, action: str, value: str = "") -> commands.Commands:
        touched = events.Touch(screen=self.flow.screen.number, action=action, value=value)
        return self.happen(Happening("touch", touched))

    def type_digit(self, count: int) -> commands.Commands:
        typed = events.PinDigit(screen=self.flow.screen.number, count=count)
        return self.happen(Happening("digit", typed))

    def waiting(self, device: str = "") -> list[Ask]:
        """What the device was asked, or each of them, in order; what is read ahead is not reported
        when it goes well.
        """
        return [
            ask
            for ask in self.world.asks
            if device in ("", ask.device) and (ask.kind, ask.number) != (commands.ReadCard, AHEAD)
        ]

    def all(self, kind: type[Asking]) -> list[Asking]:
        return [command for command in self.issued if isinstance(command, kind)]

    def _carry_out(self, wanted: commands.Commands) -> commands.Commands:
        for command in wanted:
            refused = self.permits.refuse(command)
            if refused:
                name = type(command).__name__
                raise Refused(f"{self.flow.state}: permit refused {name}: {refused}")
            self.permits.issued(command)
            self.issued.append(command)
            self.world = after_command(self.world, command)
            match command:
                case commands.StartTimer(name=name, generation=generation, seconds=seconds):
                    self.timers[name] = events.TimerFired(name=name, generation=generation)
                    self.due[name] = self.now + seconds
                case commands.StopTimer(name=name):
                    self.timers.pop(name, None)
                case commands.EndSession():
                    self.ended = True
                    return wanted
        return wanted
