"""The cells that the lines of a page make: which glyph stands in which, and that no line is left
over.

A cell is found from the text in it: the nearest line in each of the four directions. Every line
must then be the border of such cells; a line that is not, or that runs through text, is not the
form's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.page import POINT, Box, Glyph, Rule

SAME: Final = 0.45  # mm: lines closer than that are one (a box and the table in it)
SLACK: Final = 0.15  # mm that a glyph's body may stand over its cell's border


@dataclass(frozen=True, slots=True)
class Cell:
    """A rectangle between lines, mm."""

    left: float
    top: float
    right: float
    bottom: float

    def inside(self, box: Box) -> bool:
        x, y = (self.left + self.right) / 2, (self.top + self.bottom) / 2
        return box.left < x < box.right and box.top < y < box.bottom


@dataclass(frozen=True, slots=True)
class _Segment:
    """A line at `at`, from `begin` to `end` along the other axis."""

    at: float
    begin: float
    end: float


@dataclass
class Grid:
    """All lines of a page's boxes. `number`: the page, for the fault."""

    boxes: Sequence[Box]
    rules: Sequence[Rule]
    number: int
    _across: list[_Segment] = field(init=False)
    _down: list[_Segment] = field(init=False)

    def __post_init__(self) -> None:
        lines = [side for box in self.boxes for side in box.sides()]
        lines += self.rules
        self._across = [_Segment(r.top, r.left, r.right) for r in lines if r.horizontal]
        self._down = [_Segment(r.left, r.top, r.bottom) for r in lines if not r.horizontal]
        self._snap_all()

    def _snap_all(self) -> None:
        """Lines that are one for the eye get one place, so that borders can be compared."""
        ys = _places(segment.at for segment in self._across)
        xs = _places(segment.at for segment in self._down)
        self._across = [
            _Segment(ys[s.at], _near(xs, s.begin), _near(xs, s.end)) for s in self._across
        ]
        self._down = [_Segment(xs[s.at], _near(ys, s.begin), _near(ys, s.end)) for s in self._down]

    def cell_of(self, glyph: Glyph) -> Cell | None:
        """The cell around the middle of a glyph; None outside of all boxes."""
        size = glyph.size * POINT
        x, y = glyph.x + 0.25 * size * glyph.stretch, glyph.y - 0.38 * size
        above = [s.at for s in self._across if s.at <= y and s.begin <= x <= s.end]
        below = [s.at for s in self._across if s.at > y and s.begin <= x <= s.end]
        left = [s.at for s in self._down if s.at <= x and s.begin <= y <= s.end]
        right = [s.at for s in self._down if s.at > x and s.begin <= y <= s.end]
        if not (above and below and left and right):
            return None
        cell = Cell(max(left), max(above), min(right), min(below))
        self._check_inside(glyph, cell)
        return cell

    def _check_inside(self, glyph: Glyph, cell: Cell) -> None:
        """No line runs through the glyph. Raises SheetFault."""
        size = glyph.size * POINT
        over = (
            cell.left - glyph.x,
            glyph.x + 0.3 * size * glyph.stretch - cell.right,
            cell.top - (glyph.y - 0.75 * size),
            glyph.y + 0.08 * size - cell.bottom,
        )
        if max(over) > SLACK:
            raise SheetFault(SheetReason.RULES, self.number)

    def check_lines(self, cells: Iterable[Cell]) -> None:
        """Every line is the border of cells, and every border of a cell is a line. Raises
        SheetFault.
        """
        across = [(y, c.left, c.right) for c in cells for y in (c.top, c.bottom)]
        down = [(x, c.top, c.bottom) for c in cells for x in (c.left, c.right)]
        borders = ([_Segment(*b) for b in across], [_Segment(*b) for b in down])
        for lines, sides in zip((self._across, self._down), borders, strict=True):
            if not all(_covered(line, sides) for line in lines):
                raise SheetFault(SheetReason.RULES, self.number)
            if not all(_covered(side, lines) for side in sides):
                raise SheetFault(SheetReason.BOXES, self.number)


def _covered(segment: _Segment, by: Sequence[_Segment]) -> bool:
    """The segments at the same place reach without a gap from its begin to its end; one at least is
    there.
    """
    beside = sorted((s for s in by if s.at == segment.at), key=lambda s: s.begin)
    if not any(s.begin <= segment.end + SAME and s.end >= segment.begin - SAME for s in beside):
        return False
    reached = segment.begin
    for other in beside:
        if other.begin > reached + SAME:
            break
        reached = max(reached, other.end)
    return reached >= segment.end - SAME


def _places(values: Iterable[float]) -> dict[float, float]:
    """Each value to the first of those that are one place with it; many close lines do not make one
    wide one.
    """
    places: dict[float, float] = {}
    first = float("-inf")
    for value in sorted(set(values)):
        if value - first > SAME:
            first = value
        places[value] = first
    return places


def _near(places: dict[float, float], value: float) -> float:
    """The end of a line, moved onto the crossing line it reaches; one that reaches none stays where
    it is.
    """
    nearest = min(places, key=lambda place: abs(place - value), default=value)
    return places.get(nearest, value) if abs(nearest - value) <= SAME else value
