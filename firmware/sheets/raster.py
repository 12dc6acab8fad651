"""From a PDF page to the printer's dots: grey, then one threshold. Never dithered: that eats the strokes of 一二三.

A page here is a boolean array of rows, True = black.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from firmware.sheets import pdf as reader
from firmware.sheets.fault import SheetFault, SheetReason

PageArray = npt.NDArray[np.bool_]

A4_MM = (210.0, 297.0)
# Measured with pdfium at 203 dpi: 160 to 208 lose no stroke of 8 to 11 pt type; below, thin horizontals vanish.
THRESHOLD = 192


def dots(mm: float, dpi: int) -> int:
    return round(mm * dpi / 25.4)


def rasterise(pdf: bytes, page: int, dpi: int, width_dots: int, height_dots: int) -> PageArray:
    """Page (from 1) at true size, centred on `width_dots` and from the top on `height_dots`.

    Raises SheetFault when the file cannot be read or ink would fall beside the paper.
    """
    black = reader.grey(pdf, page, dots(A4_MM[0], dpi), dots(A4_MM[1], dpi)) < THRESHOLD
    left = left_margin(dpi, width_dots)
    columns = slice(max(0, -left), max(0, -left) + width_dots)
    if black[:, : columns.start].any() or black[:, columns.stop :].any() or black[height_dots:].any():
        raise SheetFault(SheetReason.OFF_PAPER, page)
    kept = black[:height_dots, columns]
    out = np.zeros((height_dots, width_dots), dtype=np.bool_)
    out[: kept.shape[0], max(0, left) : max(0, left) + kept.shape[1]] = kept
    return out


def left_margin(dpi: int, width_dots: int) -> int:
    """Dots between the printer's first dot and the left edge of an A4 sheet; negative when the head is narrower."""
    return (width_dots - dots(A4_MM[0], dpi)) // 2


def pack(page: PageArray) -> bytes:
    """Row by row, 8 dots a byte, the leftmost in the highest bit, 1 = black; rows begin on a byte."""
    return np.packbits(page, axis=1).tobytes()
