"""A person who reads the page and touches buttons by what stands on them, in one language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Final

from firmware.texts.texts import Texts

GOES_ON: Final = ("start", "enter", "next", "confirm", "taken", "ok")
WORD_JOINER: Final = "\u2060"  # holds a kanji and its kana together in a line
VOID: Final = {"meta", "link", "input", "br"}
Touch = tuple[str, str]


class Page(HTMLParser):
    """What is read: the language of the page, its heading, the words of each part, its buttons."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.language = self.heading = ""
        self.buttons: dict[str, Touch] = {}  # what stands on it -> action and value
        self.words: list[str] = []
        self._open: list[str] = []
        self._button: Touch | None = None
        self._label = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self._open.append(tag)
        if tag == "main":
            self.language = given["lang"]
        if tag == "button" and "data-action" in given:
            self._button, self._label = (given["data-action"], given.get("data-value", "")), ""

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self._open.pop()
        if tag == "button" and self._button:
            self.buttons.setdefault(self._label.strip(), self._button)
            self._button = None

    def handle_data(self, data: str) -> None:
        if {"rt", "title"} & {*self._open}:
            return
        data = data.replace(WORD_JOINER, "")
        if self._button:
            self._label += data
        if "h1" in self._open:
            self.heading += data
        if data.strip():
            self.words.append(data.strip())


class Onlooker:
    """`wants`: keys of words to touch wherever they stand on a button, once each."""

    def __init__(self, language: str, wants: Sequence[str]) -> None:
        self.texts = Texts.load(language)
        self._wants = [*wants]

    def read(self, key: str) -> str:
        """The words of this key, as they are read."""
        return re.sub(r"《.*?》|｜", "", self.texts.known[key])

    def is_at(self, page: Page, key: str) -> bool:
        """Whether its heading says these words, of a card or of a phone."""
        ways = (f"{of}{key}" for of in ("", "phone.", "either."))
        return page.heading in {self.read(way) for way in ways if way in self.texts.known}

    def decide(self, page: Page) -> Touch | None:
        """None: there is nothing to touch, and one waits."""
        for want in self._wants:
            for label, touch in page.buttons.items():
                if label.startswith(self.read(want)):
                    self._wants.remove(want)
                    return touch
        for action in GOES_ON:
            if touch := page.buttons.get(self.read(f"action.{action}")):
                return touch
        return None
