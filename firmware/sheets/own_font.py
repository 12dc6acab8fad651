"""The certificate font installed here, cut down to the glyphs of one document: 46 MB are too much
to hand around.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Final

from fontTools.ttLib import TTFont, TTLibError
from fontTools.ttLib.tables.DefaultTable import DefaultTable

from firmware.sheets.glyphs import FONT, FontUnusable, unusable
from firmware.sheets.overlap import Ink

# Flags of a component of a composite glyph (OpenType, table glyf).
WORDS, SCALE, MORE, SCALE_XY, SCALE_2X2 = 0x0001, 0x0008, 0x0020, 0x0040, 0x0080
HEADER: Final = 10  # bytes of a drawing: how many contours, then the box around them
COPIED: Final = ("head", "hhea", "hmtx", "maxp")


class OwnFont:
    """One TrueType font, read piece by piece; the file stays open."""

    def __init__(self, path: Path) -> None:
        """Raises FontUnusable."""
        try:
            with TTFont(path, lazy=True) as font:
                self._copied = {tag: bytes(font.reader[tag]) for tag in COPIED}
                self._upem: int = font["head"].unitsPerEm
                self._long: int = font["hhea"].numberOfHMetrics
                self._places: array[int] = font["loca"].locations
                self._start: int = font.reader.tables["glyf"].offset
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, TTLibError, KeyError) as error:
            raise unusable(path) from error

    def advance(self, glyph: int) -> float:
        """How far the next letter stands from this one's origin, of the size."""
        at = 4 * min(glyph, self._long - 1)
        width: int = struct.unpack_from(">H", self._copied["hmtx"], at)[0]
        return width / self._upem

    def ink(self, glyph: int) -> Ink:
        """How far its drawing reaches; one without a drawing reaches nowhere."""
        drawing = self._drawing(glyph)
        box = struct.unpack_from(">4h", drawing, 2) if len(drawing) >= HEADER else (0, 0, 0, 0)
        left, bottom, right, top = (side / self._upem for side in box)
        return Ink(left, bottom, right, top)

    def subset(self, glyphs: Iterable[int]) -> bytes:
        """A font with the drawings of these glyphs alone, at their own numbers."""
        drawings = self._with_components(glyphs)
        table, places = bytearray(), [0]
        for index in range(len(self._places) - 1):
            table += drawings.get(index, b"")
            table += bytes(-len(table) % 4)
            places.append(len(table))
        head = bytearray(self._copied["head"])
        head[50:52] = struct.pack(">h", 1)  # indexToLocFormat: 32-bit offsets
        tables = self._copied | {
            "head": bytes(head),
            "glyf": bytes(table),
            "loca": struct.pack(f">{len(places)}L", *places),
        }
        return _font_of(tables)

    def _with_components(self, glyphs: Iterable[int]) -> dict[int, bytes]:
        drawings: dict[int, bytes] = {}
        wanted = set(glyphs)
        while wanted:
            index = wanted.pop()
            drawings[index] = drawing = self._drawing(index)
            wanted |= set(_components(drawing)) - drawings.keys()
        return drawings

    def _drawing(self, index: int) -> bytes:
        """By place, not by reading on: processes that were forked share where a file was
        read to.
        """
        begin, end = self._places[index], self._places[index + 1]
        return os.pread(self._file, end - begin, self._start + begin)


@lru_cache(maxsize=2)
def load_own_font(path: Path = FONT) -> OwnFont:
    """Made once, ahead of the first resident. Raises FontUnusable."""
    return OwnFont(path)


def _components(drawing: bytes) -> Iterable[int]:
    """The glyphs that a composite glyph is put together from."""
    if len(drawing) < HEADER or struct.unpack_from(">h", drawing)[0] >= 0:
        return
    at, flags = HEADER, MORE
    while flags & MORE:
        flags, index = struct.unpack_from(">HH", drawing, at)
        yield index
        at += 8 if flags & WORDS else 6
        at += 2 if flags & SCALE else 4 if flags & SCALE_XY else 8 if flags & SCALE_2X2 else 0


def _font_of(tables: dict[str, bytes]) -> bytes:
    font, out = TTFont(), BytesIO()
    for tag, data in tables.items():
        font[tag] = table = DefaultTable(tag)
        table.data = data
    font.save(out, reorderTables=None)
    return out.getvalue()


__all__ = ["FontUnusable", "OwnFont", "load_own_font"]
