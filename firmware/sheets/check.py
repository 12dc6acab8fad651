"""The document is checked before money: whose it is, what it is, and that every sheet says so itself.

The kiosk distrusts even the city. A gateway that mixes up two people signs the wrong document just as properly as
the right one; what gives it away is the text on the sheets, compared with what this session was told and asked for.

Text is read back out of the PDF and compared glyph by glyph (see `glyphs`): variation selectors count. What is read is
the file's own account of its glyphs (its ToUnicode table): text that stands for other glyphs (ActualText), text that
is not painted and glyphs without text are refused, and the drawings the file brings along must be those of this kiosk's
own font (see `outlines`).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from firmware.link.messages import PROTOCOL, Manifest
from firmware.sheets import outlines
from firmware.sheets import pdf as reader
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.glyphs import FONT, Glyphs, load_glyphs

A4 = (595.28, 841.89)  # points
_SEAL_SIDE = (20.0, 75.0)  # points: registered seals are 8 to 25 mm
_SEAL_INK = (0.01, 0.7)
_ERAS = (("令和", date(2019, 5, 1), date.max), ("平成", date(1989, 1, 8), date(2019, 4, 30)))
_OF_A_SEAL = "印鑑"  # a certificate whose title speaks of a seal shows one (岡山市: it was missing), no other does
_DATE = re.compile(r"(\D+)(元|\d{1,2})年(\d{1,2})月(\d{1,2})日")


@dataclass(frozen=True)
class Expected:
    """What this session knows for itself. `members`: the names chosen; empty where the holder alone is meant.

    `title`: as it was offered. `days`: the first and the last on which the document can have been made out.
    """

    session: str
    order: str
    kiosk: str
    card_sha256: str
    request_sha256: str
    holder: str = field(repr=False)
    members: tuple[str, ...] = field(repr=False)
    kind: str
    title: str
    days: tuple[date, date]
    copies: int
    fee: int  # yen, for all copies


_BINDINGS = (
    ("kiosk", SheetReason.KIOSK),
    ("session", SheetReason.SESSION),
    ("order", SheetReason.ORDER),
    ("card_sha256", SheetReason.CARD),
    ("request_sha256", SheetReason.REQUEST),
    ("kind", SheetReason.KIND),
    ("title", SheetReason.TITLE),
    ("holder", SheetReason.HOLDER),
    ("copies", SheetReason.COPIES),
    ("fee", SheetReason.FEE),
)


def check_manifest(manifest: Manifest, expected: Expected) -> None:
    """A manifest whose signature has been verified is that of this very order. Raises SheetFault."""
    if manifest.protocol != PROTOCOL:
        raise SheetFault(SheetReason.PROTOCOL)
    for name, reason in _BINDINGS:
        if getattr(manifest, name) != getattr(expected, name):
            raise SheetFault(reason)
    if _people(manifest.members, manifest.holder) != _people(expected.members, expected.holder):
        raise SheetFault(SheetReason.MEMBERS)
    if len(manifest.codes) != manifest.pages:
        raise SheetFault(SheetReason.CODE)
    if not expected.days[0] <= issue_day(manifest) <= expected.days[1]:
        raise SheetFault(SheetReason.DATE)
    if not (0 < manifest.seal_page <= manifest.pages if _OF_A_SEAL in manifest.title else manifest.seal_page == 0):
        raise SheetFault(SheetReason.SEAL)


def check_document(pdf: bytes, manifest: Manifest, expected: Expected, font: Path = FONT) -> None:
    """The PDF is the one the manifest describes, and every sheet shows what it must. Raises SheetFault.

    Raises FontUnusable when this kiosk lacks the font to compare with.
    """
    if hashlib.sha256(pdf).hexdigest() != manifest.document_sha256:
        raise SheetFault(SheetReason.DOCUMENT_HASH)
    pages = reader.read(pdf, manifest.pages)
    glyphs = load_glyphs(font)
    printed: Counter[str] = Counter()
    drawn: set[int] = set()
    for number, page in enumerate(pages, 1):
        _check_form(page, number)
        text = glyphs.canonical(page.text, number)
        drawn |= glyphs.drawn(text)
        _check_marks(text, manifest, number, glyphs)
        printed += _check_names(text, expected, number, glyphs)
        _check_seal(page, number, manifest.seal_page)
    if printed != Counter(map(glyphs.canonical, _people(expected.members, expected.holder))):
        raise SheetFault(SheetReason.MEMBER_NOT_PRINTED)
    outlines.check(frozenset[bytes]().union(*(page.fonts for page in pages)), drawn, font)


def issue_day(manifest: Manifest) -> date:
    """The day of issue, from its printed form. Raises SheetFault when there is no such day in that era."""
    if match := _DATE.fullmatch(manifest.issued_on):
        for era, first, last in _ERAS:
            if match[1] == era:
                year = first.year - 1 + (1 if match[2] == "元" else int(match[2]))
                day = _day(year, int(match[3]), int(match[4]))
                if first <= day <= last:
                    return day
    raise SheetFault(SheetReason.DATE)


def _day(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise SheetFault(SheetReason.DATE) from None


def _people(members: tuple[str, ...], holder: str) -> list[str]:
    return sorted(members or (holder,))


def _check_form(page: reader.Page, number: int) -> None:
    if max(abs(page.width - A4[0]), abs(page.height - A4[1])) > 1:
        raise SheetFault(SheetReason.PAPER_SIZE, number)
    if not page.embedded:
        raise SheetFault(SheetReason.FONT_NOT_EMBEDDED, number)
    if not page.mapped:
        raise SheetFault(SheetReason.MISSING_GLYPH, number)
    if not page.painted:
        raise SheetFault(SheetReason.HIDDEN_TEXT, number)


def _check_marks(text: str, manifest: Manifest, number: int, glyphs: Glyphs) -> None:
    """Title, number of the set, page of pages, day of issue."""
    if glyphs.canonical(manifest.title) not in text:
        raise SheetFault(SheetReason.TITLE, number)
    if text.count(glyphs.canonical(manifest.unique_number)) != 1:
        raise SheetFault(SheetReason.UNIQUE_NUMBER, number)
    if re.findall(r"（(\d+)/(\d+)）", text) != [(str(number), str(manifest.pages))]:
        raise SheetFault(SheetReason.PAGE_NUMBER, number)
    if glyphs.canonical(manifest.issued_on) not in text:
        raise SheetFault(SheetReason.DATE, number)


def _check_names(text: str, expected: Expected, number: int, glyphs: Glyphs) -> Counter[str]:
    """The people of this sheet: each name stands between the labels 氏名 and フリガナ."""
    before, after, applicant = map(glyphs.canonical, ("氏名", "フリガナ", "請求者"))
    holder = glyphs.canonical(expected.holder)
    names = Counter(re.findall(f"{before}((?:(?!{before}).)+?){after}", text))  # 筆頭者の氏名 is no name of the sheet's
    if names.keys() - set(map(glyphs.canonical, _people(expected.members, expected.holder))):
        raise SheetFault(SheetReason.STRANGER_PRINTED, number)
    if holder not in names and applicant + holder not in text:
        raise SheetFault(SheetReason.HOLDER_NOT_PRINTED, number)
    return names


def _check_seal(page: reader.Page, number: int, seal_page: int) -> None:
    """One imprint on the sheet that must have it, no picture on any other."""
    if len(page.images) != (1 if number == seal_page else 0):
        raise SheetFault(SheetReason.SEAL, number)
    for image in page.images:
        sides_fit = all(_SEAL_SIDE[0] <= side <= _SEAL_SIDE[1] for side in (image.width, image.height))
        if not sides_fit or not _SEAL_INK[0] <= image.ink <= _SEAL_INK[1]:
            raise SheetFault(SheetReason.SEAL, number)
