"""The copy guard (けん制文字): a faint even tint on the original in which 複写 appears when it is copied.

Two screens of equal tint: the ground of single dots, the letters of larger dots at a wider pitch. The eye sees one
grey; a copier's optics lose the single dots and keep the larger ones. The dots depend on the printer's resolution and
gain: a style is data, to be calibrated with the printer it is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from firmware.sheets.raster import PageArray, dots

GOTHIC = "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"


@dataclass(frozen=True)
class GuardStyle:
    """A screen is a quincunx: dots of `dot` pixels a side, diagonal neighbours `pitch` pixels apart each way."""

    ground: tuple[int, int] = (1, 3)  # dot, pitch in pixels; tint = 2 dot^2 / (2 pitch)^2 = 5.6 %
    letters: tuple[int, int] = (2, 6)  # the same tint
    text: str = "複写"
    letter_mm: float = 22.0
    step_mm: tuple[float, float] = (62.0, 34.0)  # between repetitions, across and down; every second row is offset
    halo: int = 2  # white pixels round the print, so that no dot touches a stroke


STYLES = {203: GuardStyle(), 300: GuardStyle(ground=(1, 3), letters=(3, 9))}


class Guard:
    """The pattern for one size of page. Holds nothing of any document."""

    def __init__(self, width: int, height: int, dpi: int, style: GuardStyle) -> None:
        mask = _letters(width, height, dpi, style)
        self._pattern = np.where(mask, _screen(width, height, *style.letters), _screen(width, height, *style.ground))
        self._halo = style.halo

    def apply(self, page: PageArray) -> PageArray:
        """The page on its patterned ground, with white round everything printed."""
        out: PageArray = self._pattern & ~_grow(page, self._halo)
        out |= page
        return out


@lru_cache(maxsize=2)
def guard(width: int, height: int, dpi: int, style: GuardStyle | None = None) -> Guard:
    """Built once per size (tens of milliseconds)."""
    return Guard(width, height, dpi, style or STYLES.get(dpi, GuardStyle()))


def _screen(width: int, height: int, dot: int, pitch: int) -> PageArray:
    cell = np.zeros((2 * pitch, 2 * pitch), dtype=np.bool_)
    cell[:dot, :dot] = True
    cell[pitch : pitch + dot, pitch : pitch + dot] = True
    return np.tile(cell, (height // (2 * pitch) + 1, width // (2 * pitch) + 1))[:height, :width]


def _letters(width: int, height: int, dpi: int, style: GuardStyle) -> PageArray:
    image = Image.new("1", (width, height))
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(GOTHIC, dots(style.letter_mm, dpi))
    across, down = (dots(step, dpi) for step in style.step_mm)
    for row, y in enumerate(range(0, height, down)):
        for x in range(-(row % 2) * across // 2, width, across):
            draw.text((x, y), style.text, fill=1, font=font)
    return np.asarray(image, dtype=np.bool_)


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
