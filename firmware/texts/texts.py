"""What is shown and said, by key, one file a language: `<language>.toml` beside this module is a language.

Keys are the tables' names joined by dots. A text may hold {values}, and furigana as 漢字《かんじ》, with ｜ before the
part it belongs to where that is not all the kanji before it. A key with `one` and `other` chooses by its value `n`.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from markupsafe import Markup, escape

FOLDER = Path(__file__).parent
FIRST = "ja"
RUBY = re.compile(r"(?:｜([^｜《》]+)|([\u3400-\u9fff々〆ヶ]+))《([^《》]+)》")


class MissingText(LookupError):
    """A language, or a key, that is not there."""


def languages() -> tuple[str, ...]:
    """All there are, Japanese first."""
    return tuple(sorted((path.stem for path in FOLDER.glob("*.toml")), key=lambda name: (name != FIRST, name)))


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


@dataclass(frozen=True)
class Texts:
    """One language."""

    language: str
    known: Mapping[str, str]

    @staticmethod
    def load(language: str) -> Texts:
        """Raises MissingText."""
        return Texts(language, _read(language))

    def get(self, key: str, **values: object) -> str:
        """The text as plain words: what is said. Raises MissingText, KeyError for a missing value."""
        return RUBY.sub(r"\1\2", self.raw(key, values)).format(**values)

    def html(self, key: str, **values: object) -> Markup:
        """The text with furigana; values are escaped. Raises like `get`."""
        marked = RUBY.sub(r"<ruby>\1\2<rt>\3</rt></ruby>", str(escape(self.raw(key, values))))
        return Markup(marked).format(**values)  # noqa: S704 - escaped above

    def has(self, key: str) -> bool:
        return key in self.known or f"{key}.other" in self.known

    def raw(self, key: str, values: Mapping[str, object]) -> str:
        """The text as written in the file. Raises MissingText."""
        one = self.known.get(f"{key}.one") if values.get("n") == 1 else None
        text = one or self.known.get(key) or self.known.get(f"{key}.other")
        if text is None:
            raise MissingText(f"{self.language}: no text {key!r}")
        return text

    def moment(self, iso: str) -> str:
        """A time of the city (ISO 8601, in its own zone) as a person reads it; "" when it is none."""
        at = parse(iso)
        if at is None:
            return ""
        return self.get(
            "format.moment",
            year=at.year,
            month=self.get(f"format.month.{at.month}"),
            month_number=at.month,
            day_number=at.day,
            weekday_short=self.get(f"format.weekday.{at.weekday()}"),
            hour=at.hour,
            minute=at.minute,
        )


def parse(iso: str) -> datetime | None:
    """The moment, or None when this is none."""
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        return None
