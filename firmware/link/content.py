"""What is printed on a certificate, as data: the city typesets it and signs it, the kiosk compares
the page with it.

A sheet shows exactly the strings in here, the fixed words below, its page number and the code;
nothing else. Strings are literal, variation selectors included. A newline in a value begins a new
line on the paper.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from firmware.link.base import Message, Text, UniqueNumber, frame

# The fixed words of every form. Spaces between letters are layout and are not compared.
NAME: Final = "氏名"
GIVEN: Final = "名"  # in place of it on the forms of a family register, which has one 氏
NUMBER: Final = "固有番号"
APPLICANT: Final = "請求者"
IMPRINT: Final = "印影"
CLOSING: Final = "以下余白"  # behind the last row of the last sheet: nothing was added below

MAX_SHEETS: Final = 20
DIGEST_SIZE: Final = 16  # bytes of a sheet's digest in its code


class Row(Message, frozen=True):
    """One labelled value. In `Sheet.amounts` an empty value makes the label a heading."""

    label: Text
    value: Text

    def __repr__(self) -> str:
        return f"Row({self.label!r})"


class Person(Message, frozen=True):
    """One person's box: the name, then the rows in the order of the form."""

    name: Text
    rows: Annotated[tuple[Row, ...], Meta(max_length=40)]

    def __repr__(self) -> str:
        return "Person()"


class Sheet(Message, frozen=True):
    """What stands on one sheet and not on every sheet."""

    head: Annotated[
        tuple[Row, ...], Meta(max_length=8)
    ]  # what the household shares, above the people
    people: Annotated[tuple[Person, ...], Meta(max_length=32)]
    amounts: Annotated[tuple[Row, ...], Meta(max_length=80)]
    seal: Annotated[
        bytes, Meta(max_length=32 * 1024)
    ]  # the registered imprint: PNG, grey; empty for none
    applicant: Text  # the holder's name, on a sheet without the holder's box; else ""

    def __repr__(self) -> str:
        return f"Sheet(people={len(self.people)})"


class Content(Message, frozen=True):
    """One copy of one certificate: what every sheet shows, and the sheets."""

    heading: Text  # the city's name
    title: Text
    subtitle: Text
    unique_number: UniqueNumber
    statement: Text  # the certifying sentence
    issued_on: Text  # with era: 令和8年11月24日
    office: Text  # of the issuer: 明石市長
    officer: Text  # the issuer's name
    stamp: Text  # letters of the official seal (公印)
    notes: Annotated[tuple[Text, ...], Meta(max_length=8)]
    verification: Text  # how anybody can check the sheet
    sheets: Annotated[tuple[Sheet, ...], Meta(min_length=1, max_length=MAX_SHEETS)]

    def __repr__(self) -> str:
        return f"Content(sheets={len(self.sheets)})"

    @property
    def pages(self) -> int:
        return len(self.sheets)


def sheet_digest(content: Content, page: int, salt: bytes) -> bytes:
    """The DIGEST_SIZE bytes that a sheet's code carries of everything the sheet shows. `page`
    counts from 1.

    The salt is not printed: without it, nobody can find an unknown value (個人番号 has 12 digits)
    by trying.
    """
    shown = msgspec.structs.replace(content, sheets=(content.sheets[page - 1],))
    body = msgspec.json.encode((page, content.pages, shown), order="deterministic")
    return hashlib.sha256(frame(b"madoguchi sheet v2", salt, body)).digest()[:DIGEST_SIZE]
