"""The flight record: the newest events and commands of the flow, in a file of fixed size in the
state folder, and a copy of its end beside each case.

A resident's process writes each step at once, so the file survives that process, whatever kills
it. The supervisor writes how a process ended that did not end in order, and what became of its
money (`note`). `flight_steps.py` says what a step holds: names, states and numbers, and nothing of
a person. Never raises: what cannot be recorded is not, and nobody waits for it.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from firmware.service.room import storage_trouble

SLOTS: Final = 4096
CASE_SLOTS: Final = 1024  # so many of the newest are kept with a case
CASES_KEPT: Final = 16  # the copies of older cases go
# checksum of the rest, number (from 1), process, seconds since 1970, what it is, its words
SLOT: Final = struct.Struct("<IQIdc103s")
NUMBER: Final = struct.Struct(f"<4xQ{SLOT.size - 12}x")
REST: Final = 4
SIZE: Final = SLOTS * SLOT.size
_CASE: Final = re.compile(r"[0-9a-f]{32}")


class What(StrEnum):
    """What a step of the record is."""

    START = "S"  # a process begins
    EVENT = "E"  # something has happened, and the flow is about to be asked
    COMMAND = "C"  # what it wants
    REACHED = "R"  # the state after the event
    STOPPED = "X"  # the flow had no answer
    CASE = "K"  # a case was opened
    DIED = "D"  # the process ended, and not in order
    BOOKS = "B"  # what became of the money of a session that nobody ended


# Of the process that served, whoever wrote them.
BESIDE: Final = frozenset({What.CASE, What.DIED, What.BOOKS})


@dataclass(frozen=True)
class Step:
    """`at`: seconds since 1970 by the board's clock."""

    number: int
    process: int
    at: float
    what: What
    words: str


class FlightRecord:
    """Opened by the process that serves. `add` may be called from any thread."""

    def __init__(self, state: Path, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._number = _number(_newest(_read(path(state)), 1))
        self._file = _open(path(state))

    def add(self, what: What, words: str) -> None:
        if self._file < 0:
            return
        with self._lock, contextlib.suppress(OSError):
            self._number += 1
            step = Step(self._number, os.getpid(), self._now(), what, words)
            os.pwrite(self._file, packed(step), self._number % SLOTS * SLOT.size)

    def close(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            file, self._file = self._file, -1
            if file >= 0:
                os.close(file)


def note(state: Path, what: What, words: str) -> None:
    """One step by the supervisor, while no process serves. Never raises."""
    record = FlightRecord(state)
    record.add(what, words)
    record.close()


def path(state: Path) -> Path:
    return state / "flight-1.ring"  # of this form of slot


def case_path(state: Path, case: str) -> Path:
    return state / f"flight-case-{case}.steps"


def keep_for_case(state: Path, case: str, code: str, now: Callable[[], float] = time.time) -> None:
    """Copy the end of the record beside a case that was just opened. Never raises; does nothing
    where the disk is short of room, which the journal needs.
    """
    if not _CASE.fullmatch(case) or storage_trouble(state):
        return
    slots = _newest(_read(path(state)), CASE_SLOTS)
    words = f"code={code} case={case}"
    opened = Step(_number(slots) + 1, os.getpid(), now(), What.CASE, words)
    with contextlib.suppress(OSError):
        fresh = case_path(state, case).with_suffix(".new")
        with open(fresh, "wb", opener=_for_the_owner) as file:
            file.write(b"".join((*slots, packed(opened))))
        fresh.replace(case_path(state, case))
        kept = sorted(state.glob("flight-case-*.steps"), key=lambda each: each.stat().st_mtime)
        for old in kept[:-CASES_KEPT]:
            old.unlink(missing_ok=True)


def read_all(state: Path) -> Sequence[Step]:
    """The steps of the record and of every case, each once, oldest first. Never raises."""
    files = [path(state), *state.glob("flight-case-*.steps")]
    return in_order(step for file in files for step in read_steps(file))


def in_order(steps: Iterable[Step]) -> Sequence[Step]:
    """Each once. A case's own step has the number of the next one, which comes behind it."""
    return sorted({*steps}, key=lambda each: (each.number, each.what is not What.CASE, each.at))


def read_steps(file: Path) -> Sequence[Step]:
    """What one file holds, oldest first. A damaged slot is left out. Never raises."""
    return in_order(filter(None, map(unpacked, _newest(_read(file), SLOTS))))


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(SIZE)
    except OSError:
        return b""


def _newest(data: bytes, most: int) -> list[bytes]:
    """So many of the newest sound slots, oldest first."""
    whole = len(data) // SLOT.size * SLOT.size
    numbers = NUMBER.iter_unpack(data[:whole])
    places = sorted(((number, place) for place, (number,) in enumerate(numbers)), reverse=True)
    found: list[bytes] = []
    for number, place in places:
        slot = data[place * SLOT.size : (place + 1) * SLOT.size]
        if number and _is_sound(slot):
            found.append(slot)
        if len(found) == most:
            break
    return found[::-1]


def _number(slots: Sequence[bytes]) -> int:
    return int(NUMBER.unpack(slots[-1])[0]) if slots else 0


def _is_sound(slot: bytes) -> bool:
    return zlib.crc32(slot[REST:]).to_bytes(REST, "little") == slot[:REST]


def packed(step: Step) -> bytes:
    words = step.words.encode("ascii", "replace")
    rest = SLOT.pack(0, step.number, step.process, step.at, step.what.encode(), words)[REST:]
    return zlib.crc32(rest).to_bytes(REST, "little") + rest


def unpacked(slot: bytes) -> Step | None:
    _, number, process, at, what, words = SLOT.unpack(slot)
    try:
        return Step(number, process, at, What(what.decode()), words.rstrip(b"\0").decode("ascii"))
    except ValueError:
        return None


def _for_the_owner(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _open(file: Path) -> int:
    """-1 where there can be no such file. Its room is taken at once: a full disk is met here."""
    try:
        made = _for_the_owner(str(file), os.O_RDWR | os.O_CREAT)
    except OSError:
        return -1
    try:
        os.ftruncate(made, SIZE)
        os.posix_fallocate(made, 0, SIZE)
    except OSError:
        os.close(made)
        return -1
    return made
