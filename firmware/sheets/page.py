"""What is on one page of a PDF: glyphs, lines, boxes, pictures, each with its place. Anything else
is refused.

Places are in millimetres from the left and the upper edge of the sheet.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pypdfium2.raw as raw

from firmware.sheets.fault import SheetFault, SheetReason

POINT: Final = 25.4 / 72  # mm
A4_POINTS: Final = (595.28, 841.89)
MAX_OBJECTS: Final = 4000  # a full sheet has about 500
MAX_GLYPHS: Final = 3000  # a full sheet has about 800
MAX_PIXELS: Final = 2000  # a side of the imprint
MAX_RULE: Final = 2.0  # points
_CHANNELS: Final = {
    raw.FPDFBitmap_Gray: 1,
    raw.FPDFBitmap_BGR: 3,
    raw.FPDFBitmap_BGRx: 4,
}  # bytes of a pixel; an image with transparency is no imprint
_STRAIGHT: Final = 0.02  # mm that a line may be off the horizontal or vertical


@dataclass(frozen=True, slots=True)
class Glyph:
    """One drawn character, with its variation selector. `size` in points; `stretch`: width of 1
    height.
    """

    text: str = field(repr=False)
    x: float
    y: float
    size: float
    stretch: float


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal or vertical line; `weight` in points."""

    left: float
    top: float
    right: float
    bottom: float
    weight: float

    @property
    def horizontal(self) -> bool:
        return self.right - self.left > self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Box:
    """A stroked rectangle; `weight` in points."""

    left: float
    top: float
    right: float
    bottom: float
    weight: float

    def sides(self) -> tuple[Rule, ...]:
        return (
            Rule(self.left, self.top, self.right, self.top, self.weight),
            Rule(self.left, self.bottom, self.right, self.bottom, self.weight),
            Rule(self.left, self.top, self.left, self.bottom, self.weight),
            Rule(self.right, self.top, self.right, self.bottom, self.weight),
        )


@dataclass(frozen=True, slots=True)
class Picture:
    left: float
    top: float
    right: float
    bottom: float
    pixels: npt.NDArray[np.uint8] = field(repr=False)  # rows of grey


@dataclass(frozen=True)
class Page:
    glyphs: tuple[Glyph, ...] = field(repr=False)
    rules: tuple[Rule, ...]
    boxes: tuple[Box, ...]
    pictures: tuple[Picture, ...]


def read(page: pdfium.PdfPage, number: int) -> Page:
    """`number` counts from 1 and goes into the fault. Raises SheetFault."""
    size = (page.get_width(), page.get_height())
    if max(abs(size[0] - A4_POINTS[0]), abs(size[1] - A4_POINTS[1])) > 1:
        raise SheetFault(SheetReason.PAPER_SIZE, number)
    if raw.FPDFPage_GetAnnotCount(page):
        raise SheetFault(SheetReason.ACTIVE_CONTENT, number)
    if raw.FPDFPage_CountObjects(page) > MAX_OBJECTS:
        raise SheetFault(SheetReason.TOO_LARGE, number)
    return _Reader(page, size[1], number).read()


