"""The pages of `kiosk diagnose --guided` in a real browser: what a finger can see and reach."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from panel.test_page import ARGUMENTS, CHROMIUM
from service.test_service_config import GOOD

from firmware.service.config import load
from firmware.tools.diagnose import guided
from firmware.tools.diagnose.guided import panel
from firmware.tools.diagnose.guided.human import Answer, Request
from hal.panel.web import PAGE
from testbed.ports import free_port

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]
sync_api = pytest.importorskip("playwright.sync_api")
CENTRES = {"left": 0.1, "centre": 0.5, "right": 0.9, "top": 0.1, "middle": 0.5, "bottom": 0.9}


class Person:
    """Says yes, and hands on the address that the hint tells."""

    name = "test"

    def __init__(self) -> None:
        self.addresses: queue.Queue[str] = queue.Queue()

    def ask(self, request: Request) -> Answer:
        if PAGE in request.hint:
            self.addresses.put(request.hint[request.hint.index("http://") :])
        return Answer.DONE


@pytest.fixture
def page() -> Iterator[sync_api.Page]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1000, "height": 562})
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        yield page
        assert not wrong
        browser.close()


def test_every_colour_and_every_point(page: sync_api.Page, tmp_path: Path) -> None:
    file = tmp_path / "kiosk.toml"
    text = GOOD.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}")
    file.write_text(text.replace("[kiosk]", f'[kiosk]\nruntime = "{tmp_path / "runtime"}"'))
    person, found = Person(), []
    walk = guided.walk(load(file), person, ("colours", "touch"))
    walking = threading.Thread(target=lambda: found.extend(step.finding for step in walk))
    walking.start()
    _open(page, person)
    for colour in panel.COLOURS:
        page.locator(f".{colour}").click(position={"x": 5, "y": 5})
    _open(page, person)
    for place in panel.PLACES:
        row, column = place.split("-")
        point = page.locator(f".point.{place}")
        box = point.bounding_box()
        assert box
        assert abs(box["width"] - box["height"]) < 1
        assert abs((box["x"] + box["width"] / 2) / 1000 - CENTRES[column]) < 0.1
        assert abs((box["y"] + box["height"] / 2) / 562 - CENTRES[row]) < 0.1
        if place == "middle-centre":
            page.mouse.click(box["x"] - 20, box["y"] - 20)
        point.click()
    walking.join()
    assert [each.detail for each in found] == [
        "red, green, blue, white, black",
        "9 points touched, 1 touches beside them",
    ]


def _open(page: sync_api.Page, person: Person) -> None:
    """As the board's browser does: again and again, until somebody serves there."""
    address = person.addresses.get(timeout=60)
    page.goto("about:blank")
    while True:
        try:
            page.goto(address)
        except sync_api.Error:
            continue
        return
