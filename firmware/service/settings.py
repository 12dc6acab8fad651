"""What somebody sets on a screen that waits for anybody, language, display or volume, is forgotten
when nobody goes on: the next person finds the kiosk as it always is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from hal.panel.contract import PanelTouch

SETTINGS: Final = ("language", "mode", "volume")
FORGOTTEN_S: Final = 120.0  # after the last touch; long enough to hear the menu twice


class Settings:
    """`forget` is called in the event loop, once, when the time is over."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self._forget = forget
        self._timer: asyncio.TimerHandle | None = None

    def touched(self, touch: PanelTouch, *, waiting: bool) -> None:
        """`waiting`: the screen waits for anybody. A journey keeps what was set and forgets it at
        its own end.
        """
        begun = self._timer is not None
        self.stop()
        if waiting and (begun or touch.action in SETTINGS):
            self._timer = asyncio.get_running_loop().call_later(FORGOTTEN_S, self._forget)

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None
