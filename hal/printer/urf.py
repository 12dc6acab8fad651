"""URF ("Apple raster"), which AirPrint printers take: the pages of one job as one document in
memory.

Its lines are compressed as those of PWG raster. Only the headers differ: 12 bytes for the document
and 32 for a page, as libcups reads and writes them. A dot has 8 bits.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence, Set
from typing import Final

from hal.printer import pwg_raster
from hal.printer.contract import Bitmap

MIME_TYPE: Final = "image/urf"
GREY: Final = "W8"
SYNC: Final = b"UNIRAST\x00"
BITS: Final = 8
GREY_SPACE: Final = 0  # the code of 8-bit grey in a page's header
ONE_SIDED, LONG_EDGE = 1, 3
DEFAULT_QUALITY: Final = 0
# How the back is drawn, by the keyword of urf-supported, in the words of PWG raster.
BACKS: Final = {"DM1": "normal", "DM2": "flipped", "DM3": "rotated", "DM4": "manual-tumble"}


def prints(supported: Set[str], dpi: int) -> bool:
    """`supported` is urf-supported; RS300-600 lists resolutions."""
    lists = (re.fullmatch(r"RS(\d+(?:-\d+)*)", value) for value in supported)
    return any(str(dpi) in found[1].split("-") for found in lists if found)


def document(sides: Sequence[Bitmap], dpi: int, sheet_back: str) -> bytes:
    """One sheet: its front and, if there is one, its back. `sheet_back` of pwg_raster.BACKS."""
    out = bytearray(SYNC + struct.pack(">I", len(sides)))
    duplex = LONG_EDGE if len(sides) > 1 else ONE_SIDED
    for number, side in enumerate(sides):
        head = (BITS, GREY_SPACE, duplex, DEFAULT_QUALITY)
        out += struct.pack(">4B8x3I8x", *head, side.width, side.height, dpi)
        out += pwg_raster.lines(side, BITS, pwg_raster.turned(number, sheet_back))
    return bytes(out)
