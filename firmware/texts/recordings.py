"""Recorded speech: made once where the engines are, then only read.

A recording's file is named by the words, their readings and the engine, so a changed text is a
missing recording, never a wrong one. All recordings are equally loud.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware.texts import engines
from firmware.texts.engines import VoiceError
from firmware.texts.phrase import Phrase
from hal.speaker import wav
from hal.speaker.loudness import level

RATES = range(8_000, 48_001)  # samples a second that a recording of ours may have
QUIET = 0.01  # of the peak: below this it is not speech yet, or no more
MARGIN_S = 0.05  # kept before and after
RATE = 24_000  # samples a second, at most
HEAD = 12  # bytes of a WAV file before its first chunk


class Damaged(Exception):
    """A recording that is there and cannot be used: which file, and why."""


@dataclass(frozen=True)
class Voice:
    """`recipe` is part of each file's name; languages of one `folder` share their recordings."""

    folder: str
    recipe: str
    speak: Callable[[Phrase], engines.Speech]


def _espeak(folder: str, voice: str, words_a_minute: int = 150) -> Voice:
    speak = functools.partial(engines.espeak, voice, words_a_minute)
    return Voice(folder, f"espeak-ng {voice} {words_a_minute} 2", speak)


_MEI = Voice("ja", "open-jtalk 2", engines.open_jtalk)
VOICES: Mapping[str, Voice] = {
    "ja": _MEI,
    "ja-easy": _MEI,
    "en": _espeak("en", "en-us"),
    **dict.fromkeys(("zh-Hans", "zh-Hant"), _espeak("zh", "cmn")),
    "ko": _espeak("ko", "ko"),
    "vi": _espeak("vi", "vi"),
    "pt": _espeak("pt", "pt-br"),
    "ne": _espeak("ne", "ne"),
    "id": _espeak("id", "id"),
}
# What is spoken where a language has no voice.
INSTEAD = "en"


def ready(offered: Sequence[str], named: Sequence[str] | None) -> tuple[str, ...]:
    """Of the languages that a kiosk offers, those that must be recorded before it starts: the named
    ones, or all that have a voice.
    """
    wanted = offered if named is None else named
    return tuple(each for each in offered if each in VOICES and each in wanted)


def record(phrase: Phrase, folder: Path) -> None:
    """Make this recording unless `folder` holds it already, whole. Raises VoiceError, OSError."""
    voice = VOICES.get(phrase.language)
    if voice is None:
        raise VoiceError(f"no voice speaks {phrase.language!r}")
    path = _path(folder, voice, phrase)
    if not _is_whole(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, wav.encode(_finish(voice.speak(phrase), phrase)))


def load(folder: Path, phrase: Phrase) -> bytes | None:
    """The recording of exactly this phrase; None when there is none. Raises Damaged."""
    voice = VOICES.get(phrase.language)
    if voice is None:
        return None
    path = _path(folder, voice, phrase)
    try:
        content = path.read_bytes()
        _check(content)
    except FileNotFoundError:
        return None
    except (OSError, wav.WavError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Damaged(f"{voice.folder}/{path.name}: {why}") from None
    return content


def _check(content: bytes) -> None:
    """Raises WavError for what `record` would not have written."""
    recording = wav.decode(content)
    if _promised(content) != len(content):
        raise wav.WavError("cut short, or longer than it says")
    if recording.rate not in RATES or not len(recording.samples):
        raise wav.WavError(f"{len(recording.samples)} samples, {recording.rate} a second")


def missing(folder: Path, phrases: Iterable[Phrase]) -> list[Phrase]:
    """Those that have no recording that can be used."""
    return [
        phrase
        for phrase in phrases
        if (voice := VOICES.get(phrase.language)) is None
        or not _is_whole(_path(folder, voice, phrase))
    ]


def _is_whole(path: Path) -> bool:
    """As far as its head and its length tell: thousands of files are looked at before each start.
    `load` reads all of one.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
            length = os.fstat(file.fileno()).st_size
    except OSError:
        return False
    return head[:4] == b"RIFF" and head[8:] == b"WAVE" and _promised(head) == length


def _promised(content: bytes) -> int:
    """Bytes of the whole file, as its head says."""
    return int.from_bytes(content[4:8], "little") + 8


def note_complete(folder: Path, language: str, phrases: Iterable[Phrase]) -> None:
    """Write down that all of these are there, so that nobody has to look for each of them. Raises
    OSError.
    """
    made = mark(language, phrases)
    if noted(folder, language) != made:
        _write(_note(folder, language), made.encode())


def noted(folder: Path, language: str) -> str:
    """The mark of what was written down as complete; "" where nothing was."""
    with contextlib.suppress(OSError):
        return _note(folder, language).read_bytes().decode("ascii", "replace")
    return ""


def mark(language: str, phrases: Iterable[Phrase]) -> str:
    """The names of their recordings, as one: changed texts have another."""
    names = sorted(_path(Path(), VOICES[language], phrase).name for phrase in phrases)
    return hashlib.sha256(" ".join(names).encode()).hexdigest()


def _note(folder: Path, language: str) -> Path:
    return folder / VOICES[language].folder / f"complete-{language}"


def path_of(folder: Path, phrase: Phrase) -> Path:
    """Where the recording of this phrase is kept. KeyError for a language without a voice."""
    return _path(folder, VOICES[phrase.language], phrase)


def _path(folder: Path, voice: Voice, phrase: Phrase) -> Path:
    name = hashlib.sha256(f"{voice.recipe}\0{phrase.marked}".encode()).hexdigest()[:16]
    return folder / voice.folder / f"{name}.wav"


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(name).chmod(0o644)
    Path(name).replace(path)


def _finish(speech: engines.Speech, text: str) -> wav.Recording:
    """Trimmed, as loud as all others, 16 bits. Raises VoiceError when nothing is said."""
    samples, rate = speech
    if rate == 2 * RATE:
        samples, rate = _halve(samples), RATE
    peak = float(np.max(np.abs(samples), initial=0.0))
    loud = np.flatnonzero(np.abs(samples) > peak * QUIET)
    if not len(loud):
        raise VoiceError(f"nothing is said for {text!r}")
    margin = int(MARGIN_S * rate)
    spoken = level(samples[max(loud[0] - margin, 0) : loud[-1] + margin] / peak, rate)
    return wav.Recording(rate, np.rint(spoken * 32767).astype(np.int16), str(text))


def _halve(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the rate; a windowed sinc keeps what the lower rate cannot carry from folding back."""
    taps = np.arange(-24, 25)
    kernel = np.sinc(taps / 2) / 2 * np.hamming(len(taps))
    return np.convolve(samples, kernel, "same")[::2]
