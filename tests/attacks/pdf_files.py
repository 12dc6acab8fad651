"""What can be done to a PDF as a whole."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pikepdf
from mutations import Impossible, Kind
from pdf_marks import op, operators, saved, write
from pdf_pages import picture
from pikepdf import Array, Dictionary, Name, Pdf
from PIL import Image

Change = Callable[[bytes, bytes], bytes]


def _opened(change: Callable[[Pdf], None], **how: Any) -> Change:
    def apply(pdf: bytes, _: bytes) -> bytes:
        with pikepdf.open(io.BytesIO(pdf)) as opened:
            change(opened)
            return saved(opened, **how)

    return apply


def _nothing(_: Pdf) -> None: ...


def _fonts(opened: Pdf) -> Iterator[pikepdf.Dictionary]:
    seen = set()
    for page in opened.pages:
        for font in page.Resources.get("/Font", Dictionary()).values():
            if font.objgen not in seen:
                seen.add(font.objgen)
                yield font


def _of_fonts(change: Callable[[pikepdf.Dictionary, Pdf], None]) -> Callable[[Pdf], None]:
    def apply(opened: Pdf) -> None:
        for font in _fonts(opened):
            change(font, opened)

    return apply


def _descriptor(font: Any) -> Any:
    return font.DescendantFonts[0].FontDescriptor


def _not_embedded(font: Any, _: Pdf) -> None:
    for key in ("/FontFile", "/FontFile2", "/FontFile3"):
        if key in _descriptor(font):
            del _descriptor(font)[key]


def _other_drawings(font: Any, opened: Pdf) -> None:
    """The numbers of the glyphs lead to other drawings: the text of the file stays as it is."""
    count = 400
    table = b"".join(((n + 1) if 0 < n < count - 1 else n).to_bytes(2, "big") for n in range(count))
    font.DescendantFonts[0].CIDToGIDMap = opened.make_stream(table)


def _other_texts(font: Any, _: Pdf) -> None:
    """Two entries of the table from glyphs to text exchanged: the drawings stay as they are."""
    table = bytes(font.ToUnicode.read_bytes())
    lines = [line for line in table.split(b"\n") if line.startswith(b"<") and line.count(b"<") == 2]
    if len(lines) < 2:
        raise Impossible
    one, other = lines[0].split(b"> <"), lines[-1].split(b"> <")
    table = table.replace(lines[0], one[0] + b"> <" + other[1]).replace(
        lines[-1], other[0] + b"> <" + one[1]
    )
    font.ToUnicode.write(table)


def _said_otherwise(which: str, text: str) -> Change:
    """One glyph of each font says another text than it draws."""

    def change(font: Any, _: Pdf) -> None:
        table = bytes(font.ToUnicode.read_bytes())
        rows = list(ENTRY.finditer(table))
        if not rows:
            raise Impossible
        row = rows[{"first": 0, "middle": len(rows) // 2, "last": -1}[which]]
        said = text.encode("utf-16-be").hex().upper().encode()
        if said == row[2].upper():
            raise Impossible
        font.ToUnicode.write(table[: row.start(2)] + said + table[row.end(2) :])

    return _opened(_of_fonts(change))


def _no_texts(font: Any, _: Pdf) -> None:
    del font["/ToUnicode"]


def _other_widths(font: Any, _: Pdf) -> None:
    font.DescendantFonts[0].W = Array([0, Array([500] * 40)])


def _scripted(opened: Pdf) -> None:
    opened.Root.OpenAction = Dictionary(S=Name.JavaScript, JS="app.alert('a')")


def _attached(opened: Pdf) -> None:
    opened.attachments["a.txt"] = b"a"


def _layered(opened: Pdf) -> None:
    layer = opened.make_indirect(Dictionary(Type=Name.OCG, Name="a"))
    opened.Root.OCProperties = Dictionary(OCGs=[layer], D=Dictionary(OFF=[layer]))
    page = opened.pages[0]
    page.Resources["/Properties"] = Dictionary(Layer=layer)
    write(opened, page, [op("BDC", Name.OC, Name.Layer), *operators(page), op("EMC")])


def _xfa(opened: Pdf) -> None:
    opened.Root.AcroForm = Dictionary(Fields=[], XFA=opened.make_stream(b"<xdp/>"))


def _many_pages(count: int) -> Callable[[Pdf], None]:
    def change(opened: Pdf) -> None:
        first = opened.pages[0]
        for _ in range(count - len(opened.pages)):
            opened.pages.append(first)

    return change


def _fewer_pages(opened: Pdf) -> None:
    del opened.pages[-1]
    if not opened.pages:
        opened.add_blank_page(page_size=(595.28, 841.89))


def _pages_reversed(opened: Pdf) -> None:
    if len(opened.pages) < 2:
        raise Impossible
    opened.pages.reverse()


def _huge(opened: Pdf) -> None:
    """80 MB of white space that packs into nothing."""
    page = opened.pages[0]
    packed = opened.make_stream(pikepdf.unparse_content_stream(operators(page)) + b" " * 80_000_000)
    page.Contents = packed


def _bomb_picture(opened: Pdf) -> None:
    picture(0, 0, 5, 5, Image.new("L", (9000, 9000), 255))(opened, opened.pages[0], opened)


def _many_marks(opened: Pdf) -> None:
    page = opened.pages[0]
    dot = [op("q"), op("w", 0.5), op("m", 60, 220), op("l", 61, 220), op("S"), op("Q")]
    write(opened, page, operators(page) + dot * 20_000)


def _deep(opened: Pdf) -> None:
    page = opened.pages[0]
    write(opened, page, [op("q")] * 5000 + operators(page) + [op("Q")] * 5000)


def _padded(pdf: bytes, _: bytes) -> bytes:
    return pdf + b"\n%" + b"a" * 6_000_000


def _no_metadata(opened: Pdf) -> None:
    for key in ("/Metadata", "/OutputIntents"):
        if key in opened.Root:
            del opened.Root[key]


def _encrypted(user: str) -> Change:
    return _opened(_nothing, encryption=pikepdf.Encryption(owner="owner", user=user))


def _saved_twice(pdf: bytes, other: bytes) -> bytes:
    """Two files in one: what counts is the last table."""
    return other + pdf


ENTRY: Final = re.compile(rb"^<([0-9A-Fa-f]+)> <([0-9A-Fa-f]*)>$", re.MULTILINE)
SAYS: Final = {
    "of private use": "\ue000",
    "of private use that the font draws": "\uf860",
    "of private use beyond 16 bits": "\U000f0000",
    "that no standard has": "\u0378",
    "that is nothing": "\0",
    "that is a space": " ",
    "that is invisible": "\u200b",
    "that turns the text about": "\u202e",
    "that is a selector alone": "\U000e0101",
    "that is another letter": "別",
    "that is two letters": "別府",
}
WHOLE: Final[tuple[tuple[str, Kind, Change], ...]] = (
    ("saved anew", Kind.ALTER, _opened(_nothing)),
    ("saved for the web", Kind.ALTER, _opened(_nothing, linearize=True)),
    (
        "objects packed",
        Kind.ALTER,
        _opened(_nothing, object_stream_mode=pikepdf.ObjectStreamMode.generate),
    ),
    ("nothing packed", Kind.ALTER, _opened(_nothing, compress_streams=False)),
    ("without its metadata", Kind.DROP, _opened(_no_metadata)),
    ("encrypted", Kind.ALTER, _encrypted("user")),
    ("encrypted without a password", Kind.ALTER, _encrypted("")),
    ("a script", Kind.INSERT, _opened(_scripted)),
    ("an attachment", Kind.INSERT, _opened(_attached)),
    (
        "a script, packed",
        Kind.INSERT,
        _opened(_scripted, object_stream_mode=pikepdf.ObjectStreamMode.generate),
    ),
    ("layers", Kind.INSERT, _opened(_layered)),
    (
        "layers, packed",
        Kind.INSERT,
        _opened(_layered, object_stream_mode=pikepdf.ObjectStreamMode.generate),
    ),
    ("an XFA form", Kind.INSERT, _opened(_xfa)),
    ("1,000 pages", Kind.INSERT, _opened(_many_pages(1000))),
    ("one page twice", Kind.DOUBLE, _opened(lambda opened: opened.pages.append(opened.pages[0]))),
    ("the last page missing", Kind.DROP, _opened(_fewer_pages)),
    ("its pages in reverse", Kind.EXCHANGE, _opened(_pages_reversed)),
    ("a huge stream", Kind.INSERT, _opened(_huge, compress_streams=True, recompress_flate=True)),
    ("a huge picture", Kind.INSERT, _opened(_bomb_picture)),
    ("20,000 lines", Kind.INSERT, _opened(_many_marks)),
    ("5,000 levels deep", Kind.INSERT, _opened(_deep)),
    ("6 MB behind its end", Kind.INSERT, _padded),
    ("a font that is not embedded", Kind.DROP, _opened(_of_fonts(_not_embedded))),
    (
        "glyph numbers that lead to other drawings",
        Kind.EXCHANGE,
        _opened(_of_fonts(_other_drawings)),
    ),
    ("two glyphs whose texts are exchanged", Kind.EXCHANGE, _opened(_of_fonts(_other_texts))),
    ("glyphs without text", Kind.DROP, _opened(_of_fonts(_no_texts))),
    ("other widths of glyphs", Kind.ALTER, _opened(_of_fonts(_other_widths))),
    ("another's file", Kind.EXCHANGE, lambda _, other: other),
    ("another's file before it", Kind.INSERT, _saved_twice),
    ("cut in half", Kind.DROP, lambda pdf, _: pdf[: len(pdf) // 2]),
    ("empty", Kind.DROP, lambda _, __: b""),
    ("no PDF", Kind.ALTER, lambda _, __: b"MZ" + bytes(2000)),
    ("a byte more", Kind.INSERT, lambda pdf, _: pdf + b"\n"),
    ("words before its head", Kind.INSERT, lambda pdf, _: b"a\n" * 40 + pdf),
    *(
        (f"a glyph says a character {what} ({which})", Kind.ALTER, _said_otherwise(which, text))
        for what, text in SAYS.items()
        for which in ("first", "middle", "last")
    ),
)
