"""What the rules hand to the typesetter, and what comes back.

A document is one copy of one certificate; the copies are printed from the same sheets. The content
holds exactly what is printed: fields that were not chosen, earlier names, older addresses and the
resident-record code are not in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from firmware.link.content import Content
from firmware.link.form_terms import FormName


@dataclass(frozen=True)
class Layout:
    """How a content is set: the form, and the side of a registered imprint in mm."""

    form: FormName
    seal_mm: float = 18.0


@dataclass(frozen=True)
class Typeset:
    """A4 portrait, all fonts embedded, one page for each sheet of the content."""

    pdf: bytes = field(repr=False)


class Unprintable(StrEnum):
    MISSING_GLYPH = "missing-glyph"
    UNKNOWN_VARIATION = (
        "unknown-variation"  # base + selector pair that the font would silently draw as its default
    )
    PRIVATE_USE = "private-use"  # 外字 whose meaning is local
    PENDING = "pending"  # 〓 (geta): the register's sign for a character that it has not got yet
    TOO_LONG = "too-long"  # a longer value than the form or its code has room for
    TOO_MANY = "too-many"  # sheets


class CannotPrint(Exception):
    """The certificate is refused before money. Never carries the text itself."""

    def __init__(self, reason: Unprintable) -> None:
        super().__init__(reason.value)
        self.reason = reason


# Both are called in worker threads, several at once, and raise CannotPrint.
Typesetter = Callable[[Content, Layout], Typeset]
# How many people stand on each sheet: all of them in order, given as the content of one sheet.
Paginator = Callable[[Content, Layout], list[int]]
