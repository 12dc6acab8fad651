"""That a document's letters are drawn as this kiosk's own font draws them.

A PDF brings the drawings of its letters along, and its text is only what it says of them. After a font update at the
city the text is right and the drawing is not (三田市: 35 characters of 113 people). So the drawings in the file are
compared with those of the font installed here: all of the text's are there, and no others. Which of them stands at
which place of the sheet is the file's word still.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph, table__g_l_y_f

from firmware.sheets.fault import SheetFault, SheetReason

Outline = tuple[int, tuple[tuple[float, float], ...], tuple[int, ...], bytes]
NOTDEF = 0  # glyph 0, the box of a missing character: in every font, and on no sheet


class Drawings(table__g_l_y_f):  # type: ignore[misc]
    """The drawings of one TrueType font, by index, read one by one: the whole table has tens of megabytes."""

    def __init__(self, font: TTFont, read: Callable[[int, int], bytes]) -> None:
        """`read` gives bytes of the table, by offset and length."""
        super().__init__("glyf")
        self._units: int = font["head"].unitsPerEm
        self._places: array[int] = font["loca"].locations
        self._read = read

    def __len__(self) -> int:
        return len(self._places) - 1

    def __getitem__(self, index: int) -> Glyph:
        start, end = self._places[index], self._places[index + 1]
        glyph = Glyph(self._read(start, end - start))
        glyph.expand(self)
        return glyph

    def getGlyphName(self, glyphID: int) -> int:  # noqa: N802, N803 - asked by fontTools for the parts of a glyph
        return glyphID

    def outlines(self, indices: Iterable[int]) -> Iterator[Outline]:
        """Units per em, points, ends of contours, which points are on the curve. None of a glyph without ink."""
        for index in indices:
            points, ends, flags = self[index].getCoordinates(self)
            if points:
                yield self._units, tuple(points), tuple(ends), bytes(flag & 1 for flag in flags)


@lru_cache(maxsize=2)
def installed(path: Path) -> Drawings:
    """Those of a font file, which stays open. Raises OSError, and whatever fontTools does for what is no such font."""
    with TTFont(path, lazy=True) as font:
        file, start = os.open(path, os.O_RDONLY | os.O_CLOEXEC), font.reader.tables["glyf"].offset
        # by place, not by reading on: processes that were forked share where a file was read to
        return Drawings(font, lambda at, size: os.pread(file, size, start + at))


def embedded(program: bytes) -> Drawings:
    """Those of a font in a document. Raises whatever fontTools does for what is no such font."""
    with TTFont(BytesIO(program), lazy=True) as font:
        table: bytes = font.reader["glyf"]
        return Drawings(font, lambda at, size: table[at : at + size])


def check(programs: Iterable[bytes], drawn: Iterable[int], font: Path) -> None:
    """`programs`: the fonts in a document; `drawn`: the glyphs of `font` its text consists of. Raises SheetFault."""
    known = set(installed(font).outlines(drawn))
    try:
        brought = map(embedded, programs)
        found = {outline for its in brought for outline in its.outlines(range(NOTDEF + 1, len(its)))}
    except Exception:  # whatever fontTools raises for bytes that are no font
        raise SheetFault(SheetReason.OTHER_GLYPHS) from None
    if found != known:
        raise SheetFault(SheetReason.OTHER_GLYPHS)
