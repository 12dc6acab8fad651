"""Why a document must not be printed: one reason, one cause, one line in the log, one case.

A reason is logged as `sheets.rejected` and opens the case `document.REASON`. Nothing here ever
quotes the document.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class SheetReason(StrEnum):
    """The names are stable: they stand in logs, cases and the city's audit."""

    # who says so, and for which order
    SIGNATURE = "signature"
    MANIFEST_MALFORMED = "manifest-malformed"
    TERMS = "terms"
    PROTOCOL = "protocol"
    KIOSK = "kiosk"
    SESSION = "session"
    ORDER = "order"
    CARD = "card"
    REQUEST = "request"
    KIND = "kind"
    COPIES = "copies"
    FEE = "fee"
    # what the city committed to
    RECORD_VERSION = "record-version"
    COMMITMENT = "commitment"
    NOT_OPENED = "not-opened"
    OPENED_UNASKED = "opened-unasked"
    # the content, compared with order, terms and records
    HEADING = "heading"
    TITLE = "title"
    SUBTITLE = "subtitle"
    STATEMENT = "statement"
    DATE = "date"
    ISSUER = "issuer"
    NOTES = "notes"
    VERIFICATION = "verification"
    MEMBERS = "members"
    HOLDER = "holder"
    APPLICANT = "applicant"
    ROW_MISSING = "row-missing"
    ROW_UNASKED = "row-unasked"
    ROW_ORDER = "row-order"
    VALUE = "value"
    AMOUNTS = "amounts"
    SEAL = "seal"
    PAGE_COUNT = "page-count"
    # the file
    SEALING = "sealing"
    DOCUMENT_HASH = "document-hash"
    TOO_LARGE = "too-large"
    UNREADABLE = "unreadable"
    ENCRYPTED = "encrypted"
    ACTIVE_CONTENT = "active-content"
    # what stands on the page
    PAPER_SIZE = "paper-size"
    FOREIGN_OBJECT = "foreign-object"
    FONT_NOT_EMBEDDED = "font-not-embedded"
    HIDDEN_TEXT = "hidden-text"
    MISSING_GLYPH = "missing-glyph"
    PRIVATE_USE = "private-use"
    SLANTED_TEXT = "slanted-text"
    STRAY_TEXT = "stray-text"
    TEXT_SIZE = "text-size"
    PAGE_TEXT = "page-text"
    RULES = "rules"
    BOXES = "boxes"
    PICTURE = "picture"
    DRAWING = "drawing"
    # the dots for the printer
    OFF_PAPER = "off-paper"
    CODE_AREA = "code-area"
    CODE = "code"


