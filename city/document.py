"""What stands on the paper: the contract between the rules, which decide it, and the typesetter, which sets it.

A document holds exactly what is printed and nothing else: fields that were not chosen, earlier names, older
addresses and the resident-record code are not in here to begin with. Strings are printed literally, glyph by glyph,
variation selectors included. One document is one copy; the copies are printed from the same sheets.

On every sheet the text of the PDF contains: the title, the unique number, the date in its era, `n/N`, and the names
of the people on that sheet (the holder's on each, when the holder is not among them). The area
`firmware.link.messages.CODE_AREA_MM` of every sheet stays blank: the kiosk draws the signed code there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


@dataclass(frozen=True)
class Row:
    """One labelled value, e.g. 生年月日 / 平成2年5月14日. A value may hold several lines, divided by a newline."""

    label: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class Person:
    """One person's block: kept together on one sheet. `rows` do not repeat the name and its reading."""

    name: str = field(repr=False)
    kana: str = field(repr=False)  # katakana reading (氏名のフリガナ), "" where there is none
    rows: tuple[Row, ...] = ()
    alias: str = field(default="", repr=False)  # 通称 of a foreign resident
    former: str = field(default="", repr=False)  # 旧氏, where registered


@dataclass(frozen=True)
class Document:
    """One certificate. `form` is its layout; a city may issue several kinds in one.

    - juminhyo: `head` has what the household shares (住所, 世帯主 when chosen), `people` its members in order.
    - inkan: `people` is the holder alone; `seal` is the imprint, to be printed at `seal_mm` on sheet one.
    - kazei: `people` is the holder alone, `amounts` the table of income, deductions and tax (values right-aligned).
    """

    kind: str  # the city's word, as in the order
    form: str  # juminhyo, inkan, kazei
    city: str  # its name, at the head of every sheet
    title: str  # as printed: 住民票の写し
    subtitle: str  # under the title: （世帯全員）, 令和8年度; may be ""
    holder: str = field(repr=False)
    head: tuple[Row, ...]
    people: tuple[Person, ...]
    amounts: tuple[Row, ...]
    statement: str  # この写しは、世帯全員の住民票の原本と相違ないことを証明します。
    notes: tuple[str, ...]  # small print of this kind
    unique_number: str
    issued_on: date
    issued_era: str  # the same day as printed: 令和8年11月24日
    issuer: str  # 明石市長　明石　次郎
    verification: str  # how anybody can check the sheet by its code
    copies: int = 1
    seal: bytes = field(default=b"", repr=False)  # PNG, square, grey on white
    seal_mm: float = 18.0  # printed side length of `seal`: the imprint's true size


@dataclass(frozen=True)
class Typeset:
    """A4 portrait, all fonts embedded. `pages` are those of one copy."""

    pdf: bytes = field(repr=False)
    pages: int


class Unprintable(StrEnum):
    MISSING_GLYPH = "missing-glyph"
    UNKNOWN_VARIATION = "unknown-variation"  # base + selector pair that the font would silently draw as its default
    PRIVATE_USE = "private-use"  # 外字 whose meaning is local
    TOO_LONG = "too-long"  # more sheets, or a longer value, than the form has room for


class CannotPrint(Exception):
    """Raised by `typeset`: the certificate is refused before money. Never carries the text itself."""

    def __init__(self, reason: Unprintable) -> None:
        super().__init__(reason.value)
        self.reason = reason


# city/typesetting.py: def typeset(document: Document) -> Typeset. Called in a worker thread, several at once.
Typesetter = Callable[[Document], Typeset]
