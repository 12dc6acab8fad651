"""What a sheet goes through after the printer, simulated: ink that spreads, optics, scanners,
copiers.

Lengths in millimetres, so that one copier is the same for printers of every resolution. Nothing is
random.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from firmware.sheets.raster import PageArray

Grey = npt.NDArray[np.uint8]  # 255 = white

FINE_DPI = 900  # about as finely ink and optics are simulated, in whole steps a dot
BLUR_MM = 0.125  # standard deviation of an ordinary copier's optics: one dot at 203 dpi
THRESHOLD = 2 / 3  # an ordinary copier drops what is lighter


def scan(
    page: PageArray,
    dpi: float,
    *,
    blur: float = BLUR_MM,
    gain: float = 0.0,
    rotation: float = 0.0,
    resolution: int = 300,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Grey:
    """A scanner's or a phone's picture of a printed page, in grey.

    `blur`: of the optics. `gain`: how far ink spreads beyond each edge. `rotation` in degrees.
    `resolution` of the picture, dots an inch. `shift` across and down, so that the scanner's grid
    falls anywhere.
    """
    steps = max(1, round(FINE_DPI / dpi))  # a dot
    fine = steps * dpi / 25.4  # steps a millimetre
    inked = _spread(page.repeat(steps, axis=0).repeat(steps, axis=1), round(gain * fine))
    picture = Image.fromarray(np.where(inked, np.uint8(0), np.uint8(255)))
    picture = picture.filter(ImageFilter.GaussianBlur(blur * fine))
    offset = (shift[0] * fine, shift[1] * fine)
    white: Any = {"resample": Image.Resampling.BILINEAR, "fillcolor": 255}
    picture = picture.rotate(rotation, expand=True, translate=offset, **white)
    scale = resolution / (steps * dpi)
    size = (round(picture.width * scale), round(picture.height * scale))
    return np.asarray(picture.resize(size, Image.Resampling.BOX))


def copy(
    page: PageArray,
    dpi: float,
    *,
    blur: float = BLUR_MM,
    gain: float = 0.0,
    threshold: float = THRESHOLD,
    resolution: int | None = None,
    shift: tuple[float, float] = (0.0, 0.0),
) -> PageArray:
    """What a copier prints of a printed page, at `resolution` (default: the page's). `threshold`:
    share of white.
    """
    picture = scan(
        page, dpi, blur=blur, gain=gain, resolution=resolution or round(dpi), shift=shift
    )
    return picture < 255 * threshold


def _spread(page: PageArray, by: int) -> PageArray:
    """Every edge of the ink moved outwards by `by` pixels, in a diamond: ink has no corners."""
    for _ in range(by):
        grown = page.copy()
        grown[1:] |= page[:-1]
        grown[:-1] |= page[1:]
        grown[:, 1:] |= page[:, :-1]
        grown[:, :-1] |= page[:, 1:]
        page = grown
    return page
