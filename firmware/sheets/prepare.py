"""The dots of all sheets of one copy: raster, copy guard, signed code, each code read back from the
dots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware.sheets import code
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.guard import Guard, guard
from firmware.sheets.guard_style import GuardStyle
from firmware.sheets.raster import A4_MM, PageArray, bands, dots, pack, pack_rows

SHIFTS: Final = 4  # dots of which one page in millions needs the second


@dataclass(frozen=True)
class Target:
    """The printer that the dots are for. `width` in dots; `guard`: its copy guard, None for the
    usual one. `never`: bytes that it would take for a command though they are dots.
    """

    dpi: int
    width: int
    guard: GuardStyle | None = None
    duplex: bool = False
    never: tuple[bytes, ...] = ()

    @property
    def height(self) -> int:
        return dots(A4_MM[1], self.dpi)


@dataclass(frozen=True)
class SheetImage:
    """Dots of one sheet: row by row, 8 a byte, the leftmost in the highest bit, 1 = black.

    `back` has the copy guard alone, where the printer does both sides; else it is empty.
    """

    page: int
    pages: int
    width: int
    height: int
    rows: bytes
    back: bytes = b""

    def __repr__(self) -> str:  # the dots are a person's document: never in a log
        return f"Sheet({self.page}/{self.pages}, {self.width}x{self.height})"


def prepare(pdf: bytes, addresses: Sequence[str], target: Target) -> tuple[SheetImage, ...]:
    """`addresses`: what the code of each sheet says. Raises SheetFault."""
    back = _back(target) if target.duplex else b""
    pages = len(addresses)
    return tuple(
        SheetImage(
            number, pages, target.width, target.height, _rows(pdf, number, address, target), back
        )
        for number, address in enumerate(addresses, 1)
    )


def _rows(pdf: bytes, number: int, address: str, target: Target) -> bytes:
    """A page whose dots are a command by chance is drawn anew, a dot further to the right."""
    for shift in range(SHIFTS):
        rows = _drawn(pdf, number, address, target, shift)
        if not any(command in rows for command in target.never):
            break
    return rows


def _drawn(pdf: bytes, number: int, address: str, target: Target, shift: int) -> bytes:
    """In bands: a band is packed before the next one is drawn."""
    rows, columns = code.area(target.dpi, target.width)
    stride = (target.width + 7) // 8
    packed = np.zeros((target.height, stride), np.uint8)
    top = 0
    page = (pdf, number, target.dpi, target.width, target.height)
    for lines, below in _with_halo(bands(*page, shift), halo(target)):
        above = min(top, halo(target))
        first = top - above
        if lines[max(0, rows.start - first) : max(0, rows.stop - first), columns].any():
            raise SheetFault(SheetReason.CODE_AREA, number)
        guarded = _guard(target).apply(lines, first, above, below)
        packed[top : top + len(guarded)] = pack_rows(guarded)
        top += len(guarded)
    place = np.unpackbits(packed[rows], axis=1, count=target.width).view(np.bool_)
    code.draw_in(place[:, columns], address, target.dpi)
    packed[rows] = pack_rows(place)
    drawn = np.unpackbits(packed[rows], axis=1, count=target.width).view(np.bool_)
    if code.read(drawn[:, columns]) != address:
        raise SheetFault(SheetReason.CODE, number)
    return packed.tobytes()


def _with_halo(page: Iterator[PageArray], reach: int) -> Iterator[tuple[PageArray, int]]:
    """Each band with the lines before and behind it whose print whitens it, and how many lines are
    behind it.
    """
    band = next(page)
    before = band[:0]
    for following in page:
        yield np.concatenate((before, band, following[:reach])), len(following[:reach])
        before, band = band[-reach:], following
    yield np.concatenate((before, band)), 0


def halo(target: Target) -> int:
    return _guard(target).halo


def _guard(target: Target) -> Guard:
    return guard(target.width, target.height, target.dpi, target.guard)


def _back(target: Target) -> bytes:
    return pack(_guard(target).pattern)
