"""Commands for the process itself: what it notes, and its end."""

from __future__ import annotations

from typing import ClassVar

from firmware.flow import commands
from firmware.service.handlers.base import Handler, Table
from firmware.service.log import log


class SessionHandler(Handler):
    def note(self, command: commands.Note) -> None:
        log("event.passed-over", event=command.event, what=command.what)

    def end(self, _: commands.EndSession) -> None:
        self.place.ended = True

    def open_technician(self, _: commands.OpenTechnician) -> None:
        self.place.technician = True

    table: ClassVar[Table] = {
        commands.Note: note,
        commands.EndSession: end,
        commands.OpenTechnician: open_technician,
    }
