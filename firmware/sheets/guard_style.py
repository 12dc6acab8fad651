"""The sizes of the copy guard as data: which two screens of dots, for which resolution.

A printer's dots grow (toner, heat) or stay away (single dots of a cool head), so the style is
chosen with the calibration sheet (`calibration.py`) for the printer that it is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple


class Halftone(NamedTuple):
    """A quincunx: dots of `dot` pixels a side, diagonal neighbours `pitch` pixels apart
    each way.
    """

    dot: int
    pitch: int

    @property
    def tint(self) -> float:
        """The share of the paper that is black."""
        return self.dot**2 / (2 * self.pitch**2)


GROUND: Final = Halftone(1, 3)  # 5.6 %
LETTERS: Final = Halftone(2, 6)  # the same


@dataclass(frozen=True)
class GuardStyle:
    """The ground vanishes on a copy, the letters stay. Both have one tint: the eye sees
    one grey.
    """

    ground: Halftone = GROUND
    letters: Halftone = LETTERS
    text: str = "複写"
    letter_mm: float = 22.0
    step_mm: tuple[float, float] = (62.0, 34.0)  # between repetitions; every second row is offset
    halo: int = 2  # white pixels round the print, so that no dot touches a stroke


STYLES: Final = {
    203: GuardStyle(),
    300: GuardStyle(letters=Halftone(3, 9)),
    600: GuardStyle(ground=Halftone(2, 6), letters=Halftone(6, 18), halo=4),
}
LARGEST_DOT: Final = 12  # pixels
TINTS: Final = (0.02, 0.09)  # fainter is lost on a copy, darker makes the print hard to read
# How much darker one screen may be than the other on the drawing: what dot gain makes equal on
# paper.
TOLERANCE: Final = 1.5


def default_style(dpi: int) -> GuardStyle:
    return STYLES.get(dpi, GuardStyle())


def require_sane(ground: Halftone, letters: Halftone) -> None:
    """Raises ValueError, in one line, for screens that cannot hide the letters or cannot show them
    on a copy.
    """
    for name, screen in (("ground", ground), ("letters", letters)):
        if not 1 <= screen.dot <= LARGEST_DOT:
            raise ValueError(f"{name}: a dot has 1 to {LARGEST_DOT} pixels, not {screen.dot}")
        if screen.pitch < 2 * screen.dot:
            raise ValueError(
                f"{name}: the pitch is at least twice the dot, so that dots do not touch"
            )
        if not TINTS[0] <= screen.tint <= TINTS[1]:
            low, high = (f"{100 * tint:.0f}" for tint in TINTS)
            raise ValueError(f"{name}: a tint of {100 * screen.tint:.1f} %, not {low} to {high} %")
    if letters.dot <= ground.dot:
        raise ValueError("letters: their dots must be larger than those of the ground")
    if not 1 / TOLERANCE <= letters.tint / ground.tint <= TOLERANCE:
        tints = f"{100 * ground.tint:.1f} and {100 * letters.tint:.1f} %"
        raise ValueError(f"ground and letters must have nearly one tint, not {tints}")
