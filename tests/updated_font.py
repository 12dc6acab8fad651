"""The certificates' font after an update that has given one character another one's drawing."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from fontTools.ttLib import TTFont

from city.document import Layout, Typeset
from city.typesetting import FONT, typeset
from firmware.link.content import Content


def updated_font(folder: Path, character: str, drawn_as: str) -> Path:
    """Made in `folder`, once. The drawing is put in the other's place, so it must be the shorter
    one, in bytes.
    """
    path = folder / "updated.ttf"
    if not path.exists():
        with TTFont(FONT, lazy=True) as font:
            names, start, places = (
                font.getBestCmap(),
                font.reader.tables["glyf"].offset,
                font["loca"],
            )
            at, source = (font.getGlyphID(names[ord(c)]) for c in (character, drawn_as))
        size = places[source + 1] - places[source]
        assert size <= places[at + 1] - places[at]
        data = bytearray(FONT.read_bytes())
        drawing = data[start + places[source] : start + places[source] + size]
        data[start + places[at] : start + places[at] + size] = drawing
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return path


def typeset_with(font: Path, content: Content, layout: Layout) -> Typeset:
    """In a process of its own: typst keeps what it has set with a font of that name."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(typeset, content, layout, font).result()
