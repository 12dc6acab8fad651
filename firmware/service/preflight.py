"""What must be there before the first resident: keys, fonts, recordings. Found wanting, the kiosk
does not start.

What is loaded here is loaded once, before the first fork, and shared by every resident's process.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from PIL import ImageFont

from firmware.flow.session import Session
from firmware.link.client import Line, LineSetupError
from firmware.link.signing import SignatureError
from firmware.panel.render import page
from firmware.service import under_test
from firmware.service.card_desk import load_trust
from firmware.service.city_desk import line_config, trust
from firmware.service.config import Config, guard_style
from firmware.service.devices import printer
from firmware.service.panel_key import require_folder
from firmware.service.renewal_desk import settle
from firmware.sheets.glyphs import FontUnusable, load_glyphs
from firmware.sheets.guard import GOTHIC, guard
from firmware.sheets.own_font import load_own_font
from firmware.sheets.raster import A4_MM, dots
from firmware.texts import fonts, recordings
from firmware.texts.texts import MissingText, Texts
from firmware.texts.voice import phrases
from hal.faults import DeviceFault

LETTER = 12  # dots


class StartError(Exception):
    """One line: what keeps the kiosk from starting, and what to do."""


def check(config: Config) -> None:
    """Raises StartError."""
    if trouble := under_test.trouble(config):
        raise StartError(f"kiosk.under_test: {trouble}")
    _trust(config)
    _drivers(config)
    _fonts(config)
    _voice(config)
    page()


def _trust(config: Config) -> None:
    try:
        settle(line_config(config))
        Line(line_config(config))
        trust(config)
        load_trust(config.trust.card_ca)
    except (LineSetupError, SignatureError) as error:
        raise StartError(str(error)) from None
    except OSError as error:
        raise StartError(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise StartError(f"trust.card_ca: {error}") from None


def _drivers(config: Config) -> None:
    """An address that cannot be read would else be found by every resident's process, and
    end it.
    """
    for name, section in (("sheets", config.sheets), ("receipts", config.receipts)):
        try:
            printer(name, section).close()
        except DeviceFault as fault:
            raise StartError(f"{name}.address: {fault.detail}") from None


def _fonts(config: Config) -> None:
    try:
        load_glyphs(config.fonts.mincho)
        load_own_font(config.fonts.mincho)
    except (FontUnusable, OSError) as error:
        raise StartError(str(error)) from None
    for path in (config.fonts.gothic, Path(GOTHIC)):
        _draws(path, "fonts-noto-cjk")
    for font in fonts.of(config.kiosk.languages):
        _draws(font.path, font.package)
    section = config.sheets
    height = dots(A4_MM[1], section.dpi)
    guard(section.width, height, section.dpi, guard_style(section))  # built once, for all pages


def _draws(path: Path, package: str) -> None:
    """Whether letters can be drawn with it, as far as one letter tells. Raises StartError."""
    advice = f"install the Debian package {package}"
    try:
        path.open("rb").close()
        ImageFont.truetype(path, LETTER).getmask("A")
    except FileNotFoundError:
        raise StartError(f"{path} is missing: {advice}") from None
    except OSError as error:
        raise StartError(f"{path}: {error.strerror or error}: {advice}") from None


def require_runtime(config: Config) -> None:
    """The folder of the status and of the panel's key is there. Raises StartError."""
    try:
        require_folder(config.kiosk.runtime)
    except OSError as error:
        raise StartError(f"kiosk.runtime: {error.filename}: {error.strerror}") from None


def _voice(config: Config) -> None:
    """Everything that can be said must have been recorded: a person who cannot see the screen
    depends on it.
    """
    folder = config.voice.recordings
    if Session().language not in config.kiosk.languages:
        raise StartError(
            f"kiosk.languages: {Session().language!r} must be among them, "
            "every resident begins in it"
        )
    ready = recordings.ready(config.kiosk.languages, config.voice.languages)
    for language in config.kiosk.languages:
        try:
            wanted = phrases(Texts.load(language))
        except (MissingText, OSError) as error:
            raise StartError(f"language {language!r}: {error}") from None
        missing = recordings.missing(folder, wanted)
        if missing and language in ready:
            raise StartError(
                f"{folder}: {len(missing)} recordings in {language!r} are missing or damaged, or "
                "may not be read: kiosk voice makes them"
            )


def lock_state(config: Config) -> None:
    """One kiosk on one journal: held as long as this process, or a child of it, lives. Raises
    StartError, OSError.

    The folder itself is locked: that needs no room, and a disk that can be written.
    """
    lock = os.open(config.kiosk.state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StartError(f"{config.kiosk.state}: another kiosk is running on this state") from None
