"""The voice on its way to the speaker: what it repeats, what it keeps to itself, when it stops."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware.flow.screens import Screen
from firmware.flow.session import Mode
from firmware.service import announcer
from firmware.service.announcer import KEY, Announcer
from firmware.texts import recordings
from firmware.texts.phrase import Phrase
from firmware.texts.texts import Texts
from firmware.texts.voice import phrases
from hal.faults import DeviceFault, Reason
from hal.speaker import wav
from hal.speaker.contract import Plugged

EN = Texts.load("en")
PERSON = {"id": "m1", "name": "明石", "chosen": False, "own": True, "reading": "アカシ"}
MEMBERS = {
    "option": "members",
    "type": "many",
    "choices": [PERSON],
    "count": None,
    "minimum": 1,
    "notice": "",
}


class AtOnce(Executor):
    def submit(self, fn: Any, /, *args: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **named))
        return done


class Ears:
    """`hal.speaker.contract.Speaker`: all that it was sent; () is the command to be quiet."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []
        self.sounds: list[bytes] = []
        self.volume = 0

    def play(self, recordings: tuple[bytes, ...]) -> None:
        self.sounds = list(recordings)
        self.heard.append(tuple(wav.decode(each).text for each in recordings))

    def stop(self) -> None:
        self.heard.append(())

    def set_volume(self, percent: int) -> None:
        self.volume = percent

    def watch(self, plugged: Plugged) -> None:
        plugged(None)

    def close(self) -> None:
        pass


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> Ears:
    def load(_: Path, phrase: Phrase) -> bytes:
        return wav.encode(wav.Recording(8000, np.ones(8000, np.int16), str(phrase)))

    monkeypatch.setattr(recordings, "load", load)
    return Ears()


def made(ears: Ears, *ready: str) -> Announcer:
    return Announcer(ears, AtOnce(), Path("/nowhere"), 60, ("ja", "en", "ko", "tl"), ready)


def members(**more: Any) -> Screen:
    return Screen("options", 1, "en", ("pick", "next", "cancel"), facts=MEMBERS, **more)


def test_names_are_spoken_only_while_headphones_are_in(ears: Ears) -> None:
    voice = made(ears, "ja", "en")
    voice.say(members())
    assert "ア" not in ears.heard[-1]
    voice.headphones(True)
    assert {"ア", "カ", "シ"} <= {*ears.heard[-1]}
    voice.headphones(None)
    assert ears.heard[-1] == ()  # quiet, in the middle of the name
    voice.repeat()
    assert "ア" not in ears.heard[-1]
    voice.headphones(False)
    assert len(ears.heard) == 4


def test_every_key_makes_the_same_sound_and_stops_what_is_said(ears: Ears) -> None:
    voice = made(ears, "en")
    voice.say(members())
    voice.confirm()
    assert ears.sounds == [KEY]
    voice.confirm()
    assert ears.sounds == [KEY]


def test_slower(ears: Ears) -> None:
    voice = made(ears, "en")
    voice.say(members(modes=frozenset({Mode.SLOW})))
    assert wav.decode(ears.sounds[0]).seconds == pytest.approx(announcer.SLOWER, abs=0.05)
    voice.follow(members())
    assert EN.get("spoken.as-usual") in ears.heard[-1]
    assert wav.decode(ears.sounds[0]).seconds == pytest.approx(1)


def test_louder_and_quieter(ears: Ears) -> None:
    voice = made(ears, "en")
    voice.say(members())
    for _ in range(5):
        assert voice.touched("volume", "up")
    assert ears.volume == 100
    assert voice.touched("volume", "down")
    assert ears.volume == 80
    assert ears.heard[-1] == ears.heard[0]


def test_a_language_without_a_voice_is_said_once_and_the_voice_is_english(ears: Ears) -> None:
    voice = made(ears, "ja", "en")
    for screen in (Screen("reading", 1, "tl"), Screen("verifying", 2, "tl")):
        voice.say(screen)
    assert ears.heard[0][:2] == (EN.get("spoken.no-voice"), EN.get("screen.reading.title"))
    assert ears.heard[1][0] == EN.get("screen.verifying.title")
    assert voice.spoken("ja-easy") == "ja"


