"""Why a sheet must not be printed. One reason, one cause; nothing here ever quotes the document."""

from __future__ import annotations

from enum import StrEnum


class SheetReason(StrEnum):
    # the manifest is not that of this order
    PROTOCOL = "protocol"
    KIOSK = "kiosk"
    SESSION = "session"
    ORDER = "order"
    CARD = "card"
    REQUEST = "request"
    KIND = "kind"
    HOLDER = "holder"  # another person's name in the manifest
    MEMBERS = "members"  # not the people that were chosen
    COPIES = "copies"
    FEE = "fee"
    # the file is not the one the manifest describes, or not fit for printing
    DOCUMENT_HASH = "document-hash"
    UNREADABLE = "unreadable"
    ENCRYPTED = "encrypted"
    ACTIVE_CONTENT = "active-content"  # scripts, attachments, forms, annotations
    PAGE_COUNT = "page-count"
    PAPER_SIZE = "paper-size"
    FONT_NOT_EMBEDDED = "font-not-embedded"
    HIDDEN_TEXT = "hidden-text"  # text that can be read in the file and is not what is painted
    OTHER_GLYPHS = "other-glyphs"  # letters drawn otherwise than this kiosk's font draws them
    # what stands on the sheet
    MISSING_GLYPH = "missing-glyph"
    PRIVATE_USE = "private-use"
    TITLE = "title"
    UNIQUE_NUMBER = "unique-number"
    PAGE_NUMBER = "page-number"
    DATE = "date"  # not the day of issue in its era, or no day at all
    HOLDER_NOT_PRINTED = "holder-not-printed"
    MEMBER_NOT_PRINTED = "member-not-printed"
    STRANGER_PRINTED = "stranger-printed"  # a name that nobody asked for
    SEAL = "seal"  # no imprint, a certificate that cannot be without, or one where none belongs
    # the dots for the printer
    OFF_PAPER = "off-paper"  # ink beyond the printer's width
    CODE_AREA = "code-area"  # the place for the code is not blank
    CODE = "code"  # missing, unreadable, or signed for another sheet


class SheetFault(Exception):
    """A document that must not be printed. `page` counts from 1; 0 is the document as a whole."""

    def __init__(self, reason: SheetReason, page: int = 0) -> None:
        super().__init__(f"{reason.value}, page {page}" if page else reason.value)
        self.reason = reason
        self.page = page
