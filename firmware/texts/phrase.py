"""One recorded phrase: what is heard, in which language, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass

from firmware.texts.texts import RUBY, Texts


class Phrase(str):
    """The plain words. `language` is that of the recording; `marked` has the readings (furigana)
    that the voice must keep to.
    """

    __slots__ = ("language", "marked")
    language: str
    marked: str

    def __new__(cls, marked: str, language: str) -> Phrase:
        phrase = super().__new__(cls, RUBY.sub(r"\1\2", marked))
        phrase.marked, phrase.language = marked, language
        return phrase

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Phrase):
            return (self.marked, self.language) == (other.marked, other.language)
        return str.__eq__(self, str(other)) if isinstance(other, str) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


@dataclass(frozen=True)
class SpokenTexts(Texts):
    """The texts of one language, as phrases."""

    @staticmethod
    def of(texts: Texts) -> SpokenTexts:
        return SpokenTexts(texts.language, texts.known, texts.spoken_of)

    def get(self, key: str, **values: object) -> Phrase:
        """See Texts."""
        return Phrase(self.raw(key, values).format(**values), self.language)
