"""A window of no panel, text enlarged by the browser, fonts that are not there: the screen still
stands there whole, says so, and can be touched.
"""

from __future__ import annotations

import socket

import pytest
from test_page import KEY, Kiosk, browser, kiosk, page, pin, sync_api, until  # noqa: F401

from hal.panel.watch import Stage
from hal.panel.web import ALIVE

pytestmark = pytest.mark.browser
WINDOWS = {"tiny": (160, 100), "a strip": (2400, 200), "a column": (200, 1600), "usual": (800, 480)}
HARM = {
    "as it is": "",
    "without its fonts": "* { font-family: NoSuchFont !important }",
    "text of twice the size": ":root { font-size: 200% }",
    "zoomed": ":root { zoom: 3 }",
}


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_the_screen_stands_there_and_can_be_touched(
    kiosk: Kiosk,  # noqa: F811
    page: sync_api.Page,  # noqa: F811
    window: tuple[int, int],
) -> None:
    with socket.create_connection(("127.0.0.1", kiosk.panel.port)) as keeper:
        keeper.sendall(f"GET {ALIVE}?key={KEY} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        until(lambda: bool(kiosk.panel._keepers))
        watch = next(iter(kiosk.panel._keepers)).watch
        page.set_viewport_size({"width": window[0], "height": window[1]})
        for number, harm in enumerate(HARM.values(), 1):
            page.evaluate(STYLE, harm)
            watch.stage = Stage.LOADED
            kiosk.show(pin(number, 0, deadline=number))
            until(lambda: watch.stage is Stage.SHOWING)
            page.locator("#stage [data-action=cancel]").first.click()
            until(lambda: len(kiosk.touches) == number)  # noqa: B023
    assert kiosk.touches == [("cancel", "")] * len(HARM)


STYLE = """words => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(words);
  document.adoptedStyleSheets = [sheet];
  dispatchEvent(new Event("resize"));
}"""
