"""Carries commands out: the permits are asked first, then the command goes to its handler.

A handler writes the journal before the effect, and gives work on a device to the device's thread;
what comes of it comes back as an event. Nothing here decides where the journey goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from firmware.flow import commands
from firmware.flow.permits import Permits
from firmware.service.handlers import HANDLERS
from firmware.service.handlers.cases import open_case
from firmware.service.log import log
from firmware.service.workplace import Workplace


class Forbidden(Exception):
    """The permits refused a command: the machine is wrong. Everything stops."""


@dataclass
class Executor(Workplace):
    """`methods`: what carries out each kind of command, from the tables of all handlers."""

    permits: Permits = field(default_factory=Permits)
    methods: dict[type[commands.Command], Callable[[Any], None]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._handlers = [handler(self) for handler in HANDLERS]
        self.methods = {
            kind: partial(method, handler)
            for handler in self._handlers
            for kind, method in handler.table.items()
        }
        self.city.alarm = lambda code: open_case(self, commands.OpenCase(code=code, pauses=True))

    def carry_out(self, command: commands.Command) -> None:
        """Raises Forbidden; JournalBroken when an entry cannot be written down, and then it has no
        effect.
        """
        reason = self.permits.refuse(command)
        if reason:
            log("command.refused", command=type(command).__name__, reason=reason)
            raise Forbidden(f"{type(command).__name__}: {reason}")
        self.permits.issued(command)
        self.dispatch(command)

    def dispatch(self, command: commands.Command) -> None:
        """Without asking the permits: for what the process does itself when the journey has
        stopped.
        """
        self.methods[type(command)](command)

    async def finish(self) -> None:
        """Let what is under way towards the city and the printers end, a few seconds at most."""
        for handler in self._handlers:
            handler.close()
        await self.threads.finish()
