"""A person who hears and presses keys, and nothing else: no page, no facts of a screen.

The person knows the language (the words of its texts) and what is wanted, hears what the speaker's
far end heard, and finds each key in the words: "…は、1。" or "… press 1.". A name that is spelled
is one word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware.flow.keys import NAMES
from firmware.texts.texts import Texts
from firmware.texts.voice_names import sounds

KEY_SOUND = "♪"
SOUNDS = {str(sound) for sound in sounds()}


@dataclass
class Person:
    """`wants`: words to choose, each wherever it is offered; `stops`: the key of the words at which
    to cancel.
    """

    language: str
    wants: Sequence[str]
    stops: str = ""
    heard: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.texts = Texts.load(self.language)
        button = re.escape(self.texts.known["spoken.press"]).replace(r"\{button\}", "(.+)")
        self._press = re.compile(re.sub(r"《.*?》|｜", "", button))
        self._keys = {self.word(f"key.{name}"): key for key, name in NAMES.items()}

    def word(self, key: str) -> str:
        return self.texts.get(key)

    def says(self, key: str) -> bool:
        """Whether these words were among the last that were heard, of a card or of a phone."""
        said = (self.texts.about(what).get(key) for what in ("card", "phone", "either"))
        return any(words in self.heard for words in said)

    def offers(self) -> dict[str, str]:
        """What was said that each key does: the words right before it."""
        found: dict[str, str] = {}
        before, name = "", ""
        for now in self.heard:
            if pressed := self._press.fullmatch(now):
                found[before] = found[name] = self._keys[pressed[1]]
            before, name = now, name + now if now in SOUNDS else ""
        return {words: key for words, key in found.items() if words}

    def chosen(self) -> set[str]:
        """What is chosen now: "… は、1。 選択しています。"."""
        words = self.heard
        return {
            words[n - 2] if self._press.fullmatch(words[n - 1]) else words[n - 1]
            for n in range(2, len(words))
            if words[n] == self.word("spoken.chosen")
        }

    def names(self) -> set[str]:
        """Each name that was spelled."""
        spelled = "".join(words if words in SOUNDS else " " for words in self.heard)
        return {*spelled.split()}

    def decide(self) -> str:
        """The key to press now; "" to wait."""
        offers = self.offers()
        cancel, back = self.word("action.cancel"), self.word("action.back")
        if self.stops and self.says(self.stops):
            return offers.get(cancel) or offers.get(back, "")
        wanted = [word for word in self.wants if word in offers and word not in self.chosen()]
        if wanted:
            return offers[wanted[0]]
        going = ("start", "next", "confirm", "taken", "ok")
        ways = [offers[word] for each in going if (word := self.word(f"action.{each}")) in offers]
        return ways[0] if ways else ""
