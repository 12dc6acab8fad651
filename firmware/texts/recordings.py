"""Recorded speech: made once where the engines are, then only read.

A phrase's file is named by its text and engine, so a changed text is a missing recording, never a wrong one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hal.speaker import wav

PEAK = 0.8  # of full scale
QUIET = 0.01  # of the peak: below this it is not speech yet, or no more
MARGIN_S = 0.05  # kept before and after
RATE = 24_000  # samples a second, at most

Speech = tuple[NDArray[np.float64], int]  # samples in any scale, samples a second


class VoiceError(Exception):
    """A recording could not be made; says what is missing."""


def build(phrases: Mapping[str, str], language: str, folder: Path) -> None:
    """Record the phrases (key to text) that `folder` does not hold yet. Raises VoiceError."""
    engine, speak = _engine(language)
    for text in dict.fromkeys(phrases.values()):
        path = _path(folder, language, engine, text)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, wav.encode(_finish(speak(text), text)))


def load(folder: Path, language: str, text: str) -> bytes | None:
    """The recording of exactly this text; None when there is none."""
    if language not in ENGINES:
        return None
    with contextlib.suppress(FileNotFoundError):
        return _path(folder, language, ENGINES[language][0], text).read_bytes()
    return None


def missing(folder: Path, language: str, texts: Iterable[str]) -> list[str]:
    """Those of `texts` that have no recording."""
    if language not in ENGINES:
        return list(texts)
    return [text for text in texts if not _path(folder, language, ENGINES[language][0], text).exists()]


def _path(folder: Path, language: str, engine: str, text: str) -> Path:
    name = hashlib.sha256(f"{engine}\0{text}".encode()).hexdigest()[:16]
    return folder / language / f"{name}.wav"


def _engine(language: str) -> tuple[str, Callable[[str], Speech]]:
    if language not in ENGINES:
        raise VoiceError(f"no voice speaks {language!r}")
    return ENGINES[language]


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(name).chmod(0o644)
    Path(name).replace(path)


def _finish(speech: Speech, text: str) -> wav.Recording:
    """Trimmed, as loud as all others, 16 bits. Raises VoiceError when nothing is said."""
    samples, rate = speech
    if rate == 2 * RATE:
        samples, rate = _halve(samples), RATE
    peak = float(np.max(np.abs(samples), initial=0.0))
    loud = np.flatnonzero(np.abs(samples) > peak * QUIET)
    if not len(loud):
        raise VoiceError(f"nothing is said for {text!r}")
    margin = int(MARGIN_S * rate)
    spoken = samples[max(loud[0] - margin, 0) : loud[-1] + margin]
    return wav.Recording(rate, np.rint(spoken * (PEAK * 32767 / peak)).astype(np.int16), text)


def _halve(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the rate; a windowed sinc keeps what the lower rate cannot carry from folding back."""
    taps = np.arange(-24, 25)
    kernel = np.sinc(taps / 2) / 2 * np.hamming(len(taps))
    return np.convolve(samples, kernel, "same")[::2]


def _open_jtalk(text: str) -> Speech:
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it advertises a package it can do without
            import pyopenjtalk
    except ImportError:
        raise VoiceError("Japanese needs the package pyopenjtalk-plus") from None
    samples, rate = pyopenjtalk.tts(text)
    return np.asarray(samples, np.float64), int(rate)


def _espeak(text: str) -> Speech:
    command = ["espeak-ng", "-v", "en-us", "-s", "150", "--stdout"]
    try:
        with tempfile.TemporaryDirectory() as home:  # it looks for a sound server, and would leave folders of it behind
            alone = {**os.environ, "PULSE_RUNTIME_PATH": home, "PULSE_COOKIE": "/dev/null", "XDG_CONFIG_HOME": home}
            said = text.encode()
            done = subprocess.run(command, input=said, capture_output=True, timeout=60, check=True, env=alone)
        spoken = wav.decode(done.stdout)
    except FileNotFoundError:
        raise VoiceError("English needs the program espeak-ng") from None
    except (subprocess.SubprocessError, wav.WavError) as error:
        raise VoiceError(f"espeak-ng: {error}") from None
    return spoken.samples.astype(np.float64), spoken.rate


# language: name of the voice and recipe (part of each file's name), how it speaks
ENGINES: Mapping[str, tuple[str, Callable[[str], Speech]]] = {
    "ja": ("open-jtalk 1", _open_jtalk),
    "en": ("espeak-ng en-us 150 1", _espeak),
}
