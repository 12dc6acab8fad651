"""From a PDF page to the printer's dots: grey, then one threshold. Never dithered: that eats the
strokes of 一二三.

A page here is a boolean array of rows, True = black. It is drawn in bands: at 600 dpi a whole page
in grey and its copies would take hundreds of MiB.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from firmware.sheets import pdf as reader
from firmware.sheets.fault import SheetFault, SheetReason

PageArray = npt.NDArray[np.bool_]

A4_MM = (210.0, 297.0)
# Measured with pdfium at 203 dpi: 160 to 208 lose no stroke of 8 to 11 pt type; below, thin
# horizontals vanish.
THRESHOLD = 192
BAND = 512  # lines


def dots(mm: float, dpi: int) -> int:
    return round(mm * dpi / 25.4)


def rasterise(pdf: bytes, page: int, dpi: int, width_dots: int, height_dots: int) -> PageArray:
    """The whole page at once. Raises SheetFault, as `bands`."""
    return np.concatenate(list(bands(pdf, page, dpi, width_dots, height_dots)))


def bands(
    pdf: bytes, page: int, dpi: int, width_dots: int, height_dots: int, shift: int = 0
) -> Iterator[PageArray]:
    """Page (from 1) at true size, centred on `width_dots` and from the top on `height_dots`, in
    pieces of BAND lines; `shift` dots to the right of the middle.

    Raises SheetFault when the file cannot be read or ink would fall beside the paper.
    """
    width, height = (dots(mm, dpi) for mm in A4_MM)
    left = left_margin(dpi, width_dots) + shift
    columns = slice(max(0, -left), max(0, -left) + width_dots - max(0, left))
    tops = range(0, max(height, height_dots), BAND)
    with reader.page(pdf, page) as opened:
        for top in tops:
            drawn = reader.render(opened, width, height, top, BAND) < THRESHOLD
            on_paper = max(0, height_dots - top)
            if (
                drawn[:, : columns.start].any()
                or drawn[:, columns.stop :].any()
                or drawn[on_paper:].any()
            ):
                raise SheetFault(SheetReason.OFF_PAPER, page)
            if not on_paper:
                continue
            kept = drawn[:on_paper, columns]
            out = np.zeros((len(kept), width_dots), dtype=np.bool_)
            place = out[:, max(0, left) : max(0, left) + kept.shape[1]]
            place[:] = kept[:, : place.shape[1]]
            yield out


def left_margin(dpi: int, width_dots: int) -> int:
    """Dots between the printer's first dot and the left edge of an A4 sheet; negative when the head
    is narrower.
    """
    return (width_dots - dots(A4_MM[0], dpi)) // 2


def pack(page: PageArray) -> bytes:
    """Row by row, 8 dots a byte, the leftmost in the highest bit, 1 = black; rows begin on
    a byte.
    """
    return pack_rows(page).tobytes()


def pack_rows(page: PageArray) -> npt.NDArray[np.uint8]:
    return np.packbits(page, axis=1)
