"""What a child reports to the supervisor: words, one a line, on a pipe of its own.

A word is shorter than PIPE_BUF, so that each is written whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from firmware.service.entry import NewEntry

READY = "R"  # the first screen is served
ALIVE = "."
ENDED = "E"  # the session has ended
TECHNICIAN = "T"  # the next process is the technician's
RENEW = "N"  # of the technician's: the service starts anew when this process has ended
KEPT = "W"  # followed by an entry that the disk did not take

Send = Callable[[str], None]


def kept(given: NewEntry) -> str:
    return KEPT + msgspec.json.encode(given).decode()


@dataclass
class WordReader:
    """Splits what comes through the pipe into words, however it is cut into pieces."""

    _rest: bytes = b""

    def read(self, data: bytes) -> Iterator[str]:
        """The words that are whole."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        for word in whole:
            yield word.decode("utf-8", "replace")


def kept_entry(word: str) -> NewEntry | None:
    """The entry in a word that begins with KEPT; None for anything else."""
    if not word.startswith(KEPT):
        return None
    try:
        return msgspec.json.decode(word[len(KEPT) :], type=NewEntry)
    except msgspec.MsgspecError:
        return None
