"""The words of a figure, in Japanese and English."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from city.transparency.figures import Month

Pair = tuple[str, str]
LANGUAGES: Final = ("ja", "en")


@cache
def table() -> Mapping[str, Mapping[str, list[str]]]:
    text = resources.files("city.transparency").joinpath("words.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def _causes() -> tuple[Mapping[str, Any], ...]:
    """What the kiosk tells a resident of each cause. Its file is data, and lies in the package that
    the city's needs.
    """
    folder = resources.files("firmware.texts")
    return tuple(
        tomllib.loads(folder.joinpath(f"{language}.toml").read_text("utf-8"))["refusal"]
        for language in LANGUAGES
    )


def words(month: Month, group: str, what: str) -> Pair:
    """Of one figure."""
    known = table()
    if group == "ends" and ":" in what:
        title = month.titles.get(what.partition(":")[2], {"ja": what})
        names = (title["ja"], title.get("en", title["ja"]))
        before = known["ends"]["issued"]
        return before[0] + names[0], before[1] + names[1]
    if group == "cases":
        code, _, end = what.partition("/")
        pairs = (_pair(known["cases"], code), _pair(known["results"], end))
        return f"{pairs[0][0]}（{pairs[1][0]}）", f"{pairs[0][1]}: {pairs[1][1]}"
    if group == "refusals" and what not in known["refusals"]:
        return _cause(what)
    return _pair(known[group], what)


def _cause(code: str) -> Pair:
    ja, en = (language.get(code, {}).get("cause", code) for language in _causes())
    return ja, en


def _pair(known: Mapping[str, list[str]], word: str) -> Pair:
    ja, en = known.get(word, (word, word))
    return ja, en
