"""The kiosk's main process: no threads, no event loop, no personal data.

It has everything imported, holds the listening sockets, and forks one child per resident; the next
one is forked ahead and waits for its turn, its devices untouched. What it knows of a child are
words on a pipe (pipe.py). A child that ended, or fell silent, and does not die is killed, and a
case is opened. After `RENEW_AFTER` residents it executes itself anew: a fresh address layout.

When a resident's process ends with the word that the technician's key was turned, the next process
is the technician's (technician/), and nobody waits for a turn until it has ended.

When the journal takes nothing more, or when residents' processes keep dying, the kiosk is closed:
one child shows why (closed.py), until the cause has gone.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

from firmware.link.attestation import AttestationError
from firmware.service import attestation, notify, start_trouble
from firmware.service.books import Books
from firmware.service.build import build
from firmware.service.charge_recovery import recover_in_child
from firmware.service.child import Child, Close, Serve, be_child
from firmware.service.closed import Closed
from firmware.service.closure import Closure
from firmware.service.coin_recovery import recover
from firmware.service.config import Config, ConfigError, load
from firmware.service.deaths import MANY, Deaths
from firmware.service.entry import JournalBroken, JournalFull
from firmware.service.flight_record import What, note
from firmware.service.flight_steps import told
from firmware.service.listeners import Listeners, open_listeners
from firmware.service.log import configure, log
from firmware.service.noticeboard import Noticeboard
from firmware.service.pipe import ENDED, READY, RENEW, TECHNICIAN, kept_entry
from firmware.service.preflight import StartError, check, lock_state, require_runtime
from firmware.service.resident import Resident
from firmware.service.room import storage_trouble
from firmware.service.technician.program import Technician

RENEW_AFTER = 200
SILENT_S = 30.0  # a child beats every second
Attested = Callable[[], bool]
DYING_S = 20.0  # after "E"
TICK_S = 1.0


class Supervisor:
    """`serve` and `close` make what a child runs; others than the kiosk's are for tests and proofs.

    `books`: those that were settled before the first fork.
    """

    def __init__(
        self,
        config: Config,
        listeners: Listeners,
        serve: Serve = Resident,
        close: Close = Closed,
        books: Books | None = None,
        technician: Serve = Technician,
    ) -> None:
        self._config = config
        self._serve = serve
        self._close = close
        self._technician = technician
        self._key_turned = False  # the next process is the technician's
        self._new_start = False  # the technician wants the service to start anew
        self._listeners = listeners
        self._books = books or open_books(config)
        self._notices = Noticeboard(config)
        self._children: dict[int, Child] = {}
        self._closure: Closure | None = None
        self._deaths = Deaths()
        self._deaths_closed = Deaths()
        self._served = 0
        self._announced = False
        self._stops = 0  # how often we were asked to stop

    def run(
        self, *, storage: str = "", differs: str = "", attested: Attested = lambda: False
    ) -> int:
        """Until asked to stop: 0. 1 when not even the screen that says why can be shown.

        `storage`: why a journal that is sound takes nothing, now. `differs`: the item of this kiosk
        that is not as it was signed; `attested` looks again.
        """
        wake = self._wake_on_signals()
        if differs:
            self._close_kiosk(Closure.for_attestation(self._books, differs, attested))
        elif storage:
            self._close_for_storage(storage)
        while not (self._stops and not self._children):
            if self._stops:
                self._stop_children()
            elif self._closure:
                self._stay_closed(self._closure)
            elif self._new_start:
                self._renew()
            elif self._key_turned:
                self._open_technician()
            else:
                self._keep_two()
            readable, _, _ = select.select(
                [wake, *(c.news for c in self._children.values())], [], [], TICK_S
            )
            if wake in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake, 512)
            for child in tuple(self._children.values()):
                if child.news in readable:
                    self._read_words(child)
            self._reap()
            self._watch()
            self._notices.write_when_due()
            if self._deaths_closed.recent(time.monotonic()) >= MANY:
                print("kiosk: not even an out-of-service screen can be shown", file=sys.stderr)  # noqa: T201
                return 1
        if self._books.kept:
            self._settle()
        self._notices.stopped()
        return 0

    # -- closed

    def _close_kiosk(self, closure: Closure, why: str = "") -> None:
        """Nobody is served from here on; whoever waits for a turn goes."""
        self._closure = closure
        self._notices.closed(closure.problem, closure.number, why)
        for child in self._children.values():
            if child.serves and not child.active:
                self._signal(child, signal.SIGKILL)

    def _close_for_storage(self, why: str) -> None:
        self._close_kiosk(Closure.for_storage(self._books), f"{self._config.kiosk.state}: {why}")

    def _stay_closed(self, closure: Closure) -> None:
        """One child that says why. It goes before another try: settling may have to ask the devices
        that it holds.
        """
        if closure.ends_with_a_start():
            self._renew()
        if closure.is_worth_a_try(self._config.kiosk.state, self._books):
            for child in self._children.values():
                self._signal(child, signal.SIGTERM)
            if not self._children and closure.reopen(self._books):
                self._closure = None
                self._notices.reopened()
        elif not self._children and self._deaths_closed.may_fork(time.monotonic()):
            self._add(closure.program(self._close, self._books), serves=False)

    def _settle(self) -> bool:
        """What a child, or an earlier life of the board, left open. False: it cannot be written,
        nobody is served.
        """
        kept = bool(self._books.kept)
        try:
            self._books.settle()
        except JournalBroken as error:
            log("error", where="journal", what=str(error))
            self._close_for_storage(str(error))
            return False
        if kept and (trouble := storage_trouble(self._config.kiosk.state)):
            self._close_for_storage(trouble)
            return False
        if kept:
            # it is over already; an operator is to know of it
            self._books.open_case("journal.broken", pauses=False)
        return True

    # -- the technician

    def _open_technician(self) -> None:
        """When nobody is served any more, with every session settled."""
        if any(child.active for child in self._children.values()):
            return
        self._key_turned = False
        if not self._books.kept and self._add(self._technician, serves=False, technician=True):
            self._notices.opened_for_technician()

    def _technician_ended(self, *, died: bool) -> None:
        log("technician.ended", died=died)
        if died:
            self._books.open_case("technician.died", pauses=False)
        self._notices.reopened()

    # -- children

    def _keep_two(self) -> None:
        """One who serves, one ready ahead; not beside one that still says why the kiosk
        was closed.
        """
        if not all(child.serves for child in self._children.values()):
            return
        while len(self._children) < 2 and self._deaths.may_fork(time.monotonic()):
            if not self._add(self._serve, serves=True):
                break
        if self._children and not any(c.active for c in self._children.values()):
            if self._served >= RENEW_AFTER and not self._books.kept:
                self._renew()
            child = next(iter(self._children.values()))
            child.active, child.last_word_at = True, time.monotonic()
            self._go(child)
            log("child.active", child=child.pid)

    def _add(self, serve: Serve, *, serves: bool, technician: bool = False) -> bool:
        try:
            child = self._fork(serve)
        except OSError as error:  # no memory now: whoever is being served is not to suffer for it
            log("error", where="fork", what=error.strerror or "")
            return False
        self._children[child.pid] = child
        if not serves:
            child.serves, child.last_word_at = False, time.monotonic()
            child.technician = technician
            self._go(child)
        return True

    def _go(self, child: Child) -> None:
        with contextlib.suppress(BrokenPipeError):  # it died while it waited: buried in a moment
            os.write(child.go, b"G")

    def _fork(self, serve: Serve) -> Child:
        go_read, go_write = os.pipe()
        news_read, news_write = os.pipe()
        gc.collect()  # no connection to the journal may be carried into a child
        try:
            pid = os.fork()
        except OSError:
            for end in (go_read, go_write, news_read, news_write):
                os.close(end)
            raise
        if pid == 0:
            os.close(go_write)
            os.close(news_read)
            for other in self._children.values():
                os.close(other.go)
                os.close(other.news)
            os._exit(be_child(self._config, self._listeners, go_read, news_write, serve))
        os.close(go_read)
        os.close(news_write)
        log("child.forked", child=pid)
        return Child(pid, go_write, news_read)

    def _read_words(self, child: Child) -> bool:
        """False when there was nothing more."""
        data = os.read(child.news, 65_536)
        if data:
            child.last_word_at = time.monotonic()
        for word in child.reader.read(data):
            if word == READY:
                self._announce()
            elif word == ENDED:
                child.ended = time.monotonic()
            elif word == TECHNICIAN and child.active:
                self._key_turned = True
            elif word == RENEW and child.technician:
                self._new_start = True
            elif given := kept_entry(word):
                self._books.keep(given)
            elif child.active or child.technician:
                self._notices.hear(word)
        return bool(data)

    def _announce(self) -> None:
        if not self._announced:
            self._announced = True
            host, port = self._listeners.panel.getsockname()[:2]
            print(f"kiosk ready http://{host}:{port}/panel", flush=True)  # noqa: T201 - what starters wait for
            notify.send("READY=1")

    def _reap(self) -> None:
        """Children that are gone. One that was serving and did not end in order left an open
        session behind.
        """
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is None:
                continue
            self._read_last_words(child)
            os.close(child.go)
            os.close(child.news)
            code = os.waitstatus_to_exitcode(status)
            log("child.ended", child=pid, code=code)
            died = code != 0 and not child.signalled
            if child.technician:
                self._technician_ended(died=code != 0 and not self._stops)
                continue
            if not child.serves:
                if died:
                    self._deaths_closed.add(time.monotonic())
                continue
            self._served += 1
            if child.active and code != 0:
                by = {"code": code, "supervisor": bool(child.signalled)}
                note(self._config.kiosk.state, What.DIED, told("died", by))
            # One that waited has no session, and another's may be going on.
            unsettled = child.active and code != 0 and not self._stops
            if (unsettled or self._books.kept) and not self._settle():
                continue
            if died and child.active:
                self._notices.died()
            if died and not self._stops and not self._closure:
                self._count_death()

    def _read_last_words(self, child: Child) -> None:
        """What a child wrote last, before it died."""
        while select.select([child.news], [], [], 0)[0] and self._read_words(child):
            pass

    def _count_death(self) -> None:
        now = time.monotonic()
        self._deaths.add(now)
        if closed_s := self._deaths.closed_s(now):
            self._close_kiosk(Closure.for_deaths(self._books, closed_s))

    def _watch(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.ended and now - child.ended > DYING_S:
                self._kill(child, "did not die")
            elif (
                (child.active or not child.serves)
                and not child.ended
                and now - child.last_word_at > SILENT_S
            ):
                self._kill(child, "silent")
        notify.send("WATCHDOG=1")

    def _signal(self, child: Child, number: int) -> bool:
        """True when this signal is not the one that it got last."""
        new, child.signalled = child.signalled != number, number
        if new:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)
        return new

    def _kill(self, child: Child, reason: str) -> None:
        if not self._signal(child, signal.SIGKILL):
            return
        log("child.killed", child=child.pid, reason=reason)
        if child.serves:
            self._books.open_case(f"child.{reason.replace(' ', '-')}", pauses=True)

    # -- signals

    def _wake_on_signals(self) -> int:
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        return read

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Counts only: it may come in the middle of a fork. The loop does the rest."""
        self._stops += 1

    def _stop_children(self) -> None:
        """Once: let the person who is being served finish. Twice: at once, and the journal settles
        it later.
        """
        notify.send("STOPPING=1")
        for child in self._children.values():
            in_use = child.active or child.technician
            if child.signalled != signal.SIGKILL:
                self._signal(
                    child, signal.SIGTERM if in_use and self._stops < 2 else signal.SIGKILL
                )

    def _renew(self) -> None:
        """Become a new process with the same sockets: children would else share one address layout
        for ever.
        """
        for child in self._children.values():
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        self._listeners.hand_over()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves


