"""Nothing lies on anything: no letter on another one, no line on a letter's strokes, wherever they
stand on the page.

What counts is the ink, as the font draws it and as thick as the lines are. A border of 2 pt whose
middle is beside a letter can cover its last stroke all the same: 三丁目 reads 二丁目 then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.page import POINT, Glyph, Rule

# What no other letter may touch of a letter: its ink but for an edge on either side, and one above
# and below, narrower where the ink is narrow. Letters that follow each other in the ordinary way
# are apart: the closest ones of the font are f and j.
BESIDE: Final = 0.07  # of the letter's size
BELOW: Final = 0.03
SHARE: Final = 0.25  # of the ink's width, or height, at most
CLEAR_MM: Final = 0.2  # between a letter's ink and that of a line, at least
# What hangs lower than that, the foot of a bracket or of a cedilla, may come nearer to a line.
LOWEST: Final = -0.2  # of the letter's size

Spans = npt.NDArray[np.float64]  # rows of left, top, right, bottom in mm


@dataclass(frozen=True, slots=True)
class Ink:
    """How far a letter's drawing reaches from its origin to the right and upwards, of its size."""

    left: float
    bottom: float
    right: float
    top: float


def check_apart(
    glyphs: Sequence[Glyph], inks: Sequence[Ink], lines: Sequence[Rule], page: int
) -> None:
    """`inks`: of each letter. Raises SheetFault."""
    letters = _spans(_core(glyph, ink) for glyph, ink in zip(glyphs, inks, strict=True))
    touching = _touching(letters, letters)
    np.fill_diagonal(touching, False)
    if touching.any():
        raise SheetFault(SheetReason.HIDDEN_TEXT, page)
    above = [replace(ink, bottom=max(ink.bottom, LOWEST)) for ink in inks]
    strokes = _spans(_strokes(glyph, ink) for glyph, ink in zip(glyphs, above, strict=True))
    if _touching(strokes, _spans(_drawn(line) for line in lines)).any():
        raise SheetFault(SheetReason.RULES, page)


def _core(glyph: Glyph, ink: Ink) -> tuple[float, ...]:
    beside = min(BESIDE, SHARE * (ink.right - ink.left))
    below = min(BELOW, SHARE * (ink.top - ink.bottom))
    core = Ink(ink.left + beside, ink.bottom + below, ink.right - beside, ink.top - below)
    return _strokes(glyph, core)


def _strokes(glyph: Glyph, ink: Ink) -> tuple[float, ...]:
    size = glyph.size * POINT
    across = size * glyph.stretch
    left, right = glyph.x + ink.left * across, glyph.x + ink.right * across
    return left, glyph.y - ink.top * size, right, glyph.y - ink.bottom * size


def _drawn(line: Rule) -> tuple[float, ...]:
    """With half of its thickness on either side, and what must stay white around it."""
    reach = line.weight / 2 * POINT + CLEAR_MM
    return line.left - reach, line.top - reach, line.right + reach, line.bottom + reach


def _spans(rows: Iterable[tuple[float, ...]]) -> Spans:
    return np.array(list(rows), np.float64).reshape(-1, 4)


def _touching(one: Spans, other: Spans) -> npt.NDArray[np.bool_]:
    left, top, right, bottom = (one[:, side][:, None] for side in range(4))
    across = (left < other[:, 2]) & (other[:, 0] < right)
    down = (top < other[:, 3]) & (other[:, 1] < bottom)
    found: npt.NDArray[np.bool_] = across & down
    return found
