"""Draws systemd/screen/out-of-service.pbm: the one screen that needs no part of the kiosk.

    python -m docs.generate.out_of_service

Its words are those of `problem.other` in Japanese and English.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from firmware.sheets.guard import GOTHIC
from firmware.texts.texts import Texts

OUT = Path(__file__).parents[2] / "systemd/screen/out-of-service.pbm"
SIZE = (800, 440)  # dots; fits the smallest panel that a kiosk may have, and twice into 1920 x 1080
MARGIN, GAP = 30, 22


def picture() -> Image.Image:
    """Black on white, one bit a dot."""
    made = Image.new("1", SIZE, 1)
    pen = ImageDraw.Draw(made)
    pen.fontmode = "1"
    y = MARGIN
    for language, size, keys in (
        ("ja", 44, ("screen.fault.title",)),
        ("ja", 27, ("problem.other.cause", "problem.other.next")),
        ("en", 24, ("problem.other.cause", "problem.other.next")),
    ):
        texts = Texts.load(language)
        font = ImageFont.truetype(GOTHIC, size)
        for key in keys:
            for line in _lines(texts.get(key), font):
                pen.text((MARGIN, y), line, 0, font)
                y += round(size * 1.45)
        y += GAP
    return made


def _lines(text: str, font: ImageFont.FreeTypeFont) -> list[str]:
    """Broken at spaces, or behind any Japanese letter, where the width ends."""
    words = [word + " " for word in text.split()] if " " in text else list(text)
    lines = [""]
    for word in words:
        if font.getlength((lines[-1] + word).rstrip()) > SIZE[0] - 2 * MARGIN:
            lines.append("")
        lines[-1] += word
    return lines


if __name__ == "__main__":
    picture().save(OUT)
