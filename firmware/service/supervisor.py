"""The kiosk's main process: no threads, no event loop, no personal data.

It has everything imported, holds the listening sockets, and forks one child per resident; the next one is forked
ahead and waits for its turn, its devices untouched. What it knows of a child are bytes on a pipe: "R" the first
screen is served, "." alive, "E" the session has ended. A child that ended, or fell silent, and does not die is
killed, and a case is opened. After `RENEW_AFTER` residents it executes itself anew: a fresh address layout.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import ipaddress
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from firmware.service import notify
from firmware.service.cases import journal_path
from firmware.service.config import Config, ConfigError, VpcdCard, load
from firmware.service.harden import harden
from firmware.service.journal import Journal, JournalBroken
from firmware.service.log import configure, log
from firmware.service.preflight import StartError, check
from firmware.service.replay import settle
from firmware.service.resident import Listeners, Resident

RENEW_AFTER = 200
SILENT_S = 30.0  # a child beats every second
DYING_S = 20.0  # after "E"
TICK_S = 1.0
STILLBORN = 5  # residents' processes in a row that ended before their first screen: the next ones will too
INHERITED = "MADOGUCHI_LISTENERS"  # file descriptors handed over when the supervisor executes itself anew


def _listen(port: str) -> socket.socket:
    host, _, number = port.rpartition(":")
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, int(number)))
    except (OSError, OverflowError) as error:
        raise StartError(f"{port}: {error.strerror if isinstance(error, OSError) else error}") from None
    sock.listen(16)
    sock.setblocking(False)
    return sock


def open_listeners(config: Config) -> Listeners:
    """Bind, or take over from the process we were before. Raises StartError."""
    inherited = [int(fd) for fd in os.environ.pop(INHERITED, "").split(",") if fd]
    if inherited:
        sockets = [socket.socket(fileno=fd) for fd in inherited]
        return Listeners(sockets[0], sockets[1] if len(sockets) > 1 else None)
    card = _listen(config.card.listen) if isinstance(config.card, VpcdCard) else None
    panel = _listen(config.panel.listen)
    if not ipaddress.ip_address(panel.getsockname()[0]).is_loopback:
        raise StartError(f"panel.listen: {config.panel.listen} is not on loopback")
    return Listeners(panel, card)


@dataclass
class Child:
    pid: int
    go: int  # write one byte: your turn
    news: int  # read its bytes
    active: bool = False
    ready: bool = False
    heard: float = 0.0  # monotonic seconds of the last byte
    ended: float = 0.0  # of "E"
    told: int = 0  # the last signal sent to it


class Served(Protocol):
    """One resident's process: what `Resident` is to the supervisor."""

    def run(self) -> Coroutine[Any, Any, int]: ...


Serve = Callable[[Config, Listeners, Callable[[str], None]], Served]


