"""Commands for the journey's timers: each fires once, as an event."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import ClassVar

from firmware.flow import commands, events
from firmware.flow.timers import Timer
from firmware.service.handlers.base import Handler, Table


@dataclass
class TimerHandler(Handler):
    _running: dict[Timer, asyncio.TimerHandle] = field(default_factory=dict)

    def start(self, command: commands.StartTimer) -> None:
        self._cancel(command.name)
        fired = events.TimerFired(name=command.name, generation=command.generation)
        seconds = command.seconds * (1 if command.device else self.place.config.kiosk.pace)
        loop = asyncio.get_running_loop()
        self._running[command.name] = loop.call_later(seconds, self.place.post, fired)
        if command.name is Timer.LIMIT:
            self.place.limit_ends = loop.time() + seconds

    def stop(self, command: commands.StopTimer) -> None:
        self._cancel(command.name)

    def close(self) -> None:
        for name in tuple(self._running):
            self._cancel(name)

    def _cancel(self, name: Timer) -> None:
        timer = self._running.pop(name, None)
        if timer:
            timer.cancel()

    table: ClassVar[Table] = {commands.StartTimer: start, commands.StopTimer: stop}
