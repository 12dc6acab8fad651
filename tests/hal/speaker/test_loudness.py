"""Loudness, against the signals of EBU Tech 3341 and the tables of ITU-R BS.1770."""

from __future__ import annotations

import numpy as np
import pytest

from hal.speaker.loudness import Signal, high_pass, level, loudness, shelf, true_peak

RATE = 48_000
# Tech 3341, tests 1 to 5: (dB of full scale, seconds) of a stereo tone of 1 kHz, and what is shown.
TONES = {
    "1": ([(-23, 20)], -23.0),
    "2": ([(-33, 20)], -33.0),
    "3": ([(-36, 10), (-23, 60), (-36, 10)], -23.0),
    "4": ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23.0),
    "5": ([(-26, 20), (-20, 20.1), (-26, 20)], -23.0),
}


def tone(db: float, seconds: float, hertz: float = 1000, rate: int = RATE) -> Signal:
    at = np.arange(int(seconds * rate))
    return 10 ** (db / 20) * np.sin(2 * np.pi * hertz * at / rate)


@pytest.mark.parametrize("number", TONES)
def test_tones(number: str) -> None:
    parts, shown = TONES[number]
    one = np.concatenate([tone(*part) for part in parts])
    assert loudness(np.stack([one, one]), RATE) == pytest.approx(shown, abs=0.1)


def test_the_filters_are_those_of_the_tables() -> None:
    b, a = shelf(RATE)
    assert b == pytest.approx([1.53512485958697, -2.69169618940638, 1.19839281085285])
    assert a[1:] == pytest.approx([-1.69065929318241, 0.73248077421585])
    b, a = high_pass(RATE)
    assert b == pytest.approx([1, -2, 1])
    assert a[1:] == pytest.approx([-1.99004745483398, 0.99007225036621])


@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 44_100])
def test_the_same_at_every_rate(rate: int) -> None:
    assert loudness(tone(-20, 3, rate=rate), rate) == pytest.approx(-23, abs=0.1)


def test_a_peak_between_the_samples() -> None:
    """Tech 3341, test 16: a quarter of the rate, 45 degrees: no sample is as high as the wave."""
    at = np.arange(RATE)
    wave = 0.5 * np.sin(np.pi / 2 * at + np.pi / 4)
    assert np.abs(wave).max() < 0.36
    assert true_peak(wave) == pytest.approx(-6.0, abs=0.3)


def test_what_is_levelled_is_as_loud_as_wanted_and_no_peak_is_too_high() -> None:
    dice = np.random.default_rng(1)
    clicks = tone(-40, 1, rate=24_000)
    clicks[dice.integers(0, len(clicks), 20)] = 0.9
    for signal in (tone(-50, 0.2, rate=24_000), tone(-1, 2, rate=24_000), clicks):
        made = level(signal, 24_000)
        assert loudness(made, 24_000) == pytest.approx(-18, abs=0.5)
        assert true_peak(made) < -0.99


def test_silence() -> None:
    assert loudness(np.zeros(RATE), RATE) == -np.inf
    assert not level(np.zeros(RATE), RATE).any()
    assert true_peak(np.zeros(9)) == -np.inf
