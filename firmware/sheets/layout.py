"""A page beside the content: every glyph belongs to one string, at its place; nothing is left over
on either side.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from firmware.link.content import GIVEN, IMPRINT, NAME, Content, Row, Sheet
from firmware.link.form_terms import FAMILY_FORMS, Form
from firmware.sheets.cells import SAME, Cell, Grid
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.form import AREAS, STAMP, Area, area_texts
from firmware.sheets.glyphs import Glyphs
from firmware.sheets.lines import Reader
from firmware.sheets.overlap import check_apart
from firmware.sheets.own_font import OwnFont
from firmware.sheets.page import MAX_PIXELS, POINT, Box, Glyph, Page, Picture, Rule

UPRIGHT: Final = 0.02  # how far a letter's width may be from its own, of 1
STAMP_STRETCH: Final = (0.4, 2.5)
STAMP_SIDE: Final = (15, 30)  # mm
LINES_A_CELL, OTHER_LINES = 3, 16  # more lie on each other
SEAL_SLACK: Final = 0.2  # mm


@dataclass(frozen=True)
class Pair:
    """Label and value in two cells beside each other; without a value, one cell."""

    label: str
    value: str = field(default="", repr=False)
    across: bool = False  # the row takes the whole width of its box


def check(
    page: Page, content: Content, number: int, form: Form, glyphs: Glyphs, font: OwnFont
) -> None:
    """`number` is the sheet, from 1; `form` says the side of a registered imprint, and what stands
    before each name. Raises SheetFault.
    """
    _Comparison(page, content, number, form, glyphs, font).check()


class _Comparison:
    """One page. Every method raises SheetFault."""

    def __init__(
        self,
        page: Page,
        content: Content,
        number: int,
        form: Form,
        glyphs: Glyphs,
        font: OwnFont,
    ) -> None:
        self._reader = Reader(glyphs, font, number)
        self._content, self._number, self._seal_mm = content, number, form.seal_mm
        self._name_label = GIVEN if form.form in FAMILY_FORMS else NAME
        self._font = glyphs
        self._sheet = content.sheets[number - 1]
        self._glyphs = [replace(g, text=glyphs.letter(g.text, number)) for g in page.glyphs]
        self._pictures = page.pictures
        self._squares = [box for box in page.boxes if _within(box, STAMP)]
        self._boxes = _in_order(box for box in page.boxes if not _within(box, STAMP))
        self._rules = page.rules

    def check(self) -> None:
        if not all(_within(box, AREAS["body"]) for box in self._boxes):
            raise self._fault(SheetReason.BOXES)
        inks = [self._reader.ink(glyph.text) for glyph in self._glyphs]
        check_apart(self._glyphs, inks, self._all_lines(), self._number)
        grid = Grid(self._boxes, self._rules, self._number)
        stamp = self._check_stamp()
        cells: dict[Cell, list[Glyph]] = {}
        areas: dict[str, list[Glyph]] = {name: [] for name in AREAS}
        for glyph in self._glyphs:
            if glyph in stamp:
                continue
            self._check_width(glyph, (1 - UPRIGHT, 1 + UPRIGHT))
            if cell := grid.cell_of(glyph):
                cells.setdefault(cell, []).append(glyph)
            else:
                areas[self._area_of(glyph)].append(glyph)
        grid.check_lines(cells)
        if len(self._all_lines()) > LINES_A_CELL * len(cells) + OTHER_LINES:
            raise self._fault(SheetReason.RULES)
        self._check_areas(areas)
        self._check_boxes(cells)
        self._check_pictures(cells)

    def _all_lines(self) -> list[Rule]:
        return [
            *self._rules,
            *(side for box in (*self._boxes, *self._squares) for side in box.sides()),
        ]

    def _fault(self, reason: SheetReason) -> SheetFault:
        return SheetFault(reason, self._number)

    # -- text outside of the boxes

    def _area_of(self, glyph: Glyph) -> str:
        for name, area in AREAS.items():
            if area.holds(glyph.x, glyph.y):
                return name
        raise self._fault(SheetReason.STRAY_TEXT)

    def _check_areas(self, areas: dict[str, list[Glyph]]) -> None:
        for name, expected in area_texts(self._content, self._number).items():
            for glyph in areas[name]:
                self._check_size(glyph, AREAS[name])
            self._reader.check(areas[name], expected, AREAS[name].right)
        lowest = max((box.bottom for box in self._boxes), default=0.0)
        if any(
            glyph.y < lowest for glyph in areas["body"]
        ):  # the closing words stand below all boxes
            raise self._fault(SheetReason.STRAY_TEXT)

    def _check_stamp(self) -> set[Glyph]:
        """The letters of the official seal, in columns from right to left, inside two squares."""
        if len(self._squares) != 2:
            raise self._fault(SheetReason.BOXES)
        outer, inner = sorted(self._squares, key=lambda box: box.left)
        between = (
            inner.left - outer.left,
            inner.top - outer.top,
            outer.right - inner.right,
            outer.bottom - inner.bottom,
        )
        sides = (outer.right - outer.left, outer.bottom - outer.top)
        fits = (
            STAMP_SIDE[0] <= min(sides)
            and max(sides) <= STAMP_SIDE[1]
            and abs(sides[0] - sides[1]) < 0.5
        )
        if min(between) <= 0 or max(between) > 3 or not fits:
            raise self._fault(SheetReason.BOXES)
        letters = [
            g
            for g in self._glyphs
            if inner.left <= g.x < inner.right and inner.top < g.y <= inner.bottom
        ]
        for letter in letters:
            self._check_width(letter, STAMP_STRETCH)
            self._check_size(letter, STAMP)
        if _read_columns(letters) != self._spelt(self._content.stamp):
            raise self._fault(SheetReason.PAGE_TEXT)
        return set(letters)

    # -- the boxes

    def _check_boxes(self, cells: dict[Cell, list[Glyph]]) -> None:
        """The cells of each box, in their order, are the rows of the content in theirs."""
        for cell_glyphs in cells.values():
            for glyph in cell_glyphs:
                self._check_size(glyph, AREAS["body"])
        found = [[cell for cell in _ordered(cells) if cell.inside(box)] for box in self._boxes]
        if sum(map(len, found)) != len(cells):
            raise self._fault(SheetReason.BOXES)
        expected = list(_boxes(self._sheet, self._name_label))
        if self._sheet.amounts and len(found) == len(expected) + 1:  # the amounts in two columns
            found[-2:] = [found[-2] + found[-1]]
        if len(found) != len(expected):
            raise self._fault(SheetReason.BOXES)
        for its_cells, pairs in zip(found, expected, strict=True):
            self._check_pairs(its_cells, pairs, cells)

    def _check_pairs(
        self, found: Sequence[Cell], pairs: Sequence[Pair], cells: dict[Cell, list[Glyph]]
    ) -> None:
        rest = iter(found)
        for pair in pairs:
            label = next(rest, None)
            if label is None:
                raise self._fault(SheetReason.PAGE_TEXT)
            self._reader.check(cells[label], pair.label)
            if not pair.value:
                self._check_across(label, label, pair)
                continue
            value = next(rest, None)
            if value is None:
                raise self._fault(SheetReason.PAGE_TEXT)
            self._reader.check(cells[value], pair.value, value.right)
            self._check_across(label, value, pair)
            if (label.right, label.top, label.bottom) != (value.left, value.top, value.bottom):
                raise self._fault(SheetReason.BOXES)
        if next(rest, None) is not None:
            raise self._fault(SheetReason.PAGE_TEXT)

    def _check_across(self, first: Cell, last: Cell, pair: Pair) -> None:
        """Amounts stand below each other, each heading above its own: a row takes its box's whole
        width.
        """
        if not pair.across:
            return
        box = next(box for box in self._boxes if first.inside(box))
        if abs(first.left - box.left) > SAME or abs(last.right - box.right) > SAME:
            raise self._fault(SheetReason.BOXES)

    # -- the imprint

    def _check_pictures(self, cells: dict[Cell, list[Glyph]]) -> None:
        if len(self._pictures) != (1 if self._sheet.seal else 0):
            raise self._fault(SheetReason.PICTURE)
        for picture in self._pictures:
            box = self._boxes[0]
            sides = (picture.right - picture.left, picture.bottom - picture.top)
            inside = (
                box.left < picture.left
                and picture.right < box.right
                and box.top < picture.top
                and picture.bottom < box.bottom
            )
            if not inside or max(abs(side - self._seal_mm) for side in sides) > SEAL_SLACK:
                raise self._fault(SheetReason.PICTURE)
            self._check_clear(
                picture, (glyph for cell in cells if cell.inside(box) for glyph in cells[cell])
            )
            own = imprint(self._sheet.seal, self._number)
            if own.shape != picture.pixels.shape or (own != picture.pixels).any():
                raise self._fault(SheetReason.PICTURE)

    def _check_clear(self, picture: Picture, glyphs: Iterable[Glyph]) -> None:
        """The words of the box do not stand in the imprint."""
        if any(glyph.y > picture.top for glyph in glyphs):
            raise self._fault(SheetReason.PICTURE)

    # -- glyphs

    def _check_width(self, glyph: Glyph, limits: tuple[float, float]) -> None:
        if not limits[0] <= glyph.stretch <= limits[1]:
            raise self._fault(SheetReason.SLANTED_TEXT)

    def _check_size(self, glyph: Glyph, area: Area) -> None:
        if not area.smallest - 0.05 <= glyph.size <= area.largest + 0.05:
            raise self._fault(SheetReason.TEXT_SIZE)

    def _spelt(self, text: str) -> str:
        return self._font.canonical(text, self._number)


def imprint(png: bytes, number: int) -> npt.NDArray[np.uint8]:
    """Rows of grey of a registered seal's picture. Raises SheetFault."""
    try:
        pixels = _pixels(png)
    except Exception:  # Pillow raises whatever comes for a damaged picture
        raise SheetFault(SheetReason.SEAL, number) from None
    if not 0.01 <= float((pixels < 128).mean()) <= 0.9:  # nothing, or all black, is no imprint
        raise SheetFault(SheetReason.SEAL, number)
    return pixels


