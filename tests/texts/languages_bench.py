"""What the tests of the languages share."""

from __future__ import annotations

import string

from firmware.texts.texts import Texts, languages

LANGUAGES = languages()
ALL = {language: Texts.load(language) for language in LANGUAGES}
JAPANESE = tuple(name for name in LANGUAGES if ALL[name].tag == "ja")
CHINESE = tuple(name for name in LANGUAGES if ALL[name].tag.startswith("zh"))


def common(key: str) -> str:
    """The key without its plural form."""
    if not key.startswith(("count.", "spoken.")):
        return key
    return key.removesuffix(".one").removesuffix(".other")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def shape(texts: Texts) -> dict[str, set[str]]:
    """Keys without their plural form, each with the values it holds."""
    shapes: dict[str, set[str]] = {}
    for key, text in texts.known.items():
        shapes.setdefault(common(key), set()).update(fields(text))
    return shapes


def plain(texts: Texts, key: str) -> str:
    """The very text of this key, whichever plural form it is, with numbers put in."""
    text = texts.known[key]
    alone = Texts(texts.language, {"text": text})
    return alone.get("text", **dict.fromkeys(fields(text), 2))
