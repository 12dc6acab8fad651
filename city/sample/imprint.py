"""Fictional seal imprints: a ring with one to four characters, as a scanner would have taken it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

SIDE: Final = 425  # pixels: 18 mm at 600 dpi
RING: Final = 14
# Where each character's middle stands, in parts of the side, for one to four characters: down, then
# to the left.
PLACES: Final = {
    1: (0.60, ((0.50, 0.50),)),
    2: (0.38, ((0.50, 0.30), (0.50, 0.70))),
    3: (0.27, ((0.50, 0.22), (0.50, 0.50), (0.50, 0.78))),
    4: (0.33, ((0.67, 0.33), (0.67, 0.67), (0.33, 0.33), (0.33, 0.67))),
}
FONT: Final = Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf")


def draw(text: str, font: Path = FONT) -> bytes:
    """PNG, grey on white, SIDE pixels square. Raises OSError when the font is not there
    (fonts-ipamj-mincho).
    """
    image = Image.new("L", (SIDE, SIDE), 255)
    pen = ImageDraw.Draw(image)
    pen.ellipse((4, 4, SIDE - 5, SIDE - 5), outline=0, width=RING)
    size, places = PLACES[len(text)]
    face = ImageFont.truetype(font, round(size * SIDE))
    for character, (x, y) in zip(text, places, strict=True):
        pen.text((x * SIDE, y * SIDE), character, fill=0, font=face, anchor="mm", stroke_width=5)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
