"""From a certificate's content to A4 pages: typst with one font, and nothing that the font does not have.

Before a page is set, every code point and every base + variation selector is looked up in the font's own tables
(cmap formats 12 and 14). A pair the font does not know would silently be drawn as its default glyph, a missing
character as a box or from another font: a certificate with such a character is refused instead, before any money.
"""

from __future__ import annotations

import json
import re
import threading
import unicodedata
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pypdfium2
import typst
from fontTools.ttLib import TTFont, TTLibError

from city.config import ConfigError
from city.document import CannotPrint, Document, Person, Row, Typeset, Unprintable
from city.municipality import Municipality

FONT = Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf")
FONT_PACKAGE = "fonts-ipamj-mincho"
TEMPLATES = Path(__file__).parent / "templates"
MAX_SHEETS = 20  # of one copy, as the manifest has it
WIDE = ("住所", "本籍")  # rows that have a line to themselves, however short
# form -> (template, characters of full width that half a line of its boxes holds)
FORMS = {"juminhyo": ("juminhyo.typ", 15), "inkan": ("inkan.typ", 0), "kazei": ("kazei.typ", 15)}

_SELECTOR = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Controls, and combining marks: a mark changes its neighbour's glyph, and undoes a variation selector before it.
_NO_GLYPH_OF_ITS_OWN = ("Cc", "Cf", "Cs", "Cn", "Mn", "Mc", "Me")
_CLUSTER = re.compile(f"(.)({_SELECTOR.pattern}?)", re.DOTALL)
_pdfium = threading.Lock()  # pdfium is not thread-safe


class FontUnusable(Exception):
    """The one font is not there or is not a font: the gateway cannot start. Says what to install."""


class TypesettingFault(Exception):
    """typst refused a template or a picture: a defect of this installation, not of the resident's data."""


@dataclass(frozen=True, repr=False)
class Font:
    """What the font can draw: a character, or a character with its variation selector -> the name of its glyph."""

    path: Path
    family: str
    glyphs: dict[str, str]

    def check(self, text: str) -> None:
        """Raises CannotPrint unless every character of `text` has its very own glyph. Newlines are layout."""
        for character, selector in _CLUSTER.findall(text.replace("\n", "")):
            category = unicodedata.category(character)
            if category == "Co":
                raise CannotPrint(Unprintable.PRIVATE_USE)
            if _SELECTOR.match(character) or (selector and character + selector not in self.glyphs):
                raise CannotPrint(Unprintable.UNKNOWN_VARIATION)
            if category in _NO_GLYPH_OF_ITS_OWN or character not in self.glyphs:
                raise CannotPrint(Unprintable.MISSING_GLYPH)

    def one_spelling(self, text: str, seen: dict[str, str]) -> str:
        """`text` with each glyph spelt as it was first `seen`: a PDF has one text for a glyph, so that readers lose
        the second spelling (葛 and 葛+U+E0103 are one drawing). Spaces stay: they have their own layout.
        """

        def spelt(match: re.Match[str]) -> str:
            return match[0] if match[0].isspace() else seen.setdefault(self.glyphs[match[0]], match[0])

        return _CLUSTER.sub(spelt, text)


@lru_cache(maxsize=2)
def load_font(path: Path = FONT) -> Font:
    """Reads the font's tables once (0.2 s). Raises FontUnusable."""
    try:
        with TTFont(path, lazy=True) as font:
            cmap, family = font["cmap"], font["name"].getDebugName(1)
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
        raise FontUnusable(f"cannot use the font {path}: install the Debian package {FONT_PACKAGE}") from error


def check_texts(city: Municipality, path: Path, font: Path = FONT) -> None:
    """That the font has all that this city prints on every sheet. Raises ConfigError, FontUnusable."""
    loaded = load_font(font)
    for key, text in city.printed():
        try:
            loaded.check(text)
        except CannotPrint as error:
            raise ConfigError(f"{path}: {key}: {error.reason}: the font cannot print it") from None


