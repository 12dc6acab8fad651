"""The page in a real browser without a kiosk: screens are put into it as its own wire would, one
after the other, at any size of panel.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Route, sync_playwright

from firmware.flow.screens import Screen
from firmware.flow.session import Mode
from firmware.panel.render import page as shell
from firmware.panel.render import render
from firmware.panel.size import CABINET, PanelSize
from firmware.texts.texts import Texts

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
ORDINARY_PX = 16  # the size of text that browsers begin with
ADDRESS = "http://127.0.0.1"
# The wire is a stand-in: what is sent is kept, what is shown is put in.
WIRE = """
window.sent = [];
window.WebSocket = class {
  static OPEN = 1;
  readyState = 1;
  constructor() { window.wire = this; }
  send(message) { window.sent.push(JSON.parse(message)); }
};
"""
TURN = """(selector) => {
  const later = document.querySelector(selector);
  if (!later?.checkVisibility()) return false;
  later.click();
  return true;
}"""


@dataclass(frozen=True)
class Panel:
    """One panel: its picture elements, and its millimetres."""

    name: str
    pixels: tuple[int, int]
    size: PanelSize

    @property
    def is_small(self) -> bool:
        """All of it is within reach."""
        return "small" in self.size.shape

    @property
    def px_per_mm(self) -> float:
        """The smaller of both directions: a millimetre is at least so many."""
        width, height = self.pixels
        return min(width / self.size.width_mm, height / self.size.height_mm)


PANELS = {
    panel.name: panel
    for panel in (
        Panel("10.1", (1280, 800), PanelSize(217, 136)),
        Panel("15.6", (1920, 1080), PanelSize(345, 194)),
        Panel("21.5 upright", (1080, 1920), PanelSize(268, 476)),
        Panel("15.6 upright", (1080, 1920), PanelSize(194, 345)),
        Panel("7", (800, 480), PanelSize(154, 86)),
    )
}
MODES: Mapping[str, frozenset[Mode]] = {
    "": frozenset(),
    "large": frozenset({Mode.LARGE}),
    "contrast": frozenset({Mode.CONTRAST}),
    "low": frozenset({Mode.LOW}),
    "all": frozenset(Mode),
}
ANYWHERE = ("mode", "language")  # offered wherever something can be touched


class Sheet:
    """A page of the browser that shows one screen after the other."""

    def __init__(self, page: Page, panel: Panel, zoom: float = 1, technician: bool = False) -> None:
        self.page, self.panel = page, panel
        self._numbers = count(1)
        html, files = shell(size=panel.size, technician=technician)
        self._served: dict[str, tuple[bytes, str]] = {
            "/panel": (html.encode(), "text/html"),
            **files,
        }
        page.route("**/*", self._serve)
        page.add_init_script(WIRE)
        page.goto(f"{ADDRESS}/panel")
        self.zoom(zoom)

    def _serve(self, route: Route) -> None:
        body, kind = self._served[route.request.url.removeprefix(ADDRESS)]
        route.fulfill(body=body, content_type=f"{kind}; charset=utf-8")

    def zoom(self, times: float) -> None:
        """Set the browser's size of text; it holds from the next screen on."""
        self.ask(f"document.documentElement.style.fontSize = '{ORDINARY_PX * times}px'")

    def show(
        self,
        screen: Screen,
        modes: frozenset[Mode] = frozenset(),
        cabinet: Mapping[str, str] = CABINET,
    ) -> None:
        actions = (*screen.actions, *(a for a in ANYWHERE if a not in screen.actions))
        screen = replace(screen, modes=modes, actions=actions)
        self.put(render(screen, Texts.load(screen.language), cabinet=cabinet))

    def put(self, html: str) -> None:
        message = json.dumps({"screen": next(self._numbers), "html": html})
        self.page.evaluate("message => wire.onmessage({ data: message })", message)

    def ask(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def pages(self, within: str = ".screen") -> Iterator[int]:
        """Turn the pages of this screen, from the first to the last."""
        for number in count(1):
            yield number
            if not self.ask(TURN, f"{within} > .foot .later"):
                return


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        it = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield it
        it.close()


def sheet(browser: Browser, panel: Panel, zoom: float = 1, technician: bool = False) -> Sheet:
    """`technician`: with the style of the technician's screens."""
    width, height = panel.pixels
    page = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
    return Sheet(page, panel, zoom, technician)
