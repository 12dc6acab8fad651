"""Text as a person reads it: in lines from the top, each letter behind the one before it, words
apart from each other.

That the letters stand somewhere in the right area is not enough. Letters that are raised, squeezed
onto each other or pulled apart read otherwise than the content says: 292,500円 as 922,500円,
東海林　太郎 as 東　海林太郎. So each line has one baseline and one size, its letters follow each
other at their own widths with one spacing, and only where the content has a space there is more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.glyphs import Glyphs, clusters
from firmware.sheets.overlap import Ink
from firmware.sheets.own_font import OwnFont
from firmware.sheets.page import POINT, Glyph

# Of the size of the letters.
BASELINE: Final = 0.03  # how far letters of one line may be off its baseline
PITCH: Final = 0.85  # between the baselines of two lines, at least
KERNING: Final = 0.13  # by which spacing may differ between the pairs of a line
SQUEEZED: Final = -0.13  # spacing of letters that lie on each other
PUNCTUATION: Final = 0.55  # by which a mark may stand closer: typesetters halve the blank beside it
SPACE: Final = 0.18  # that a space has more than no space
# that may stay free at a line's end: a letter, and marks that may not begin a line
NO_ROOM: Final = 3.2
EDGE: Final = 0.15  # by which lines may begin, or end, apart
# Controls and combining marks. The font has a letter for some of them, which the paper would show;
# a screen hides them, or draws them into the letter before: 5番1\u00ad1号 is 5番11号 there.
NOT_ALONE: Final = frozenset({"Cc", "Cf", "Mn", "Mc", "Me"})
PADDING: Final = 2.5  # mm between text and its cell's border, or its area's end


@dataclass(frozen=True)
class Letter:
    """One letter of the content. `apart`: the content has white space before it."""

    text: str
    apart: bool


def letters_of(text: str, font: Glyphs, page: int) -> list[Letter]:
    """The content's letters, each in the font's one spelling. Raises SheetFault."""
    letters: list[Letter] = []
    apart = False
    for cluster in clusters(text):
        if cluster.isspace():
            apart = bool(letters)
            continue
        if unicodedata.category(cluster[0]) in NOT_ALONE:
            raise SheetFault(SheetReason.MISSING_GLYPH, page)
        letters.append(Letter(font.canonical(cluster, page), apart))
        apart = False
    return letters


@dataclass(frozen=True)
class Reader:
    """Reads the text of one area or cell of a page. Every method raises SheetFault."""

    font: Glyphs
    widths: OwnFont
    page: int

    def check(self, glyphs: Sequence[Glyph], text: str, right: float | None = None) -> None:
        """These glyphs are this text, letter by letter, and read so.

        `right`: where the room for the text ends, mm; None for a label, which may be broken
        anywhere.
        """
        expected = letters_of(text, self.font, self.page)
        lines = list(self._lines(glyphs))
        found = [glyph.text for line in lines for glyph in line]
        if found != [letter.text for letter in expected]:
            raise SheetFault(SheetReason.PAGE_TEXT, self.page)
        at = 0
        for line in lines:
            self._check_line(line, expected[at : at + len(line)])
            at += len(line)
            if right is not None and at < len(expected) and not expected[at].apart:
                self._check_full(line, right)
        if right is not None:
            self._check_edges(lines)

    def width(self, letter: str) -> float:
        """Of its size."""
        return self.widths.advance(self.font.place(letter))

    def ink(self, letter: str) -> Ink:
        return self.widths.ink(self.font.place(letter))

    def _lines(self, glyphs: Sequence[Glyph]) -> Iterator[list[Glyph]]:
        """Each line from the left; lines are well apart."""
        line: list[Glyph] = []
        for glyph in sorted(glyphs, key=lambda g: g.y):
            size = glyph.size * POINT
            if line and glyph.y - line[0].y > BASELINE * size:
                if glyph.y - line[0].y < PITCH * max(size, line[0].size * POINT):
                    raise SheetFault(SheetReason.PAGE_TEXT, self.page)
                yield sorted(line, key=lambda g: g.x)
                line = []
            line.append(glyph)
        if line:
            yield sorted(line, key=lambda g: g.x)

    def _check_line(self, line: Sequence[Glyph], expected: Sequence[Letter]) -> None:
        sizes = {round(glyph.size, 1) for glyph in line}
        if max(sizes) - min(sizes) > 0.11:
            raise SheetFault(SheetReason.TEXT_SIZE, self.page)
        solid: list[float] = []
        spaces: list[float] = []
        for (one, other), letter in zip(pairwise(line), expected[1:], strict=True):
            gap = self._gap(one, other)
            beside_mark = _is_mark(one.text) or _is_mark(other.text)
            if beside_mark and -PUNCTUATION <= gap < 0:
                gap = 0.0
            (spaces if letter.apart else solid).append(gap)
        self._check_gaps(solid, spaces)

    def _check_full(self, line: Sequence[Glyph], right: float) -> None:
        """A word goes on in the next line only where there was no more room for it in this one."""
        size = line[-1].size * POINT
        if right - self._end(line) > NO_ROOM * size + PADDING:
            raise SheetFault(SheetReason.PAGE_TEXT, self.page)

    def _check_edges(self, lines: Sequence[Sequence[Glyph]]) -> None:
        """All lines begin, or all end, at one place. A mark may be set closer to the border than a
        letter; where every line begins with one, all are set alike.
        """
        size = max((line[0].size * POINT for line in lines), default=0.0)
        starts = [line[0].x for line in lines if not _is_mark(line[0].text)]
        starts = starts or [line[0].x for line in lines]
        ends = [self._end(line) for line in lines if not _is_mark(line[-1].text)]
        apart = [max(places) - min(places) for places in (starts, ends) if places]
        if apart and min(apart) > EDGE * size:
            raise SheetFault(SheetReason.PAGE_TEXT, self.page)

    def _end(self, line: Sequence[Glyph]) -> float:
        last = line[-1]
        return last.x + self.width(last.text) * last.size * POINT * last.stretch

    def _check_gaps(self, solid: Sequence[float], spaces: Sequence[float]) -> None:
        if solid and (min(solid) < SQUEEZED or max(solid) - min(solid) > KERNING):
            raise SheetFault(SheetReason.PAGE_TEXT, self.page)
        least = max(solid, default=0.0) + SPACE
        if spaces and min(spaces) < least:
            raise SheetFault(SheetReason.PAGE_TEXT, self.page)

    def _gap(self, one: Glyph, other: Glyph) -> float:
        """Between two letters of a line, beyond the first one's own width, of the size."""
        unit = one.size * POINT * one.stretch
        return (other.x - one.x) / unit - self.width(one.text)


def _is_mark(text: str) -> bool:
    return unicodedata.category(text[0]).startswith("P")
