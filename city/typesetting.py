"""From a certificate's content to A4 pages: typst with one font, and nothing that the font does not
have.

Before a page is set, every code point and every base + variation selector is looked up in the
font's own tables (cmap formats 12 and 14). A pair the font does not know would silently be drawn as
its default glyph, a missing character as a box or from another font: a certificate with such a
character is refused instead, before any money.
"""

from __future__ import annotations

import json
import re
import threading
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pypdfium2
import typst
from fontTools.ttLib import TTFont, TTLibError
from PIL import Image

from city.config import ConfigError
from city.document import CannotPrint, Layout, Typeset, Unprintable
from city.municipality import Municipality
from firmware.link.content import GIVEN, MAX_SHEETS, NAME, Content, Row, Sheet
from firmware.link.form_terms import FAMILY_FORMS

FONT = Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf")
FONT_PACKAGE = "fonts-ipamj-mincho"
TEMPLATES = Path(__file__).parent / "templates"
ROOM = 187 / 25.4 * 72  # points of a sheet that the boxes have
GAP = 2.5 / 25.4 * 72  # between two of them
MOST_PEOPLE = 4  # on one sheet, however little is printed of them
WIDE = ("住所", "本籍")  # rows that have a line to themselves, however short
# form -> (template, characters of full width that half a line of its boxes holds)
FORMS = {
    "juminhyo": ("juminhyo.typ", 15),
    "inkan": ("inkan.typ", 0),
    "kazei": ("kazei.typ", 15),
    "koseki": ("juminhyo.typ", 15),
    "fuhyo": ("juminhyo.typ", 15),
    "nozei": ("entry.typ", 15),
    "keiji": ("entry.typ", 15),
    "jokyo": ("juminhyo.typ", 15),
}
ITEM = "【"  # a value of such items has a line to itself, however short
MOST_VALUE = 400  # characters, as `firmware.link.base.Text` has it

_SELECTOR = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Controls, and combining marks: a mark changes its neighbour's glyph, and undoes a variation
# selector before it.
_NO_GLYPH_OF_ITS_OWN = ("Cc", "Cf", "Cs", "Cn", "Mn", "Mc", "Me")
_CLUSTER = re.compile(f"(.)({_SELECTOR.pattern}?)", re.DOTALL)
# Registers put the geta mark where a character stands that is being registered still. Fonts have a
# drawing of it, which is nobody's name.
PENDING = "\u3013"
_SPACES = re.compile("[ \u00a0\u2002\u2003\u3000]+")  # all that the font has
_pdfium = threading.Lock()  # pdfium is not thread-safe


class FontUnusable(Exception):
    """The one font is not there or is not a font: the gateway cannot start. Says what
    to install.
    """


class TypesettingFault(Exception):
    """typst refused a template or a picture: a defect of this installation, not of the resident's
    data.
    """


@dataclass(frozen=True, repr=False)
class Font:
    """What the font can draw: a character, or a character with its variation selector -> the name
    of its glyph.
    """

    path: Path
    family: str
    glyphs: dict[str, str]

    def check(self, text: str) -> None:
        """Raises CannotPrint unless every character of `text` has its very own glyph. Newlines are
        layout.
        """
        for character, selector in _CLUSTER.findall(text.replace("\n", "")):
            if character == PENDING:
                raise CannotPrint(Unprintable.PENDING)
            category = unicodedata.category(character)
            if category == "Co":
                raise CannotPrint(Unprintable.PRIVATE_USE)
            if _SELECTOR.match(character) or (selector and character + selector not in self.glyphs):
                raise CannotPrint(Unprintable.UNKNOWN_VARIATION)
            if category in _NO_GLYPH_OF_ITS_OWN or character not in self.glyphs:
                raise CannotPrint(Unprintable.MISSING_GLYPH)

    def one_spelling(self, text: str, seen: dict[str, str]) -> str:
        """`text` with each glyph spelt as it was first `seen`: a PDF has one text for a glyph, so
        that readers lose the second spelling (葛 and 葛+U+E0103 are one drawing). Spaces stay: they
        have their own layout.
        """

        def spelt(match: re.Match[str]) -> str:
            return (
                match[0] if match[0].isspace() else seen.setdefault(self.glyphs[match[0]], match[0])
            )

        return _CLUSTER.sub(spelt, text)


