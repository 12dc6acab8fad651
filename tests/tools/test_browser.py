"""The dock in a browser, with a mouse: from card to paper, and through broken things."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

pytestmark = [pytest.mark.wires, pytest.mark.browser]
CHROMIUM = shutil.which("chromium") or "chromium"
SOON_MS = 15_000
PICTURES = os.environ.get("MADOGUCHI_PICTURES")  # a folder: keep a picture of each stage there


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    run = tmp_path_factory.mktemp("run")
    command = (sys.executable, "-m", "firmware.tools", "demo", "--port", "0", "--run", str(run))
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as demo:
        assert demo.stdout is not None
        found = re.search(r"http://\S+", demo.stdout.readline())
        assert found, "the demo did not start"
        try:
            yield found[0]
        finally:
            demo.terminate()
            demo.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    foreign: list[str] = []
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((address, "data:")) else foreign.append(request.url)
        ),
    )
    page.set_default_timeout(SOON_MS)
    expect.set_options(timeout=SOON_MS)
    page.goto(address)
    yield page
    page.close()
    assert not errors and not foreign


@pytest.fixture
def panel(page: Page) -> FrameLocator:
    panel = page.frame_locator("#panel")
    expect(panel.locator("[data-screen=menu]")).to_be_visible()
    return panel


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(300)
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def on(panel: FrameLocator, screen: str) -> None:
    expect(panel.locator(f"[data-screen={screen}]")).to_be_visible()


def touch(panel: FrameLocator, action: str, value: str = "") -> None:
    panel.locator(
        f'button[data-action="{action}"]' + (f'[data-value="{value}"]' if value else "")
    ).first.click()


def set_card(page: Page, name: str) -> None:
    page.locator(f'#cards [data-name="{name}"] button').click()


def enter_pin(page: Page, panel: FrameLocator, name: str) -> None:
    on(panel, "pin")
    for digit in page.locator(f'#cards [data-name="{name}"] .pin').inner_text():
        touch(panel, "digit", digit)
    touch(panel, "enter")


def choose(page: Page, panel: FrameLocator, name: str, kind: str) -> None:
    set_card(page, name)
    enter_pin(page, panel, name)
    on(panel, "remove")
    page.locator("#card-off").click()
    on(panel, "certificates")
    touch(panel, "choose", kind)


def to_payment(page: Page, panel: FrameLocator) -> None:
    questions = panel.locator("[data-screen=options]")
    confirmation = panel.locator("[data-screen=confirm]")
    expect(questions.or_(confirmation)).to_be_visible()
    while questions.count():
        asked = panel.locator(".city").inner_text()
        same_question = questions.locator(".city").filter(has_text=asked)
        expect(same_question).to_have_count(1)
        touch(panel, "next")
        expect(same_question).to_have_count(0)
        expect(questions.or_(confirmation)).to_be_visible()
    on(panel, "confirm")
    picture(page, "confirm")
    touch(panel, "confirm")
    on(panel, "payway")
    picture(page, "payway")
    touch(panel, "cash")
    on(panel, "paying")


def test_from_card_to_paper(page: Page, panel: FrameLocator) -> None:
    picture(page, "menu")
    choose(page, panel, "taro", "juminhyo")
    on(panel, "options")
    picture(page, "options")
    to_payment(page, panel)
    page.locator('#coins [data-value="50"]').click()
    expect(panel.locator(".main")).to_contain_text("50")
    picture(page, "paying")
    page.locator('#coins [data-value="100"]').click()
    on(panel, "sheets")
    expect(page.locator("#sheets img")).to_have_count(1)
    picture(page, "sheets")
    page.locator("#sheets img").click()
    expect(page.locator("dialog img")).to_be_visible()
    picture(page, "enlarged")
    page.locator("dialog button").click()
    page.locator("#take-sheets").click()
    on(panel, "receipt")
    expect(page.locator("#receipts img")).to_have_count(1)
    expect(page.locator("#cup")).to_have_text("50円")
    picture(page, "receipt")
    page.locator("#take-receipt").click()
    page.locator("#take-coins").click()
    touch(panel, "ok")
    on(panel, "thanks")
    picture(page, "thanks")
    touch(panel, "ok")
    on(panel, "menu")
    expect(page.locator("#taken img")).to_have_count(2)
    expect(page.locator("#spoken li").first).not_to_be_empty()


def test_walking_away_with_the_money_back(page: Page, panel: FrameLocator) -> None:
    choose(page, panel, "hanako", "inkan")
    to_payment(page, panel)
    page.locator('#coins [data-value="50"]').click()
    expect(panel.locator(".main")).to_contain_text("50")
    touch(panel, "cancel")
    expect(page.locator("#cup")).to_have_text("50円")
    page.locator("#take-coins").click()
    ok = panel.locator('button[data-action="ok"]')
    expect(ok.or_(panel.locator("[data-screen=menu]")).first).to_be_visible()
    if ok.count():
        ok.click()
    on(panel, "menu")


def test_broken_things_are_shown_and_mended(page: Page, panel: FrameLocator) -> None:
    page.locator('#faults input[name="reader-lost"]').check()
    on(panel, "fault")
    picture(page, "reader-lost")
    page.locator('#faults input[name="reader-lost"]').uncheck()
    on(panel, "menu")


def test_a_line_that_is_cut_ends_the_journey_with_a_reason(page: Page, panel: FrameLocator) -> None:
    page.locator('#faults input[name="line-cut"]').check()
    set_card(page, "yoshiko")
    enter_pin(page, panel, "yoshiko")
    on(panel, "remove")
    page.locator("#card-off").click()
    on(panel, "refused")
    picture(page, "line-cut")
    page.locator("#mend").click()
    expect(page.locator("#faults :checked")).to_have_count(0)
    touch(panel, "ok")
    on(panel, "menu")


def test_one_card_at_a_time_and_its_tries(page: Page, panel: FrameLocator) -> None:
    set_card(page, "hanako")
    on(panel, "pin")
    expect(page.locator("#pad")).to_contain_text("残り 3 回")
    expect(page.locator('#cards [data-name="taro"] button')).to_be_disabled()
    for digit in "0000":
        touch(panel, "digit", digit)
    touch(panel, "enter")
    expect(page.locator("#pad")).to_contain_text("残り 2 回")
    on(panel, "pin")
    picture(page, "wrong-pin")
    page.locator("#card-off").click()
    on(panel, "place")
    touch(panel, "cancel")
    on(panel, "menu")


def test_the_panel_alone(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}panel")
    expect(page.locator("[data-screen=menu]")).to_be_visible(timeout=SOON_MS)
    assert "1234" not in page.content()
    page.close()
