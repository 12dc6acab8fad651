"""Is the speaker heard? Two tones, of which the second is higher."""

from __future__ import annotations

from typing import Final

import numpy as np

from firmware.service import devices
from firmware.service.config import Config
from firmware.tools.diagnose.finding import wrong
from firmware.tools.diagnose.guided.human import Asking, Request
from hal.speaker import wav

RATE: Final = 24_000  # samples a second
TONES_HZ: Final = (440, 880)
TONE_S: Final = 0.8
LOUDNESS: Final = 0.4  # of full scale
READY: Final = Request(
    "スピーカーの音が聞こえる所に立ってください。Enter のあと、音が鳴ります。",
    "Stand where you hear the speaker. After Enter there is a sound.",
)
HEARD: Final = Request(
    "スピーカーから、低い音と高い音が続けて聞こえましたか。",
    "Did you hear a low tone and then a high one from the speaker?",
)


def tones() -> bytes:
    """The recording (WAV)."""
    at = np.arange(int(RATE * TONE_S)) / RATE
    parts = [np.sin(2 * np.pi * hz * at) * np.hanning(len(at)) for hz in TONES_HZ]
    samples = (np.concatenate(parts) * LOUDNESS * 32767).astype(np.int16)
    return wav.encode(wav.Recording(RATE, samples, "♪♪"))


def sound(config: Config, asking: Asking) -> str:
    """At the volume that a resident hears. Raises Wrong, DeviceFault, Gone."""
    if not asking.ask(READY):
        raise wrong("guided.sound", "nobody can listen")
    speaker = devices.speaker(config.speaker)
    try:
        speaker.set_volume(config.voice.volume)
        speaker.play((tones(),))
        if not asking.ask(HEARD):
            raise wrong("guided.sound", "not heard")
    finally:
        speaker.close()
    return f"two tones heard at {config.voice.volume} %"