@lru_cache(maxsize=2)
def load_font(path: Path = FONT) -> Font:
    """Reads the font's tables once (0.2 s). Raises FontUnusable."""
    try:
        with TTFont(path, lazy=True) as font:
            cmap = font["cmap"]
            family = font["name"].getDebugName(1)
            glyphs = {chr(code): glyph for code, glyph in cmap.getBestCmap().items()}
            glyphs |= {
                chr(base) + chr(selector): glyph or glyphs[chr(base)]
                for table in cmap.tables
                if table.format == 14
                for selector, mapping in table.uvsDict.items()
                for base, glyph in mapping
            }
            return Font(path, family, glyphs)
    except (OSError, TTLibError, KeyError) as error:
        raise FontUnusable(
            f"cannot use the font {path}: install the Debian package {FONT_PACKAGE}"
        ) from error


def check_texts(city: Municipality, path: Path, font: Path = FONT) -> None:
    """That the font has all that this city prints on every sheet. Raises
    ConfigError, FontUnusable.
    """
    loaded = load_font(font)
    for key, text in city.printed():
        try:
            loaded.check(text)
        except CannotPrint as error:
            raise ConfigError(f"{path}: {key}: {error.reason}: the font cannot print it") from None


def typeset(content: Content, layout: Layout, font: Path = FONT) -> Typeset:
    """Set one copy of a certificate, one page for each of its sheets. May be called from several
    threads.

    Raises CannotPrint when the content cannot be set faithfully, FontUnusable, TypesettingFault.
    """
    loaded = load_font(font)
    template, half_line = FORMS[layout.form]
    data = _set(_data(content, half_line, layout), loaded, {}) | {"seal_mm": layout.seal_mm}
    pdf = _compile(TEMPLATES / template, loaded, _with_seals(data, content))
    with _pdfium:
        opened = pypdfium2.PdfDocument(pdf)
        pages = len(opened)
        opened.close()
    if pages != content.pages:
        raise CannotPrint(Unprintable.TOO_LONG)
    return Typeset(pdf)


def people_on_sheets(content: Content, layout: Layout, font: Path = FONT) -> list[int]:
    """How many of the people, who all stand on the content's one sheet, fit on each sheet that they
    take.

    Their boxes are measured by the typesetter itself. Raises CannotPrint, FontUnusable,
    TypesettingFault.
    """
    people = content.sheets[0].people
    if len(people) == 1:
        return [1]
    loaded = load_font(font)
    data = _set(_data(content, FORMS[layout.form][1], layout), loaded, {})
    found = _query(TEMPLATES / "heights.typ", loaded, data)
    sizes = _fill(found["head"], found["people"])
    if len(sizes) > MAX_SHEETS:
        raise CannotPrint(Unprintable.TOO_MANY)
    return sizes


def _fill(head: float, heights: Sequence[float]) -> list[int]:
    """Sheet by sheet, as many boxes as there is room for. Raises CannotPrint for one that fits on
    no sheet.
    """
    begin = head or -GAP  # the first box of a sheet stands below the head, or at its top
    if begin + GAP + max(heights) > ROOM:
        raise CannotPrint(Unprintable.TOO_LONG)
    sizes = [0]
    below = begin
    for height in heights:
        if sizes[-1] == MOST_PEOPLE or below + GAP + height > ROOM:
            sizes.append(0)
            below = begin
        below += GAP + height
        sizes[-1] += 1
    return sizes


def draw(template: str, data: dict[str, Any], dpi: float, font: Path = FONT) -> bytes:
    """One page as PNG. Raises FontUnusable, TypesettingFault."""
    return _typst(  # type: ignore[no-any-return]
        typst.compile, TEMPLATES / template, load_font(font), data, format="png", ppi=dpi
    )


def rasterise(pdf: bytes, dpi: float) -> Image.Image:
    """The first page of a document that was set here."""
    with _pdfium:
        opened = pypdfium2.PdfDocument(pdf)
        try:
            picture: Image.Image = opened[0].render(scale=dpi / 72).to_pil()
        finally:
            opened.close()
    return picture


def _compile(template: Path, font: Font, data: dict[str, Any]) -> bytes:
    """A PDF by the standard A-2u: fonts embedded, all text readable, no scripts, no encryption."""
    return _typst(typst.compile, template, font, data, pdf_standards="a-2u", pdf_tags=False)  # type: ignore[no-any-return]


def _query(template: Path, font: Font, data: dict[str, Any]) -> Any:
    found = _typst(typst.query, template, font, data, selector="<heights>", field="value", one=True)
    return json.loads(found)


