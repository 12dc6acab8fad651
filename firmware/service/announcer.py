"""The kiosk's voice: says the words of a screen and what changes on it, again when asked, slower,
louder or softer, and stops when a key is pressed.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from firmware.flow.keys import Press, choices, keys
from firmware.flow.screens import PRINTED, Screen
from firmware.flow.session import Mode
from firmware.flow.states import State
from firmware.service.config import Config
from firmware.service.log import log
from firmware.texts import recordings, voice
from firmware.texts.phrase import Phrase, SpokenTexts
from firmware.texts.texts import Texts
from firmware.texts.voice_keys import say_press
from firmware.texts.voice_names import sounds
from hal.faults import DeviceFault
from hal.speaker import wav
from hal.speaker.contract import Speaker
from hal.speaker.stretch import stretch

OPENED, CLOSED = Press("page", "opened"), Press("page", "closed")  # the view of the page itself
VOLUME = {"up": 20, "down": -20}  # percent a touch
OTHERS = {
    *(Press("mode", mode.value) for mode in Mode),
    *(Press("page", value) for value in ("help", "close", "earlier", "later")),
}
OF_SEVERAL = ("choose", "pick", "language", "mode")  # actions that are nothing without a value
PAUSE_S = 2.0  # between the end of what is said and its repetition
SLOWER = 1.4  # times as long, in the mode SLOW


def _key_sound() -> bytes:
    """The same for every key: it says that one was felt, and not which."""
    rate = 24_000
    at = np.arange(rate // 25)
    tone = np.sin(2 * np.pi * 880 * at / rate) * np.hanning(len(at)) * 0.25
    return wav.encode(wav.Recording(rate, (tone * 32767).astype(np.int16), "♪"))


KEY = _key_sound()


@dataclass
class Announcer:
    """A kiosk whose speaker fails still serves: everything said is on the screen too.

    `languages`: those that can be chosen; `ready`: those whose recordings are all there.
    """

    speaker: Speaker
    thread: Executor
    folder: Path
    volume: int
    languages: Sequence[str] = ()
    ready: Sequence[str] = ()
    private: bool = False  # headphones are in, and only the person hears
    cabinet: Mapping[str, str] = field(default_factory=dict)  # where on it each device is
    shown: Screen | None = None
    clock: Callable[[], float] = time.monotonic
    _silent_from: float = 0.0  # by the clock: when what was sent last has been said
    _told: set[str] = field(default_factory=set)  # languages that have no voice, and it was said
    _complete: set[str] = field(default_factory=set)  # those found to be recorded since

    @classmethod
    def of(cls, config: Config, speaker: Speaker, thread: Executor) -> Announcer:
        return cls(
            speaker,
            thread,
            config.voice.recordings,
            config.voice.volume,
            config.kiosk.languages,
            recordings.ready(config.kiosk.languages, config.voice.languages),
            cabinet=config.panel.sides,
        )

    def say(self, screen: Screen) -> None:
        """All of the screen."""
        self.shown = screen
        self._speak(voice.words, screen, languages=self.languages, cabinet=self.cabinet)

    def remind(self, screen: Screen) -> None:
        """All of it again, but only to who has heard it to its end, and a moment for an answer:
        what to do stands at the end of many words.
        """
        if self.clock() >= self._silent_from + PAUSE_S:
            self.say(screen)

    def touched(self, action: str, value: str) -> bool:
        """Whether it was a touch for the voice alone."""
        if action == "repeat":
            self.repeat()
        elif action == "volume":
            self.louder(VOLUME.get(value, 0))
        elif action == "hear":
            pressed, _, of = value.partition(".")
            self._hear(Press(pressed, of))
        else:
            return False
        return True

    def follow(self, screen: Screen) -> None:
        """What has changed on a screen that stays; it goes on being silent where nothing has."""
        before, self.shown = self.shown, screen
        if before is not None and before.name == screen.name:
            texts = Texts.load(self.spoken(screen.language))
            if changed := voice.changed(before, screen, texts, self.private):
                self._play(changed, screen)

    def _hear(self, press: Press) -> None:
        """What the page has done by itself."""
        if press == CLOSED:
            self.repeat()
        elif self.shown is not None and press == OPENED:
            self._speak(_opened, self.shown)
        elif self.shown is not None and self._is_there(self.shown, press):
            self._step(self.shown, press)

    def _step(self, screen: Screen, press: Press) -> None:
        """One button, for a person who goes from one to the next. Where a PIN is typed, who counts
        the steps would know it: only the person hears them.
        """
        if screen.name == State.PIN.screen and not self.private:
            self._submit(())
        elif press.action == "digit":
            self._submit((KEY,))
        else:
            self._speak(voice.stepped, screen, press=press)

    def _is_there(self, screen: Screen, press: Press) -> bool:
        return (
            press in keys(screen, self.languages).values()
            or press in choices(screen, self.languages)
            or press in OTHERS
            or press in (Press(each) for each in screen.actions if each not in OF_SEVERAL)
            or press in (Press("language", each) for each in self.languages)
        )

    def repeat(self) -> None:
        if self.shown is not None:
            self.say(self.shown)

    def confirm(self) -> None:
        """A key was felt: whatever is being said stops."""
        self._submit((KEY,))

    def louder(self, by: int) -> None:
        self.set_volume(min(max(self.volume + by, 0), 100))
        self.repeat()

    def set_volume(self, percent: int) -> None:
        """From the next words on."""
        self.volume = percent
        self.thread.submit(self.speaker.set_volume, percent)

    def headphones(self, plugged: bool | None) -> None:
        """In: the person hears the screen there. Out, or nobody can tell: quiet at once."""
        was, self.private = self.private, plugged is True
        if was and not self.private:
            self.thread.submit(self.speaker.stop)
        elif self.private and not was:
            self.repeat()

    def spoken(self, language: str) -> str:
        """The language that speaks for this one."""
        akin = PRINTED if language.startswith(PRINTED) else recordings.INSTEAD
        return next((each for each in (language, akin) if self._has_voice(each)), PRINTED)

    def _has_voice(self, language: str) -> bool:
        if language in self.ready or language in self._complete:
            return True
        if language in self.languages and _is_complete(self.folder, language):
            self._complete.add(language)
        return language in self._complete

    def _speak(self, what: Callable[..., tuple[str, ...]], screen: Screen, **more: object) -> None:
        texts = Texts.load(self.spoken(screen.language))
        said = what(screen, texts, private=self.private, **more)
        if texts.language == recordings.INSTEAD != screen.language not in self._told:
            self._told.add(screen.language)
            said = (SpokenTexts.of(texts).get("spoken.no-voice"), *said)
        self._play(said, screen)

    def _play(self, said: Iterable[str], screen: Screen) -> None:
        self._submit(tuple(each for each in said if isinstance(each, Phrase)), screen)

    def _submit(self, said: tuple[Phrase | bytes, ...], screen: Screen | None = None) -> None:
        pace = SLOWER if screen and Mode.SLOW in screen.modes else 1.0
        self.thread.submit(self._send, said, pace, self.private)

    def _send(self, said: tuple[Phrase | bytes, ...], pace: float, private: bool) -> None:
        """In the speaker's thread: neither a file nor a device that hangs keeps the journey
        waiting. What was made for headphones is not played without them.
        """
        made = tuple(self._recordings(said))
        try:
            if pace != 1.0:
                made = tuple(_slower(each) for each in made)
            if made and (self.private or not private):
                self.speaker.play(made)
                seconds = sum(wav.decode(each).seconds for each in made)
                self._silent_from = self.clock() + seconds
            else:
                self.speaker.stop()
        except DeviceFault as fault:
            log("device.fault", device="speaker", reason=fault.reason.value, detail=fault.detail)

    def _recordings(self, said: tuple[Phrase | bytes, ...]) -> Iterator[bytes]:
        """Those that are there. One that is damaged is left out, and named: but not one of the
        sounds that spell a name, because all of them together would be the name.
        """
        damaged: list[str] = []
        for each in said:
            try:
                if made := each if isinstance(each, bytes) else recordings.load(self.folder, each):
                    yield made
            except recordings.Damaged as error:
                damaged.append("a sound of names" if each in _sounds() else str(error))
        for detail in dict.fromkeys(damaged):
            log("device.fault", device="speaker", reason="recording", detail=detail)


def _opened(screen: Screen, texts: Texts, *, private: bool) -> tuple[str, ...]:
    """The view of modes and languages: the keys with which it is heard and left."""
    spoken = SpokenTexts.of(texts).about(screen.about)
    return (
        spoken.get("page.help"),
        spoken.get("spoken.opened"),
        spoken.get("page.close"),
        *say_press(spoken, "Backspace"),
    )


def _slower(recording: bytes) -> bytes:
    return wav.encode(stretch(wav.decode(recording), SLOWER))


_sounds = functools.cache(sounds)


def _is_complete(folder: Path, language: str) -> bool:
    """Whether it was noted that all of it is recorded, or all that a demo begins with."""
    if language not in recordings.VOICES:
        return False
    noted = recordings.noted(folder, language)
    return noted != "" and noted in _marks(language)


@functools.cache
def _marks(language: str) -> tuple[str, ...]:
    texts = Texts.load(language)
    return tuple(recordings.mark(language, of(texts)) for of in (voice.phrases, voice.often))
