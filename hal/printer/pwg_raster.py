"""PWG Raster (PWG 5102.4): the pages of one job as one document in memory.

Lines are repeated by number and run-length coded, which numpy does for a band of lines at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hal.printer.contract import Bitmap

MIME_TYPE: Final = "image/pwg-raster"
SYNC: Final = b"RaS2"
HEADER_SIZE: Final = 1796  # bytes
LONGEST_RUN: Final = 128  # pixels (bytes, where 8 pixels share one)
MOST_REPEATS: Final = 256  # of a line; also the lines of a band
A4_POINTS: Final = (595, 842)
A4_NAME: Final = b"iso_a4_210x297mm"

Rows = npt.NDArray[np.uint8]
Dots = npt.NDArray[np.bool_]


class Colour(NamedTuple):
    """One pwg-raster-document-type. Codes of table 9 of the standard."""

    space: int
    bits: int


COLOURS: Final = {"black_1": Colour(3, 1), "sgray_8": Colour(18, 8)}  # in the order of preference


class Turn(NamedTuple):
    """Whether each line, and whether the order of the lines, is reversed."""

    line: bool
    lines: bool


# How the back is drawn (pwg-raster-document-sheet-back) when the sheet turns over its long edge.
BACKS: Final = {
    "normal": Turn(False, False),
    "manual-tumble": Turn(False, False),
    "flipped": Turn(False, True),
    "rotated": Turn(True, True),
}


def document(sides: Sequence[Bitmap], dpi: int, colour: str, sheet_back: str) -> bytes:
    """One sheet: its front and, if there is one, its back. `colour` of COLOURS, `sheet_back` of
    BACKS.
    """
    out = bytearray(SYNC)
    for number, side in enumerate(sides):
        turn = turned(number, sheet_back)
        out += _header(side, len(sides), dpi, COLOURS[colour], turn)
        out += lines(side, COLOURS[colour].bits, turn)
    return bytes(out)


def turned(number: int, sheet_back: str) -> Turn:
    """How side `number` is drawn; the front as it is."""
    return BACKS[sheet_back] if number else Turn(False, False)


def lines(side: Bitmap, bits: int, turn: Turn) -> bytes:
    """The compressed dots of a side."""
    black = _black(side)
    black = black[:: -1 if turn.lines else 1, :: -1 if turn.line else 1]
    return b"".join(_compressed(black, bits))


def _black(side: Bitmap) -> Dots:
    rows = np.frombuffer(side.rows, np.uint8).reshape(side.height, -1)
    return np.unpackbits(rows, axis=1, count=side.width).astype(np.bool_)


def _header(side: Bitmap, sides: int, dpi: int, colour: Colour, turn: Turn) -> bytes:
    """Places and names of the fields: table 5 of the standard; all others are 0."""
    header = bytearray(HEADER_SIZE)

    def put(place: int, *numbers: int) -> None:
        struct.pack_into(f">{len(numbers)}i", header, place, *numbers)

    header[0:9] = b"PwgRaster"
    put(272, int(sides > 1))  # Duplex
    put(276, dpi, dpi)  # HWResolution
    put(340, 1)  # NumCopies
    put(352, *A4_POINTS)  # PageSize
    put(372, side.width, side.height)
    put(384, colour.bits, colour.bits)  # BitsPerColor, BitsPerPixel
    put(392, (side.width * colour.bits + 7) // 8)  # BytesPerLine
    put(400, colour.space)  # ColorSpace
    put(420, 1)  # NumColors
    put(452, sides)  # TotalPageCount
    put(456, *(-1 if reversed_ else 1 for reversed_ in turn))  # CrossFeedTransform, FeedTransform
    put(464, 0, 0, side.width, side.height)  # ImageBox: left, top, right, bottom
    header[1732 : 1732 + len(A4_NAME)] = A4_NAME  # PageSizeName
    return bytes(header)


def _compressed(black: Dots, bits: int) -> Iterator[bytes]:
    """Each line once with the number of its repeats, then runs: length - 1, value."""
    for top in range(0, len(black), MOST_REPEATS):
        band = _pixels(black[top : top + MOST_REPEATS], bits)
        new = np.ones(len(band), np.bool_)
        new[1:] = (band[1:] != band[:-1]).any(axis=1)
        firsts = np.flatnonzero(new)
        repeats = np.diff(np.append(firsts, len(band)))
        for repeat, line in zip(repeats, _runs(band[firsts]), strict=True):
            yield bytes((int(repeat) - 1,)) + line


def _pixels(black: Dots, bits: int) -> Rows:
    """A byte for 8 dots, 1 = black, or a byte for each, 255 = white."""
    if bits == 1:
        return np.packbits(black, axis=1)
    return np.where(black, np.uint8(0), np.uint8(255))


def _runs(lines: Rows) -> Iterator[bytes]:
    """Each line as its runs. A run ends where the value changes, at the line's end, and when it is
    full.
    """
    starts = np.zeros(lines.shape, np.bool_)
    starts[:, 1:] = lines[:, 1:] != lines[:, :-1]
    starts[:, ::LONGEST_RUN] = True
    places = np.flatnonzero(starts)
    runs = np.empty((len(places), 2), np.uint8)
    runs[:, 0] = np.diff(np.append(places, lines.size)) - 1
    runs[:, 1] = lines.ravel()[places]
    at = 0
    for count in starts.sum(axis=1):
        yield runs[at : at + count].tobytes()
        at += int(count)
