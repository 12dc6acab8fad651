"""The signed 2D code on each sheet: drawn on whole dots after rasterising, and read back out of the very dots.

105 bytes in base45 at error correction M are version 7: 45 modules and a quiet zone of 4. In the 36 mm the city leaves
blank a module has 5 dots at 203 dpi; smaller modules do not survive a copier's dot gain.
"""

from __future__ import annotations

import numpy as np
import segno
import zxingcpp

from firmware.link.messages import CODE_AREA_MM
from firmware.sheets import base45
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.raster import PageArray, dots, left_margin

QUIET = 4  # modules
MIN_MODULE = 5  # dots
_QR = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])


def area(dpi: int, width_dots: int) -> tuple[slice, slice]:
    """Rows and columns of the reserved place on a page of this width."""
    left, top, width, height = (dots(mm, dpi) for mm in CODE_AREA_MM)
    left += left_margin(dpi, width_dots)
    return slice(top, top + height), slice(left, left + width)


def draw(page: PageArray, payload: bytes, dpi: int) -> None:
    """Draws into `page`, in the middle of the reserved place, which becomes white around it.

    Raises SheetFault when the code does not fit there.
    """
    place = page[area(dpi, page.shape[1])]
    symbol = segno.make_qr(base45.encode(payload), error="m", boost_error=False)
    modules = np.array([[cell & 1 for cell in row] for row in symbol.matrix], dtype=np.bool_)
    size = min(place.shape) // (len(modules) + 2 * QUIET)
    if size < MIN_MODULE:
        raise SheetFault(SheetReason.CODE)
    black = modules.repeat(size, axis=0).repeat(size, axis=1)
    top, left = ((side - len(black)) // 2 for side in place.shape)
    place[:] = False
    place[top : top + len(black), left : left + len(black)] = black


def read_back(page: PageArray, dpi: int) -> bytes:
    """The payload as a phone would read it from the reserved place. Raises SheetFault."""
    grey = np.where(page[area(dpi, page.shape[1])], np.uint8(0), np.uint8(255))
    found = zxingcpp.read_barcodes(grey, formats=_QR, try_rotate=False, try_invert=False)
    if len(found) != 1:
        raise SheetFault(SheetReason.CODE)
    try:
        return base45.decode(found[0].text)
    except ValueError:
        raise SheetFault(SheetReason.CODE) from None
