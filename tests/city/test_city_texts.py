"""Every text of a city's file: none that nobody can read, and none left out silently.

The keys are those of the file as it is written, not of the types that read it.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from city import municipality, vocabulary
from city.config import ConfigError
from firmware.service import toml
from firmware.texts.texts import languages

DATA = Path(municipality.__file__).parent / "data"
Path_ = tuple[str | int, ...]

UNREADABLE = {
    "a line of its own": "{}\nx",
    "a control character": "{}\x07",
    "a mark of direction": "\u202e{}",
    "a character that takes no room": "{}\u200bx",
    "nothing": "",
    "a blank in front": " {}",
    "a wide blank behind": "{}\u3000",
    "braces": "{}{{x}}",
}


def _leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, str]]:
    if isinstance(value, dict):
        for name, held in value.items():
            yield from _leaves(held, (*path, name))
    elif isinstance(value, list):
        for n, held in enumerate(value):
            yield from _leaves(held, (*path, n))
    elif isinstance(value, str):
        yield path, value


def _with(data: dict[str, Any], path: Path_, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(data)
    at: Any = data
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    return data


def _fault(data: dict[str, Any], home: Path) -> str:
    """Why this file is refused; "" when it is taken."""
    file = home / "city.toml"
    file.write_text(toml.dumps(data), encoding="utf-8")
    try:
        municipality.load(file)
    except ConfigError as error:
        line = str(error)
        assert line.startswith(f"{file}: ") and "\n" not in line
        return line
    return ""


@pytest.mark.parametrize("name", ["shiomi", "akashi"])
def test_a_text_that_nobody_can_read_is_refused(
    name: str, tmp_path: Path, all_wanted: bool
) -> None:
    data = tomllib.loads((DATA / f"{name}.toml").read_text("utf-8"))
    leaves = list(_leaves(data))
    assert len(leaves) > 100
    every = 1 if all_wanted else 41
    for n, (path, text) in enumerate(leaves[::every]):
        for what in [*UNREADABLE] if all_wanted else [[*UNREADABLE][n % len(UNREADABLE)]]:
            if what == "braces" and "subtitle" in path:
                continue
            bad = UNREADABLE[what].format(text)
            assert _fault(_with(data, path, bad), tmp_path), (path, what)


def test_a_language_that_no_kiosk_has_is_refused(tmp_path: Path, all_wanted: bool) -> None:
    data = tomllib.loads((DATA / "shiomi.toml").read_text("utf-8"))
    texts = [path for path, _ in _leaves(data) if path[-1] == "ja"]
    assert len(texts) > 10
    for path in texts[:: 1 if all_wanted else 5]:
        of = ".".join(str(name) for name in path[:-1] if isinstance(name, str))
        fault = _fault(_with(data, (*path[:-1], "eng"), "City hall"), tmp_path)
        assert "eng: kiosks have ja" in re.sub(r"\[\d+\]( \([a-z-]+\))?", "", fault), of
        assert of in re.sub(r"\[\d+\]( \([a-z-]+\))?", "", fault)


def test_the_city_knows_the_languages_of_the_kiosks() -> None:
    assert set(vocabulary.LANGUAGES) == set(languages())


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("contacts", "resident", 0, "phone"), "xx", "contacts.resident[0].phone"),
        (("contacts", "resident", 0, "office", "ja"), "市" * 41, "82 columns"),
        (("name", "ja"), "市" * 41, "name.ja"),
        (("certificates", 0, "title", "en"), "C" * 61, "certificates[0].title.en"),
        (("issuers", 0, "name"), "海見市長 潮見太郎", "issuers[0].name"),
        (("contacts", "other"), None, "contacts.other: no cause"),
    ],
)
def test_it_is_said_which(path: Path_, value: Any, says: str, tmp_path: Path) -> None:
    data = tomllib.loads((DATA / "shiomi.toml").read_text("utf-8"))
    fault = _fault(_with(data, path, value or data["contacts"]["resident"]), tmp_path)
    assert says in fault


def _certificates(data: dict[str, Any], form: str) -> Iterator[int]:
    return (n for n, each in enumerate(data["certificates"]) if each["form"] == form)


def test_an_amount_stands_once_on_a_sheet(tmp_path: Path) -> None:
    data = tomllib.loads((DATA / "akashi.toml").read_text("utf-8"))
    at = next(_certificates(data, "kazei"))
    heading, labels = next(iter(data["certificates"][at]["amounts"].items()))
    for held, says in ([*labels, labels[0]], f"{labels[0]} twice"), ([], "none"):
        path = ("certificates", at, "amounts", heading)
        assert f"{heading}: {says}" in _fault(_with(data, path, held), tmp_path)


def test_two_certificates_of_one_menu_have_different_titles(tmp_path: Path) -> None:
    data = tomllib.loads((DATA / "shiomi.toml").read_text("utf-8"))
    again = {**next(c for c in data["certificates"] if c["form"] == "juminhyo"), "kind": "again"}
    data["certificates"].append(again)
    assert "certificates (again).title.ja: that of " in _fault(data, tmp_path)
