"""Whether two pages show the same letters in the same places of the form, though not at the very
same points.

`docs/forms.md` gives areas, not points: a city may set a space more, or a line a hair further down.
The judge then takes both files apart with poppler (`pdftocairo -svg`): the outline and the place of
every glyph, every line, every picture. Areas and tolerances are this file's own.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SVG: Final = "{http://www.w3.org/2000/svg}"
HREF: Final = "{http://www.w3.org/1999/xlink}href"
MM: Final = 25.4 / 72
PATH_SLACK: Final = 0.5  # mm that a line may stand elsewhere
PICTURE_SLACK: Final = 0.3  # mm that a picture may be larger or smaller
SIZES: Final = (0.88, 1.13)  # how much smaller or larger a letter may be, in the boxes
# Points that a corner of an outline may be off. Poppler fits outlines to a grid of whole points,
# which in another size are other ones: 0.50 was measured between equal letters.
OFF, RESIZED, OFF_RESIZED = 0.12, 0.02, 0.55
UNEVEN: Final = 1.13  # how much larger one letter may have become than another of its area
THICKEST: Final = 2.0  # points
LINE: Final = 1.2  # mm: glyphs whose baselines are closer stand in one line
STAMP: Final = (90.0, 240.0, 154.0, 266.0)
AREAS: Final = {  # left, top, right, bottom in mm
    "heading": (14, 13, 104, 20),
    "number": (104, 13, 197, 18.5),
    "page": (104, 18.5, 197, 22.5),
    "title": (14, 22.5, 197, 30),
    "subtitle": (14, 30, 197, 36.5),
    "body": (14, 36.5, 197, 226),
    "statement": (14, 231, 197, 242),
    "date": (14, 242, 80, 248.4),
    "issuer": (44, 248.4, 154, 266),
    "footer": (14, 266, 154, 288),
}
LETTERS: Final = {  # points: the smallest, those of the city's own sheets, the largest
    "heading": (9, 11, 14),
    "number": (8, 9, 11),
    "page": (8, 9, 11),
    "title": (16, 21, 24),
    "subtitle": (9, 11, 14),
    "statement": (9, 10.5, 12),
    "date": (9, 11, 12),
    "issuer": (10, 14, 16),
    "footer": (7, 7.5, 10),
    "stamp": (8, 18.1, 40),
}
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


@dataclass(frozen=True)
class Outline:
    """A glyph as it is drawn: the commands of its path, and their numbers in points."""

    commands: str
    numbers: tuple[float, ...]

    def like(self, other: Outline) -> bool:
        """The same drawing in whatever size."""
        if self.commands != other.commands or len(self.numbers) != len(other.numbers):
            return False
        scale = self.growth(other)
        off = max(
            (abs(a * scale - b) for a, b in zip(self.numbers, other.numbers, strict=True)),
            default=0.0,
        )
        return off <= (OFF if abs(scale - 1) < RESIZED else OFF_RESIZED)

    def stretched(self, other: Outline) -> bool:
        """The same drawing, in another size across than up."""
        if self.commands != other.commands or len(self.numbers) != len(other.numbers):
            return False
        axes = [
            (Outline("", self.numbers[at::2]), Outline("", other.numbers[at::2])) for at in (0, 1)
        ]
        return all(one.like(two) for one, two in axes)

    def growth(self, other: Outline) -> float:
        """How much larger the other one is."""
        return _extent(other.numbers) / (_extent(self.numbers) or 1)


@dataclass(frozen=True)
class Glyph:
    outline: Outline
    x: float
    y: float


@dataclass(frozen=True)
class Page:
    """Places in mm. A path: its corners and style; a picture: its data and its sides."""

    glyphs: tuple[Glyph, ...]
    paths: tuple[tuple[str, tuple[float, ...]], ...]
    pictures: tuple[tuple[str, tuple[float, ...]], ...]


def same_words(one: bytes, other: bytes, pages: int) -> bool:
    """Raises subprocess.CalledProcessError when poppler cannot read a file."""
    return all(_same(read(one, page), read(other, page)) for page in range(1, pages + 1))


def _same(one: Page, other: Page) -> bool:
    paths = zip(_seal_and_others(one), _seal_and_others(other), strict=True)
    if not all(_alike(_at(a), _at(b), PATH_SLACK) for a, b in paths):
        return False
    if not _alike(one.pictures, other.pictures, PICTURE_SLACK):
        return False
    ours, theirs = by_area(one), by_area(other)
    if ours.keys() != theirs.keys():
        return False
    return all(_spelt_alike(ours[area], theirs[area], area) for area in ours)


Placed = tuple[str, tuple[float, ...]]


def _seal_and_others(page: Page) -> tuple[list[Placed], list[Placed]]:
    """The squares of the official seal may stand anywhere in their place, the other lines
    may not.
    """
    seal = [path for path in page.paths if _in_stamp(path[1])]
    return seal, [path for path in page.paths if path not in seal]


def _in_stamp(n: tuple[float, ...]) -> bool:
    return STAMP[0] <= n[0] and STAMP[1] <= n[1] and n[2] <= STAMP[2] and n[3] <= STAMP[3]


def _at(paths: Sequence[Placed]) -> list[Placed]:
    """All lines as they stand to each other: a page may be set a millimetre further down as a
    whole.
    """
    left = min((numbers[0] for _, numbers in paths), default=0.0)
    top = min((numbers[1] for _, numbers in paths), default=0.0)
    return [(style, (n[0] - left, n[1] - top, n[2] - left, n[3] - top)) for style, n in paths]


def _sizes(area: str) -> tuple[float, float]:
    if area not in LETTERS:
        return SIZES
    smallest, own, largest = LETTERS[area]
    return smallest / own - 0.01, largest / own + 0.01


def _spelt_alike(one: Sequence[Glyph], other: Sequence[Glyph], area: str) -> bool:
    like = Outline.stretched if area == "stamp" else Outline.like
    if len(one) != len(other) or not all(
        like(a.outline, b.outline) for a, b in zip(one, other, strict=True)
    ):
        return False
    grown = [a.outline.growth(b.outline) for a, b in zip(one, other, strict=True)]
    smallest, largest = _sizes(area)
    even = area == "stamp" or max(grown) <= UNEVEN * min(grown)
    return smallest <= min(grown) and max(grown) <= largest and even


def _alike(one: Sequence[Placed], other: Sequence[Placed], slack: float) -> bool:
    """Each has one like it on the other side."""

    def found(wanted: Placed, among: Sequence[Placed]) -> bool:
        return any(
            style == wanted[0]
            and len(numbers) == len(wanted[1])
            and all(abs(a - b) <= slack for a, b in zip(numbers, wanted[1], strict=True))
            for style, numbers in among
        )

    return all(found(each, other) for each in one) and all(found(each, one) for each in other)


def by_area(page: Page) -> dict[str, list[Glyph]]:
    """As one reads: line by line, from the left; the official seal by columns from the right."""
    found: dict[str, list[Glyph]] = {}
    square = _square(page)
    for glyph in page.glyphs:
        found.setdefault(_area(glyph, square), []).append(glyph)
    for area, those in found.items():
        if area == "stamp":
            found[area] = _in_lines([Glyph(g.outline, g.y, -g.x) for g in those], 3.0)
        else:
            found[area] = _in_lines(those, LINE)
    return found


def _square(page: Page) -> tuple[float, ...]:
    """The inner of the two squares of the official seal."""
    inside = [n for _, n in page.paths if _in_stamp(n)]
    return max(inside, key=lambda n: n[0], default=(0.0, 0.0, 0.0, 0.0))


def _area(glyph: Glyph, square: tuple[float, ...]) -> str:
    for name, (left, top, right, bottom) in {"stamp": square, **AREAS}.items():
        if left <= glyph.x < right and top <= glyph.y < bottom:
            return name
    return "nowhere"


def _in_lines(glyphs: Sequence[Glyph], apart: float) -> list[Glyph]:
    lines: list[list[Glyph]] = []
    for glyph in sorted(glyphs, key=lambda g: g.y):
        if lines and glyph.y - lines[-1][0].y < apart:
            lines[-1].append(glyph)
        else:
            lines.append([glyph])
    return [glyph for line in lines for glyph in sorted(line, key=lambda g: g.x)]


def _extent(numbers: Sequence[float]) -> float:
    return max(numbers, default=0.0) - min(numbers, default=0.0)


# -- reading ---------------------------------------------------------------------------------------


def read(pdf: bytes, page: int) -> Page:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pdf"
        path.write_bytes(pdf)
        asked = ["pdftocairo", "-svg", "-f", str(page), "-l", str(page), str(path), "-"]
        out = subprocess.run(asked, check=True, capture_output=True, timeout=60).stdout
    root = ElementTree.fromstring(out)  # noqa: S314 - what poppler wrote
    outlines = {
        symbol.get("id", ""): _outline(symbol.find(f"{SVG}path"))
        for symbol in root.iter(f"{SVG}symbol")
    }
    glyphs, paths, pictures = [], [], []
    images = {image.get("id", ""): image for image in root.iter(f"{SVG}image")}
    for use in root.iter(f"{SVG}use"):
        name = use.get(HREF, "").removeprefix("#")
        outline = outlines.get(name)
        if name in images:
            pictures.append(_picture(images.pop(name), use.get("transform", "")))
        if outline and outline.numbers:  # spaces have none
            x, y = (float(use.get(axis, "0")) * MM for axis in ("x", "y"))
            glyphs.append(Glyph(outline, x, y))
    drawn = {id(path) for symbol in root.iter(f"{SVG}symbol") for path in symbol.iter(f"{SVG}path")}
    for found in root.iter(f"{SVG}path"):
        if id(found) not in drawn:
            style, weight = _without_weight(found.get("style", ""))
            paths.append((style if weight <= THICKEST else f"{style} {weight}", _corners(found)))
    pictures += [_picture(image, image.get("transform", "")) for image in images.values()]
    return Page(tuple(glyphs), tuple(paths), tuple(pictures))


def _without_weight(style: str) -> tuple[str, float]:
    """How thick a line is, up to 2 pt, is the city's choice."""
    found = re.search(r"stroke-width:([\d.]+);", style)
    return (style.replace(found[0], ""), float(found[1])) if found else (style, 0.0)


