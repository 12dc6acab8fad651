"""What a driver of a speaker must do (`hal.speaker.contract.Speaker`)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hal.conformance.plugin import Broken
from hal.faults import DeviceFault
from hal.speaker import wav
from hal.speaker.contract import Speaker

pytestmark = pytest.mark.device("speaker")
Call = Callable[[Callable[[], Any]], Any]
SOUND = wav.encode(wav.Recording(16000, np.zeros(1600, np.int16), "test"))


def test_a_speaker_that_is_well_takes_sound(driver: Speaker, in_time: Call) -> None:
    in_time(driver.check)
    in_time(lambda: driver.play((SOUND, SOUND)))


def test_playing_does_not_wait_for_the_sound(driver: Speaker, in_time: Call) -> None:
    long = wav.encode(wav.Recording(8000, np.zeros(8000 * 600, np.int16), "long"))
    in_time(lambda: driver.play((long,)))
    in_time(driver.stop)


def test_volume_and_silence(driver: Speaker) -> None:
    for percent in (0, 100):
        driver.set_volume(percent)
        driver.play((SOUND,))
    driver.stop()
    driver.stop()


def test_what_is_no_sound_is_refused(driver: Speaker) -> None:
    with pytest.raises(DeviceFault):
        driver.play((b"no sound",))


def test_headphones_are_told_at_first(driver: Speaker) -> None:
    told = threading.Event()
    driver.watch(lambda _: told.set())
    assert told.wait(60)


def test_a_speaker_that_is_gone_is_told(driver: Speaker, broken: Broken, in_time: Call) -> None:
    with broken("gone"):
        with pytest.raises(DeviceFault):
            in_time(driver.check)
        in_time(driver.stop)


def test_closing_twice_is_nothing(driver: Speaker) -> None:
    driver.close()
    driver.close()
