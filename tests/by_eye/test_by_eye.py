"""Whole journeys in every language, by what is read on the page alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from onlooker import Onlooker, Page

from firmware.panel.render import render
from firmware.texts.texts import Texts, languages
from testbed.scenario.model import ModelRun
from testbed.scenario_file import Script, Step

MOST_STEPS = 60
each_language = pytest.mark.parametrize("language", languages())


class Seen(ModelRun):
    """One journey, of which the page is read."""

    def page(self) -> Page:
        screen = self.screen
        return Page(render(screen, Texts.load(screen.language), languages()))

    def touch(self, action: str, value: str) -> None:
        self._touch(action, value)
        self._settle()

    def pin(self, digits: str) -> None:
        for _ in digits:
            self._type_digit()


def walk(language: str, card: str, *wants: str, until: str) -> tuple[Seen, list[Page]]:
    """The kiosk behind the journey, and every page that was read, up to the heading `until`."""
    kiosk = Seen(Script(title="by eye", steps=()))
    onlooker = Onlooker(language, ("name.language", *wants))
    hands: dict[str, Callable[[], object]] = {
        "place": lambda: kiosk.card(Step(card=card)),
        "remove": lambda: kiosk.card(Step(card="off")),
        "paying": lambda: kiosk.coin(Step(coin=100)),
        "sheets": lambda: kiosk.take(Step(take="sheets")),
    }
    pages: list[Page] = []
    if language == "ja":
        onlooker.decide(kiosk.page())  # it is shown already
    for _ in range(MOST_STEPS):
        page = kiosk.page()
        pages.append(page)
        if onlooker.is_at(page, until):
            return kiosk, pages
        at = (hands[name] for name in hands if onlooker.is_at(page, f"screen.{name}.title"))
        does = next(at, None)
        if onlooker.is_at(page, "screen.pin.title"):
            kiosk.pin("1234")
        wanted = onlooker.decide(kiosk.page())
        if does:
            does()
        elif wanted:
            kiosk.touch(*wanted)
        kiosk._settle()
    raise AssertionError(f"lost at {[page.heading for page in pages[-5:]]}")


def holds(page: Page, words: str) -> bool:
    return words in "".join(page.words)


@each_language
@pytest.mark.parametrize("kind", ["juminhyo", "inkan", "kazei"])
def test_a_certificate(language: str, kind: str) -> None:
    kiosk, pages = walk(language, "taro", f"kind.{kind}", until="screen.thanks.title")
    first = kiosk._journeys[0]
    assert (first.permits.facts.fee.kept, first.flow.session.kind) == (100, kind)
    begun = next(n for n, page in enumerate(pages) if page.language == Texts.load(language).tag)
    assert begun <= 1
    assert {page.language for page in pages[begun:]} == {Texts.load(language).tag}
    assert all(page.heading.strip() for page in pages)


@each_language
def test_a_refusal_is_read(language: str) -> None:
    reads = Onlooker(language, ()).read
    code = "refusal.seal-not-registered"
    _, pages = walk(language, "yui", "kind.inkan", until=f"{code}.cause")
    assert holds(pages[-1], reads(f"{code}.next"))


@each_language
def test_a_cancel_is_read(language: str) -> None:
    reads = Onlooker(language, ()).read
    kiosk, _ = walk(language, "taro", "kind.inkan", until="screen.paying.title")
    kiosk.touch(*kiosk.page().buttons[reads("action.cancel")])
    assert kiosk.page().heading == reads("refusal.cancelled.cause")


@each_language
def test_that_the_time_is_over_is_read_before_and_after(language: str) -> None:
    reads = Onlooker(language, ()).read
    kiosk, _ = walk(language, "taro", "kind.inkan", until="screen.paying.title")
    kiosk.wait(Step(wait="warning"))
    page = kiosk.page()
    assert holds(page, reads("time.third")) and holds(page, reads("time.up.returns"))
    assert reads("action.more-time") in page.buttons
    kiosk.wait(Step(wait="limit"))
    kiosk._settle()
    assert kiosk.page().heading == reads("refusal.too-slow.cause")
