"""Speech made slower without making it lower: pieces are laid over each other where they fit best
(WSOLA, Verhelst and Roelands, 1993). Pure.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from hal.speaker.wav import Recording

PIECE_S: Final = 0.03
SEARCH_S: Final = 0.008


def stretch(recording: Recording, factor: float) -> Recording:
    """`factor` times as long."""
    rate, samples = recording.rate, recording.samples.astype(np.float64)
    half, search = int(PIECE_S * rate) // 2, int(SEARCH_S * rate)
    if len(samples) < 4 * half:
        return recording
    window = np.hanning(2 * half + 1)[:-1]
    source = np.pad(samples, (search, search + 3 * half))
    pieces = int(factor * len(samples)) // half
    made = np.zeros((pieces + 1) * half)
    follow = source[search : search + 2 * half]  # what would come next, were nothing stretched
    for n in range(pieces):
        at = min(int(n * half / factor), len(samples))
        fits = np.correlate(source[at : at + 2 * search + 2 * half], follow, "valid")
        best = at + int(np.argmax(fits))
        made[n * half : (n + 2) * half] += window * source[best : best + 2 * half]
        follow = source[best + half : best + 3 * half]
    loud = np.clip(np.rint(made), -32768, 32767).astype(np.int16)
    return Recording(rate, loud, recording.text)
