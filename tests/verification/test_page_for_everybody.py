"""Small screens, screen readers, colours: axe finds nothing, and nothing is cut off."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from verification.page_bench import Bench, payload
from verification.phone import phone_of
from verification.verdicts import LOCALES, VERDICTS, bring

from firmware.link import sheet_code

SCHEMES = ("light", "dark")
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def axe() -> str:
    pytest.importorskip("axe_playwright_python")
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


@pytest.fixture(params=VERDICTS)
def verdict(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(("language", "scheme"), list(zip(LOCALES, SCHEMES, strict=True)))
def test_axe_finds_nothing(
    browser: Any, bench: Bench, axe: str, verdict: str, language: str, scheme: str
) -> None:
    with phone_of(browser, bench, LOCALES[language], color_scheme=scheme) as phone:
        bring(phone, bench, verdict)
        for details in ("#paste", "#about"):
            phone.page.click(f"{details} summary")
        phone.page.evaluate(axe)
        found = phone.page.evaluate("axe.run()")
        assert [
            (one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]
        ] == []
        assert len(found["passes"]) > 20


def test_axe_would_find_something(browser: Any, bench: Bench, axe: str) -> None:
    with phone_of(browser, bench) as phone:
        bring(phone, bench, "in-force")
        phone.page.evaluate("document.getElementById('text').className = 'pale'")
        phone.page.evaluate("document.getElementById('text').style.color = '#ccc'")
        phone.page.evaluate(axe)
        assert [one["id"] for one in phone.page.evaluate("axe.run()")["violations"]] == [
            "color-contrast"
        ]
        phone.wrong.clear()  # a style in the markup, were it taken from there


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("width", [280, 320, 360, 640, 1280])
def test_nothing_is_cut_off(browser: Any, bench: Bench, width: int, language: str) -> None:
    with phone_of(
        browser, bench, LOCALES[language], viewport={"width": width, "height": 740}
    ) as phone:
        for verdict in ("in-force", "void", "unknown", "none"):
            bring(phone, bench, verdict)
            assert phone.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_verdict_is_spoken_and_has_a_word_and_a_shape(browser: Any, bench: Bench) -> None:
    with phone_of(browser, bench) as phone:
        bring(phone, bench, "void")
        status = phone.page.get_by_role("status")
        assert "無効になっています" in status.inner_text()
        assert phone.page.get_by_role("heading", level=2).first.inner_text() == phone.title()
        assert "無効になっています" in phone.page.title()
        assert phone.page.locator(".icon g:visible").count() == 1


def test_it_is_worked_with_the_keyboard_alone(browser: Any, bench: Bench) -> None:
    with phone_of(browser, bench) as phone:
        bring(phone, bench, "none")
        press = phone.page.keyboard.press
        press("Tab")
        assert phone.page.evaluate("document.activeElement.id") == "language"
        press("Tab")
        press("Enter")
        press("Tab")
        phone.page.keyboard.insert_text(sheet_code.address(bench.page, payload(bench.keys.current)))
        press("Tab")
        press("Enter")
        phone.page.wait_for_selector("#verdict[data-verdict=in-force]")


def test_nothing_moves(browser: Any, bench: Bench) -> None:
    """So there is nothing to reduce for those who ask for less motion."""
    style = (Path(__file__).parents[2] / "city/verification/page/page.css").read_text()
    assert not {"animation", "transition", "scroll-behavior"} & {
        word.rstrip(":") for word in style.split()
    }