def test_a_language_whose_recordings_are_not_all_there_does_not_speak(ears: Ears) -> None:
    assert made(ears, "ja", "en").spoken("ko") == "en"
    assert made(ears, "ja", "en", "ko").spoken("ko") == "ko"
    assert made(ears, "ja").spoken("en") == "ja"


@pytest.mark.parametrize(
    "value",
    ["", "pick", "pick.m9", "choose.x", "language.xx", "digit.5", "page.9", "mode.x", "a.b"],
)
def test_a_button_that_is_not_there_has_no_words(ears: Ears, value: str) -> None:
    voice = made(ears, "en")
    voice.say(members())
    assert voice.touched("hear", value)
    assert len(ears.heard) == 1


def test_a_button_by_itself(ears: Ears) -> None:
    voice = made(ears, "en")
    voice.say(members())
    assert voice.touched("hear", "pick.m1")
    assert ears.heard[-1] == ("Person 1", "yourself", EN.get("spoken.take"))
    assert voice.touched("hear", "page.later")
    assert not voice.touched("pick", "m1")


PIN = Screen("pin", 1, "en", ("enter", "clear", "cancel"), facts={"notice": "", "tries": 3})


@pytest.mark.parametrize("step", ["digit.5", "clear", "enter", "cancel", "repeat", "page.help"])
def test_where_a_pin_is_typed_only_headphones_hear_the_steps(ears: Ears, step: str) -> None:
    voice = made(ears, "en")
    voice.say(PIN)
    voice.touched("hear", step)
    assert not ears.heard[-1]
    voice.headphones(True)
    voice.touched("hear", step)
    assert ears.heard[-1][-1] == ("♪" if step == "digit.5" else EN.get("spoken.take"))


def test_it_is_said_that_the_view_of_modes_and_languages_is_open(ears: Ears) -> None:
    voice = made(ears, "en")
    voice.say(members())
    voice.touched("hear", "page.opened")
    assert ears.heard[-1] == (
        EN.get("page.help"),
        EN.get("spoken.opened"),
        EN.get("page.close"),
        "press Backspace.",
    )
    assert {*ears.heard[-1]} <= phrases(EN)
    voice.touched("hear", "page.closed")
    assert ears.heard[-1] == ears.heard[0]


class Later(Executor):
    """Work that waits until it is let go."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Any, ...]] = []

    def submit(self, fn: Any, /, *args: Any, **named: Any) -> Future[Any]:
        self.waiting.append((fn, args, named))
        return Future()

    def go(self) -> None:
        for fn, args, named in self.waiting:
            fn(*args, **named)


def test_what_waits_to_be_said_in_private_is_not_said_without_headphones(ears: Ears) -> None:
    voice, waits = made(ears, "en"), Later()
    voice.say(members())
    voice.private, voice.thread = True, waits
    voice.repeat()
    voice.headphones(None)
    waits.go()
    assert ears.heard[1:] == [(), ()]


def test_a_reminder_lets_everything_be_said_first(ears: Ears) -> None:
    """Each recording here lasts a second."""
    now = [100.0]
    voice = made(ears, "en")
    voice.clock = lambda: now[0]
    voice.say(members())
    words = len(ears.heard[-1])
    for passed in (0.0, words - 0.1, words + announcer.PAUSE_S - 0.1):
        now[0] = 100.0 + passed
        voice.remind(members())
        assert len(ears.heard) == 1
    now[0] = 100.0 + words + announcer.PAUSE_S
    voice.remind(members())
    assert ears.heard[1] == ears.heard[0]
    voice.confirm()  # a key: what was said has been stopped
    now[0] += announcer.PAUSE_S + 1
    voice.remind(members())
    assert len(ears.heard) == 4


def test_a_speaker_that_fails_is_reminded_to(ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: tuple[bytes, ...]) -> None:
        raise DeviceFault("speaker", Reason.NOT_CONNECTED)

    voice = made(ears, "en")
    with monkeypatch.context() as broken:
        broken.setattr(ears, "play", fail)
        voice.say(members())
    voice.remind(members())
    assert len(ears.heard) == 1
