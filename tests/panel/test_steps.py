"""From one button to the next, with key 0 or a single switch, in a real browser: all are reached,
what is said is what is pressed, and nothing reaches a screen that it was not made for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from panel_facts import options

from firmware.flow.screens import Screen
from firmware.panel.gallery import distinct
from firmware.panel.render import render
from firmware.texts.texts import Texts

pytest.importorskip("playwright.sync_api")

from testbed.drawing.sheet import CHROMIUM, PANELS, Sheet, browser, sheet

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]
# Time stands still: what is put off is done when it is asked for.
HANDS = """
window.timers = new Map();
window.setTimeout = (work, ms) => { timers.set(timers.size + 1, [work, ms]); return timers.size; };
window.clearTimeout = (number) => { if (timers.has(number)) timers.set(number, null); };
window.pass = (ms) => {
  const due = [...timers].filter(([, timer]) => timer?.[1] === ms);
  due.forEach(([number, timer]) => { timers.set(number, null); timer[0](); });
};
window.key = (key, kind = "keydown", more = {}) => document.dispatchEvent(
  new KeyboardEvent(kind, { key, bubbles: true, cancelable: true, ...more }));
window.finger = (kind, selector) => document.querySelector(selector).dispatchEvent(
  kind === "down" ? new PointerEvent("pointerdown", { bubbles: true })
    : new MouseEvent("click", { bubbles: true, detail: 1 }));
window.hold = () => { key(" "); pass(800); key(" ", "keyup"); pass(2000); };
window.named = ({ action, value, page }) =>
  action ? [action, value].filter(Boolean).join(".") : `page.${page}`;
window.standing = () => [...document.querySelectorAll("#stage button")].filter(
  (b) => b.checkVisibility({ visibilityProperty: true }) && !b.closest("[inert]") && !b.disabled);
