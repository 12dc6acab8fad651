"""The signed code of each sheet as a QR code: drawn on whole dots after rasterising, and read back
from them.

The address is set in bytes and the base32 payload in QR's alphanumeric mode, so that an ordinary
certificate has version 10 at error correction M, 57 modules. In the 42 mm that the city leaves
blank a module has 5 dots at 203 dpi and 8 at 300 dpi; smaller modules do not survive a copier's dot
gain. A long name is drawn at error correction L instead.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import segno
import zxingcpp
from segno import DataOverflowError, consts

from firmware.link.sheet_code import AREA_MM
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.raster import PageArray, dots, left_margin

# modules of white on each side at least; 4, as the standard has it, where there is room
QUIET: Final = 2
# smaller modules do not survive a copy of a copy (tests/sheets/code_rate.py)
MIN_MODULE_MM: Final = 0.58
CORRECTIONS: Final = ("m", "l")  # the first that fits
_QR: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])


def area(dpi: int, width_dots: int) -> tuple[slice, slice]:
    """Rows and columns of the reserved place on a page of this width."""
    left, top, width, height = (dots(mm, dpi) for mm in AREA_MM)
    left += left_margin(dpi, width_dots)
    return slice(top, top + height), slice(left, left + width)


def modules(address: str, correction: str) -> PageArray:
    """One value for each module, True = black. Raises SheetFault when no QR code holds so much."""
    page, mark, payload = address.partition("#")
    segments = ((page + mark, consts.MODE_BYTE), (payload, consts.MODE_ALPHANUMERIC))
    try:
        # segno takes a list of segments as well, which its types do not say
        symbol = segno.make_qr(segments, error=correction, boost_error=False)  # type: ignore[arg-type]
    except (DataOverflowError, ValueError):
        raise SheetFault(SheetReason.CODE) from None
    return np.array([[cell & 1 for cell in row] for row in symbol.matrix], dtype=np.bool_)


def draw(page: PageArray, address: str, dpi: int) -> None:
    """Draws into `page`, in the middle of the reserved place, which becomes white around it.

    Raises SheetFault when the code does not fit there.
    """
    draw_in(page[area(dpi, page.shape[1])], address, dpi)


def draw_in(place: PageArray, address: str, dpi: int) -> None:
    """The same, into the reserved place itself."""
    for correction in CORRECTIONS:
        cells = modules(address, correction)
        size = min(place.shape) // (len(cells) + 2 * QUIET)
        if size * 25.4 / dpi >= MIN_MODULE_MM:
            break
    else:
        raise SheetFault(SheetReason.CODE)
    black = cells.repeat(size, axis=0).repeat(size, axis=1)
    top, left = ((side - len(black)) // 2 for side in place.shape)
    place[:] = False
    place[top : top + len(black), left : left + len(black)] = black


def read_back(page: PageArray, dpi: int) -> str:
    """The address as a phone would read it from the reserved place. Raises SheetFault."""
    return read(page[area(dpi, page.shape[1])])


def read(place: PageArray) -> str:
    grey = np.where(place, np.uint8(0), np.uint8(255))
    found = zxingcpp.read_barcodes(grey, formats=_QR, try_rotate=False, try_invert=False)
    if len(found) != 1:
        raise SheetFault(SheetReason.CODE)
    return found[0].text
