"""What is shown and said, by key, one file a language: `<language>.toml` beside this module is a
language.

Keys are the tables' names joined by dots. Where the words speak of a phone, or of whichever of card
and phone it is, a text under "phone." or "either." goes before the one of the key alone. A text may
hold {values}, and furigana as 漢字《かんじ》, with ｜ before the part it belongs to where that is
not all the kanji before it. A key with `one` and `other` chooses by its value `n`. A whole number
is written with the language's own mark between thousands where the text asks for one ({n:,}).

Three keys describe the language itself: `name.language` is what its button says, `name.tag` the
BCP 47 tag of the words, and `name.furigana` ("yes" or "no") says whether furigana is drawn.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from markupsafe import Markup, escape

FOLDER = Path(__file__).parent
FIRST = ("ja", "ja-easy", "en")
RUBY = re.compile(r"(?:｜([^｜《》]+)|([\u3400-\u9fff々〆ヶ]+))《([^《》]+)》")


class MissingText(LookupError):
    """A language, or a key, that is not there."""


def languages() -> tuple[str, ...]:
    """All there are, Japanese and English first."""
    found = {path.stem for path in FOLDER.glob("*.toml")}
    return (*(name for name in FIRST if name in found), *sorted(found - {*FIRST}))


def _flat(table: Mapping[str, object], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", str(value)


@functools.cache
def _read(language: str) -> Mapping[str, str]:
    if language not in languages():
        raise MissingText(f"no language {language!r}")
    return dict(_flat(tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))))


class _Whole(int):
    """A whole number that is written with the language's mark between thousands."""

    mark = ","

    def __format__(self, form: str) -> str:
        return super().__format__(form).replace(",", self.mark)


class _WholeWithPoints(_Whole):
    mark = "."


# What stands between thousands where it is no comma.
WHOLE: Mapping[str, type[_Whole]] = dict.fromkeys(("pt", "vi", "id"), _WholeWithPoints)


@dataclass(frozen=True)
class Texts:
    """One language."""

    language: str
    known: Mapping[str, str]
    spoken_of: str = "card"

    @property
    def tag(self) -> str:
        """The language of the words, for HTML and for whatever speaks them (BCP 47)."""
        return self.known["name.tag"]

    @property
    def furigana(self) -> bool:
        """Whether furigana is drawn."""
        return self.known.get("name.furigana") == "yes"

    def about(self, what: str) -> Texts:
        """The same, where the words speak of a "card", a "phone" or "either"."""
        return replace(self, spoken_of=what)

    @staticmethod
    def load(language: str) -> Texts:
        """Raises MissingText."""
        return Texts(language, _read(language))

    def get(self, key: str, **values: object) -> str:
        """The text as plain words: what is said. Raises MissingText, KeyError for a
        missing value.
        """
        return RUBY.sub(r"\1\2", self.raw(key, values)).format(**self._written(values))

    def html(self, key: str, **values: object) -> Markup:
        """The text as it is drawn; values are escaped. Raises like `get`."""
        return self.draw(self.raw(key, values)).format(**self._written(values))

    def draw(self, words: str) -> Markup:
        """Words of this file, or of the city, with their furigana where this language shows it."""
        ruby = r"<ruby>\1\2<rt>\3</rt></ruby>" if self.furigana else r"\1\2"
        return Markup(RUBY.sub(ruby, str(escape(words))))  # noqa: S704 - escaped

    def _written(self, values: Mapping[str, object]) -> dict[str, object]:
        whole = WHOLE.get(self.language, _Whole)
        return {
            name: whole(value) if isinstance(value, int) else value
            for name, value in values.items()
        }

    def has(self, key: str) -> bool:
        return key in self.known or f"{key}.other" in self.known

    def raw(self, key: str, values: Mapping[str, object]) -> str:
        """The text as written in the file. Raises MissingText."""
        one = self.known.get(f"{key}.one") if values.get("n") == 1 else None
        own = self.known.get(f"{self.spoken_of}.{key}")
        text = own or one or self.known.get(key) or self.known.get(f"{key}.other")
        if text is None:
            raise MissingText(f"{self.language}: no text {key!r}")
        return text

    def moment(self, iso: str) -> str:
        """A time of the city (ISO 8601, in its own zone) as a person reads it; "" when it
        is none.
        """
        at = parse(iso)
        return self.get("format.moment", **self._parts(at, self.get)) if at else ""

    def moment_html(self, iso: str) -> Markup:
        """The same, as it is drawn."""
        at = parse(iso)
        return self.html("format.moment", **self._parts(at, self.html)) if at else Markup("")

    def day_html(self, iso: str) -> Markup:
        """A day, as it is drawn."""
        at = parse(iso)
        return self.html("format.day", **self._parts(at, self.html)) if at else Markup("")

    @staticmethod
    def _parts(at: datetime, word: Callable[[str], str]) -> dict[str, object]:
        return {
            "year": at.year,
            "month": word(f"format.month.{at.month}"),
            "month_number": at.month,
            "day_number": at.day,
            "weekday_short": word(f"format.weekday.{at.weekday()}"),
            "hour": at.hour,
            "minute": at.minute,
        }


def parse(iso: str) -> datetime | None:
    """The moment, or None when this is none."""
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        return None
