"""What the service may ask of the touch panel, and what it reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class PanelTouch:
    """A touch on `action` of the screen with this number. `value` is the choice touched, or ""."""

    screen: int
    action: str
    value: str = ""

    def __repr__(self) -> str:  # a digit of the PIN is a value too
        return f"PanelTouch(screen={self.screen}, action={self.action!r})"


class Panel(Protocol):
    """Lives in the service's event loop."""

    async def start(self, touched: Callable[[PanelTouch], None]) -> None:
        """Serve the page. `touched` is called in the event loop. Raises DeviceFault."""
        ...

    def show(self, screen: int, html: str, ends: float | None = None) -> None:
        """Replace what is shown with this fragment. Every touch on it carries `screen`.

        `ends`: when its time is over, by the event loop's clock; None: it has no limit.
        """
        ...

    async def close(self) -> None:
        """Never raises."""
        ...
