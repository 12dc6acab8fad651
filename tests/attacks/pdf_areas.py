"""The text of a whole area set elsewhere in it: as far to each side as the form allows, as small
and as large.

`docs/forms.md` gives areas and sizes, not points. So a city can set a line where nobody would, and
each letter still stands where it may. Two places of the form that overlap make room for each other:
what is in the one goes to one side, what is in the other to the opposite one.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import pikepdf
from mutations import Impossible, Kind
from pdf_marks import MM, Mark, Ops, codes_of, marks, op, operators, page_of, saved, write

from firmware.sheets.form import AREAS, STAMP, Area

SEAL: Final = "seal"
PLACES: Final = {**AREAS, SEAL: STAMP}  # the official seal: two squares and their letters
SIDES: Final = {
    "": "",
    "left": "right",
    "right": "left",
    "top": "bottom",
    "bottom": "top",
}  # and opposite
SIZES: Final = ("smallest", "", "largest")
BESIDE_THE_CODE: Final = ("issuer", "footer", SEAL)  # whose right ends there
SLACK: Final = 0.3  # mm inside the edge: poppler and pdfium differ by 0.13
A4_HEIGHT: Final = 297.0

Edit = Callable[[bytes, bytes], bytes]


@dataclass(frozen=True)
class Block:
    """What stands in one place. The sides are those of the letters' origins, or of the squares, in
    mm.
    """

    marks: tuple[Mark, ...]
    left: float
    top: float
    right: float
    bottom: float
    size: float  # points


def area_edits(page: int) -> Iterator[tuple[str, str, Kind, Edit]]:
    """The area's name, what is done to it, and how."""
    for name, side, size in product(PLACES, SIDES, SIZES):
        if size == "largest" if side else not size:
            continue
        told = ", ".join(
            filter(None, (f"to the {side}" if side else "", f"{size} letters" if size else ""))
        )
        yield name, told, Kind.ALTER, area_edit(page, name, side, size)


def area_edit(page: int, name: str, side: str, size: str) -> Edit:
    def apply(pdf: bytes, _: bytes) -> bytes:
        with pikepdf.open(io.BytesIO(pdf)) as opened:
            sheet = page_of(opened, page)
            ops = operators(sheet)
            blocks = blocks_of(ops)
            if name not in blocks:
                raise Impossible
            moves = [(blocks[name], matrix_of(blocks[name], PLACES[name], side, size))]
            for other in blocks.keys() - {name}:
                if side and overlapping(PLACES[name], PLACES[other]):
                    moves.append(
                        (blocks[other], matrix_of(blocks[other], PLACES[other], SIDES[side], ""))
                    )
            write(opened, sheet, moved(ops, moves))
            return saved(opened)

    return apply


def overlapping(one: Area, other: Area) -> bool:
    across = one.left < other.right and other.left < one.right
    return across and one.top < other.bottom and other.top < one.bottom


def blocks_of(ops: Ops) -> dict[str, Block]:
    """By the name of the place."""
    found = marks(ops)
    squares = [m for m in found if m.what == "path" and STAMP.holds(*place_of(m))]
    outline = [point for mark in squares for point in corners(ops, mark)]
    blocks: dict[str, Block] = {}
    sealed: list[Mark] = []
    if outline:
        left, right = min(x for x, _ in outline), max(x for x, _ in outline)
        top, bottom = min(y for _, y in outline), max(y for _, y in outline)
        sealed = [
            m for m in found if m.what == "text" and inside(place_of(m), left, top, right, bottom)
        ]
        size = max((size_of(ops, m) for m in sealed), default=0.0)
        blocks[SEAL] = Block((*squares, *sealed), left, top, right, bottom, size)
    for name, area in AREAS.items():
        texts = [
            m for m in found if m.what == "text" and m not in sealed and area.holds(*place_of(m))
        ]
        if texts:
            ends = [
                place_of(m)[0] + (len(codes_of(ops, m)) // 2 - 1) * size_of(ops, m) / MM
                for m in texts
            ]
            heights = [place_of(m)[1] for m in texts]
            left = min(place_of(m)[0] for m in texts)
            size = max(size_of(ops, m) for m in texts)
            blocks[name] = Block(tuple(texts), left, min(heights), max(ends), max(heights), size)
    return blocks


def matrix_of(block: Block, place: Area, side: str, size: str) -> tuple[float, ...]:
    """In points from the lower left: the block grown about its first letter, then put to
    that side.
    """
    grown = {"smallest": place.smallest, "largest": place.largest}.get(size, block.size) / (
        block.size or 1
    )
    right, bottom = (
        block.left + grown * (block.right - block.left),
        block.top + grown * (block.bottom - block.top),
    )
    across = {"left": place.left + SLACK - block.left, "right": place.right - SLACK - right}.get(
        side, 0.0
    )
    down = {"top": place.top + SLACK - block.top, "bottom": place.bottom - SLACK - bottom}.get(
        side, 0.0
    )
    x, y = block.left * MM, (A4_HEIGHT - block.top) * MM
    return (grown, 0, 0, grown, x * (1 - grown) + across * MM, y * (1 - grown) - down * MM)


def moved(ops: Ops, moves: Sequence[tuple[Block, tuple[float, ...]]]) -> Ops:
    """Each group of operators that paints a mark of a block, under the block's matrix."""
    groups = {(mark.begin, mark.end): matrix for block, matrix in moves for mark in block.marks}
    made = list(ops)
    for (begin, end), matrix in sorted(groups.items(), reverse=True):
        made[begin : end + 1] = [op("q"), op("cm", *matrix), *made[begin : end + 1], op("Q")]
    return made


def place_of(mark: Mark) -> tuple[float, float]:
    """Millimetres from the upper left."""
    return mark.matrix[4] / MM, A4_HEIGHT - mark.matrix[5] / MM


def inside(
    point: tuple[float, float], left: float, top: float, right: float, bottom: float
) -> bool:
    return left < point[0] < right and top < point[1] < bottom


def corners(ops: Ops, mark: Mark) -> list[tuple[float, float]]:
    """Of a path of straight lines, in millimetres from the upper left."""
    a, b, c, d, e, f = mark.matrix
    points = []
    for each in ops[mark.begin : mark.at]:
        if str(each.operator) in ("m", "l"):
            x, y = (float(value) for value in each.operands)
            points.append(((a * x + c * y + e) / MM, A4_HEIGHT - (b * x + d * y + f) / MM))
    return points


def size_of(ops: Ops, mark: Mark) -> float:
    """Of a text, in points."""
    chosen = next((o for o in reversed(ops[: mark.at]) if str(o.operator) == "Tf"), None)
    return abs(float(chosen.operands[1]) * mark.matrix[3]) if chosen else 0.0