class _Reader:
    """One page. Every method raises SheetFault."""

    def __init__(self, page: pdfium.PdfPage, height: float, number: int) -> None:
        self._page, self._height, self._number = page, height, number
        self._rules: list[Rule] = []
        self._boxes: list[Box] = []
        self._pictures: list[Picture] = []
        self._texts: list[int] = []  # addresses of the text objects

    def read(self) -> Page:
        for at in range(raw.FPDFPage_CountObjects(self._page)):
            self._object(raw.FPDFPage_GetObject(self._page, at))
        glyphs = tuple(self._glyphs())
        return Page(glyphs, tuple(self._rules), tuple(self._boxes), tuple(self._pictures))

    def _object(self, item: raw.FPDF_PAGEOBJECT) -> None:
        clip = raw.FPDFPageObj_GetClipPath(item)
        if clip and raw.FPDFClipPath_CountPaths(clip) > 0:
            raise self._fault(SheetReason.DRAWING)
        kind = raw.FPDFPageObj_GetType(item)
        if kind == raw.FPDF_PAGEOBJ_TEXT:
            self._text(item)
        elif kind == raw.FPDF_PAGEOBJ_PATH:
            self._path(item)
        elif kind == raw.FPDF_PAGEOBJ_IMAGE:
            self._picture(item)
        else:
            raise self._fault(SheetReason.FOREIGN_OBJECT)

    def _fault(self, reason: SheetReason) -> SheetFault:
        return SheetFault(reason, self._number)

    # -- text

    def _text(self, item: raw.FPDF_PAGEOBJECT) -> None:
        font, size = raw.FPDFTextObj_GetFont(item), ctypes.c_size_t()
        # a Type 3 font counts as embedded, but its letters are drawings of any kind: it has no
        # program
        raw.FPDFFont_GetFontData(font, None, 0, size)
        if raw.FPDFFont_GetIsEmbedded(font) != 1 or not size.value:
            raise self._fault(SheetReason.FONT_NOT_EMBEDDED)
        if raw.FPDFTextObj_GetTextRenderMode(item) != raw.FPDF_TEXTRENDERMODE_FILL:
            raise self._fault(SheetReason.HIDDEN_TEXT)
        marks = (
            raw.FPDFPageObj_GetMark(item, at) for at in range(raw.FPDFPageObj_CountMarks(item))
        )
        if any(raw.FPDFPageObjMark_GetParamValueType(mark, b"ActualText") for mark in marks):
            raise self._fault(SheetReason.HIDDEN_TEXT)
        self._texts.append(_address(item))

    def _glyphs(self) -> Iterator[Glyph]:
        """Every glyph; every text object has one, so that nothing is left out of what
        is compared.
        """
        textpage = self._page.get_textpage()
        try:
            if textpage.count_chars() > MAX_GLYPHS:
                raise self._fault(SheetReason.TOO_LARGE)
            units = list(self._units(textpage))
        finally:
            textpage.close()
        if {unit.owner for unit in units} != set(self._texts):
            raise self._fault(SheetReason.HIDDEN_TEXT)
        for _, group in groupby(units, key=lambda unit: (unit.owner, unit.x, unit.y)):
            glyph = self._glyph(list(group))
            if not glyph.text.isspace():
                yield glyph

    def _units(self, textpage: pdfium.PdfTextPage) -> Iterator[_Unit]:
        for at in range(textpage.count_chars()):
            if raw.FPDFText_IsGenerated(textpage, at) == 1:
                # a space or line end that pdfium made up
                continue
            code = raw.FPDFText_GetUnicode(textpage, at)
            if code == 0 or raw.FPDFText_HasUnicodeMapError(textpage, at) == 1:
                raise self._fault(SheetReason.MISSING_GLYPH)
            x, y = ctypes.c_double(), ctypes.c_double()
            raw.FPDFText_GetCharOrigin(textpage, at, x, y)
            matrix = raw.FS_MATRIX()
            raw.FPDFText_GetMatrix(textpage, at, matrix)
            size = raw.FPDFText_GetFontSize(textpage, at)
            owner = _address(raw.FPDFText_GetTextObject(textpage, at))
            yield _Unit(code, owner, x.value, y.value, size, matrix)

    def _glyph(self, units: list[_Unit]) -> Glyph:
        """One glyph can stand for several UTF-16 units: a rare character, and its variation
        selector.
        """
        first, matrix = units[0], units[0].matrix
        upright = matrix.a > 0 and matrix.d > 0 and max(abs(matrix.b), abs(matrix.c)) < 1e-6
        if not upright or first.size <= 0:
            raise self._fault(SheetReason.SLANTED_TEXT)
        return Glyph(
            text=_joined(unit.code for unit in units),
            x=first.x * POINT,
            y=(self._height - first.y) * POINT,
            size=first.size * matrix.d,
            stretch=matrix.a / matrix.d,
        )

    # -- lines and pictures

    def _path(self, item: raw.FPDF_PAGEOBJECT) -> None:
        fill, stroke, weight = ctypes.c_int(), ctypes.c_int(), ctypes.c_float()
        raw.FPDFPath_GetDrawMode(item, fill, stroke)
        raw.FPDFPageObj_GetStrokeWidth(item, weight)
        if fill.value != raw.FPDF_FILLMODE_NONE or not stroke.value:
            raise self._fault(SheetReason.FOREIGN_OBJECT)
        if raw.FPDFPageObj_GetDashCount(item) > 0:
            raise self._fault(SheetReason.RULES)
        if not 0 < weight.value <= MAX_RULE:
            raise self._fault(SheetReason.RULES)
        points = self._points(item)
        if len(points) == 2:
            self._rules.append(self._rule(points, weight.value))
        elif len(points) == 5 and points[0] == points[4]:
            self._boxes.append(self._box(points[:4], weight.value))
        else:
            raise self._fault(SheetReason.FOREIGN_OBJECT)

    def _points(self, item: raw.FPDF_PAGEOBJECT) -> list[tuple[float, float]]:
        """Corners on the sheet. A path begins once and has straight segments only."""
        matrix = raw.FS_MATRIX()
        raw.FPDFPageObj_GetMatrix(item, matrix)
        points = []
        for at in range(raw.FPDFPath_CountSegments(item)):
            segment = raw.FPDFPath_GetPathSegment(item, at)
            kind = raw.FPDFPathSegment_GetType(segment)
            if kind != (raw.FPDF_SEGMENT_MOVETO if at == 0 else raw.FPDF_SEGMENT_LINETO):
                raise self._fault(SheetReason.FOREIGN_OBJECT)
            x, y = ctypes.c_float(), ctypes.c_float()
            raw.FPDFPathSegment_GetPoint(segment, x, y)
            across = matrix.a * x.value + matrix.c * y.value + matrix.e
            up = matrix.b * x.value + matrix.d * y.value + matrix.f
            points.append((across * POINT, (self._height - up) * POINT))
        return points

    def _rule(self, points: list[tuple[float, float]], weight: float) -> Rule:
        (x1, y1), (x2, y2) = points
        if min(abs(x1 - x2), abs(y1 - y2)) > _STRAIGHT:
            raise self._fault(SheetReason.RULES)
        return Rule(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2), weight)

    def _box(self, corners: list[tuple[float, float]], weight: float) -> Box:
        left, right = min(x for x, _ in corners), max(x for x, _ in corners)
        top, bottom = min(y for _, y in corners), max(y for _, y in corners)
        around = [(left, top), (right, top), (right, bottom), (left, bottom)]
        off = max(min(_distance(corner, own) for own in corners) for corner in around)
        beside = zip(corners, corners[1:] + corners[:1], strict=True)
        slanted = any(min(abs(a[0] - b[0]), abs(a[1] - b[1])) > _STRAIGHT for a, b in beside)
        if off > _STRAIGHT or slanted:
            raise self._fault(SheetReason.FOREIGN_OBJECT)
        return Box(left, top, right, bottom, weight)

    def _picture(self, item: raw.FPDF_PAGEOBJECT) -> None:
        width, height = ctypes.c_uint(), ctypes.c_uint()
        raw.FPDFImageObj_GetImagePixelSize(item, width, height)
        if not (0 < width.value <= MAX_PIXELS and 0 < height.value <= MAX_PIXELS):
            raise self._fault(SheetReason.PICTURE)
        matrix = raw.FS_MATRIX()
        raw.FPDFPageObj_GetMatrix(item, matrix)
        upright = matrix.a > 0 and matrix.d > 0 and max(abs(matrix.b), abs(matrix.c)) < 1e-3
        if not upright:
            raise self._fault(SheetReason.PICTURE)
        top = (self._height - matrix.f - matrix.d) * POINT
        left = matrix.e * POINT
        right, bottom = left + matrix.a * POINT, top + matrix.d * POINT
        self._pictures.append(Picture(left, top, right, bottom, self._pixels(item)))

    def _pixels(self, item: raw.FPDF_PAGEOBJECT) -> npt.NDArray[np.uint8]:
        """Of a grey image, which pdfium gives in one channel, or in three that are equal."""
        handle = raw.FPDFImageObj_GetBitmap(item)
        if not handle:
            raise self._fault(SheetReason.PICTURE)
        try:
            channels = _CHANNELS.get(raw.FPDFBitmap_GetFormat(handle), 0)
            if not channels:
                raise self._fault(SheetReason.PICTURE)
            width, height = raw.FPDFBitmap_GetWidth(handle), raw.FPDFBitmap_GetHeight(handle)
            stride = raw.FPDFBitmap_GetStride(handle)
            buffer = ctypes.string_at(raw.FPDFBitmap_GetBuffer(handle), stride * height)
        finally:
            raw.FPDFBitmap_Destroy(handle)
        rows = np.frombuffer(buffer, np.uint8).reshape(height, stride)[:, : width * channels]
        dots = rows.reshape(height, width, channels)[:, :, :3]
        if (dots != dots[:, :, :1]).any():
            raise self._fault(SheetReason.PICTURE)
        return dots[:, :, 0].copy()


@dataclass(frozen=True, slots=True)
class _Unit:
    """One UTF-16 unit as pdfium reports it; `owner` is the address of its text object."""

    code: int = field(repr=False)
    owner: int
    x: float
    y: float
    size: float
    matrix: raw.FS_MATRIX


def _address(item: raw.FPDF_PAGEOBJECT) -> int:
    return ctypes.addressof(item.contents)


def _joined(codes: Iterable[int]) -> str:
    """UTF-16 units, or code points, as text. pdfium writes a hyphen at the end of a line as 2."""
    text = b"".join(
        code.to_bytes(2, "little") if code < 0x10000 else chr(code).encode("utf-16-le")
        for code in (b"-"[0] if code == 2 else code for code in codes)
    )
    return text.decode("utf-16-le", "replace")


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1]))
