"""All sheets of one copy, ready for the printer and proven readable, before any money is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from firmware.link.messages import Manifest, SheetCode
from firmware.sheets import code
from firmware.sheets.check import issue_day
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.guard import guard
from firmware.sheets.raster import A4_MM, dots, pack, rasterise

_EPOCH = date(2000, 1, 1)


@dataclass(frozen=True)
class Sheet:
    """Dots of one sheet: row by row, 8 a byte, the leftmost in the highest bit, 1 = black."""

    page: int
    pages: int
    width: int
    height: int
    rows: bytes

    def __repr__(self) -> str:  # the dots are a person's document: never in a log
        return f"Sheet({self.page}/{self.pages}, {self.width}x{self.height})"


def prepare(
    pdf: bytes, manifest: Manifest, dpi: int, width_dots: int, verify: Callable[[bytes], SheetCode]
) -> tuple[Sheet, ...]:
    """Raster, copy guard, signed code; the code is read back from the finished dots and must be this sheet's own.

    `verify` checks the signature of a code's payload and raises for any that the city did not sign.
    Raises SheetFault.
    """
    if len(manifest.codes) != manifest.pages:
        raise SheetFault(SheetReason.CODE)
    digest = hashlib.sha256(pdf).digest()
    return tuple(
        _sheet(pdf, digest, manifest, number, dpi, width_dots, verify) for number in range(1, manifest.pages + 1)
    )


def _sheet(
    pdf: bytes,
    digest: bytes,
    manifest: Manifest,
    number: int,
    dpi: int,
    width_dots: int,
    verify: Callable[[bytes], SheetCode],
) -> Sheet:
    height = dots(A4_MM[1], dpi)
    page = rasterise(pdf, number, dpi, width_dots, height)
    if page[code.area(dpi, width_dots)].any():
        raise SheetFault(SheetReason.CODE_AREA, number)
    page = guard(width_dots, height, dpi).apply(page)
    payload = manifest.codes[number - 1]
    code.draw(page, payload, dpi)
    if code.read_back(page, dpi) != payload or _verified(payload, verify, number) != _own(manifest, number, digest):
        raise SheetFault(SheetReason.CODE, number)
    return Sheet(number, manifest.pages, width_dots, height, pack(page))


def _verified(payload: bytes, verify: Callable[[bytes], SheetCode], number: int) -> SheetCode:
    try:
        return verify(payload)
    except Exception:
        raise SheetFault(SheetReason.CODE, number) from None


def _own(manifest: Manifest, number: int, digest: bytes) -> SheetCode:
    return SheetCode(
        unique_number=manifest.unique_number,
        page=number,
        pages=manifest.pages,
        issued_days=(issue_day(manifest) - _EPOCH).days,
        text_hash=digest[:18],
    )
