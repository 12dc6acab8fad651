"""aplay for real, onto ALSA devices that are files."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hal.faults import DeviceFault, Reason
from hal.speaker import wav
from hal.speaker.alsa import AlsaSpeaker

needs_aplay = pytest.mark.skipif(
    shutil.which("aplay") is None, reason="aplay (alsa-utils) is not installed"
)

ALSA = """
pcm.tape {{ type file slave.pcm {{ type null }} file "{tape}" format raw }}
pcm.tape16 {{ type plug slave {{ pcm tape format S16_LE }} }}
"""


@pytest.fixture
def tape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What reached the sound device: raw samples."""
    tape = tmp_path / "tape.raw"
    (tmp_path / "asound.conf").write_text(ALSA.format(tape=tape))
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))
    return tape


def recording(value: int, seconds: float = 0.1) -> bytes:
    return wav.encode(wav.Recording(8000, np.full(int(8000 * seconds), value, np.int16), "x"))


def on(tape: Path) -> list[int]:
    """The different samples on the tape, in order."""
    raw = tape.read_bytes() if tape.exists() else b""
    heard = np.frombuffer(raw[: len(raw) // 2 * 2], "<i2")
    return [int(v) for i, v in enumerate(heard) if v and (i == 0 or v != heard[i - 1])]


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not done():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


@needs_aplay
def test_plays(tape: Path) -> None:
    speaker = AlsaSpeaker("tape")
    speaker.check()
    speaker.play((recording(1000),))
    until(lambda: on(tape) == [1000])
    speaker.set_volume(20)
    speaker.play((recording(1000),))
    until(lambda: on(tape) == [200])  # the file is begun anew for each recording
    speaker.close()


@needs_aplay
def test_one_after_the_other_and_interrupted(tape: Path, tmp_path: Path) -> None:
    """A stand-in for aplay that plays slowly and writes down what it began and ended."""
    diary = tmp_path / "diary"
    program = tmp_path / "slowplay"
    program.write_text(
        f"#!/bin/sh\ntrap 'echo cut >> {diary}; exit 1' TERM\n"
        f"n=$(wc -c)\necho $n >> {diary}\nsleep 0.3 & wait $!\necho end >> {diary}\n"
    )
    program.chmod(0o755)
    speaker = AlsaSpeaker("tape", str(program))
    first, second, third = (recording(1, s) for s in (0.1, 0.2, 0.3))
    sizes = [str(len(r)) for r in (first, second, third)]

    def lines() -> list[str]:
        return diary.read_text().split() if diary.exists() else []

    speaker.play((first, second))
    until(lambda: lines() == [sizes[0], "end", sizes[1]])
    speaker.play((third,))
    until(lambda: lines() == [sizes[0], "end", sizes[1], "cut", sizes[2]])
    speaker.stop()
    until(lambda: lines()[-1] == "cut" and len(lines()) == 6)
    speaker.play(())  # being interrupted is not a fault
    speaker.close()
    speaker.close()


@needs_aplay
def test_a_missing_device_is_said(tape: Path, caplog: pytest.LogCaptureFixture) -> None:
    speaker = AlsaSpeaker("nowhere")
    with pytest.raises(DeviceFault) as caught:
        speaker.check()
    assert caught.value.reason is Reason.NOT_CONNECTED
    speaker.play((recording(1),))
    until(lambda: "not-connected" in caplog.text)
    with pytest.raises(DeviceFault):
        speaker.play((recording(1),))
    speaker.close()


def test_a_missing_program_is_said() -> None:
    speaker = AlsaSpeaker(program="no-such-player")
    with pytest.raises(DeviceFault, match="not installed"):
        speaker.check()
    with pytest.raises(DeviceFault, match="not installed"):
        speaker.play((recording(1),))
    speaker.stop()
    speaker.close()


def test_not_a_recording() -> None:
    with pytest.raises(DeviceFault, match="refused"):
        AlsaSpeaker(program="true").play((b"nonsense",))
