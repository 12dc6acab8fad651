"""The copy guard (けん制文字): a faint even tint on the original in which 複写 appears when it is
copied.

Two screens of equal tint: the ground of single dots, the letters of larger dots at a wider pitch.
The eye sees one grey; a copier's optics lose the single dots and keep the larger ones.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from firmware.sheets.guard_style import GuardStyle, Halftone, default_style
from firmware.sheets.raster import BAND, PageArray, dots, pack_rows

GOTHIC = "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"


class Guard:
    """The pattern for one size of page, kept 8 dots a byte. Holds nothing of any document."""

    def __init__(self, width: int, height: int, dpi: int, style: GuardStyle) -> None:
        letters = _letters(width, height, dpi, style)
        self._width, self.halo = width, style.halo
        packed = []
        for top in range(0, height, BAND):
            mask = np.asarray(letters.crop((0, top, width, min(height, top + BAND))), np.bool_)
            packed.append(pack_rows(two_screens(mask, style.ground, style.letters, top)))
        self._packed = np.concatenate(packed)
        self._packed.flags.writeable = False  # all pages share it

    @property
    def pattern(self) -> PageArray:
        """The whole of it, to look at."""
        rows = self._rows(0, len(self._packed))
        rows.flags.writeable = False
        return rows

    def apply(self, page: PageArray, top: int = 0, above: int = 0, below: int = 0) -> PageArray:
        """These lines of a page, the first of which is its line `top`, on their patterned ground,
        with white round everything printed. The first `above` and the last `below` lines are there
        only for what they whiten, and are left out.
        """
        kept = slice(above, len(page) - below)
        first = top + above
        out = self._rows(first, first + len(page[kept])) & ~_grow(page, self.halo)[kept]
        out |= page[kept]
        return out

    def _rows(self, first: int, end: int) -> PageArray:
        rows = np.unpackbits(self._packed[first:end], axis=1, count=self._width)
        return rows.view(np.bool_)


def guard(width: int, height: int, dpi: int, style: GuardStyle | None = None) -> Guard:
    """Built once per size and style (tens of milliseconds). Without a style the one of the
    resolution.
    """
    return _built(width, height, dpi, style or default_style(dpi))


@lru_cache(maxsize=2)
def _built(width: int, height: int, dpi: int, style: GuardStyle) -> Guard:
    return Guard(width, height, dpi, style)


def two_screens(mask: PageArray, ground: Halftone, letters: Halftone, top: int = 0) -> PageArray:
    """`letters` where the mask is set, `ground` elsewhere; its first line is line `top`."""
    pattern: PageArray = np.where(
        mask, _filled(mask.shape, letters, top), _filled(mask.shape, ground, top)
    )
    return pattern


def _filled(shape: tuple[int, ...], screen: Halftone, top: int) -> PageArray:
    height, width = shape
    dot, pitch = screen
    cell = np.zeros((2 * pitch, 2 * pitch), dtype=np.bool_)
    cell[:dot, :dot] = True
    cell[pitch : pitch + dot, pitch : pitch + dot] = True
    repeats = (height // (2 * pitch) + 1, width // (2 * pitch) + 1)
    return np.tile(np.roll(cell, -top, axis=0), repeats)[:height, :width]


def _letters(width: int, height: int, dpi: int, style: GuardStyle) -> Image.Image:
    image = Image.new("1", (width, height))
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(GOTHIC, dots(style.letter_mm, dpi))
    across, down = (dots(step, dpi) for step in style.step_mm)
    for row, y in enumerate(range(0, height, down)):
        for x in range(-(row % 2) * across // 2, width, across):
            draw.text((x, y), style.text, fill=1, font=font)
    return image


def _grow(page: PageArray, by: int) -> PageArray:
    """Every black pixel grown to a square reaching `by` pixels each way."""
    grown = page.copy()
    for step in range(1, by + 1):
        grown[:, step:] |= page[:, :-step]
        grown[:, :-step] |= page[:, step:]
    rows = grown.copy()
    for step in range(1, by + 1):
        grown[step:] |= rows[:-step]
        grown[:-step] |= rows[step:]
    return grown