class Supervisor:
    """`serve` makes what a child runs; another than the kiosk's is for tests and proofs."""

    def __init__(self, config: Config, listeners: Listeners, serve: Serve = Resident) -> None:
        self._config = config
        self._serve = serve
        self._listeners = listeners
        self._children: dict[int, Child] = {}
        self._served = 0
        self._announced = False
        self._stillborn = 0
        self._stops = 0  # how often we were asked to stop

    def run(self) -> int:
        """Until told to stop: 0. 1 when no process gets as far as its first screen."""
        wake = self._wake_on_signals()
        while not (self._stops and not self._children):
            if self._stops:
                self._dismiss()
            else:
                self._keep_two()
            readable, _, _ = select.select([wake, *(c.news for c in self._children.values())], [], [], TICK_S)
            if wake in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake, 512)
            for child in tuple(self._children.values()):
                if child.news in readable:
                    self._hear(child)
            self._bury()
            self._watch()
            if self._stillborn >= STILLBORN:
                print(f"kiosk: {STILLBORN} processes in a row ended before their first screen", file=sys.stderr)  # noqa: T201
                return 1
        return 0

    # -- children

    def _keep_two(self) -> None:
        """One who serves, one ready ahead."""
        while len(self._children) < 2:
            try:
                child = self._fork()
            except OSError as error:  # no memory now: whoever is being served is not to suffer for it
                log("error", where="fork", what=error.strerror or "")
                break
            self._children[child.pid] = child
        if self._children and not any(c.active for c in self._children.values()):
            if self._served >= RENEW_AFTER:
                self._renew()
            child = next(iter(self._children.values()))
            child.active, child.heard = True, time.monotonic()
            with contextlib.suppress(BrokenPipeError):  # it died while it waited: buried in a moment
                os.write(child.go, b"G")
            log("child.active", child=child.pid)

    def _fork(self) -> Child:
        go_read, go_write = os.pipe()
        news_read, news_write = os.pipe()
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
            os._exit(_be_child(self._config, self._listeners, go_read, news_write, self._serve))
        os.close(go_read)
        os.close(news_write)
        log("child.forked", child=pid)
        return Child(pid, go_write, news_read)

    def _hear(self, child: Child) -> None:
        said = os.read(child.news, 512)
        if said:
            child.heard = time.monotonic()
        if b"R" in said:
            child.ready = True
            self._announce()
        if b"E" in said:
            child.ended = time.monotonic()

    def _announce(self) -> None:
        if not self._announced:
            self._announced = True
            host, port = self._listeners.panel.getsockname()[:2]
            print(f"kiosk ready http://{host}:{port}/panel", flush=True)  # noqa: T201 - what starters wait for
            notify.send("READY=1")

    def _bury(self) -> None:
        """Children that are gone. One that was serving and did not end in order left an open session behind."""
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
            os.close(child.go)
            os.close(child.news)
            code = os.waitstatus_to_exitcode(status)
            log("child.ended", child=pid, code=code)
            self._served += 1
            if child.active:
                self._stillborn = 0 if child.ready else self._stillborn + 1
            if code != 0 and not self._stops:
                if child.active:  # one that waited has no session, and another's may be going on
                    settle_books(self._config)
                time.sleep(0.2)  # never a storm of forks

    def _watch(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.ended and now - child.ended > DYING_S:
                self._kill(child, "did not die")
            elif child.active and not child.ended and now - child.heard > SILENT_S:
                self._kill(child, "silent")
        notify.send("WATCHDOG=1")

    def _signal(self, child: Child, number: int) -> bool:
        """True when it was told something new."""
        new, child.told = child.told != number, number
        if new:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)
        return new

    def _kill(self, child: Child, reason: str) -> None:
        if not self._signal(child, signal.SIGKILL):
            return
        log("child.killed", child=child.pid, reason=reason)
        with _journal(self._config) as journal:
            journal.open_case("", f"child.{reason.replace(' ', '-')}", pauses=True)

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

    def _dismiss(self) -> None:
        """Once: let the person who is being served finish. Twice: at once, and the journal settles it later."""
        notify.send("STOPPING=1")
        for child in self._children.values():
            if child.told != signal.SIGKILL:
                self._signal(child, signal.SIGTERM if child.active and self._stops < 2 else signal.SIGKILL)

    def _renew(self) -> None:
        """Become a new process with the same sockets: children would else share one address layout for ever."""
        for child in self._children.values():
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        sockets = [s for s in (self._listeners.panel, self._listeners.card) if s is not None]
        for sock in sockets:
            sock.set_inheritable(True)
        os.environ[INHERITED] = ",".join(str(s.fileno()) for s in sockets)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves


def _be_child(config: Config, listeners: Listeners, go: int, news: int, serve: Serve) -> int:
    """The child's whole life. Returns its exit code; never raises."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until the resident's own loop takes it
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides
        harden()
        if not os.read(go, 1):
            return 0

        def tell(word: str) -> None:
            os.write(news, word.encode())

        return asyncio.run(serve(config, listeners, tell).run())
    except BaseException as error:
        log("error", where="child", what=type(error).__name__)
        return 1


@contextlib.contextmanager
def _journal(config: Config) -> Iterator[Journal]:
    journal = Journal(journal_path(config.kiosk.state))
    try:
        yield journal
    finally:
        journal.close()


def settle_books(config: Config) -> None:
    """Close what an earlier child, or an earlier life of the board, left open. Raises JournalBroken."""
    with _journal(config) as journal:
        journal.verify()
        for code in settle(journal):
            log("service.settled", code=code)


def _claim(config: Config) -> None:
    """One kiosk on one journal: held as long as this process, or a child of it, lives. Raises StartError."""
    lock = os.open(config.kiosk.state / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StartError(f"{config.kiosk.state}: another kiosk is running on this state") from None


def main(path: Path, serve: Serve = Resident) -> int:
    """Run the kiosk in the foreground. 0 after an orderly stop, 2 with one line when it cannot start."""
    try:
        config = load(path)
        configure(config.kiosk.log)
        config.kiosk.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        _claim(config)
        check(config)
        listeners = open_listeners(config)
        settle_books(config)
    except (ConfigError, StartError, JournalBroken, OSError) as error:
        print(f"kiosk: {error}", file=sys.stderr)  # noqa: T201 - one line for whoever started it
        return 2
    log("service.starting", build="0.1.0")
    try:
        code = Supervisor(config, listeners, serve).run()
    except JournalBroken as error:  # children die with us; nothing is served without a journal
        print(f"kiosk: {error}", file=sys.stderr)  # noqa: T201
        return 1
    log("service.stopping")
    return code