def _pixels(png: bytes) -> npt.NDArray[np.uint8]:
    """Raises ValueError for a picture that is too large or not grey, and whatever Pillow does."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        if max(image.size) > MAX_PIXELS or image.mode not in ("L", "1"):
            raise ValueError("not the picture of a seal")
        return np.asarray(image.convert("L"), dtype=np.uint8)


def _boxes(sheet: Sheet, name: str) -> Iterator[list[Pair]]:
    """The boxes of one sheet in their order, as rows of cells."""
    if sheet.seal:
        yield [Pair(IMPRINT, across=True)]
    if sheet.head:
        yield _pairs(sheet.head)
    for person in sheet.people:
        yield [Pair(name, person.name), *_pairs(person.rows)]
    if sheet.amounts:
        yield _pairs(sheet.amounts, across=True)


def _pairs(rows: Iterable[Row], across: bool = False) -> list[Pair]:
    return [Pair(row.label, row.value, across) for row in rows]


def _read_columns(glyphs: Sequence[Glyph]) -> str:
    columns: list[list[Glyph]] = []
    for glyph in sorted(glyphs, key=lambda g: -g.x):
        if columns and columns[-1][0].x - glyph.x < 0.45 * glyph.size * glyph.stretch * POINT:
            columns[-1].append(glyph)
        else:
            columns.append([glyph])
    return "".join(g.text for column in columns for g in sorted(column, key=lambda g: g.y))


def _ordered(cells: Iterable[Cell]) -> list[Cell]:
    return sorted(cells, key=lambda cell: (cell.top, cell.left))


def _in_order(boxes: Iterable[Box]) -> list[Box]:
    """From the top; boxes that begin at one height from the left."""
    rows: list[list[Box]] = []
    for box in sorted(boxes, key=lambda b: b.top):
        if rows and box.top - rows[-1][0].top < SAME:
            rows[-1].append(box)
        else:
            rows.append([box])
    return [box for row in rows for box in sorted(row, key=lambda b: b.left)]


def _within(box: Box, area: Area) -> bool:
    return (
        area.left <= box.left
        and box.right <= area.right
        and area.top <= box.top
        and box.bottom <= area.bottom
    )
