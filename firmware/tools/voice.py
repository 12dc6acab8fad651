"""`kiosk voice --config FILE` records everything that the kiosk can say. It is run once, when a
kiosk is deployed; what is there already is kept.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import TimeoutError, get_context
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from typing import Final

import msgspec

from firmware.flow.offers import Localized
from firmware.link.city_words import CityWords
from firmware.service.config import load
from firmware.texts import city_words, recordings
from firmware.texts.engines import VoiceError
from firmware.texts.phrase import Phrase
from firmware.texts.texts import Texts
from firmware.texts.voice import phrases

RECORDING_S: Final = 120.0  # the longest that one phrase may take
TELL_S: Final = 2.0


def record(
    folder: Path,
    languages: Sequence[str],
    tell: Callable[[str], None],
    of: Callable[[Texts], Iterable[Phrase]] = phrases,
    city: Sequence[Localized] = (),
) -> None:
    """Every phrase of these languages that is not there yet, and the city's own words, in as many
    processes as there are processors. A language without a voice is left out.

    `tell` hears how far it is. Raises VoiceError, OSError.
    """
    own = dict.fromkeys(city_words.phrases(city, languages))
    if wanted := recordings.missing(folder, (*_wanted(languages, of), *own)):
        _make(wanted, folder, tell)
    for language in languages:
        if language in recordings.VOICES:
            recordings.note_complete(folder, language, of(Texts.load(language)))


def read_words(path: Path) -> tuple[Localized, ...]:
    """Raises VoiceError for what `kiosk city words` has not written, OSError."""
    try:
        words = msgspec.json.decode(path.read_bytes(), type=CityWords)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise VoiceError(f"{path}: {error}; kiosk city words CITY.toml > {path}") from None
    return tuple(tuple(text.items()) for text in words.texts)


def _make(wanted: Sequence[Phrase], folder: Path, tell: Callable[[str], None]) -> None:
    tell(f"recording the voice, once: {len(wanted)} phrases")
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(phrase.marked, phrase.language, folder) for phrase in wanted]
    began = told = time.monotonic()
    # not an executor: what is left to do must not keep a Ctrl-C waiting
    with get_context("spawn").Pool(initializer=signal, initargs=(SIGINT, SIG_IGN)) as workers:
        made = workers.imap_unordered(_record, jobs)
        for done in range(1, len(jobs) + 1):
            try:
                made.next(RECORDING_S)
            except TimeoutError:
                raise VoiceError(f"a phrase was not recorded within {RECORDING_S:.0f} s") from None
            if (now := time.monotonic()) - told >= TELL_S or done == len(jobs):
                left = (now - began) / done * (len(jobs) - done)
                tell(f"recording the voice: {done} of {len(jobs)}, {left:.0f} s left")
                told = now


def _wanted(languages: Sequence[str], of: Callable[[Texts], Iterable[Phrase]]) -> Iterator[Phrase]:
    """Without those that languages of one voice share."""
    seen: set[tuple[str, str]] = set()
    for language in languages:
        if language in recordings.VOICES:
            for phrase in sorted(of(Texts.load(language))):
                known = recordings.VOICES[phrase.language].folder, phrase.marked
                if known not in seen:
                    seen.add(known)
                    yield phrase


def _record(job: tuple[str, str, Path]) -> None:
    """In a process of its own."""
    marked, language, folder = job
    recordings.record(Phrase(marked, language), folder)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when everything is recorded. Raises ConfigError, VoiceError, OSError."""
    parser = argparse.ArgumentParser(prog="kiosk voice", description=__doc__)
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="the kiosk's configuration"
    )
    parser.add_argument(
        "--words", type=Path, metavar="FILE", help="of the city: what `kiosk city words` wrote"
    )
    given = parser.parse_args(argv)
    config = load(given.config)
    folder = config.voice.recordings
    city = read_words(given.words) if given.words else ()
    record(folder, config.kiosk.languages, lambda line: print(line, file=sys.stderr), city=city)
    silent = [each for each in config.kiosk.languages if each not in recordings.VOICES]
    if silent:
        print(f"no voice speaks {', '.join(silent)}: they are shown, and the voice is English")
    print(f"recordings are in {folder}")
    return 0
