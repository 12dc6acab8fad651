"""The panel's size in millimetres, and what follows from it: the type scale and the targets.

See docs/panel-design.md. Lengths of the styles are multiples of `--mm`, one millimetre on the
configured panel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TEXT_MM, MOST_TEXT_MM = 4.9, 8.0  # body text on the smallest panel, and on the largest
TEXT_SHARE = 0.033  # of the shorter side
TARGET_MM = 18.3
TARGET_LINES = 3.0  # a target is as high as so many lines
SMALL_MM = 110  # a panel lower than this has no room for pictures beside words
PARTS = ("card", "coins", "change", "sheets", "receipt")
CABINET: Mapping[str, str] = {
    "card": "right",
    "coins": "right",
    "change": "right",
    "sheets": "below",
    "receipt": "left",
}


@dataclass(frozen=True)
class PanelSize:
    """The visible area. The default is 15.6 inch, 16:9."""

    width_mm: float = 345
    height_mm: float = 194

    @property
    def text_mm(self) -> float:
        """Body text."""
        share = min(self.width_mm, self.height_mm) * TEXT_SHARE
        return round(min(max(TEXT_MM, share), MOST_TEXT_MM), 2)

    @property
    def target_mm(self) -> float:
        """The least height and width of what is touched."""
        return round(max(TARGET_MM, self.text_mm * TARGET_LINES), 2)

    @property
    def shape(self) -> str:
        """The classes of the page: which of the three arrangements of the one grid."""
        if self.height_mm > self.width_mm:
            return "portrait"
        return "landscape small" if self.height_mm < SMALL_MM else "landscape"

    def style_sheet(self) -> bytes:
        """/panel/size.css."""
        return (
            f":root {{ --width: {self.width_mm:g}; --height: {self.height_mm:g};"
            f" --body-mm: {self.text_mm:g}; --target-mm: {self.target_mm:g}; }}\n"
        ).encode()


def places(cabinet: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Where each part stands in the drawing of the cabinet (360 by 300)."""
    found: dict[str, tuple[int, int]] = {}
    for side in ("left", "right", "below"):
        here = [part for part in PARTS if cabinet[part] == side]
        for n, part in enumerate(here):
            along = (2 * n + 1) / (2 * len(here))
            if side == "below":
                found[part] = (round(30 + 300 * along), 235)
            else:
                found[part] = (62 if side == "left" else 298, round(20 + 170 * along))
    return found