def open_books(config: Config) -> Books:
    return Books(config.kiosk.state, partial(recover, config), partial(recover_in_child, config))


def settle_books(books: Books) -> str:
    """What an earlier life of the board left open. Why the disk takes nothing, now; else "". Raises
    JournalBroken.
    """
    try:
        books.settle()
    except JournalFull as error:
        log("error", where="journal", what=str(error))
        return str(error)
    return ""


def is_attested(path: Path) -> bool:
    """Whether what is there now, which is what the next start takes, is as it was signed."""
    try:
        return not attestation.trouble(load(path), path)
    except (ConfigError, AttestationError):
        return False


def main(path: Path, serve: Serve = Resident) -> int:
    """Run the kiosk in the foreground. 0 after an orderly stop, 2 with one line when it cannot
    start.
    """
    notices = None
    try:
        config = load(path)
        configure(config.kiosk.log)
        config.kiosk.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock_state(config)
        require_runtime(config)
        notices = Noticeboard(config)
        notices.write()
        check(config)
        listeners = open_listeners(config)
        books = open_books(config)
        storage = settle_books(books)
        differs = attestation.trouble(config, path)
    except (ConfigError, StartError, JournalBroken, AttestationError, OSError) as error:
        print(f"kiosk: {error}", file=sys.stderr)  # noqa: T201 - one line for whoever started it
        if notices:
            notices.stopped(str(error), start_trouble.code_of(error))
        else:
            start_trouble.tell(path, error)
        return 2
    log("service.starting", build=build())
    code = Supervisor(config, listeners, serve, books=books).run(
        storage=storage, differs=differs, attested=lambda: is_attested(path)
    )
    log("service.stopping")
    return code
