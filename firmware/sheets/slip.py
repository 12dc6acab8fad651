"""The small slips of the receipt printer, drawn as bitmaps: a printer's own font has no Japanese
that can be relied on. 80 mm paper at 203 dpi has 576 dots.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from firmware.sheets.raster import pack

WIDTH = 576  # dots
_MARGIN = 16
_Font = ImageFont.FreeTypeFont
GOTHIC = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")


@dataclass(frozen=True)
class Slip:
    """Dots of one slip: row by row, 8 a byte, the leftmost in the highest bit, 1 = black."""

    width: int
    height: int
    rows: bytes

    def __repr__(self) -> str:
        return f"Slip({self.width}x{self.height})"


@dataclass(frozen=True)
class SlipLine:
    """A line in Japanese with its English beneath, and a value at the right; without texts,
    a rule.
    """

    ja: str = ""
    en: str = ""
    value: str = ""
    size: int = 26  # dots of the Japanese; English is smaller
    bold: bool = False
    centre: bool = False


RULE = SlipLine()


def draw(lines: Iterable[SlipLine], gothic: Path = GOTHIC, width: int = WIDTH) -> Slip:
    """Any slip: the lines from top to bottom, wrapped to a head of `width` dots, of which `WIDTH`
    are used at most. `gothic`: a font with Japanese.
    """
    given, width = list(lines), min(width, WIDTH)
    image = Image.new("L", (width, 4000 + 100 * len(given)), 255)
    canvas, y = ImageDraw.Draw(image), _MARGIN
    for line in given:
        y = _rule(canvas, y, width) if line == RULE else _line(canvas, line, y, gothic, width)
    black = np.asarray(image)[: y + _MARGIN] < 128
    return Slip(width, len(black), pack(black))


def _rule(canvas: ImageDraw.ImageDraw, y: int, paper: int) -> int:
    canvas.line((_MARGIN, y + 8, paper - _MARGIN, y + 8), fill=0, width=2)
    return y + 18


def _line(canvas: ImageDraw.ImageDraw, line: SlipLine, y: int, gothic: Path, paper: int) -> int:
    """The value stands right, on the first line; a value too wide for that has the next line to
    itself.
    """
    value, small = (
        _font(gothic, line.size, line.bold),
        _font(gothic, max(18, line.size * 2 // 3), False),
    )
    room = paper - 2 * _MARGIN
    width = value.getlength(line.value)
    beside = value.getlength(line.ja) + width + _MARGIN <= room or not line.value
    if line.value and beside:
        canvas.text((paper - _MARGIN - width, y), line.value, fill=0, font=value)
    for parts in (_wrap(line.ja, value, room), _wrap(line.en, small, room, " ")):
        for part, font in parts:
            x = (paper - font.getlength(part)) / 2 if line.centre else _MARGIN
            canvas.text((x, y), part, fill=0, font=font)
            y += round(font.size * 1.3)
    for part, font in [] if beside else _wrap(line.value, value, room):
        canvas.text((paper - _MARGIN - font.getlength(part), y), part, fill=0, font=font)
        y += round(font.size * 1.3)
    return y + 6


def _wrap(text: str, font: _Font, room: int, between: str = "") -> list[tuple[str, _Font]]:
    """Lines no wider than `room`; English breaks between words, Japanese anywhere."""
    out = [""]
    for piece in text.split(between) if between else text:
        joined = out[-1] + between + piece if out[-1] else piece
        if font.getlength(joined) > room and out[-1]:
            out.append(piece)
        else:
            out[-1] = joined
    return [(part, font) for part in out if part]


@lru_cache(maxsize=16)
def _font(gothic: Path, size: int, bold: bool) -> _Font:
    """The bold face lies beside the regular one; without it the regular one serves."""
    beside = gothic.with_name(gothic.name.replace("Regular", "Bold"))
    return ImageFont.truetype(beside if bold and beside.exists() else gothic, size)
