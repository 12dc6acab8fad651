"""Comparing text as the font paints it.

A PDF maps glyphs back to text, so it cannot tell apart two spellings that are one glyph: in IPAmj
Mincho 葛 and 葛+U+E0103 are the same drawing, and the file names it one way for both. Names are
therefore compared in a canonical spelling: each glyph by the one spelling this font's tables give
it first. Two texts are equal exactly when the font draws them with the same glyphs; a variation
selector that changes the drawing is never dropped.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError

from firmware.sheets.fault import SheetFault, SheetReason

FONT = Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf")
FONT_PACKAGE = "fonts-ipamj-mincho"

_CLUSTER = re.compile("(.)([\ufe00-\ufe0f\U000e0100-\U000e01ef]?)", re.DOTALL)


class FontUnusable(Exception):
    """The certificate font is not on this kiosk. Says what to install."""


@dataclass(frozen=True, repr=False)
class Glyphs:
    """`spelling`: every text of one cluster the font knows, to the canonical text of its glyph.

    `index`: the canonical text of each glyph, to its place in the font.
    """

    spelling: dict[str, str]
    index: dict[str, int]

    def letter(self, text: str, page: int = 0) -> str:
        """The canonical text of one glyph. Raises SheetFault; for several glyphs on one
        place too.
        """
        found = self.canonical(text, page)
        if found not in self.index:
            raise SheetFault(SheetReason.HIDDEN_TEXT, page)
        return found

    def place(self, text: str) -> int:
        """The number of one character's glyph in the font. Raises SheetFault."""
        return self.index[self.letter(text)]

    def canonical(self, text: str, page: int = 0) -> str:
        """`text` without white space, each glyph in its one spelling. Raises SheetFault."""
        return "".join(
            self._cluster(match, page) for match in _CLUSTER.finditer("".join(text.split()))
        )

    def _cluster(self, match: re.Match[str], page: int) -> str:
        if found := self.spelling.get(match[0]):
            return found
        private = unicodedata.category(match[1]) == "Co"
        raise SheetFault(SheetReason.PRIVATE_USE if private else SheetReason.MISSING_GLYPH, page)


def clusters(text: str) -> list[str]:
    """Its characters, each with its variation selector."""
    return [match[0] for match in _CLUSTER.finditer(text)]


@lru_cache(maxsize=2)
def load_glyphs(path: Path = FONT) -> Glyphs:
    """Reads the font's tables once (0.2 s; ahead of the first resident). Raises FontUnusable."""
    try:
        with TTFont(path, lazy=True) as font:
            cmap = font["cmap"]
            plain: dict[int, str] = cmap.getBestCmap()
            places: dict[str, int] = font.getReverseGlyphMap()
            pairs = [
                (chr(base) + chr(selector), glyph or plain[base])
                for table in cmap.tables
                if table.format == 14
                for selector, mapping in sorted(table.uvsDict.items())
                for base, glyph in sorted(mapping)
            ]
    except (OSError, TTLibError, KeyError) as error:
        raise unusable(path) from error
    first: dict[str, str] = {}
    known = [
        (chr(code), glyph)
        for code, glyph in sorted(plain.items())
        if unicodedata.category(chr(code)) != "Co"
    ]
    spelling = {text: first.setdefault(glyph, text) for text, glyph in known + pairs}
    return Glyphs(spelling, {text: places[glyph] for glyph, text in first.items()})


def unusable(path: Path) -> FontUnusable:
    return FontUnusable(f"cannot use the font {path}: install the Debian package {FONT_PACKAGE}")
