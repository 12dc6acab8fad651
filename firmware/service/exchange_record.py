"""The newest exchanges with each device, in a file of fixed size in the state folder.

A resident's process writes each exchange as it ends, so the file survives that process, whatever
kills it, and a power cut loses the last seconds at most. It holds what `hal.exchanges` tells and
nothing personal. Each device has slots of its own, so that one that is asked often drives out
nothing of the others. An exchange that is like one of the newest is counted there instead of
written anew. Never raises: what cannot be recorded is not, and nobody waits for it.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from firmware.service.config import Config
from hal.exchanges import Exchange, send_exchanges_to

DEVICES: Final = ("card", "sheets", "receipts", "cash", "cashless", "speaker")
SLOTS: Final = 256  # of each device
LIKE: Final = 8  # so many of the newest are compared
WRITTEN_S: Final = 1.0  # a count is written so often
# number (from 1; 0: empty), process, first and last time, times, kind, sent, got, result, ms
SLOT: Final = struct.Struct("<QIddI24sII16sI")
SIZE: Final = len(DEVICES) * SLOTS * SLOT.size
MOST: Final = 1 << 48  # no device has had so many exchanges: such a number is damage


@dataclass(frozen=True)
class Recorded:
    """`times` exchanges like this one, from `first` to `last` (seconds since 1970, by the board's
    clock). `exchange.ms` is that of the slowest.
    """

    number: int
    process: int
    first: float
    last: float
    times: int
    exchange: Exchange


@dataclass
class _Device:
    """What one device's newest exchanges are; `written` is when each was written, in monotonic
    seconds.
    """

    number: int = 0
    newest: list[Recorded] = field(default_factory=list)
    written: dict[int, float] = field(default_factory=dict)


class ExchangeRecord:
    """Opened by the process that uses the devices. `add` may be called from any thread."""

    def __init__(
        self,
        state: Path,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now, self._monotonic = now, monotonic
        self._lock = threading.Lock()
        self._file = _open(path(state))
        self._devices = {name: _Device() for name in DEVICES}
        for found in read_exchanges(state):
            device = self._devices[found.exchange.device]
            device.number = max(device.number, found.number)

    def add(self, exchange: Exchange) -> None:
        device = self._devices.get(exchange.device)
        if device is None or self._file < 0:
            return
        with self._lock:
            like = next((each for each in device.newest if _alike(each.exchange, exchange)), None)
            if like is None:
                self._write(device, self._begin(device, exchange))
            else:
                self._count(device, like, exchange)

    def close(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            file, self._file = self._file, -1
            if file >= 0:
                os.close(file)

    def _begin(self, device: _Device, exchange: Exchange) -> Recorded:
        device.number += 1
        now = self._now()
        made = Recorded(device.number, os.getpid(), now, now, 1, exchange)
        device.newest = [*device.newest[1 - LIKE :], made]
        return made

    def _count(self, device: _Device, like: Recorded, exchange: Exchange) -> None:
        slowest = replace(exchange, ms=max(exchange.ms, like.exchange.ms))
        more = replace(like, last=self._now(), times=like.times + 1, exchange=slowest)
        device.newest[device.newest.index(like)] = more
        if self._monotonic() - device.written.get(like.number, 0) > WRITTEN_S:
            self._write(device, more)

    def _write(self, device: _Device, made: Recorded) -> None:
        kept = {each.number for each in device.newest}
        device.written = {n: at for n, at in device.written.items() if n in kept}
        device.written[made.number] = self._monotonic()
        with contextlib.suppress(OSError):
            os.pwrite(self._file, _packed(made), _place(made.exchange.device, made.number))


def record_exchanges(config: Config) -> None:
    """From here on, those of this process."""
    send_exchanges_to(ExchangeRecord(config.kiosk.state).add)


def path(state: Path) -> Path:
    return state / "exchanges-1.ring"  # of this form of slot


def read_exchanges(state: Path) -> Sequence[Recorded]:
    """What is recorded, oldest first. A slot that cannot be read is left out. Never raises."""
    try:
        data = path(state).read_bytes()
    except OSError:
        return ()
    found = []
    for index in range(min(len(data), SIZE) // SLOT.size):
        slot = _unpacked(DEVICES[index // SLOTS], data[index * SLOT.size :])
        if slot is not None and slot.number < MOST and slot.number % SLOTS == index % SLOTS:
            found.append(slot)
    return sorted(found, key=lambda each: (each.last, each.number))


def _open(file: Path) -> int:
    """-1 where there can be no such file. Its room is taken at once: a full disk is met here."""
    try:
        made = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return -1
    try:
        os.ftruncate(made, SIZE)
        os.posix_fallocate(made, 0, SIZE)
    except OSError:
        os.close(made)
        return -1
    return made


def _place(device: str, number: int) -> int:
    return (DEVICES.index(device) * SLOTS + number % SLOTS) * SLOT.size


def _packed(made: Recorded) -> bytes:
    exchange = made.exchange
    return SLOT.pack(
        made.number,
        made.process,
        made.first,
        made.last,
        made.times,
        exchange.kind.encode("ascii", "replace"),
        _bounded(exchange.sent),
        _bounded(exchange.got),
        exchange.result.encode("ascii", "replace"),
        _bounded(exchange.ms),
    )


def _unpacked(device: str, data: bytes) -> Recorded | None:
    number, process, first, last, times, kind, sent, got, result, ms = SLOT.unpack_from(data)
    if not number:
        return None
    exchange = Exchange(device, _text(kind), sent, got, _text(result), ms)
    return Recorded(number, process, first, last, times, exchange)


def _text(field_: bytes) -> str:
    text = field_.rstrip(b"\0").decode("ascii", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _bounded(number: int) -> int:
    return min(max(number, 0), 0xFFFFFFFF)


def _alike(one: Exchange, other: Exchange) -> bool:
    return replace(one, ms=0) == replace(other, ms=0)
