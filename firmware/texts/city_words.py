"""What the voice says in a city's own words: titles of certificates, and what they cannot be used
for.

Each text is one recording, in the first language of those of the screen that the city has and a
voice speaks. A title that is the usual one of its kind is said with the kiosk's own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from firmware.flow.offers import JAPANESE, Localized
from firmware.flow.screens import PRINTED
from firmware.texts.phrase import Phrase
from firmware.texts.recordings import VOICES
from firmware.texts.texts import RUBY, Texts


def is_usual(kind: str, titles: Localized) -> bool:
    """Whether the kiosk's own words for this kind say what stands on the paper."""
    texts = Texts.load(PRINTED)
    printed = dict(titles).get(PRINTED)
    return texts.has(f"kind.{kind}") and printed in (None, texts.get(f"kind.{kind}"))


def spoken(texts: Localized, language: str) -> Phrase | None:
    """The one recording that says this text on a screen of this language; None when there is no
    voice for any. Japanese is read with the furigana that the city gives it.
    """
    known = dict(texts)
    for each in (language, *(JAPANESE if language in JAPANESE else ("en", *JAPANESE))):
        if each in JAPANESE:
            marked = _japanese(known)
            if marked:
                return Phrase(marked, PRINTED)
        elif known.get(each) and each in VOICES:
            return Phrase(known[each], each)
    return None


def _japanese(known: Mapping[str, str]) -> str:
    """With readings, where they are those of the very same words."""
    plain, easy = known.get(PRINTED, ""), known.get("ja-easy", "")
    return easy if plain in ("", RUBY.sub(r"\1\2", easy)) else plain


def phrases(texts: Iterable[Localized], languages: Sequence[str]) -> Iterator[Phrase]:
    """All recordings that these texts need on screens of these languages."""
    for text in texts:
        for language in languages:
            if phrase := spoken(text, language):
                yield phrase
