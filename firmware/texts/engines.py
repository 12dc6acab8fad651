"""The programs that speak, where recordings are made: Open JTalk for Japanese, eSpeak NG for the
others.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tempfile
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from firmware.texts.phrase import Phrase
from firmware.texts.texts import RUBY
from hal.speaker import wav

Speech = tuple[NDArray[np.float64], int]  # samples in any scale, samples a second
KATAKANA = {code: code + 0x60 for code in range(ord("ぁ"), ord("ゖ") + 1)}


class VoiceError(Exception):
    """A recording could not be made; says what is missing."""


def open_jtalk(phrase: Phrase) -> Speech:
    samples, rate = _jtalk().tts(as_read(phrase.marked))
    return np.asarray(samples, np.float64), int(rate)


def as_read(marked: str) -> str:
    """The words as the engine reads them rightly: kanji, and kana wherever it would read the kanji
    otherwise than their furigana say. Kanji tell it more about accents than kana do.
    """
    read = "".join(word["read"] for word in _jtalk().run_frontend(RUBY.sub(r"\1\2", marked)))
    made, done, heard = "", 0, 0
    for found in RUBY.finditer(marked):
        words, reading = found[1] or found[2], found[3]
        at = read.find(reading.translate(KATAKANA), heard)
        heard = at + len(reading) if at >= 0 else heard
        made += marked[done : found.start()] + (words if at >= 0 else reading)
        done = found.end()
    return made + marked[done:]


def _jtalk() -> ModuleType:
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it advertises a package it can do without
            import pyopenjtalk
    except ImportError:
        raise VoiceError("Japanese needs the package pyopenjtalk-plus") from None
    return pyopenjtalk


def espeak(voice: str, words_a_minute: int, phrase: Phrase) -> Speech:
    command = ["espeak-ng", "-v", voice, "-s", str(words_a_minute), "-b", "1", "--stdout"]
    try:
        # it looks for a sound server, and would leave folders of it behind
        with tempfile.TemporaryDirectory() as home:
            alone = {
                **os.environ,
                "PULSE_RUNTIME_PATH": home,
                "PULSE_COOKIE": "/dev/null",
                "XDG_CONFIG_HOME": home,
            }
            done = subprocess.run(
                command,
                input=phrase.encode(),
                capture_output=True,
                timeout=60,
                check=True,
                env=alone,
            )
        spoken = wav.decode(done.stdout)
    except FileNotFoundError:
        raise VoiceError(f"{voice!r} needs the program espeak-ng") from None
    except (subprocess.SubprocessError, wav.WavError) as error:
        raise VoiceError(f"espeak-ng: {error}") from None
    return spoken.samples.astype(np.float64), spoken.rate