def _typst(
    work: Callable[..., Any], template: Path, font: Font, data: dict[str, Any], **more: Any
) -> Any:
    try:
        with warnings.catch_warnings():
            return work(
                template,
                root=TEMPLATES,
                font_paths=_fonts(font.path),
                sys_inputs={"document": json.dumps(data), "family": font.family},
                **more,
            )
    except RuntimeError as error:  # TypstError is one; a query that fails raises it plainly
        if "too-long" in str(error):
            raise CannotPrint(Unprintable.TOO_LONG) from None
        raise TypesettingFault(
            f"{template.name} cannot be set"
        ) from None  # typst's message may quote the content


@lru_cache(maxsize=2)
def _fonts(path: Path) -> typst.Fonts:
    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[path.parent]
    )


def _data(content: Content, half_line: int, layout: Layout) -> dict[str, Any]:
    """What the templates read; every string in here is printed."""
    shared = {
        "city": content.heading,
        "title": content.title,
        "name_label": GIVEN if layout.form in FAMILY_FORMS else NAME,
        "subtitle": content.subtitle,
        "statement": content.statement,
        "notes": content.notes,
        "unique_number": content.unique_number,
        "issued_era": content.issued_on,
        "office": content.office,
        "officer": content.officer,
        "stamp": content.stamp,
        "verification": content.verification,
    }
    return {**shared, "sheets": [_sheet(sheet, half_line) for sheet in content.sheets]}


def _sheet(sheet: Sheet, half_line: int) -> dict[str, Any]:
    """Raises CannotPrint where a person has no name."""
    if not all(person.name for person in sheet.people):
        raise CannotPrint(Unprintable.MISSING_GLYPH)
    return {
        "head": _lines(sheet.head, half_line),
        "people": [{"name": p.name, "rows": _lines(p.rows, half_line)} for p in sheet.people],
        "amounts": [_row(row) for row in sheet.amounts],
        "applicant": sheet.applicant,
    }


def _with_seals(data: dict[str, Any], content: Content) -> dict[str, Any]:
    """The imprints are pictures, not text."""
    sheets = zip(data["sheets"], content.sheets, strict=True)
    return {**data, "sheets": [{**its, "seal": list(sheet.seal)} for its, sheet in sheets]}


def _lines(rows: Sequence[Row], half_line: int) -> list[list[dict[str, str]]]:
    """Rows as lines of a box, in their order: two short values that follow each other share
    a line.
    """
    out: list[list[dict[str, str]]] = []
    room = False
    for row in rows:
        wide = row.label.endswith(WIDE) or row.value.startswith(ITEM)
        short = _ems(row.value) <= half_line and not wide
        if short and room:
            out[-1].append(_row(row))
            room = False
        else:
            out.append([_row(row)])
            room = short
    return out


def _row(row: Row) -> dict[str, str]:
    """Raises CannotPrint for a value that no message has room for."""
    if len(row.value) > MOST_VALUE:
        raise CannotPrint(Unprintable.TOO_LONG)
    return {"label": row.label, "value": row.value}


def _ems(text: str) -> float:
    """Width of the longest line in full-width characters."""
    return max(
        sum(_WIDTH.get(unicodedata.east_asian_width(c), 1.0) for c in line)
        for line in text.split("\n")
    )


_WIDTH = {"Na": 0.6, "N": 0.6, "H": 0.5}


def _set(data: Any, font: Font, seen: dict[str, str]) -> Any:
    """The same data, every string in it checked and in one spelling. Raises CannotPrint."""
    if isinstance(data, str):
        font.check(data)
        return font.one_spelling(_spaced(data), seen)
    if isinstance(data, dict):
        return {key: _set(value, font, seen) for key, value in data.items()}
    return [_set(value, font, seen) for value in data] if isinstance(data, list | tuple) else data


def _spaced(text: str) -> str:
    """Without spaces at the ends of lines, and one between words: a line of spaces alone has
    nothing to read.

    Raises CannotPrint when the whole text is such spaces.
    """
    lines = [_SPACES.sub(_space, line).strip() for line in text.split("\n")]
    if text and not any(lines):
        raise CannotPrint(Unprintable.MISSING_GLYPH)
    return "\n".join(line for line in lines if line)


def _space(run: re.Match[str]) -> str:
    return "\u3000" if {"\u3000", "\u2003"} & {*run[0]} else " "
