"""The city's content beside the kiosk's own: equal in every string, or the reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from firmware.link.content import Content, Row, Sheet
from firmware.sheets.fault import SheetFault, SheetReason

STRINGS: Final = (
    ("heading", SheetReason.HEADING),
    ("title", SheetReason.TITLE),
    ("subtitle", SheetReason.SUBTITLE),
    ("unique_number", SheetReason.CODE),
    ("statement", SheetReason.STATEMENT),
    ("issued_on", SheetReason.DATE),
    ("office", SheetReason.ISSUER),
    ("officer", SheetReason.ISSUER),
    ("stamp", SheetReason.ISSUER),
    ("notes", SheetReason.NOTES),
    ("verification", SheetReason.VERIFICATION),
)


def compare(given: Content, expected: Content) -> None:
    """Raises SheetFault with the first difference."""
    for name, reason in STRINGS:
        if getattr(given, name) != getattr(expected, name):
            raise SheetFault(reason)
    if given.pages != expected.pages:
        raise SheetFault(SheetReason.PAGE_COUNT)
    for page, (theirs, own) in enumerate(zip(given.sheets, expected.sheets, strict=True), 1):
        _compare_sheet(theirs, own, page)


def _compare_sheet(given: Sheet, expected: Sheet, page: int) -> None:
    if [person.name for person in given.people] != [person.name for person in expected.people]:
        raise SheetFault(SheetReason.MEMBERS, page)
    _compare_rows(given.head, expected.head, page)
    for theirs, own in zip(given.people, expected.people, strict=True):
        _compare_rows(theirs.rows, own.rows, page)
    if given.amounts != expected.amounts:
        raise SheetFault(SheetReason.AMOUNTS, page)
    if given.seal != expected.seal:
        raise SheetFault(SheetReason.SEAL, page)
    if given.applicant != expected.applicant:
        raise SheetFault(SheetReason.APPLICANT, page)


def _compare_rows(given: Sequence[Row], expected: Sequence[Row], page: int) -> None:
    theirs, own = [row.label for row in given], [row.label for row in expected]
    if set(theirs) - set(own):
        raise SheetFault(SheetReason.ROW_UNASKED, page)
    if set(own) - set(theirs):
        raise SheetFault(SheetReason.ROW_MISSING, page)
    if theirs != own:
        raise SheetFault(SheetReason.ROW_ORDER, page)
    if [row.value for row in given] != [row.value for row in expected]:
        raise SheetFault(SheetReason.VALUE, page)
