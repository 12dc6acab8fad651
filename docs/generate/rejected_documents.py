"""docs/rejected-documents.md, written from the table of reasons: `python -m
docs.generate.rejected_documents`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from firmware.sheets.fault import EXPLAINED, SheetReason

PAGE: Final = Path(__file__).parents[1] / "rejected-documents.md"

# The first reason of each group, in the order in which the kiosk checks.
GROUPS: Final[Mapping[SheetReason, str]] = {
    SheetReason.SIGNATURE: "Whose word it is, and for which order",
    SheetReason.RECORD_VERSION: "What the city committed to before the order",
    SheetReason.HEADING: "What the document says",
    SheetReason.SEALING: "The file",
    SheetReason.PAPER_SIZE: "What stands on each page",
    SheetReason.OFF_PAPER: "The dots for the printer",
}

HEAD = """# Rejected documents

Written by `python -m docs.generate.rejected_documents` from `firmware/sheets/fault.py`. A test
compares them.

Before the kiosk asks for money it checks the city's document, in `firmware/sheets/admit.py` and
nowhere else. The function takes what the person confirmed, the commitments of the session, the
signed terms, the manifest and the file. It returns the sheets for the printer, or one of the
{count} reasons below. Each reason is logged as `sheets.rejected` with the page, opens the case
`document.REASON`, which pauses the kiosk, and is told to the city, which opens a case of its own.
The person is told that the certificate cannot be issued here, that nothing was charged, and where
to go. For each reason `tests/sheets/test_admit.py` has documents that have only that one flaw.

Together these rules mean:

1. **The content is what the kiosk would have written.** The kiosk composes the whole content
   itself, from the confirmed choice, the terms that the city signed with a key that no gateway has,
   and the values that the city opens. It then compares string by string. The city alone decides the
   unique number, and how many people stand on a sheet.
2. **The values are those the city had before.** With the session, before anything is ordered, the
   city names a salted hash of each record. What is printed opens these hashes: every value that was
   asked for, those without a value too, and no other but the holder's birth date and address, which
   the screen showed. If one person's rows stood under another's name, the city would contradict
   itself.
3. **Every mark on the page belongs to the content.** Each glyph stands in one of the form's areas
   or in one cell of its boxes, and the text there is one string of the content. Each line is the
   border of such a cell. The one picture is the imprint.
4. **The page looks like its content.** The kiosk draws each page once more with its own font, from
   the glyphs, lines and the imprint that it read, and compares the two drawings at 508 dpi.
   Whatever is covered, clipped, white, transparent, drawn by another font or was not read makes a
   difference.
5. **The code says the same.** The signed code names the fields that a reader compares, and the hash
   of the sheet's whole content. It is read back from the dots that go to the printer.

[attacks.md](attacks.md) tells what remains.
"""


def page() -> str:
    lines = [HEAD.format(count=len(SheetReason))]
    for reason in SheetReason:
        if title := GROUPS.get(reason):
            lines.append(f"\n## {title}\n\n| reason and case | what it says |\n|---|---|")
        lines.append(f"| `document.{reason.value}` | {EXPLAINED[reason]} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
