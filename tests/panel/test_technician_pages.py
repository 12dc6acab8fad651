"""The technician's pages on every size of panel: nothing is cut, small, pale or over another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from firmware.service.config import Cash, HopperSection
from firmware.service.entry import Case
from firmware.service.technician import counters
from firmware.service.technician.console import Console
from firmware.service.technician.counters import COUNTED, DEVICES, ENDS, Row
from firmware.service.technician.drawing import draw
from firmware.service.technician.pages import PAGES, RESULTS, Page, Words

pytest.importorskip("playwright.sync_api")

from testbed.drawing.geometry import Least, measure
from testbed.drawing.sheet import CHROMIUM, PANELS, Sheet, browser, sheet

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]
SECTION = Cash(
    port="/dev/null",
    hoppers=tuple(HopperSection(address=a, value=v) for a, v in ((3, 10), (4, 50), (5, 100))),
)
OPEN_CASES = [
    Case("0123456789ab" * 2, code, "", True, "")
    for code in ("print.unknown", "cashless.unknown", "outcome.amount")
]
ROWS = {
    Page.COUNTERS: [
        Row(words, "1,234") for words in (*COUNTED.values(), *ENDS.values(), *DEVICES.values())
    ],
    Page.CASES: counters.cases(OPEN_CASES),
    Page.CASH: [Row(Words(f"金庫　{n}円", f"box: {n} yen"), "12枚　6,000円") for n in range(9)],
}


def console(page: Page) -> Console:
    made = Console(SECTION)
    made.page, made.rows = page, ROWS.get(page, [])
    if page in (Page.PLACES, Page.COINS, Page.BOOK):
        made.form.choose("cash-count")
    if page in (Page.COINS, Page.BOOK):
        made.form.choose("box")
    if page is Page.BOOK:
        made.form.coins = {10: 5, 50: 4, 100: 3, 500: 2}
    return made


@pytest.fixture(scope="module")
def sheets() -> Iterator[dict[str, Sheet]]:
    with browser() as chromium:
        yield {name: sheet(chromium, panel, technician=True) for name, panel in PANELS.items()}


@pytest.mark.parametrize("panel", PANELS)
def test_every_page_stands_on_every_panel(sheets: dict[str, Sheet], panel: str) -> None:
    least, on = Least(), sheets[panel]
    for page in PAGES:
        made = console(page)
        longest = max(RESULTS, key=lambda code: len(RESULTS[code].ja))
        made.result = longest if page in (Page.PRINT, Page.CALIBRATE) else ""
        on.put(draw(made))
        if page is Page.TOUCH:
            continue
        for number in on.pages():
            least.add(on, *measure(on, frozenset()), f"{page.value} p{number}")
    assert not least.wrong


def touches(on: Sheet) -> list[str]:
    """What the page sent by a hand."""
    return [each["action"] for each in on.ask("sent") if each["action"] != "shown"]


@pytest.mark.parametrize("panel", PANELS)
def test_each_point_is_felt_and_so_is_what_is_beside_it(
    sheets: dict[str, Sheet], panel: str
) -> None:
    on, made = sheets[panel], console(Page.TOUCH)
    size = on.page.viewport_size
    assert size
    for made.point in range(9):
        on.put(draw(made))
        box = on.page.locator(".point").bounding_box()
        assert box and box["x"] >= 0 and box["y"] >= 0
        assert box["x"] + box["width"] <= size["width"]
        assert box["y"] + box["height"] <= size["height"]
        on.ask("sent.length = 0")
        on.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert touches(on) == ["point"]
        on.put(draw(made))
        on.page.mouse.click(size["width"] * 0.3, size["height"] * 0.3)
        assert touches(on) == ["point", "beside"]
