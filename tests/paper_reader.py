"""Reads the far end's own characters back from the dots of a slip."""

from __future__ import annotations

from PIL import Image, ImageChops

from hal.sim.printer.characters import DRAWN, FEED, cell


def text(page: Image.Image, modes: tuple[int, ...] = (0,)) -> list[str]:
    """The lines from top to bottom, each read in the first of these modes in which it makes sense.
    An empty line is a feed of paper; what is no character is a "?".
    """
    ink = ImageChops.invert(page.convert("1"))
    found, y = [], 0
    while y < ink.height:
        for mode in modes:
            height = cell(" ", mode).height
            line = _line(ink.crop((0, y, ink.width, y + height)), mode)
            if line and "?" not in line:
                break
        found.append(line)
        y += height if line else FEED
    return found


def _line(row: Image.Image, mode: int) -> str:
    """Characters side by side, from the first black dot's cell on."""
    glyphs = {cell(chr(code), mode).tobytes(): chr(code) for code in DRAWN}
    glyphs[cell(" ", mode).tobytes()] = " "
    width = cell(" ", mode).width
    best = ""
    for start in range(width):
        cells = [
            row.crop((x, 0, x + width, row.height)).tobytes()
            for x in range(start, row.width - width + 1, width)
        ]
        line = "".join(glyphs.get(one, "?") for one in cells).strip()
        if not best or line.count("?") < best.count("?"):
            best = line
        if best and "?" not in best:
            break
    return best
