"""Slower speech has the same voice."""

from __future__ import annotations

import numpy as np
import pytest

from hal.speaker.stretch import stretch
from hal.speaker.wav import Recording

RATE = 24_000


@pytest.mark.parametrize("factor", [1.2, 1.4, 2.0])
def test_it_takes_longer_and_is_no_lower(factor: float) -> None:
    wave = 8000 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)
    made = stretch(Recording(RATE, wave.astype(np.int16), "words"), factor)
    assert made.text == "words"
    assert made.seconds == pytest.approx(factor, abs=0.05)
    middle = made.samples[RATE // 10 : -RATE // 10].astype(float)
    highest = np.argmax(np.abs(np.fft.rfft(middle))) * RATE / len(middle)
    assert highest == pytest.approx(200, abs=3)
    assert 6000 < np.abs(middle).max() < 9000


@pytest.mark.parametrize("samples", [0, 1, 100])
def test_what_is_too_short_stays(samples: int) -> None:
    short = Recording(RATE, np.ones(samples, np.int16))
    assert stretch(short, 1.4) is short