def typeset(document: Document, font: Path = FONT) -> Typeset:
    """Set one copy of a certificate. May be called from several threads.

    Raises CannotPrint when the content cannot be set faithfully, FontUnusable, TypesettingFault.
    """
    loaded = load_font(font)
    template, half_line = FORMS[document.form]
    data = _set(_data(document, half_line), loaded, {})
    pdf = _compile(TEMPLATES / template, loaded, data | {"seal": list(document.seal)})
    with _pdfium:
        opened = pypdfium2.PdfDocument(pdf)
        pages = len(opened)
        opened.close()
    if pages > MAX_SHEETS:
        raise CannotPrint(Unprintable.TOO_LONG)
    return Typeset(pdf, pages)


def _compile(template: Path, font: Font, data: dict[str, Any]) -> bytes:
    try:
        with warnings.catch_warnings():
            return typst.compile(
                template,
                root=TEMPLATES,
                font_paths=_fonts(font.path),
                sys_inputs={"document": json.dumps(data), "family": font.family},
                pdf_standards="a-2u",  # by the standard: fonts embedded, all text readable, no scripts, no encryption
                pdf_tags=False,
            )
    except typst.TypstError as error:
        if "too-long" in error.message:
            raise CannotPrint(Unprintable.TOO_LONG) from None
        raise TypesettingFault(f"{template.name} cannot be set") from None  # typst's message may quote the content


@lru_cache(maxsize=2)
def _fonts(path: Path) -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[path.parent])


def _data(document: Document, half_line: int) -> dict[str, Any]:
    """What the templates read; every string in here is printed."""
    title, _, name = document.issuer.partition("\u3000")
    return {
        "city": document.city,
        "title": document.title,
        "subtitle": document.subtitle,
        "holder": document.holder,
        "head": _lines(document.head, half_line),
        "people": [{"name": p.name, "rows": _lines(_person_rows(p), half_line)} for p in document.people],
        "amounts": [_row(row) for row in document.amounts],
        "statement": document.statement,
        "notes": document.notes,
        "unique_number": document.unique_number,
        "issued_era": document.issued_era,
        "issuer": [title, name],
        "seal_letters": list(f"{title}之印"),
        "seal_mm": document.seal_mm,
        "verification": document.verification,
    }


def _person_rows(person: Person) -> tuple[Row, ...]:
    """The reading stands on every form, empty or not: the kiosk finds names between 氏名 and フリガナ."""
    beside = (Row("旧氏", person.former), Row("通称", person.alias))
    return (Row("フリガナ", person.kana), *(row for row in beside if row.value), *person.rows)


def _lines(rows: tuple[Row, ...], half_line: int) -> list[list[dict[str, str]]]:
    """Rows as lines of a box, in their order: two short values that follow each other share a line."""
    out: list[list[dict[str, str]]] = []
    room = False
    for row in rows:
        short = _ems(row.value) <= half_line and not row.label.endswith(WIDE)
        if short and room:
            out[-1].append(_row(row))
            room = False
        else:
            out.append([_row(row)])
            room = short
    return out


def _row(row: Row) -> dict[str, str]:
    return {"label": row.label, "value": row.value}


def _ems(text: str) -> float:
    """Width of the longest line in full-width characters."""
    return max(sum(_WIDTH.get(unicodedata.east_asian_width(c), 1.0) for c in line) for line in text.split("\n"))


_WIDTH = {"Na": 0.6, "N": 0.6, "H": 0.5}


def _set(data: Any, font: Font, seen: dict[str, str]) -> Any:
    """The same data, every string in it checked and in one spelling. Raises CannotPrint."""
    if isinstance(data, str):
        font.check(data)
        return font.one_spelling(data, seen)
    if isinstance(data, dict):
        return {key: _set(value, font, seen) for key, value in data.items()}
    return [_set(value, font, seen) for value in data] if isinstance(data, list | tuple) else data
