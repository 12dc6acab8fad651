"""Fonts and recordings on the kiosk's disk."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL import ImageFont

from firmware.service.config import Config
from firmware.sheets import guard
from firmware.sheets.glyphs import FONT_PACKAGE, FontUnusable, load_glyphs
from firmware.texts import fonts
from firmware.texts.phrase import Phrase
from firmware.texts.recordings import Damaged, load, ready
from firmware.texts.texts import MissingText, Texts
from firmware.texts.voice import phrases
from firmware.tools.diagnose.errors import of_file, reading
from firmware.tools.diagnose.finding import wrong

FAMILY: Final = "IPAmjMincho"
SIZE: Final = 24  # any


def mincho(config: Config) -> str:
    path = config.fonts.mincho
    _there(path, FONT_PACKAGE)
    try:
        family, _ = ImageFont.truetype(path, SIZE).getname()
    except OSError as error:
        raise wrong("font.damaged", f"{path}: {error}; package {FONT_PACKAGE}") from None
    if family != FAMILY:
        raise wrong("font.other", f"{path}: {family}", f"{FAMILY} ({FONT_PACKAGE})")
    try:
        known = load_glyphs(path)
    except FontUnusable:
        detail = f"{path}: its tables cannot be read; package {FONT_PACKAGE}"
        raise wrong("font.damaged", detail) from None
    return f"{path}, {len(known.spelling)} spellings"


def gothic(config: Config) -> str:
    """Receipts have theirs from the configuration, the copy guard has its own."""
    paths = (config.fonts.gothic, Path(guard.GOTHIC))
    for path in paths:
        _there(path, "fonts-noto-cjk")
        try:
            ImageFont.truetype(path, SIZE)
        except OSError as error:
            raise wrong("font.damaged", f"{path}: {error}; package fonts-noto-cjk") from None
    return ", ".join(path.name for path in paths)


def screen_fonts(config: Config) -> str:
    """Those of the languages that the panel offers."""
    for font in fonts.missing(config.kiosk.languages):
        raise wrong("font.missing", f"{font.path}: apt install {font.package}")
    return ", ".join(config.kiosk.languages)


def _there(path: Path, package: str) -> None:
    try:
        path.open("rb").close()
    except FileNotFoundError:
        raise wrong("font.missing", f"{path}: apt install {package}") from None
    except OSError as error:
        raise of_file(path, error) from None


def recordings(config: Config) -> str:
    for language in config.kiosk.languages:
        _phrases(language)  # what is not spoken is shown
    wanted = [
        (language, text)
        for language in ready(config.kiosk.languages, config.voice.languages)
        for text in sorted(_phrases(language))
    ]
    folder = config.voice.recordings
    reading(folder, folder.stat)
    found = {pair: _state(folder, pair[1]) for pair in wanted}
    for trouble in ("damaged", "missing"):
        counted = {language: 0 for language, _ in wanted}
        for (language, _), state in found.items():
            counted[language] += state == trouble
        if listed := ", ".join(f"{language} {n}" for language, n in counted.items() if n):
            raise wrong(f"voice.{trouble}", f"{folder}: {trouble}: {listed} of {len(wanted)}")
    return f"{len(wanted)} phrases in {', '.join(dict.fromkeys(each for each, _ in wanted))}"


def _phrases(language: str) -> frozenset[Phrase]:
    try:
        return phrases(Texts.load(language))
    except MissingText as error:
        raise wrong("voice.language", str(error)) from None


def _state(folder: Path, phrase: Phrase) -> str:
    try:
        return "" if load(folder, phrase) is not None else "missing"
    except Damaged:
        return "damaged"
