"""Opening a PDF with pdfium, and its dots. What is no plain PDF is refused here.

pdfium is not thread-safe: everything happens under one lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pypdfium2.raw as raw

from firmware.sheets import plain_pdf
from firmware.sheets.fault import SheetFault, SheetReason

GreyArray = npt.NDArray[np.uint8]

lock = threading.RLock()


@contextmanager
def opened(data: bytes, expected_pages: int) -> Iterator[pdfium.PdfDocument]:
    """The document, fit to be read. Raises SheetFault, also for whatever pdfium cannot do inside
    the block.
    """
    plain_pdf.check(data)
    with lock, document(data) as found:
        if raw.FPDF_GetSecurityHandlerRevision(found) != -1:
            raise SheetFault(SheetReason.ENCRYPTED)
        active = (
            raw.FPDFDoc_GetJavaScriptActionCount(found)
            or raw.FPDFDoc_GetAttachmentCount(found)
            or raw.FPDF_GetFormType(found) != raw.FORMTYPE_NONE
        )
        if active:
            raise SheetFault(SheetReason.ACTIVE_CONTENT)
        if len(found) != expected_pages:
            raise SheetFault(SheetReason.PAGE_COUNT)
        yield found


@contextmanager
def document(data: bytes) -> Iterator[pdfium.PdfDocument]:
    """Raises SheetFault when the bytes are no PDF that pdfium reads. The caller holds `lock`."""
    try:
        found = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        locked = error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY)
        raise SheetFault(SheetReason.ENCRYPTED if locked else SheetReason.UNREADABLE) from None
    try:
        yield found
    except pdfium.PdfiumError:
        raise SheetFault(SheetReason.UNREADABLE) from None
    finally:
        found.close()


def render(page: raw.FPDF_PAGE, width: int, height: int, top: int = 0, rows: int = 0) -> GreyArray:
    """A page on `width` x `height` dots, 0 black to 255 white; only `rows` of them from `top` when
    given.
    """
    rows = rows or height
    bitmap = pdfium.PdfBitmap.new_native(width, rows, raw.FPDFBitmap_Gray)
    bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, rows)
    flags = raw.FPDF_GRAYSCALE | raw.FPDF_PRINTING
    raw.FPDF_RenderPageBitmap(bitmap, page, 0, -top, width, height, 0, flags)
    stride = bitmap.stride
    dots: GreyArray = bitmap.to_numpy().reshape(rows, stride)[:, :width].copy()
    bitmap.close()
    return dots


@contextmanager
def page(data: bytes, number: int) -> Iterator[raw.FPDF_PAGE]:
    """Page `number` (from 1), for `render`. Raises SheetFault."""
    with lock, document(data) as found:
        opened_page = found[number - 1]
        try:
            yield opened_page
        finally:
            opened_page.close()
