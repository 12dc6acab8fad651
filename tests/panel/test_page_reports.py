"""A page that does not show its screen says nothing, so that the panel has it started anew."""

from __future__ import annotations

import socket

import pytest
from test_page import KEY, Kiosk, browser, kiosk, page, pin, sync_api, until  # noqa: F401

from hal.panel.watch import PageWatch, Stage
from hal.panel.web import ALIVE

pytestmark = pytest.mark.browser
DAMAGE = {
    "nothing is there": "document.getElementById('stage').innerHTML = ''",
    "it is not drawn": "document.body.style.display = 'none'",
    "something covers it": "document.getElementById('waiting').hidden = false",
    "it has no styles": "document.querySelectorAll('link').forEach(link => link.remove())",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_page_that_does_not_show_its_screen_is_silent(
    kiosk: Kiosk,  # noqa: F811
    page: sync_api.Page,  # noqa: F811
    damage: str,
) -> None:
    with socket.create_connection(("127.0.0.1", kiosk.panel.port)) as keeper:
        keeper.sendall(f"GET {ALIVE}?key={KEY} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        until(lambda: bool(kiosk.panel._keepers))
        watch: PageWatch = next(iter(kiosk.panel._keepers)).watch
        kiosk.show(pin(1, 0))
        until(lambda: watch.stage is Stage.SHOWING)
        page.evaluate(f"() => {{ {damage} }}")
        until(lambda: watch.silent > 2)
        until(lambda: next(iter(kiosk.panel._keepers), None) is None)
