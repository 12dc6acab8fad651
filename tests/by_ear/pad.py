"""A kiosk that is heard and felt: the journey's machine, the rendered page's keys, the announcer
and a speaker that only keeps what it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from city import municipality
from city.words_command import words
from firmware.flow import commands, events
from firmware.flow.screens import Screen
from firmware.panel.render import render
from firmware.service.announcer import Announcer
from firmware.texts import city_words, recordings, voice
from firmware.texts.phrase import Phrase
from firmware.texts.texts import Texts
from firmware.texts.voice import NOWHERE
from hal.speaker import wav
from hal.speaker.contract import Plugged
from testbed.scenario.model import ModelRun
from testbed.scenario_file import Failed, Script
from testbed.world.answers import Happening

LANGUAGES = ("ja", "en")
BUTTON = re.compile(r"<button [^>]*>")


class AtOnce(Executor):
    """Work is done where it is asked for."""

    def submit(self, fn: Any, /, *args: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **named))
        return done


class KeepingSpeaker:
    """`hal.speaker.contract.Speaker`: what it played last, by the recordings' own words."""

    def __init__(self) -> None:
        self.playing: list[str] = []
        self.history: list[str] = []
        self.sounds: list[bytes] = []

    def play(self, recordings: tuple[bytes, ...]) -> None:
        self.sounds.extend(recordings)
        self.playing = [wav.decode(each).text for each in recordings]
        self.history += self.playing

    def stop(self) -> None:
        self.playing = []

    def set_volume(self, percent: int) -> None:
        pass

    def watch(self, plugged: Plugged) -> None:
        plugged(None)

    def close(self) -> None:
        pass


def recorded(_: Path, phrase: Phrase) -> bytes:
    """A recording of what `kiosk voice` would have recorded; an error for anything else."""
    if phrase not in PHRASES[phrase.language]:
        raise AssertionError(f"nobody has recorded {phrase!r}")
    return wav.encode(wav.Recording(8000, np.zeros(80, np.int16), str(phrase)))


AKASHI = Path(__file__).parents[2] / "city/data/akashi.toml"
OWN = [tuple(text.items()) for text in words(municipality.load(AKASHI)).texts]
# The kiosk's own words and the sample city's.
PHRASES = {
    language: {
        *voice.phrases(Texts.load(language)),
        *city_words.phrases(OWN, (language,)),
    }
    for language in recordings.VOICES
}


class Kiosk(ModelRun):
    """One journey; `press` is a key of the pad, found on the page as panel.js finds it."""

    def __init__(self, script: Script, cabinet: Mapping[str, str] = NOWHERE) -> None:
        self.speaker = KeepingSpeaker()
        self.announcer = Announcer(
            self.speaker, AtOnce(), Path(), 80, LANGUAGES, LANGUAGES, cabinet=cabinet
        )
        # What was said has ended long ago, whenever somebody asks.
        self.announcer.clock = partial(next, count(0, 100))
        super().__init__(script)

    def _follow(self, carried_out: commands.Commands) -> None:
        for command in carried_out:
            match command:
                case commands.ShowScreen(screen=screen, speak=True):
                    self.announcer.say(screen)
                case commands.ShowScreen(screen=screen):
                    self.announcer.follow(screen)
                case commands.Announce(screen=screen):
                    self.announcer.remind(screen)
        super()._follow(carried_out)

    def plug(self, plugged: bool) -> None:
        """Headphones, as the speaker tells of them."""
        self.announcer.headphones(plugged)
        changed = events.HeadphonesChanged(plugged=plugged)
        self._follow(self.journey.happen(Happening("headphones", changed)))

    def press(self, key: str) -> None:
        action, value = self._pressed(self.screen, key)
        if self.announcer.touched(action, value):
            return
        self.announcer.confirm()
        if action == "digit":
            self._type_digit()
        else:
            self._touch(action, value)
        self._settle()

    def _pressed(self, screen: Screen, key: str) -> tuple[str, str]:
        """What panel.js does with the key: the first button that names it."""
        for button in BUTTON.findall(render(screen, Texts.load(screen.language), LANGUAGES)):
            given = dict(re.findall(r'data-(key|action|value)="([^"]*)"', button))
            if key in given.get("key", "").split():
                return given["action"], given.get("value", "")
        raise Failed(f"no button of {screen.name} has the key {key!r}")
