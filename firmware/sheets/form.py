"""Where the form has text: the areas of a sheet outside its boxes, as `docs/forms.md` has them.

Millimetres from the left and the upper edge of A4; a glyph stands where the left end of its
baseline is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware.link.content import APPLICANT, CLOSING, NUMBER, Content


@dataclass(frozen=True)
class Area:
    """`smallest` and `largest`: sizes of its text in points."""

    left: float
    top: float
    right: float
    bottom: float
    smallest: float
    largest: float

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x < self.right and self.top <= y < self.bottom


AREAS: Final = {
    "heading": Area(14, 13, 104, 20, 9, 14),
    "number": Area(104, 13, 197, 18.5, 8, 11),
    "page": Area(104, 18.5, 197, 22.5, 8, 11),
    "title": Area(14, 22.5, 197, 30, 16, 24),
    "subtitle": Area(14, 30, 197, 36.5, 9, 14),
    "body": Area(14, 36.5, 197, 226, 7, 14),
    "statement": Area(14, 231, 197, 242, 9, 12),
    "date": Area(14, 242, 80, 248.4, 9, 12),
    "issuer": Area(44, 248.4, 154, 266, 10, 16),
    "footer": Area(14, 266, 154, 288, 7, 10),
}
STAMP: Final = Area(90, 240, 154, 266, 8, 40)  # the squares of the official seal lie in it


def area_texts(content: Content, page: int) -> dict[str, str]:
    """What stands in each area on this sheet (from 1). Body: beside the boxes.

    How much white space there is does not count, but that there is some.
    """
    sheet = content.sheets[page - 1]
    applicant = f"{APPLICANT}\u3000{sheet.applicant}" if sheet.applicant else ""
    return {
        "heading": content.heading,
        "number": f"{NUMBER}\u3000{content.unique_number}",
        "page": f"（{page}/{content.pages}）",
        "title": content.title,
        "subtitle": content.subtitle,
        "body": CLOSING if page == content.pages else "",
        "statement": content.statement,
        "date": content.issued_on,
        "issuer": f"{content.office}\u3000{content.officer}",
        "footer": "\n".join(
            line for line in (applicant, *content.notes, content.verification) if line
        ),
    }
