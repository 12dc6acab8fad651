"""The page's script in a real browser, on a real wire."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from firmware.flow.screens import Screen
from firmware.panel.render import page as shell
from firmware.panel.render import render
from firmware.texts.texts import Texts
from hal.panel.contract import PanelTouch
from hal.panel.web import WebPanel

KEY = "k" * 43
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]
sync_api = pytest.importorskip("playwright.sync_api")


class Kiosk:
    """The panel in a thread of its own, as the service's loop has it; a browser's page in front."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.touches: list[tuple[str, str]] = []
        self.digits = 0
        self.answers: Callable[[PanelTouch], None] = lambda _: None
        self.open()

    def call(self, work: Callable[[], object]) -> None:
        """Do this in the loop, and wait."""

        async def done() -> None:
            work()

        asyncio.run_coroutine_threadsafe(done(), self.loop).result(5)

    def open(self) -> None:
        self.panel = WebPanel(self.listener, *shell(), key=KEY)
        asyncio.run_coroutine_threadsafe(self.panel.start(self._touched), self.loop).result(5)

    def _touched(self, touch: PanelTouch) -> None:
        self.touches.append((touch.action, touch.value))
        self.answers(touch)

    def show(self, screen: Screen) -> None:
        self.call(
            lambda: self.panel.show(screen.number, render(screen, Texts.load(screen.language)))
        )

    def shut(self) -> None:
        asyncio.run_coroutine_threadsafe(self.panel.close(), self.loop).result(5)

    def end(self) -> None:
        self.shut()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.listener.close()


def pin(number: int, digits: int, deadline: int = 1) -> Screen:
    facts = {"notice": "", "tries": 3, "digits": digits}
    return Screen(
        "pin", number, "ja", ("enter", "clear", "cancel", "more-time"), 60, deadline, facts=facts
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def kiosk() -> Iterator[Kiosk]:
    it = Kiosk()
    yield it
    it.end()


@pytest.fixture
def page(kiosk: Kiosk, browser: sync_api.Browser) -> Iterator[sync_api.Page]:
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda message: wrong.append(message.text) if "Security Policy" in message.text else None,
    )
    page.goto(f"http://127.0.0.1:{kiosk.panel.port}/panel#{KEY}")
    yield page
    page.close()
    assert not wrong


def until(condition: Callable[[], bool]) -> None:
    end = monotonic() + 30
    while not condition():
        assert monotonic() < end, "not in time"
        sleep(0.01)


def test_digits_typed_faster_than_screens_come_are_not_lost(
    kiosk: Kiosk, page: sync_api.Page
) -> None:
    def slow(touch: PanelTouch) -> None:
        kiosk.digits += touch.action == "digit"
        screen = pin(touch.screen + 1, kiosk.digits)
        html = render(screen, Texts.load("ja"))
        kiosk.loop.call_later(0.1, lambda: kiosk.panel.show(screen.number, html))

    kiosk.answers = slow
    kiosk.show(pin(1, 0))
    page.wait_for_selector(".keypad")
    page.keyboard.type("1234")
    page.keyboard.press("Enter")
    until(lambda: len(kiosk.touches) == 5)
    assert kiosk.touches == [("digit", d) for d in "1234"] + [("enter", "")]
    until(lambda: page.locator(".dots .full").count() == 4)
    assert not {"1234", "12"} & {page.inner_text(".dots").replace("\n", "")}


def test_a_screen_is_touched_once_but_heard_as_often_as_wanted(
    kiosk: Kiosk, page: sync_api.Page
) -> None:
    kiosk.show(Screen("place", 1, "ja", ("cancel",), 60, 1, facts={"notice": "", "unknown": False}))
    cancel = page.locator("[data-action=cancel]")
    for _ in range(3):
        cancel.click()
    for _ in range(2):
        page.locator("[data-action=repeat]").click()
    until(lambda: len(kiosk.touches) == 3)
    assert kiosk.touches == [("cancel", ""), ("repeat", ""), ("repeat", "")]


def test_enter_does_not_repeat_the_button_touched_last(kiosk: Kiosk, page: sync_api.Page) -> None:
    kiosk.show(pin(1, 0))
    page.locator("[data-action=digit][data-value='7']").click()
    until(
        lambda: len(kiosk.touches) == 1
    )  # a touch that comes after the next screen is a stale one
    kiosk.show(pin(2, 1))
    page.wait_for_selector(".dots .full")
    page.keyboard.press("Enter")
    until(lambda: len(kiosk.touches) == 2)
    assert kiosk.touches == [("digit", "7"), ("enter", "")]


def test_the_countdown_runs_on_until_the_limit_starts_anew(
    kiosk: Kiosk, page: sync_api.Page
) -> None:
    left = "Number(document.querySelector('[data-seconds]').textContent)"
    kiosk.show(pin(1, 0, deadline=1))
    page.wait_for_selector(".keypad")
    until(lambda: page.evaluate(left) < 60)
    kiosk.show(pin(2, 1, deadline=1))
    page.wait_for_selector(".dots .full")
    assert page.evaluate(left) < 60
    kiosk.show(pin(3, 2, deadline=2))
    until(lambda: page.evaluate(left) == 60)


def test_without_a_wire_nothing_of_the_person_stays(kiosk: Kiosk, page: sync_api.Page) -> None:
    kiosk.show(pin(1, 2))
    page.wait_for_selector(".keypad")
    kiosk.shut()
    page.wait_for_selector("#waiting:visible")
    assert page.inner_html("#stage") == ""
    kiosk.open()
    kiosk.show(Screen("starting", 1, "en"))
    page.wait_for_selector(".starting")
    assert page.evaluate("document.documentElement.lang") == "en"


def test_the_page_replaced_waits_to_be_wanted(
    kiosk: Kiosk, page: sync_api.Page, browser: sync_api.Browser
) -> None:
    kiosk.show(Screen("starting", 1, "ja"))
    page.wait_for_selector(".starting")
    other = browser.new_page()
    other.goto(page.url)
    other.wait_for_selector(".starting")
    page.wait_for_selector("#elsewhere:visible")
    assert page.inner_html("#stage") == ""
    page.click("#elsewhere")
    page.wait_for_selector(".starting")
    other.wait_for_selector("#elsewhere:visible")
    other.close()


def test_tab_and_enter_reach_every_button(kiosk: Kiosk, page: sync_api.Page) -> None:
    kiosk.show(Screen("place", 1, "ja", ("cancel",), facts={"notice": "", "unknown": False}))
    page.wait_for_selector("[data-action=cancel]")
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.action") == "cancel":
            break
    assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    page.keyboard.press("Enter")
    until(lambda: kiosk.touches == [("cancel", "")])
