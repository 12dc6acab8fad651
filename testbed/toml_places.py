"""On which line of a TOML file each key and each table stands, for messages about mistakes in it.

The file is one that a parser has taken: what is left out here, such as a dotted key's parts, only
makes a message less exact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

Place = tuple[str | int, ...]

SIGN: Final = re.compile(
    r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\''
    r"|\#[^\n]*|[\[\]{},=\n]|[^\s\[\]{},=\"'\#]+"
)


@dataclass
class _Open:
    """A list or an inline table that has begun; `at` is the place of what comes next in it."""

    place: Place
    is_list: bool
    count: int = 0


@dataclass
class _Finder:
    lines: dict[Place, int] = field(default_factory=dict)
    table: Place = ()
    arrays: dict[Place, int] = field(default_factory=dict)
    opened: list[_Open] = field(default_factory=list)
    key: str = ""
    in_value: bool = False

    def header(self, names: list[str], is_array: bool, line: int) -> None:
        place: Place = ()
        for number, name in enumerate(names, 1):
            place = (*place, name)
            if number == len(names) and is_array:
                self.arrays[place] = self.arrays.get(place, -1) + 1
            if place in self.arrays:
                place = (*place, self.arrays[place])
        self.table = place
        self.key, self.in_value = "", False
        self.lines.setdefault(place, line)

    def next_place(self) -> Place:
        """Of the value that begins now."""
        if not self.opened:
            return (*self.table, self.key)
        inside = self.opened[-1]
        return (*inside.place, inside.count if inside.is_list else self.key)

    def sign(self, sign: str, line: int) -> None:
        inside = self.opened[-1] if self.opened else None
        if sign == "\n":
            self.in_value = self.in_value and inside is not None
        elif sign in "[{":
            place = self.next_place()
            self.lines.setdefault(place, line)
            self.opened.append(_Open(place, sign == "["))
            self.in_value = sign == "["
        elif sign in "]}":
            self.opened.pop()
            self.in_value = True
        elif sign == ",":
            if inside is not None:
                inside.count += 1
                self.in_value = inside.is_list
        elif sign == "=":
            self.lines.setdefault(self.next_place(), line)
            self.in_value = True
        elif self.in_value:
            self.lines.setdefault(self.next_place(), line)
        else:
            self.key = sign.strip("\"'")


def find_lines(text: str) -> Mapping[Place, int]:
    """The place of each key, list item and table, such as ("steps", 3, "touch"), and its line,
    counted from one.
    """
    finder = _Finder()
    in_heading = False
    for found in SIGN.finditer(text):
        sign, before = found[0], text[: found.start()]
        line = before.count("\n") + 1
        is_first = not before.rpartition("\n")[2].strip()
        if sign == "[" and is_first and not finder.opened:
            in_heading = True
            heading = text[found.start() :].partition("]")[0]
            finder.header(re.findall(r"[\w-]+", heading), heading.startswith("[["), line)
        in_heading = in_heading and sign != "\n"
        if not in_heading and not sign.startswith("#"):
            finder.sign(sign, line)
    return finder.lines


def line_of(lines: Mapping[Place, int], place: Place) -> int | None:
    """Of the place, or of the nearest that it is in."""
    while place:
        if place in lines:
            return lines[place]
        place = place[:-1]
    return None
