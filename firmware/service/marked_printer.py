"""The printer of a kiosk under test: whatever is printed bears TEST in grey across its middle."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from firmware.sheets.guard import GOTHIC
from hal.printer.contract import Bitmap, Capabilities, Printer, PrinterStatus

WORDS: Final = "試験中 TEST"
SHARE: Final = 0.8  # of the width
CHECKER: Final = 2  # dots: every second square is black, so that what is below can be read


class MarkedPrinter:
    """Another printer, and the mark on each of its pages. It keeps no connection for others."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    @property
    def capabilities(self) -> Capabilities:
        return self._printer.capabilities

    @property
    def bytes_sent(self) -> int:
        return self._printer.bytes_sent

    def status(self) -> PrinterStatus:
        return self._printer.status()

    def check(self) -> None:
        self._printer.check()

    def print_page(self, front: Bitmap, back: Bitmap | None = None) -> None:
        self._printer.print_page(marked(front), marked(back) if back else None)

    def purge(self) -> None:
        self._printer.purge()

    def close(self) -> None:
        self._printer.close()


def marked(page: Bitmap) -> Bitmap:
    """The page with the mark over its middle."""
    mark = _mark(page.width)
    height = min(len(mark), page.height)
    top = (page.height - height) // 2
    rows = np.frombuffer(page.rows, np.uint8).reshape(page.height, -1).copy()
    rows[top : top + height] |= mark[:height]
    return replace(page, rows=rows.tobytes())


@functools.cache
def _mark(width: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Rows of packed dots, 1 = black."""
    size = width
    font = ImageFont.truetype(GOTHIC, size)
    left, top, right, bottom = font.getbbox(WORDS)
    size = int(size * SHARE * width / (right - left))
    font = ImageFont.truetype(GOTHIC, size)
    left, top, right, bottom = font.getbbox(WORDS)
    image = Image.new("1", (width, int(bottom - top)))
    ImageDraw.Draw(image).text(
        ((width - (right - left)) // 2 - left, -top), WORDS, fill=1, font=font
    )
    letters = np.asarray(image)
    down, across = np.indices(letters.shape) // CHECKER
    return np.packbits(letters & ((down + across) % 2 == 0), axis=1)
