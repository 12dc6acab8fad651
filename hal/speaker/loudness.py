"""How loud speech is heard to be, and speech made equally loud. Pure.

Sources: ITU-R BS.1770-5 (K-weighting, gating, true peak); the filters of its tables for 48 kHz are
computed for any rate from the analogue prototypes that they were made of. EBU Tech 3341 has the
signals that the tests measure.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]  # full scale is 1; shape (n,) or (channels, n)

BLOCK_S: Final = 0.4
STEP_S: Final = 0.1
ABSOLUTE: Final = -70.0  # LUFS: what is quieter counts for nothing
RELATIVE: Final = -10.0  # LU below the mean of what is left
OFFSET: Final = -0.691
OVERSAMPLED: Final = 4
# High shelf (the head) and high pass of the K-weighting: corner in Hz, quality, gain in dB.
SHELF: Final = (1681.974450955533, 0.7071752369554196, 3.999843853973347)
PASS: Final = (38.13547087602444, 0.5003270373238773)
TAIL_S: Final = 0.5  # silence behind, so that the filter's end does not come round to the beginning

TARGET: Final = -18.0  # LUFS of each recording
CEILING: Final = -1.0  # dB true peak
LOOK_MS: Final = 4  # the limiter turns down this long before a peak and up this long after
NEAR: Final = 0.2  # LU: near enough
ROUNDS: Final = 6


def loudness(signal: Signal, rate: int) -> float:
    """In LUFS; minus infinity for silence. What is shorter than a block is one block."""
    heard = np.atleast_2d(_weighted(np.atleast_2d(signal), rate))
    length, step = int(BLOCK_S * rate), int(STEP_S * rate)
    starts = range(0, max(heard.shape[1] - length, 0) + 1, step)
    power = np.array([np.mean(heard[:, at : at + length] ** 2, axis=1).sum() for at in starts])
    loud = power[_lufs(power) > ABSOLUTE]
    if not len(loud):
        return -np.inf
    gate = float(_lufs(np.mean(loud))) + RELATIVE
    return float(_lufs(np.mean(loud[_lufs(loud) > gate])))


def true_peak(signal: Signal) -> float:
    """In dB of full scale, between the samples too."""
    peak = float(np.max(np.abs(_oversampled(signal)), initial=0.0))
    return float(20 * np.log10(peak)) if peak else -np.inf


def level(signal: Signal, rate: int, target: float = TARGET, ceiling: float = CEILING) -> Signal:
    """As loud as `target`, with no true peak above `ceiling`. Silence stays what it is."""
    made = signal
    for _ in range(ROUNDS):
        wrong = target - loudness(made, rate)
        if not np.isfinite(wrong):
            return signal
        if abs(wrong) < NEAR and made is not signal:
            break
        made = _limited(made * 10 ** (wrong / 20), rate, ceiling)
    return made


def _lufs(power: NDArray[np.float64] | np.floating) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(OFFSET + 10 * np.log10(power))


def _weighted(signal: Signal, rate: int) -> Signal:
    """The filters as a product of spectra: quick, and the same as sample by sample."""
    n = _handy(signal.shape[-1] + int(TAIL_S * rate))
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(n))
    response = np.ones(len(z), complex)
    for b, a in (shelf(rate), high_pass(rate)):
        response *= np.polyval(b[::-1], z) / np.polyval(a[::-1], z)
    weighted: Signal = np.fft.irfft(np.fft.rfft(signal, n) * response, n)
    return weighted[..., : signal.shape[-1]]


def shelf(rate: int) -> tuple[Signal, Signal]:
    """Numerator and denominator of BS.1770's first filter at this rate."""
    corner, quality, gain = SHELF
    k, high = np.tan(np.pi * corner / rate), 10 ** (gain / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / quality + k * k
    b = [high + band * k / quality + k * k, 2 * (k * k - high), high - band * k / quality + k * k]
    return np.array(b) / a0, np.array([a0, 2 * (k * k - 1), 1 - k / quality + k * k]) / a0


def high_pass(rate: int) -> tuple[Signal, Signal]:
    """Of its second."""
    corner, quality = PASS
    k = np.tan(np.pi * corner / rate)
    a0 = 1 + k / quality + k * k
    return np.array([1.0, -2.0, 1.0]), np.array([a0, 2 * (k * k - 1), 1 - k / quality + k * k]) / a0


def _oversampled(signal: Signal) -> Signal:
    n = len(signal)
    whole = _handy(n + 64)  # silence behind: the end does not come round to the beginning
    padded = np.zeros(OVERSAMPLED * whole // 2 + 1, complex)
    padded[: whole // 2 + 1] = np.fft.rfft(signal, whole)
    made: Signal = np.fft.irfft(padded, OVERSAMPLED * whole) * OVERSAMPLED
    return made[: OVERSAMPLED * n]


def _handy(n: int) -> int:
    """A length, not much longer, that is transformed quickly: 2, 3 or 5 times a power of two."""
    return int(min(k << max((-(-n // k) - 1).bit_length(), 1) for k in (2, 3, 5)))


def _limited(signal: Signal, rate: int, ceiling: float) -> Signal:
    """Turned down around each peak, smoothly, and as a whole by what is still too much."""
    most = 10 ** (ceiling / 20)
    peaks = np.abs(_oversampled(signal))
    if peaks.max(initial=0.0) <= most:
        return signal
    piece = rate // 1000  # gains by the millisecond
    pieces = -(-len(signal) // piece)
    heights = np.zeros(pieces * piece * OVERSAMPLED)
    heights[: len(peaks)] = peaks
    wanted = np.minimum(1.0, most / np.maximum(heights.reshape(pieces, -1).max(axis=1), most / 2))
    around = 2 * LOOK_MS + 1
    lowest = np.lib.stride_tricks.sliding_window_view(
        np.pad(wanted, 2 * LOOK_MS, constant_values=1.0), around
    ).min(axis=1)
    window = np.hanning(around + 2)[1:-1]
    gains = np.convolve(lowest, window / window.sum(), "valid")
    middles = (np.arange(pieces) + 0.5) * piece
    limited = signal * np.interp(np.arange(len(signal)), middles, gains)
    over = float(np.max(np.abs(_oversampled(limited)))) / most
    return limited / max(over, 1.0)