"""
# Through all pages of the screen that stands: what is wrong, and how many pages there were.
WALK = """(which) => {
  const wrong = [], say = (...words) => wrong.push(words.join(" "));
  const step = () => {
    const before = sent.length;
    key(which);
    key(which, "keyup");
    const said = sent.slice(before).filter((s) => s.action === "hear").map((s) => s.value);
    const on = document.activeElement.dataset;
    if (said.length !== 1 || said[0] !== named(on)) say("said", said, "stands on", named(on));
    return named(on);
  };
  for (let page = 1; ; page++) {
    const all = standing().map((b) => named(b.dataset));
    const reached = new Set(all.map(step));
    const missed = all.filter((name) => !reached.has(name));
    if (missed.length) say("page", page, "never reaches", missed);
    const later = standing().find((b) => b.dataset.page === "later");
    if (!later) return [wrong, page];
    for (let n = 0; n < all.length && document.activeElement !== later; n++) step();
    if (document.activeElement !== later) return [[...wrong, "cannot turn"], page];
    if (which === "0") later.click(); // as Enter does
    else {
      for (let n = 1; n < all.length; n++) step();
      hold();
    }
  }
}"""
# Each button of this page, held when its turn comes.
TAKE = """() => {
  const wrong = [];
  for (let n = standing().length; n; n--) {
    sent.length = 0;
    hold();
    const [said, done] = sent;
    const page = said.value.startsWith("page.");
    if (!page && [done.action, done.value].filter(Boolean).join(".") !== said.value)
      wrong.push([said.value, done.action, done.value]);
    const close = standing().find((b) => b.dataset.page === "close");
    close?.click();
  }
  return wrong;
}"""


@pytest.fixture(scope="module")
def on() -> Iterator[Sheet]:
    with browser() as chromium:
        made = sheet(chromium, PANELS["7"])
        made.ask(f"() => {{ {HANDS} }}")
        yield made


def members(number: int = 9) -> Screen:
    facts = options("members", "many", tuple(f"m{n}" for n in range(1, number + 1)))
    for choice in facts["choices"]:
        choice["name"] = f"明石 {choice['id']}"
    actions = ("pick", "next", "back", "cancel")
    return Screen("options", 1, "ja", actions, 60, 1, facts=facts)


def pin(digits: int = 0) -> Screen:
    facts = {"notice": "", "tries": 3, "digits": digits}
    return Screen("pin", 1, "ja", ("enter", "clear", "cancel"), 60, 1, facts=facts)


def question(*choices: str, number: int = 1) -> Screen:
    facts = options("scope", "one", choices or ("self", "household", "some"))
    return Screen("options", number, "ja", ("pick", "next", "back"), 60, 1, facts=facts)


PAYING = replace(question(), name="starting", actions=("cancel",), facts={})


def sent(on: Sheet) -> list[tuple[str, str]]:
    """But what the page reports by itself."""
    every = [(each["action"], each["value"]) for each in on.ask("sent")]
    return [each for each in every if each != ("shown", "")]


@pytest.fixture(scope="module")
def drawn() -> list[tuple[str, str]]:
    """Every screen that there is."""
    return [
        (name, render(replace(screen, actions=(*screen.actions, "mode", "language")), JA))
        for name, screen in (*distinct("ja"), ("members", members()))
    ]


JA = Texts.load("ja")
BETWEEN = render(Screen("starting", 1, "ja"), JA)


@pytest.mark.parametrize("key", ["0", " "])
def test_every_button_of_every_page_is_reached(
    on: Sheet, drawn: list[tuple[str, str]], key: str
) -> None:
    wrong, pages = {}, 0
    for name, html in drawn:
        if key == "0" and name.startswith("pin-"):
            continue  # there it is a digit
        on.put(BETWEEN)
        on.put(html)
        found, there = on.ask(WALK, key)
        pages = max(pages, there)
        if found:
            wrong[name] = found[:3]
    assert wrong == {}
    assert pages >= 3  # among them were some that are turned


def test_what_is_said_is_what_a_held_switch_takes(on: Sheet, drawn: list[tuple[str, str]]) -> None:
    for name, html in drawn:
        if not name.endswith(("-1-ja", "members")):
            continue
        on.put(BETWEEN)
        on.put(html)
        assert on.ask(TAKE) == [], name


def test_enter_takes_what_was_said(on: Sheet) -> None:
    on.show(Screen("starting", 1, "ja"))
    on.show(members())
    for _ in range(40):
        on.ask("sent.length = 0")
        on.page.keyboard.press("0")
        ((_, said),) = sent(on)
        if not said.startswith(("pick.", "page.later")):
            continue
        on.page.keyboard.press("Enter")
        on.ask("pass(2000)")
        taken = [("pick", said.removeprefix("pick."))] if said.startswith("pick.") else []
        assert sent(on)[1:] == taken
        if said == "pick.m9":
            return
    raise AssertionError("the last person was never reached")


# -- what is put off


@pytest.mark.parametrize(
    "meanwhile",
    ["the same again", "another", "the wire is cut", "another key", "it looks away", "elsewhere"],
)
def test_a_switch_that_is_held_presses_only_what_it_was_held_on(on: Sheet, meanwhile: str) -> None:
    on.show(Screen("starting", 1, "ja"))
    on.show(question())
    on.ask("() => { sent.length = 0; key(' '); }")
    match meanwhile:
        case "the same again":
            on.show(question(number=2))
        case "another":
            on.show(PAYING)
        case "the wire is cut":
            on.ask("wire.onclose({ code: 4000 })")
        case "another key":
            on.ask("key('x')")
        case "it looks away":
            on.ask("dispatchEvent(new Event('blur'))")
        case "elsewhere":
            on.ask("document.querySelector('h1').focus()")
    on.ask("pass(800)")
    assert [action for action, _ in sent(on)] == ["hear"]


def test_a_finger_that_comes_up_on_another_screen_presses_nothing_there(on: Sheet) -> None:
    on.show(Screen("starting", 1, "ja"))
    on.show(question())
    on.ask("finger('down', '[data-value=self]')")
    on.show(PAYING)
    on.ask("sent.length = 0")
    on.ask("finger('up', '[data-action=cancel]')")
    assert sent(on) == []
    on.ask("finger('down', '[data-action=cancel]')")
    on.ask("finger('up', '[data-action=cancel]')")
    assert sent(on) == [("cancel", "")]


def test_a_digit_that_comes_up_on_the_redrawn_keypad_counts(on: Sheet) -> None:
    on.show(Screen("starting", 1, "ja"))
    on.show(pin())
    on.ask("finger('down', '[data-value=\"7\"]')")
    on.show(pin(1))
    on.ask("sent.length = 0")
    on.ask("finger('up', '[data-value=\"7\"]')")
    assert sent(on) == [("digit", "7")]


def test_a_key_that_stays_down_is_one_press(on: Sheet) -> None:
    on.show(Screen("starting", 1, "ja"))
    on.show(question())
    assert not on.ask("key('Enter', 'keydown', { repeat: true })")  # nothing comes of it


# -- the PIN


def test_where_the_steps_to_a_digit_begin_is_left_to_chance(on: Sheet) -> None:
    on.show(Screen("starting", 1, "ja"))
    on.show(pin())
    draw = "(n) => { crypto.getRandomValues = (some) => { some[0] = n; return some; }; }"
    all_names: list[str] = on.ask("standing().map((b) => named(b.dataset))")
    assert len({*all_names}) > 10
    for n in (0, 3, len(all_names) - 1):
        on.ask(draw, n)
        on.show(pin())
        on.ask("() => { sent.length = 0; key(' '); key(' ', 'keyup'); key(' '); pass(800); }")
        first = all_names[n]
        following = all_names[(n + 1) % len(all_names)]
        assert [value for action, value in sent(on) if action == "hear"] == [first, following]
        on.ask("pass(2000)")
        # and nobody sees on which digit it ended
        assert on.ask("document.activeElement.id") == "heading"
        on.show(pin(1))
        assert on.ask("document.activeElement.closest('.keypad')") is None


def any_digit(on: Sheet) -> None:
    on.ask("() => { document.querySelector(\"[data-value='5']\").focus(); }")


def test_no_digit_keeps_the_focus_once_it_was_typed(on: Sheet) -> None:
    on.show(Screen("starting", 1, "ja"))
    on.show(pin())
    any_digit(on)
    on.page.keyboard.press("Enter")
    assert on.ask("document.activeElement.id") == "heading"
    any_digit(on)
    on.show(pin(1))
    assert on.ask("document.activeElement.id") == "heading"


# -- the view of modes and languages


def test_the_keys_work_while_the_view_of_modes_is_open(on: Sheet) -> None:
    keys = {
        ".": ("cancel", ""),
        "*": ("repeat", ""),
        "/": ("mode", "slow"),
        "+": ("volume", "up"),
        "-": ("volume", "down"),
    }
    for key, does in keys.items():
        on.show(Screen("starting", 1, "ja"))
        on.show(pin())
        on.ask("document.querySelector('[data-page=help]').click()")
        on.ask("sent.length = 0")
        on.ask("key('5')")
        on.ask("key('Enter')")
        on.ask("key('0')")
        assert sent(on) == [("hear", on.ask("named(document.activeElement.dataset)"))]
        on.ask("sent.length = 0")
        on.ask("(it) => key(it)", key)
        assert sent(on) == [does]


@pytest.mark.parametrize("key", ["Backspace", "Escape"])
def test_that_the_view_opened_or_closed_is_told(on: Sheet, key: str) -> None:
    on.show(Screen("starting", 1, "ja"))
    on.show(question())
    on.ask("sent.length = 0")
    on.ask("document.querySelector('[data-page=help]').click()")
    assert sent(on) == [("hear", "page.opened")]
    on.ask("(it) => key(it)", key)
    assert sent(on)[1:] == [("hear", "page.closed")]
    assert not on.page.locator("#help").is_visible()
