"""The page drawn once more by the kiosk, with its own font, from what it read: both must look the
same.

The text of a PDF is only what the file says of its glyphs; a font that the file brings along draws
them. After a font update at the city the text was right and the drawing was not (三田市: 35
characters of 113 people). Nor does a list of objects say which of them can be seen. So the kiosk
writes a PDF of its own: each glyph it read, from the font installed here, at the place where it
stands, the same lines and the imprint. Whatever is covered, clipped, transparent, white, drawn
otherwise, or was not read at all makes a difference between the two. What goes to the printer is
the kiosk's own drawing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pypdfium2 as pdfium

from firmware.sheets import pdf
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.glyphs import FONT, Glyphs
from firmware.sheets.own_font import load_own_font
from firmware.sheets.page import POINT, Box, Glyph, Page, Picture

# pdfium moves small letters to whole dots, each after those beside it; from about 45 dots a letter
# on it draws their outlines where they are. The smallest letters of the forms have 49 dots here.
WIDTH, HEIGHT = 4200, 5940  # 20 dots a millimetre, 508 dpi
BAND: Final = 990  # rows compared at once: two of them take 8 MB
TOLERANCE: Final = 24  # of 255 levels of grey; a difference of 1 was measured between equal pages


def redraw(
    found: pdfium.PdfDocument, pages: Sequence[Page], glyphs: Glyphs, font: Path = FONT
) -> bytes:
    """The kiosk's own PDF of `pages`, which is what was read of `found`; both look the same.

    The caller holds `pdf.lock`. Raises SheetFault when they do not, FontUnusable.
    """
    sizes = [(page.get_width(), page.get_height()) for page in found]
    drawn = write(pages, sizes, glyphs, font)
    with pdf.document(drawn) as own:
        for number, (theirs, ours) in enumerate(zip(found, own, strict=True), 1):
            _compare(theirs, ours, number)
    return drawn


def _compare(theirs: pdfium.PdfPage, ours: pdfium.PdfPage, number: int) -> None:
    for top in range(0, HEIGHT, BAND):
        one = pdf.render(theirs, WIDTH, HEIGHT, top, BAND)
        other = pdf.render(ours, WIDTH, HEIGHT, top, BAND)
        if (np.maximum(one, other) - np.minimum(one, other) > TOLERANCE).any():
            raise SheetFault(SheetReason.DRAWING, number)


def write(
    pages: Sequence[Page], sizes: Sequence[tuple[float, float]], glyphs: Glyphs, font: Path = FONT
) -> bytes:
    """A PDF of these pages; `sizes` in points. Character codes are the numbers of the font's
    glyphs.
    """
    drawn = {glyphs.place(glyph.text) for page in pages for glyph in page.glyphs}
    program = load_own_font(font).subset({0, *drawn})
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"",  # the list of pages, once their numbers are known
        b"<</Type/Font/Subtype/Type0/BaseFont/F/Encoding/Identity-H/DescendantFonts[4 0 R]>>",
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/F/CIDToGIDMap/Identity/FontDescriptor 5 0 R"
        b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>",
        b"<</Type/FontDescriptor/FontName/F/Flags 4/FontFile2 6 0 R>>",
        _stream(program),
    ]
    kids = []
    for page, size in zip(pages, sizes, strict=True):
        kids.append(len(objects) + 1)
        objects += _page_objects(page, size, glyphs, len(objects) + 1)
    listed = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects[1] = b"<</Type/Pages/Kids[%b]/Count %d>>" % (listed, len(kids))
    return _file(objects)


def _page_objects(page: Page, size: tuple[float, float], glyphs: Glyphs, first: int) -> list[bytes]:
    """The page, its content and its pictures; `first` is the number of the page's object."""
    content = "\n".join(_operators(page, size[1], glyphs)).encode("ascii")
    pictures = b"".join(b"/I%d %d 0 R" % (n, first + 2 + n) for n in range(len(page.pictures)))
    head = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %f %f]/Contents %d 0 R"
        b"/Resources<</Font<</F 3 0 R>>/XObject<<%b>>>>>>" % (*size, first + 1, pictures)
    )
    return [head, _stream(content), *map(_image, page.pictures)]


def _operators(page: Page, height: float, glyphs: Glyphs) -> Iterator[str]:
    for glyph in page.glyphs:
        yield _letter(glyph, height, glyphs.place(glyph.text))
    for rule in page.rules:
        ends = (rule.left, height - rule.top / POINT, rule.right, height - rule.bottom / POINT)
        start, end = f"{ends[0] / POINT:f} {ends[1]:f}", f"{ends[2] / POINT:f} {ends[3]:f}"
        yield f"{rule.weight:f} w {start} m {end} l S"
    for box in page.boxes:
        yield _rectangle(box, height)
    for number, picture in enumerate(page.pictures):
        across, up = _sides(picture)
        yield f"q {across:f} 0 0 {up:f} {_corner(picture, height)} cm /I{number} Do Q"


def _letter(glyph: Glyph, height: float, index: int) -> str:
    across, up = glyph.x / POINT, height - glyph.y / POINT
    return (
        f"BT /F {glyph.size:f} Tf {glyph.stretch:f} 0 0 1 {across:f} {up:f} Tm <{index:04X}> Tj ET"
    )


def _rectangle(box: Box, height: float) -> str:
    width, up = (box.right - box.left) / POINT, (box.bottom - box.top) / POINT
    corner = f"{box.left / POINT:f} {height - box.bottom / POINT:f}"
    return f"{box.weight:f} w {corner} {width:f} {up:f} re S"


def _sides(picture: Picture) -> tuple[float, float]:
    return (picture.right - picture.left) / POINT, (picture.bottom - picture.top) / POINT


def _corner(picture: Picture, height: float) -> str:
    return f"{picture.left / POINT:f} {height - picture.bottom / POINT:f}"


def _image(picture: Picture) -> bytes:
    rows, columns = picture.pixels.shape
    packed = zlib.compress(picture.pixels.tobytes(), 1)
    entries = b"/Type/XObject/Subtype/Image/Width %d/Height %d" % (columns, rows)
    entries += b"/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/FlateDecode"
    return _stream(packed, entries)


def _stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<<%b/Length %d>>stream\n%b\nendstream" % (entries, len(content), content)


def _file(objects: Iterable[bytes]) -> bytes:
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, item in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count, begin = len(places) + 1, len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, table)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (count, begin)
    return bytes(out)
