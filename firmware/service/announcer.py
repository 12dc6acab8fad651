"""The kiosk's voice: says the words of a screen, again when asked, louder or softer, and stops when the screen goes."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from firmware.flow.screens import Screen
from firmware.service.log import log
from firmware.texts import recordings
from firmware.texts.texts import Texts
from firmware.texts.voice import words
from hal.faults import DeviceFault
from hal.speaker.contract import Speaker

STEP = 20  # percent a touch on the volume


@dataclass
class Announcer:
    """A kiosk whose speaker fails still serves: everything said is on the screen too."""

    speaker: Speaker
    lane: Executor
    folder: Path
    volume: int
    last: tuple[bytes, ...] = ()

    def say(self, screen: Screen, texts: Texts) -> None:
        found = (recordings.load(self.folder, screen.language, phrase) for phrase in words(screen, texts))
        self.last = tuple(recording for recording in found if recording)
        self.repeat()

    def repeat(self) -> None:
        self.lane.submit(self._play, self.last)

    def louder(self, by: int) -> None:
        self.volume = min(max(self.volume + by * STEP, 0), 100)
        self.lane.submit(self.speaker.set_volume, self.volume)
        self.repeat()

    def _play(self, recordings_: tuple[bytes, ...]) -> None:
        try:
            if recordings_:
                self.speaker.play(recordings_)
            else:
                self.speaker.stop()
        except DeviceFault as fault:
            log("device.fault", device="speaker", reason=fault.reason.value, detail=fault.detail)
