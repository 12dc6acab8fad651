"""A speaker on an ALSA device, through `aplay` (alsa-utils): one process a recording, ended to be
quiet.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
import threading

import numpy as np

from hal.exchanges import exchange
from hal.faults import DeviceFault, Reason
from hal.speaker import wav
from hal.speaker.contract import Plugged
from hal.speaker.jack import Jack

log = logging.getLogger(__name__)

SILENCE = wav.Recording(48_000, np.zeros(480, np.int16))  # 10 ms
HANG_S = 3.0  # a recording may take this much longer than it is
END_S = 1.0


class AlsaSpeaker:
    """`hal.speaker.contract.Speaker`. `device` is ALSA's name, such as `default` or `plughw:1,0`.

    Whether the device works is known only after aplay tried: `check` tries at once; `play` raises
    what the last recording met, and tries again all the same. Without `jack` nobody can tell
    whether headphones are in.
    """

    def __init__(
        self,
        device: str = "default",
        program: str = "aplay",
        name: str = "speaker",
        jack: Jack | None = None,
    ) -> None:
        self._jack = jack
        self._command = [program, "-q", "-D", device, "-"]
        self._name = name
        self._volume = 100
        self._fault: DeviceFault | None = None
        self._waiting: tuple[wav.Recording, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None

    def check(self) -> None:
        """Play 10 ms of silence and wait for it. Raises DeviceFault: NOT_CONNECTED, SILENT."""
        if trouble := self._feed(self._spawn(), SILENCE):
            raise trouble

    def play(self, recordings: tuple[bytes, ...]) -> None:
        """See Speaker. Raises DeviceFault: NOT_CONNECTED; REFUSED when a recording is not 16-bit
        mono WAV.
        """
        if shutil.which(self._command[0]) is None:
            raise self._missing()
        try:
            louder = tuple(wav.scale(wav.decode(r), self._volume) for r in recordings)
        except wav.WavError as error:
            raise DeviceFault(self._name, Reason.REFUSED, str(error)) from None
        with self._changed:
            self._interrupt(louder)
            if self._worker is None:
                self._worker = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._worker.start()
            fault, self._fault = self._fault, None
        if fault:
            raise fault

    def stop(self) -> None:
        """See Speaker."""
        with self._changed:
            self._interrupt(())

    def set_volume(self, percent: int) -> None:
        """See Speaker."""
        self._volume = percent

    def watch(self, plugged: Plugged) -> None:
        """See Speaker."""
        if self._jack is None:
            return plugged(None)

        private: bool | None = None

        def tell(now: bool | None) -> None:
            nonlocal private
            if private:
                self.stop()
            private = now
            plugged(now)

        self._jack.watch(tell)

    def close(self) -> None:
        """See Speaker."""
        if self._jack is not None:
            self._jack.close()
        with self._changed:
            self._closed = True
            self._interrupt(())
        if self._worker is not None:
            self._worker.join(END_S)

    def _interrupt(self, next_ones: tuple[wav.Recording, ...]) -> None:
        self._waiting = next_ones
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.terminate()
            self._process = None
        self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                recording, self._waiting = self._waiting[0], self._waiting[1:]
                try:
                    process = self._process = self._spawn()
                except DeviceFault as fault:
                    self._fail(fault)
                    continue
            trouble = self._feed(process, recording)
            with self._changed:
                if self._process is process:  # else it was ended on purpose
                    self._process = None
                    if trouble:
                        self._fail(trouble)

    def _feed(
        self, process: subprocess.Popen[bytes], recording: wav.Recording
    ) -> DeviceFault | None:
        """Wait for the recording's end."""
        sound = wav.encode(recording)
        try:
            with exchange(self._name, "play", len(sound)) as made:
                _, errors = process.communicate(sound, recording.seconds + HANG_S)
                made.result = "ok" if process.returncode == 0 else f"ended {process.returncode}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return DeviceFault(self._name, Reason.SILENT, "the sound device takes no sound")
        if process.returncode == 0:
            return None
        lines = errors.decode("utf-8", "replace").strip().splitlines()
        detail = lines[-1][:200] if lines else f"aplay ended with {process.returncode}"
        return DeviceFault(self._name, Reason.NOT_CONNECTED, detail)

    def _fail(self, fault: DeviceFault) -> None:
        log.warning("%s", fault)
        self._fault, self._waiting = fault, ()

    def _spawn(self) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        try:
            return subprocess.Popen(
                self._command, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe
            )
        except OSError:
            raise self._missing() from None

    def _missing(self) -> DeviceFault:
        return DeviceFault(
            self._name, Reason.NOT_CONNECTED, f"{self._command[0]} is not installed (alsa-utils)"
        )