EXPLAINED: Final[Mapping[SheetReason, str]] = {
    SheetReason.SIGNATURE: "No pinned issuing key signed the manifest.",
    SheetReason.MANIFEST_MALFORMED: "The signed bytes are no manifest.",
    SheetReason.TERMS: "No pinned terms key signed the form terms, or they do not hold on the day.",
    SheetReason.PROTOCOL: "The manifest is of another version of the protocol.",
    SheetReason.KIOSK: "The manifest is for another kiosk.",
    SheetReason.SESSION: "The manifest is for another session.",
    SheetReason.ORDER: "The manifest is for another order.",
    SheetReason.CARD: "The manifest is for another card.",
    SheetReason.REQUEST: (
        "The manifest answers another choice than the one confirmed on the screen."
    ),
    SheetReason.KIND: "The manifest is for another kind of certificate.",
    SheetReason.COPIES: "The manifest is for another number of copies.",
    SheetReason.FEE: "The fee is not that of the signed terms for this day and these copies.",
    SheetReason.RECORD_VERSION: "The city's file is not the version that the session was told.",
    SheetReason.COMMITMENT: (
        "An opened record is not the one the city committed to in this session."
    ),
    SheetReason.NOT_OPENED: "A value that was asked for is neither shown nor proven to be empty.",
    SheetReason.OPENED_UNASKED: "The city told the kiosk a value that nobody asked for.",
    SheetReason.HEADING: "The city's name is not that of the signed terms.",
    SheetReason.TITLE: (
        "The title is not that of the signed terms, or not the one that was offered."
    ),
    SheetReason.SUBTITLE: (
        "The sub-title is not that of this choice: household or part, fiscal year."
    ),
    SheetReason.STATEMENT: (
        "The certifying sentence is not that of this choice in the signed terms."
    ),
    SheetReason.DATE: "The day of issue is not today in its era.",
    SheetReason.ISSUER: "Office, name or seal of the issuer is not that of the signed terms.",
    SheetReason.NOTES: "The notes are not those of the signed terms.",
    SheetReason.VERIFICATION: (
        "The sentence about checking the sheet is not that of the signed terms."
    ),
    SheetReason.MEMBERS: "The people are not those that were confirmed on the screen.",
    SheetReason.HOLDER: "Name, birth date or address of the holder is not what the screen showed.",
    SheetReason.APPLICANT: "The applicant's line is missing, unasked, or names another person.",
    SheetReason.ROW_MISSING: "A row that was asked for, and has a value, is missing.",
    SheetReason.ROW_UNASKED: "A row stands there that nobody asked for.",
    SheetReason.ROW_ORDER: "The rows are not in the order of the form, or one stands there twice.",
    SheetReason.VALUE: "A value is not the one of the record under this name.",
    SheetReason.AMOUNTS: "The amounts are not those of the chosen year's record.",
    SheetReason.SEAL: "The imprint is missing, unasked, or not the registered one.",
    SheetReason.PAGE_COUNT: "Manifest, codes and file do not have the same number of sheets.",
    SheetReason.SEALING: "The document was not sealed for this order to this session's key.",
    SheetReason.DOCUMENT_HASH: "The file is not the one the manifest names.",
    SheetReason.TOO_LARGE: "The file, or something in it, is larger than a certificate can be.",
    SheetReason.UNREADABLE: "The file is no PDF that can be read.",
    SheetReason.ENCRYPTED: "The file is encrypted.",
    SheetReason.ACTIVE_CONTENT: "The file has scripts, attachments, forms, annotations or layers.",
    SheetReason.PAPER_SIZE: "A page is not A4 portrait.",
    SheetReason.FOREIGN_OBJECT: "A page has an object that is no text, line or imprint.",
    SheetReason.FONT_NOT_EMBEDDED: "A font is not embedded.",
    SheetReason.HIDDEN_TEXT: (
        "Text is in the file that is not painted, or is read otherwise than drawn."
    ),
    SheetReason.MISSING_GLYPH: "A character is not in this kiosk's font.",
    SheetReason.PRIVATE_USE: "A private-use character, which means something else elsewhere.",
    SheetReason.SLANTED_TEXT: "Text is turned, slanted, mirrored or stretched.",
    SheetReason.STRAY_TEXT: "Text stands where the form has none.",
    SheetReason.TEXT_SIZE: "Text is larger or smaller than the form allows at its place.",
    SheetReason.PAGE_TEXT: "The text of an area or a cell is not that of the content.",
    SheetReason.RULES: "A line is not the border of a cell, or runs through text.",
    SheetReason.BOXES: "The boxes are not those of the form.",
    SheetReason.PICTURE: "A picture is not the registered imprint, or not at its place and size.",
    SheetReason.DRAWING: "The page does not look as its text, lines and imprint make it look.",
    SheetReason.OFF_PAPER: "Ink lies beyond the printer's width.",
    SheetReason.CODE_AREA: "The place for the code is not blank.",
    SheetReason.CODE: "The code is missing, unreadable, too long, or signed for something else.",
}


class SheetFault(Exception):
    """A document that must not be printed. `page` counts from 1; 0 is the document as a whole."""

    def __init__(self, reason: SheetReason, page: int = 0) -> None:
        super().__init__(f"{reason.value}, page {page}" if page else reason.value)
        self.reason = reason
        self.page = page
