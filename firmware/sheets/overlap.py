"""Nothing lies on anything: no letter on another one, no line through a letter, wherever they stand
on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.page import POINT, Glyph, Rule

# The part of a letter that nothing else may touch: all but this share of its width on either side,
# and from the baseline to this share of its size. Letters that stand beside or below each other in
# the ordinary way are apart.
BESIDE: Final = 0.15
ABOVE: Final = 0.68

Spans = npt.NDArray[np.float64]  # rows of left, top, right, bottom in mm


def check_apart(
    glyphs: Sequence[Glyph], widths: Sequence[float], lines: Sequence[Rule], page: int
) -> None:
    """`widths`: of each letter, of its size. Raises SheetFault."""
    letters = _letters(glyphs, widths)
    touching = _touching(letters, letters)
    np.fill_diagonal(touching, False)
    if touching.any():
        raise SheetFault(SheetReason.HIDDEN_TEXT, page)
    drawn = np.array([[line.left, line.top, line.right, line.bottom] for line in lines]).reshape(
        -1, 4
    )
    if _touching(letters, drawn).any():
        raise SheetFault(SheetReason.RULES, page)


def _letters(glyphs: Sequence[Glyph], widths: Sequence[float]) -> Spans:
    spans = []
    for glyph, width in zip(glyphs, widths, strict=True):
        size = glyph.size * POINT
        wide = width * size * glyph.stretch
        left, right = glyph.x + BESIDE * wide, glyph.x + (1 - BESIDE) * wide
        spans.append([left, glyph.y - ABOVE * size, right, glyph.y])
    return np.array(spans).reshape(-1, 4)


def _touching(one: Spans, other: Spans) -> npt.NDArray[np.bool_]:
    left, top, right, bottom = (one[:, side][:, None] for side in range(4))
    across = (left < other[:, 2]) & (other[:, 0] < right)
    down = (top < other[:, 3]) & (other[:, 1] < bottom)
    found: npt.NDArray[np.bool_] = across & down
    return found
