"""Screens in a real browser: nothing is cut, small, pale or over another, and who hears the page
finds the way. A part of all there is; `python -m testbed.drawing` draws everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from panel_facts import FIELDS, confirm, fields, options

from firmware.flow.screens import Screen
from firmware.flow.session import Mode
from firmware.panel.gallery import distinct, warned
from firmware.texts.texts import languages

pytest.importorskip("playwright.sync_api")
axe_playwright = pytest.importorskip("axe_playwright_python")

from testbed.drawing.geometry import Least, inspect, inspect_help, measure  # noqa: E402
from testbed.drawing.sheet import CHROMIUM, MODES, PANELS, Sheet, browser, sheet  # noqa: E402

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]
AXE = (Path(axe_playwright.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
PICKED = "menu-1 pin-2 certificates-1 options-1 confirm-1 paying-1 sheets-1 removealarm-1".split()
WARNED = "pin-1 refused-3 confirm-1".split()
WARNING = ("7", "10.1")  # the panels where a warning has the least room
PART = [  # panel, mode, language
    ("10.1", "", "ja"),
    ("10.1", "all", "tl"),
    ("10.1", "low", "vi"),
    ("15.6", "all", "ne"),
    ("15.6", "large", "pt"),
    ("15.6", "contrast", "en"),
    ("15.6 upright", "", "ja-easy"),
    ("15.6 upright", "low", "id"),
    ("21.5 upright", "large", "ko"),
    ("21.5 upright", "contrast", "zh-Hans"),
    ("7", "", "ja"),
    ("7", "large", "zh-Hant"),
]
LONG = "WIJESINGHE ARACHCHIGE DON MARIA FERNANDA ALEXANDRA DE LA CONCEPCION MENDOZA"


@pytest.fixture(scope="module")
def sheets() -> Iterator[dict[str, Sheet]]:
    with browser() as chromium:
        yield {name: sheet(chromium, panel) for name, panel in PANELS.items()}


@cache
def drawn(language: str) -> tuple[dict[str, Screen], dict[str, Screen]]:
    """The picked screens, and those that warn of the time, each with its name."""
    screens, warnings = dict(distinct(language)), dict(warned(language))
    return (
        {name: screens[f"{name}-{language}"] for name in PICKED},
        {name: warnings[f"{name}-{language}-third"] for name in WARNED},
    )


def test_the_parts_hold_every_panel_mode_and_language() -> None:
    panels, modes, spoken = (set(part) for part in zip(*PART, strict=True))
    assert (panels, modes, spoken) == (set(PANELS), set(MODES), set(languages()))
    assert {"7", "10.1"} <= set(WARNING) & panels


@pytest.mark.parametrize(("panel", "mode", "language"), PART)
def test_every_part_is_whole_and_large_enough(
    sheets: dict[str, Sheet], panel: str, mode: str, language: str
) -> None:
    number = PART.index((panel, mode, language))
    screens, warnings = drawn(language)
    least = Least()
    for name in PICKED[number % 2 :: 2]:
        inspect(sheets[panel], screens[name], MODES[mode], least, name)
    for name in WARNED if panel in WARNING else ():
        inspect(sheets[panel], warnings[name], MODES[mode], least, f"{name} warned")
    inspect_help(sheets[panel], screens["pin-2"], MODES[mode], least)
    assert least.wrong == []
    assert least.drawn > len(PICKED) // 2
    assert least.text_mm >= 4.8 and least.target_mm >= 18 and least.contrast >= 7


@pytest.mark.parametrize(("panel", "mode"), [("15.6", ""), ("10.1", "all"), ("7", "")])
def test_nothing_is_lost_where_the_browser_doubles_its_text(
    sheets: dict[str, Sheet], panel: str, mode: str
) -> None:
    on, least = sheets[panel], Least()
    screens, warnings = drawn("vi")
    on.zoom(2)
    try:
        for name in ("menu-1", "options-1", "confirm-1"):
            inspect(on, screens[name], MODES[mode], least, name)
        inspect(on, warnings["pin-1"], MODES[mode], least, "pin-1 warned")
        inspect_help(on, screens["pin-2"], MODES[mode], least)
    finally:
        on.zoom(1)
    assert least.wrong == []


def test_what_is_wrong_is_seen(sheets: dict[str, Sheet]) -> None:
    """The measure finds small, pale, cut and overlapping words, and small buttons."""
    on = sheets["10.1"]
    on.put(
        '<main class="screen" data-screen="x" data-part="" lang="ja"><section class="body">'
        '<h1 id="heading">A</h1><button data-action="a" class="thin">B</button></section>'
        '<footer class="foot"><div class="slot"></div><div class="pager"></div>'
        '<div class="slot forward"></div></footer></main>'
    )
    on.ask(
        """() => {
      const [h, b] = [document.querySelector("h1"), document.querySelector("button")];
      h.style.cssText = "font-size: 8px; color: #888; position: fixed; left: -3px; top: 4px";
      b.style.cssText = "min-width: 0; min-height: 0; width: 20px; height: 20px;"
        + "position: fixed; left: 0; top: 0";
    }"""
    )
    least = Least()
    least.add(on, *measure(on, frozenset()), "broken")
    for fault in ("small 8.0 px", "contrast", "outside the screen", "small target", "over words"):
        assert any(fault in line for line in least.wrong), (fault, least.wrong)


@pytest.mark.parametrize("panel", ["15.6", "7"])
def test_what_is_confirmed_was_shown_completely(sheets: dict[str, Sheet], panel: str) -> None:
    on = sheets[panel]
    names = [LONG] * 12
    facts = confirm(
        people={"scope": "some", "names": names, "omitted": names}, summary=[fields(*FIELDS)]
    )
    actions = ("confirm", "back", "cancel")
    on.show(Screen("confirm", 1, "ja", actions, 60, 1, facts=facts))
    shown: set[int] = set()
    for _ in on.pages():
        shown |= set(
            on.ask(
                """[...document.querySelectorAll("tr, .notice, .subject")]
            .flatMap((e, n) => e.checkVisibility() ? [n] : [])"""
            )
        )
        confirmable = on.page.locator("[data-action=confirm]").is_visible()
        whole = len(shown) == on.page.locator("tr, .notice, .subject").count()
        assert confirmable == whole
    assert whole


@pytest.mark.parametrize("language", languages())
def test_axe_finds_nothing(sheets: dict[str, Sheet], language: str) -> None:
    """Two screens in each language, each on another panel and in another mode; with the view."""
    number = languages().index(language)
    on = sheets[list(PANELS)[number % len(PANELS)]]
    mode = list(MODES.values())[number % 3]
    if not on.ask("'axe' in window"):
        on.ask(AXE)
    for name in PICKED[number % 4 :: 4]:
        on.show(drawn(language)[0][name], mode)
        assert violations(on) == [], name
    if number % len(PANELS) == 0:
        on.ask("document.querySelector('[data-page=help]').click()")
        assert violations(on) == []
        on.ask("document.querySelector('[data-page=close]').click()")


def violations(on: Sheet) -> list[Any]:
    found = on.ask("async () => (await axe.run()).violations")
    return [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found]


# -- focus, names, keys


def question(chosen: str = "self", number: int = 1) -> Screen:
    facts = options("scope", "one", ("self", "household", "some"))
    for choice in facts["choices"]:
        choice["chosen"] = choice["id"] == chosen
    return Screen("options", number, "ja-easy", ("pick", "next", "back"), 60, 1, facts=facts)


def test_a_new_screen_is_begun_at_its_heading_and_a_redrawn_one_where_one_was(
    sheets: dict[str, Sheet],
) -> None:
    on = sheets["10.1"]
    on.show(Screen("starting", 1, "ja"))
    on.show(question())
    assert on.ask("document.activeElement.id") == "heading"
    on.page.locator("[data-action=next]").focus()
    on.show(question("some"))
    assert on.ask("document.activeElement.dataset.action") == "next"


def test_arrow_keys_choose_and_the_group_is_named_without_furigana(
    sheets: dict[str, Sheet],
) -> None:
    on = sheets["10.1"]
    on.show(Screen("starting", 1, "ja"))
    on.show(question())
    group = on.page.get_by_role("radiogroup")
    tree = group.aria_snapshot()
    assert tree.count("radio") == 4 and "checked" in tree
    assert "じゅうみん" not in tree and "住民票" in tree
    on.page.get_by_role("radio").first.focus()
    on.ask("sent.length = 0")
    on.page.keyboard.press("ArrowDown")
    sent = [(s["action"], s["value"]) for s in on.ask("sent") if s["action"] != "shown"]
    assert sent == [("pick", "household")]
    on.show(question("household"))
    assert on.ask("document.activeElement.dataset.value") == "household"


def test_a_change_is_told_to_who_hears_the_page_and_never_a_digit(sheets: dict[str, Sheet]) -> None:
    on = sheets["10.1"]
    for digits in (0, 1):
        facts = {"notice": "", "tries": 3, "digits": digits}
        on.show(Screen("pin", 1, "ja", ("enter", "clear", "cancel"), 60, 1, facts=facts))
    told = on.page.locator("#said").text_content() or ""
    assert "1" in told and "●" not in told


def test_a_key_is_lit_at_once_but_none_of_the_keypad(sheets: dict[str, Sheet]) -> None:
    on = sheets["10.1"]
    facts = {"notice": "", "tries": 3, "digits": 1}
    on.show(Screen("pin", 1, "ja", ("enter", "clear", "cancel"), 60, 1, facts=facts))
    lit = """(selector) => {
      const button = document.querySelector(selector);
      button.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
      return button.classList.contains("pressed");
    }"""
    assert on.ask(lit, "[data-action=cancel]")
    assert not on.ask(lit, "[data-value='7']")


def test_text_follows_the_size_that_the_browser_is_set_to(sheets: dict[str, Sheet]) -> None:
    on = sheets["15.6"]
    size = "parseFloat(getComputedStyle(document.querySelector('.flow')).fontSize)"
    on.show(question())
    before = on.ask(size)
    on.zoom(2)
    on.show(question("some"))
    after = on.ask(size)
    on.zoom(1)
    assert after == pytest.approx(2 * before, rel=1e-3)


def test_a_touched_mode_leaves_the_view_open(sheets: dict[str, Sheet]) -> None:
    on = sheets["10.1"]
    on.show(question())
    on.ask("document.querySelector('[data-page=help]').click()")
    on.show(question(), frozenset({Mode.LARGE}))
    assert on.page.locator("#help").is_visible()
    on.ask("document.querySelector('[data-page=close]').click()")
    assert not on.page.locator("#help").is_visible()
