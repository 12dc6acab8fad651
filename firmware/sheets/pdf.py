"""Reading a PDF with pdfium: what is in it, and its dots. The only module that touches pdfium.

pdfium is not thread-safe: everything happens under one lock.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pypdfium2.raw as raw

from firmware.sheets.fault import SheetFault, SheetReason

_lock = threading.Lock()
# Names of active content that pdfium does not count. Searched in the bytes: it is for documents gone wrong, not a
# defence against a forger of PDFs, whom the city's signature keeps out. Whole names, and not in what is compressed: a
# font's random tag (/XFAQRS+...) and its bytes have any four characters in one document of some thousands.
_ACTIVE = re.compile(rb"/(?:JavaScript|OpenAction|Launch|EmbeddedFiles?|RichMedia\w*|XFA)(?![^\s()<>\[\]{}/%])")
_STREAM = re.compile(rb"stream\r?\n.*?endstream", re.DOTALL)


@dataclass(frozen=True)
class Image:
    """`width`, `height` in points on the sheet; `ink`: dark share of its pixels."""

    width: float
    height: float
    ink: float


@dataclass(frozen=True)
class Page:
    """Sizes in points; `text` in the order of the file."""

    width: float
    height: float
    text: str = field(repr=False)
    mapped: bool  # every glyph has a text; pdfium gives none for .notdef, the box of a missing character
    embedded: bool
    painted: bool
    images: tuple[Image, ...]
    fonts: frozenset[bytes] = field(repr=False)  # the font programs


def read(data: bytes, expected_pages: int) -> tuple[Page, ...]:
    """Raises SheetFault: unreadable, encrypted, active content, wrong number of pages."""
    with _document(data) as document:
        if raw.FPDF_GetSecurityHandlerRevision(document) != -1:
            raise SheetFault(SheetReason.ENCRYPTED)
        if (
            raw.FPDFDoc_GetJavaScriptActionCount(document)
            or raw.FPDFDoc_GetAttachmentCount(document)
            or raw.FPDF_GetFormType(document) != raw.FORMTYPE_NONE
            or _ACTIVE.search(_STREAM.sub(b"", data))
        ):
            raise SheetFault(SheetReason.ACTIVE_CONTENT)
        if len(document) != expected_pages:
            raise SheetFault(SheetReason.PAGE_COUNT)
        return tuple(_read_page(document, number) for number in range(1, expected_pages + 1))


def grey(data: bytes, page: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """The whole page (from 1) on `width` x `height` dots, 0 black to 255 white. Raises SheetFault."""
    with _document(data) as document, _page(document, page) as opened:
        bitmap = pdfium.PdfBitmap.new_native(width, height, raw.FPDFBitmap_Gray)
        bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
        raw.FPDF_RenderPageBitmap(bitmap, opened, 0, 0, width, height, 0, raw.FPDF_GRAYSCALE | raw.FPDF_PRINTING)
        dots: npt.NDArray[np.uint8] = bitmap.to_numpy().reshape(height, width).copy()
        bitmap.close()
    return dots


@contextmanager
def _document(data: bytes) -> Iterator[pdfium.PdfDocument]:
    with _lock:
        try:
            document = pdfium.PdfDocument(data)
        except pdfium.PdfiumError as error:
            locked = error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY)
            raise SheetFault(SheetReason.ENCRYPTED if locked else SheetReason.UNREADABLE) from None
        try:
            yield document
        except pdfium.PdfiumError:
            raise SheetFault(SheetReason.UNREADABLE) from None
        finally:
            document.close()


@contextmanager
def _page(document: pdfium.PdfDocument, number: int) -> Iterator[pdfium.PdfPage]:
    page = document[number - 1]
    try:
        yield page
    finally:
        page.close()


def _read_page(document: pdfium.PdfDocument, number: int) -> Page:
    with _page(document, number) as page:
        if raw.FPDFPage_GetAnnotCount(page):
            raise SheetFault(SheetReason.ACTIVE_CONTENT, number)
        texts = list(page.get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT], max_depth=8))
        images = list(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=8))
        textpage = page.get_textpage()
        try:
            text = textpage.get_text_range().replace("\x02", "-")  # pdfium's sign for a hyphen at a line's end
            mapped = all(raw.FPDFText_GetUnicode(textpage, at) for at in range(textpage.count_chars()))
        finally:
            textpage.close()
        return Page(
            width=page.get_width(),
            height=page.get_height(),
            text=text,
            mapped=mapped,
            embedded=all(raw.FPDFFont_GetIsEmbedded(raw.FPDFTextObj_GetFont(item)) == 1 for item in texts),
            painted=all(_painted(item) for item in texts),
            images=tuple(_image(item) for item in images),
            fonts=_fonts(texts),
        )


def _fonts(texts: list[pdfium.PdfObject]) -> frozenset[bytes]:
    """The programs of the fonts that these texts are set in."""
    fonts = {ctypes.addressof(font.contents): font for font in map(raw.FPDFTextObj_GetFont, texts)}
    return frozenset(map(_program, fonts.values()))


def _program(font: raw.FPDF_FONT) -> bytes:
    size = ctypes.c_size_t()
    raw.FPDFFont_GetFontData(font, None, 0, size)
    program = (ctypes.c_uint8 * size.value)()
    raw.FPDFFont_GetFontData(font, program, size.value, size)
    return bytes(program)


def _painted(item: pdfium.PdfObject) -> bool:
    """The text is on the sheet, and read from its glyphs: an ActualText would be read in their place."""
    marks = (raw.FPDFPageObj_GetMark(item, at) for at in range(raw.FPDFPageObj_CountMarks(item)))
    return raw.FPDFTextObj_GetTextRenderMode(item) in _PAINTING and not any(
        raw.FPDFPageObjMark_GetParamValueType(mark, b"ActualText") for mark in marks
    )


_PAINTING = (raw.FPDF_TEXTRENDERMODE_FILL, raw.FPDF_TEXTRENDERMODE_STROKE, raw.FPDF_TEXTRENDERMODE_FILL_STROKE)


def _image(item: pdfium.PdfImage) -> Image:
    left, bottom, right, top = item.get_bounds()
    dots = item.get_bitmap().to_numpy()
    ink = float((dots.reshape(dots.shape[0], dots.shape[1], -1)[:, :, 0] < 128).mean())
    return Image(right - left, top - bottom, ink)