def _picture(image: ElementTree.Element, transform: str) -> tuple[str, tuple[float, ...]]:
    """Its data, and its sides: where in its box it stands is the city's choice."""
    size = tuple(float(image.get(side, "1")) for side in ("width", "height"))
    left, top, right, bottom = _moved((0.0, 0.0, *size), transform)
    return image.get(HREF, ""), (right - left, bottom - top)


def _outline(path: ElementTree.Element | None) -> Outline:
    drawn = "" if path is None else path.get("d", "")
    return Outline("".join(re.findall("[A-Za-z]", drawn)), _numbers(drawn))


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(number) for number in _NUMBER.findall(text))


def _corners(path: ElementTree.Element) -> tuple[float, ...]:
    return _box(_moved(_numbers(path.get("d", "")), path.get("transform", "")))


def _moved(numbers: Sequence[float], transform: str) -> tuple[float, ...]:
    a, b, c, d, e, f = _numbers(transform) if transform else (1, 0, 0, 1, 0, 0)
    made: list[float] = []
    for x, y in zip(numbers[::2], numbers[1::2], strict=False):
        made += [(a * x + c * y + e) * MM, (b * x + d * y + f) * MM]
    return tuple(made)


def _box(numbers: Sequence[float]) -> tuple[float, ...]:
    xs, ys = numbers[::2], numbers[1::2]
    return (min(xs, default=0), min(ys, default=0), max(xs, default=0), max(ys, default=0))
