"""Every letter of every text can be drawn by the fonts that its language names."""

from __future__ import annotations

import functools
import os
import unicodedata
from pathlib import Path

import pytest
from fontTools.ttLib import TTCollection, TTFont
from languages_bench import ALL, LANGUAGES, plain

from firmware.texts import fonts


@functools.cache
def characters(font: fonts.Font) -> frozenset[int]:
    """Those that this face of the file has."""
    if font.path.suffix != ".ttc":
        return frozenset(TTFont(font.path, lazy=True).getBestCmap())
    faces = TTCollection(font.path, lazy=True).fonts
    face = next(each for each in faces if each["name"].getDebugName(1) == font.family)
    return frozenset(face.getBestCmap())


def test_every_language_names_its_fonts() -> None:
    assert fonts.FONTS.keys() == {*LANGUAGES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_letter_is_without_a_glyph(language: str) -> None:
    absent = fonts.missing([language])
    if absent and not os.environ.get("NOTHING_MISSING"):
        pytest.skip(f"needs {absent[0].package}")
    assert not absent
    drawn = frozenset().union(*(characters(font) for font in fonts.FONTS[language]))
    texts = ALL[language]
    words = "".join(plain(texts, key) + texts.known[key] for key in texts.known)
    boxes = {c for c in words if ord(c) not in drawn and unicodedata.category(c) != "Cf"}
    assert boxes <= set("《》"), boxes  # the marks of furigana are not drawn


def test_a_font_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fonts, "FONTS", {"ne": (fonts.Font("X", tmp_path / "x.ttf", "fonts-x"),)})
    assert [font.package for font in fonts.missing(["ja", "ne"])] == ["fonts-x"]
