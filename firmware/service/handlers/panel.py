"""Commands for the panel: what is shown, and what is said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import ClassVar

from firmware.flow import commands
from firmware.flow.screens import Screen
from firmware.flow.states import State
from firmware.panel.render import render
from firmware.service.handlers.base import Handler, Table
from firmware.service.slip_desk import short


@dataclass
class PanelHandler(Handler):
    """A screen that asks for coins waits until the slot is open: a coin put in before would come
    back. The newest screen counts; one that waits is forgotten when another is shown.
    """

    _waiting: commands.ShowScreen | None = None

    def __post_init__(self) -> None:
        self.place.opened = self._slot_is_open

    def _slot_is_open(self) -> None:
        if self._waiting and not self.place.opening:
            self._show(self._waiting)

    def show(self, command: commands.ShowScreen) -> None:
        if self.place.opening and command.screen.name == State.PAYING.screen:
            self._waiting = command
        else:
            self._show(command)

    def _show(self, command: commands.ShowScreen) -> None:
        self._waiting = None
        screen = self._numbered(self._paced(command.screen))
        texts = self.place.texts[screen.language]
        config = self.place.config
        html = render(screen, texts, config.kiosk.languages, config.panel.sides)
        ends = self.place.limit_ends if screen.limit_s else None
        self.place.panel.show(screen.number, html, ends)
        if command.speak:
            self.place.announcer.say(screen)
        else:
            self.place.announcer.follow(screen)

    def announce(self, command: commands.Announce) -> None:
        self.place.announcer.remind(self._paced(command.screen))

    def _paced(self, screen: Screen) -> Screen:
        """With the seconds that are really left: it may be shown anew while its time runs."""
        ends = self.place.limit_ends
        if not screen.limit_s or ends is None:
            return screen
        return replace(screen, limit_s=max(ends - asyncio.get_running_loop().time(), 0.0))

    def _numbered(self, screen: Screen) -> Screen:
        """Who asks about money that is held, or about a kiosk that is stopped, needs the number of
        the case.
        """
        facts = dict(screen.facts)
        if facts.get("held"):
            facts["number"] = short(self.place.record.last("held", "case"))
        elif facts.get("number"):
            facts["phone"] = self.place.config.kiosk.phone
        return replace(screen, facts=facts)

    table: ClassVar[Table] = {commands.ShowScreen: show, commands.Announce: announce}
