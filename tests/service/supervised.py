"""A supervisor whose residents are played: argv is the state folder, then what each child in turn
shall do.

Run by tests as a program of its own: it forks. DISK names the folder of the journal where it is not
the first one, CLOSED=dies makes a closed kiosk's screen impossible.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from firmware.service import closure, deaths, room, supervisor
from firmware.service.books import Books
from firmware.service.cases import create_journal, journal_path, journal_was_made
from firmware.service.coin_recovery import Question
from firmware.service.entry import JournalBroken, NewEntry, new_entry, new_id
from firmware.service.journal import Journal
from firmware.service.log import configure
from firmware.service.pipe import kept

STATE, PLAN = Path(sys.argv[1]), sys.argv[2:]
DISK = Path(os.environ.get("DISK", STATE))


class Played:
    """Takes the next word of the plan when its turn has come; after the last one it waits to be
    told to stop.
    """

    def __init__(self, config: Any, listeners: Any, send: Callable[[str], None]) -> None:
        self.turn = len(list(STATE.glob("turn-*")))
        self.does = PLAN[self.turn] if self.turn < len(PLAN) else "wait"
        self.send = send

    async def run(self) -> int:
        if self.does == "stillborn":
            (STATE / f"turn-{self.turn}").touch()
            return 1
        journal = Journal(journal_path(DISK))
        session = new_id()
        if self.does == "coin-on-a-full-disk":
            return self.coin_on_a_full_disk(journal, session)
        journal.write(session, "begun")
        journal.write(session, "coin", value=100, counter=0)
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        (STATE / f"turn-{self.turn}").write_text(
            str(os.getpid())
        )  # from here on it can be told to stop
        self.send("R")
        if self.does == "crash":
            os.abort()
        if self.does == "silent":
            time.sleep(60)
        if self.does == "wait":
            while not stopped.is_set():
                self.send(".")
                await asyncio.sleep(0.05)
        journal.write(session, "payout-done", amount=100)
        journal.write(session, "ended", kept=0, returned=100, owed=0, held=0)
        if self.does == "key":
            self.send("T")
        self.send("E")
        if self.does == "linger":
            time.sleep(60)
        return 0

    def coin_on_a_full_disk(self, journal: Journal, session: str) -> int:
        """As a resident's process whose journal takes nothing more."""
        fill(DISK)
        self.send("R")
        for given in (
            new_entry(session, "begun"),
            new_entry(session, "coin", value=100, counter=0),
        ):
            try:
                journal.append([given])
            except JournalBroken:
                self.send(kept(given))
        (STATE / f"turn-{self.turn}").write_text(str(os.getpid()))
        return 1


def fill(folder: Path) -> None:
    """To the last block."""
    with (folder / "full").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


@contextlib.contextmanager
def device() -> Iterator[bool]:
    """Whether nobody else holds it."""
    with (STATE / "device").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def ask(_: Question) -> list[NewEntry]:
    """The coin unit, which whoever shows that the kiosk is closed holds as well."""
    with device() as free:
        (STATE / ("asked" if free else "asked-in-vain")).touch()
    return []


class PlayedClosed:
    """Holds the device, says in a file why it was closed, and waits to be told to go."""

    def __init__(
        self,
        config: Any,
        listeners: Any,
        send: Callable[[str], None],
        problem: str,
        number: str,
        undelivered: list[Any],
    ) -> None:
        self.send = send
        self.why = " ".join((problem, number, *(outcome.outcome for outcome in undelivered)))

    async def run(self) -> int:
        if os.environ.get("CLOSED") == "dies":
            return 1
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        with device():
            (STATE / f"closed-{len(list(STATE.glob('closed-*')))}").write_text(self.why)
            self.send("R")
            await ended.wait()
        return 0


class PlayedTechnician:
    """Says in a file that it is there, and waits for the file `leave` or to be told to go."""

    def __init__(self, config: Any, listeners: Any, send: Callable[[str], None]) -> None:
        self.send = send

    async def run(self) -> int:
        number = len(list(STATE.glob("technician-*")))
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        (STATE / f"technician-{number}").write_text(str(os.getpid()))
        does = os.environ.get("TECHNICIAN", "") if number == 0 else ""
        if does == "dies":
            os.abort()
        if does == "hangs":
            time.sleep(60)
        if does == "renews":
            self.send("N")
            return 0
        while not stopped.is_set() and not (STATE / "leave").exists():
            self.send(".")
            await asyncio.sleep(0.05)
        (STATE / "left").touch()
        return 0


if __name__ == "__main__":
    supervisor.SILENT_S, supervisor.DYING_S, supervisor.TICK_S = 1.0, 0.5, 0.1
    configure("info")
    deaths.WINDOW_S = float(os.environ.get("WINDOW_S", deaths.WINDOW_S))
    deaths.FIRST_PAUSE_S, closure.RETRY_S = 0.02, 0.2
    closure.MEASURE_S = 0.2
    deaths.FIRST_CLOSED_S = float(os.environ.get("CLOSED_S", 0.3))
    room.FREE_BYTES = 2**20
    if not journal_was_made(DISK):
        create_journal(DISK)
    supervisor.RENEW_AFTER = int(os.environ.get("RENEW_AFTER", supervisor.RENEW_AFTER))
    panel = SimpleNamespace(listen="127.0.0.1:0")
    config: Any = SimpleNamespace(
        kiosk=SimpleNamespace(state=DISK, runtime=STATE, id="kiosk-1"), panel=panel, card=None
    )
    sockets = supervisor.open_listeners(config)
    books = Books(DISK, ask)
    storage = supervisor.settle_books(books)
    differs = STATE / "differs"  # names the item that is not as it was signed
    sys.exit(
        supervisor.Supervisor(config, sockets, Played, PlayedClosed, books, PlayedTechnician).run(
            storage=storage,
            differs=differs.read_text() if differs.exists() else "",
            attested=lambda: not differs.exists(),
        )
    )
