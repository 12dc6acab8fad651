"""What every text of a city's data must be, whatever it says, so that none is left out silently or
stands on a screen or a sheet as something that its writer did not see.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import fields

from city.vocabulary import LANGUAGES

# Controls, marks of direction, line and paragraph separators, and what Unicode has not assigned.
UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})
JOINERS: Final = frozenset("\u200c\u200d")  # letters of Nepali are joined and kept apart by them
BRACES: Final = re.compile(r"[{}]")
PHONE: Final = re.compile(r"(.*[0-9]){3}.*")
# Columns that the smallest panel with large letters has room for, by the last name of the key.
# A full-width character takes two, a reading (furigana) none. The Japanese title is measured on
# paper.
MOST: Final[Mapping[str, int]] = {
    "name": 80,
    "title": 60,
    "office": 80,
    "hours": 120,
    "phone": 40,
    "contact": 200,
}
READING: Final = re.compile(r"《[^》]*》|｜")
WIDE: Final = frozenset({"W", "F", "A"})  # Unicode Standard Annex 11


Path = tuple[str | int, ...]


def faults(city: Struct) -> Iterator[str]:
    """One line for each text that cannot be used, with its key."""
    for path, value in _walk((), city):
        if isinstance(value, str):
            if fault := next(_faults(path, value), ""):
                yield f"{_key(path)}: {fault}"
        elif isinstance(value, Mapping) and not value.keys().isdisjoint(LANGUAGES):
            for language in value.keys() - {*LANGUAGES}:
                yield f"{_key(path)}.{language}: kiosks have {', '.join(LANGUAGES)}"


def _walk(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """All that the file has, also the keys; what it left out has its value by itself."""
    yield path, value
    if isinstance(value, Struct):
        for field in fields(value):
            held = getattr(value, field.name)
            if held != field.default:
                yield from _walk((*path, field.encode_name), held)
    elif isinstance(value, Mapping):
        for name, held in value.items():
            yield path, name
            yield from _walk((*path, name), held)
    elif isinstance(value, Collection) and not isinstance(value, str):
        for number, held in enumerate(value):
            yield from _walk((*path, number), held)


def _key(path: Path) -> str:
    return "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in path).lstrip(".")


def _faults(path: Path, text: str) -> Iterator[str]:
    """What is wrong with it. The text itself is not told: it may be what no terminal shows."""
    names = [at for at in path if isinstance(at, str) and at not in LANGUAGES]
    if not text.strip():
        yield "is empty: leave the key out"
    if text != text.strip():
        yield "begins or ends with a blank"
    for character in text:
        if unicodedata.category(character) in UNPRINTABLE and character not in JOINERS:
            yield f"has U+{ord(character):04X}, which is no visible character"
    if BRACES.search(text) and "subtitle" not in names:
        yield "has braces, and only a subtitle has words in braces"
    if "phone" in names and not PHONE.fullmatch(text):
        yield "has not the digits of a telephone number"
    most = MOST.get(names[-1], sys.maxsize) if names else sys.maxsize
    if _columns(text) > most and path[-2:] != ("title", "ja"):
        yield f"{_columns(text)} columns, of which a full-width character takes two; at most {most}"


def _columns(text: str) -> int:
    text = READING.sub("", text)
    return sum(2 if unicodedata.east_asian_width(each) in WIDE else 1 for each in text)
