"""The right document at a kiosk whose printer is another than it should be: all of the sheet, or
none.

Nobody attacks here but whoever installs the kiosk: the printer for receipts in the place of that
for certificates, a head that is narrower than A4, a number typed wrongly. A sheet of which an edge
is missing is a wrong sheet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attempts import Attempt, Material

DPI: Final = 203
WIDTHS_MM: Final = (*range(48, 180, 12), *range(180, 217, 2))
SORTS: Final = (
    (112, "of receipts"),
    (180, "narrower than the form"),
    (210, "narrower than the sheet"),
)


def printer(all_: Material) -> Iterator[Attempt]:
    """The kiosk's own printer is narrower or wider than a sheet; the city is in order."""
    for mm in WIDTHS_MM:
        sort = next((sort for limit, sort in SORTS if mm < limit), "as wide as the sheet")
        dots = round(mm * DPI / 25.4) // 8 * 8
        yield Attempt(
            all_.own.who, "printer", f"{mm} mm wide", "alter", f"a printer {sort}", width=dots
        )
