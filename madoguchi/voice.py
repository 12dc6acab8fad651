"""`kiosk voice --config FILE`: record everything the kiosk can say, once, when it is deployed."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from multiprocessing import TimeoutError, get_context
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from typing import Final

from firmware.service.config import load
from firmware.texts.recordings import ENGINES, VoiceError, build
from firmware.texts.texts import Texts, languages
from firmware.texts.voice import phrases

JOBS: Final = 4  # for each language
RECORDING_S: Final = 900.0


def record(folder: Path, tell: Callable[[str], None]) -> None:
    """Every phrase of every language that is not there yet, in as many processes as there are processors.

    `tell` hears of it when it takes long. Raises VoiceError.
    """
    wanted = {language: sorted(phrases(Texts.load(language))) for language in languages()}
    made_of = hashlib.sha256(repr((wanted, {name: engine[0] for name, engine in ENGINES.items()})).encode()).hexdigest()
    stamp = folder / "made"
    if stamp.exists() and stamp.read_text() == made_of:
        return
    tell("recording the voice, once: about a minute")
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(language, texts[part::JOBS], folder) for language, texts in wanted.items() for part in range(JOBS)]
    try:
        # not an executor: what is left to do must not keep a Ctrl-C waiting
        with get_context("spawn").Pool(initializer=signal, initargs=(SIGINT, SIG_IGN)) as workers:
            workers.starmap_async(_record, jobs, chunksize=1).get(RECORDING_S)
    except TimeoutError:
        raise VoiceError(f"the recordings were not made within {RECORDING_S:.0f} s") from None
    stamp.write_text(made_of)


def _record(language: str, texts: Sequence[str], folder: Path) -> None:
    """In a process of its own."""
    build({text: text for text in texts}, language, folder)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when everything is recorded. Raises ConfigError, VoiceError, OSError."""
    parser = argparse.ArgumentParser(prog="kiosk voice", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="the kiosk's configuration")
    folder = load(parser.parse_args(argv).config).voice.recordings
    record(folder, lambda said: print(said, file=sys.stderr))
    print(f"recordings are in {folder}")
    return 0
