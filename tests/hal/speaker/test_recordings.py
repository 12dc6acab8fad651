"""Speech is really made. (The recipe lives with the texts; what it makes is for the speaker.)"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from firmware.texts import recordings
from hal.speaker import wav

VOICES = [
    pytest.param(
        "ja",
        "マイナンバーカードを置いてください。",
        marks=pytest.mark.skipif(importlib.util.find_spec("pyopenjtalk") is None, reason="pyopenjtalk-plus is missing"),
    ),
    pytest.param(
        "en",
        "Please place your card on the reader.",
        marks=pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is missing"),
    ),
]


@pytest.mark.parametrize(("language", "text"), VOICES)
def test_it_is_speech(language: str, text: str, tmp_path: Path) -> None:
    recordings.build({"place-card": text}, language, tmp_path)
    made = recordings.load(tmp_path, language, text)
    assert made is not None
    speech = wav.decode(made)
    assert speech.text == text
    assert 1.2 < speech.seconds < 5
    heard = speech.samples.astype(float) / 32768
    assert 0.75 < np.abs(heard).max() < 0.85
    # syllables: the loudness of 20 ms pieces rises and falls; a tone or noise does not
    piece = speech.rate // 50
    loudness = np.sqrt((heard[: len(heard) // piece * piece].reshape(-1, piece) ** 2).mean(axis=1))
    assert loudness.mean() > 0.03
    assert loudness.std() > 0.4 * loudness.mean()
    # and most of what is heard lies where voices do
    power = np.abs(np.fft.rfft(heard)) ** 2
    frequency = np.fft.rfftfreq(len(heard), 1 / speech.rate)
    assert power[(frequency > 80) & (frequency < 4000)].sum() > 0.8 * power.sum()


@pytest.mark.parametrize(("language", "text"), VOICES)
def test_only_what_is_missing(language: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings.build({"a": text, "b": text}, language, tmp_path)
    (file,) = (tmp_path / language).iterdir()
    monkeypatch.setitem(recordings.ENGINES, language, (recordings.ENGINES[language][0], pytest.fail))
    recordings.build({"a": text}, language, tmp_path)
    assert list((tmp_path / language).iterdir()) == [file]
    assert recordings.load(tmp_path, language, text + "!") is None


def test_silence_is_not_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recordings.ENGINES, "en", ("silent", lambda _text: (np.zeros(100), 8000)))
    with pytest.raises(recordings.VoiceError):
        recordings.build({"a": "hello"}, "en", tmp_path)
    assert recordings.load(tmp_path, "en", "hello") is None


def test_unknown_language(tmp_path: Path) -> None:
    with pytest.raises(recordings.VoiceError):
        recordings.build({"a": "hallo"}, "de", tmp_path)
    assert recordings.load(tmp_path, "de", "hallo") is None
