"""Every key and item of a TOML file is found on the line where it stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.toml_places import Place, find_lines, line_of

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.toml"))


def places(value: object, before: Place = ()) -> Iterator[Place]:
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        yield (*before, key)
        yield from places(inner, (*before, key))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_all_of_a_scenario(path: Path) -> None:
    text = path.read_text("utf-8")
    found = find_lines(text)
    there = set(places(tomllib.loads(text)))
    assert found.keys() <= there
    # a list of [[tables]] has no line of its own, nor has a table that only holds such lists
    lists = {tuple(name.split(".")) for name in re.findall(r"(?m)^\[\[(.+)\]\]$", text)}
    without = {name[:length] for name in lists for length in range(1, len(name) + 1)}
    assert there - found.keys() <= without


def test_lines_count_from_one_whatever_stands_between() -> None:
    text = """# a = 1
title = "a = { b"  # {
text = \"\"\"
[not.a.table]
\"\"\"
list = [
  1, # one
  { a = 'x, y', b = [2, 3] },
]

[[table]]
key = "]"
[[table]]
key = 2
[table.inner]
deep = true
"""
    found = find_lines(text)
    assert found.keys() <= set(places(tomllib.loads(text)))
    wanted = {
        ("title",): 2,
        ("text",): 3,
        ("list", 0): 7,
        ("list", 1, "b", 1): 8,
        ("table", 0, "key"): 12,
        ("table", 1): 13,
        ("table", 1, "key"): 14,
        ("table", 1, "inner", "deep"): 16,
    }
    assert {place: found[place] for place in wanted} == wanted
    assert line_of(found, ("table", 1, "nothing", 3)) == 13
    assert line_of(found, ("nothing",)) is None
