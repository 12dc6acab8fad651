"""What a customer, or a browser, sees of the panel: the screen's name, its words, and what can be
touched.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
UNSEEN = frozenset(("rt", "svg", "style", "script"))  # furigana would double each word
WITHIN = frozenset(("b", "i", "rt", "ruby"))  # these part no words


@dataclass(frozen=True)
class Touchable:
    """A button; `chosen` is None where nothing is chosen."""

    action: str
    value: str
    classes: frozenset[str]
    chosen: bool | None


@dataclass
class Seen:
    """One screen. `name` is its key in the texts, `facts` are its public ones; `marked` holds texts
    by CSS class.
    """

    number: int
    name: str = ""
    language: str = ""
    buttons: list[Touchable] = field(default_factory=list)
    text: str = ""
    marked: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def offers(self, action: str, value: str = "") -> bool:
        return any(b.action == action and (not value or b.value == value) for b in self.buttons)


class _Reader(HTMLParser):
    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen
        self._open: list[tuple[str, frozenset[str]]] = []
        self._words: list[str] = []
        self._marked: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = frozenset(given.get("class", "").split())
        if tag == "main":
            self._seen.name = given.get("data-screen", "")
            self._seen.language = given.get("lang", "")
            self._seen.facts = json.loads(given.get("data-facts", "{}"))
        if "data-action" in given:
            checked = given.get("aria-checked")
            chosen = None if checked is None else checked == "true"
            self._seen.buttons.append(
                Touchable(given["data-action"], given.get("data-value", ""), classes, chosen)
            )
        self._end_word(tag)
        if tag not in VOID:
            self._open.append((tag, classes))

    def handle_endtag(self, tag: str) -> None:
        self._end_word(tag)
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if any(tag in UNSEEN for tag, _ in self._open):
            return
        self._words.append(data)
        for name in {name for _, classes in self._open for name in classes}:
            self._marked.setdefault(name, []).append(data)

    def _end_word(self, tag: str) -> None:
        if tag not in WITHIN:
            self.handle_data(" ")

    def finish(self) -> None:
        self.close()
        self._seen.text = _tidy(self._words)
        marked = {name: _tidy(words) for name, words in self._marked.items()}
        self._seen.marked = {name: words for name, words in marked.items() if words}


def _tidy(words: list[str]) -> str:
    return re.sub(r"[ \t\r\n]+", " ", "".join(words)).strip(" ")


def read(number: int, html: str) -> Seen:
    """The screen in a fragment the panel was sent."""
    seen = Seen(number)
    reader = _Reader(seen)
    reader.feed(html)
    reader.finish()
    return seen
