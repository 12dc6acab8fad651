"""`kiosk browser --config FILE -- COMMAND…` runs the panel's browser and ends it with each
resident.

A browser keeps in its memory what it showed, whatever page it goes to. Only the end of its
processes clears that memory. The kiosk's process of one resident answers `/panel/alive` and then
sends nothing until it ends. When that connection ends, this program ends the browser with all its
processes, removes its profile, and starts it anew for the next resident. The panel ends the
connection also when the page shows nothing any more (`hal.panel.watch`). In COMMAND, `{url}` is a
page of our own that leads to the panel, and `{profile}` a fresh folder, which is also the browser's
HOME, XDG folders and TMPDIR (this program's own TMPDIR is best on a tmpfs).

The panel's wire wants the key of the process that serves (`firmware/service/panel_key.py`). Every
user can read the command line of a process; therefore the key stands in a page within the profile,
which nobody else can read.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import math
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from firmware.service import notify, panel_key
from firmware.service.config import ConfigError, load
from hal.panel.web import ALIVE, PAGE

PR_SET_CHILD_SUBREAPER: Final = 36
RETRY_S: Final = 0.1
ANSWER_S: Final = 5.0  # of a process that has accepted, until its headers
ASKED_S: Final = 0.5  # between SIGTERM and SIGKILL
CRASHED_S: Final = 1.0  # pause after a browser that ended by itself
BEAT_S: Final = 5.0  # systemd hears no more often that this program lives
START: Final = """<!DOCTYPE html>
<meta http-equiv="refresh" content="0; url={panel}">
"""
HOMES: Final = (
    "HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "TMPDIR",
    "MADOGUCHI_PROFILE",
)


class Ended(Exception):
    """We were told to end."""


def main(argv: Sequence[str] | None = None) -> int:
    """Until SIGTERM or SIGINT. 2 with one line when the configuration or COMMAND cannot be used."""
    parser = argparse.ArgumentParser(
        prog="kiosk browser", description="keep the panel's browser, one for each resident"
    )
    parser.add_argument("--config", required=True, type=Path, metavar="FILE")
    parser.add_argument(
        "command", nargs="+", metavar="COMMAND", help="{url} and {profile} are filled in"
    )
    given = parser.parse_args(argv)
    try:
        config = load(given.config)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
        # what leaves the browser's group, as crash handlers do, becomes our child and is found
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        while True:
            _serve_one(config.panel.listen, config.kiosk.runtime, given.command)
    except Ended:
        return 0
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"browser: {error}\n")
        return 2


def _end(*_: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # once: what follows is clearing up
    raise Ended


def _serve_one(address: str, runtime: Path, command: Sequence[str]) -> None:
    """One browser, of one resident. The connection is this browser's own: the panel ends it when
    the resident's process ends, and also when the page shows nothing any more.
    """
    with _resident(address, runtime) as (life, key):
        with _browser(f"http://{address}{PAGE}#{key}", command) as browser:
            told = -math.inf
            while browser.poll() is None and not _over(life, RETRY_S):
                told = _beat(told)
            by_itself = browser.poll()
        if by_itself is not None and not _over(life, CRASHED_S):
            sys.stderr.write(f"browser: ended by itself ({by_itself}), started again\n")


@contextlib.contextmanager
def _resident(address: str, runtime: Path) -> Iterator[tuple[socket.socket, str]]:
    """A connection that lasts as long as the process that serves one resident, and its key. Raises
    PermissionError when this user may not have the key.
    """
    host, _, port = address.rpartition(":")
    told = -math.inf
    while True:
        key = panel_key.read(runtime)
        told = _beat(told)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            wire = stack.enter_context(socket.create_connection((host, int(port)), ANSWER_S))
            wire.sendall(f"GET {ALIVE}?key={key} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
            if wire.recv(4096).startswith(b"HTTP/1.1 200"):
                kept = stack.pop_all()
                break
        time.sleep(RETRY_S)
    with kept:
        yield wire, key


def _beat(told: float) -> float:
    """Feed systemd's watchdog, unless it was fed a moment ago: each time wakes systemd too. `told`
    and the result: when it was, monotonic seconds.
    """
    now = time.monotonic()
    if now - told < BEAT_S:
        return told
    notify.send("WATCHDOG=1")
    return now


def _over(life: socket.socket, seconds: float) -> bool:
    """Whatever comes after the headers is the end."""
    return bool(select.select([life], [], [], seconds)[0])


@contextlib.contextmanager
def _browser(panel: str, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The browser with a fresh profile; at the end nothing of either is left. Raises OSError."""
    profile = tempfile.mkdtemp(prefix="madoguchi-panel-")
    start = Path(profile) / "start.html"  # a folder of our own, mode 0700
    start.write_text(START.format(panel=panel), "ascii")
    url = start.as_uri()
    words = [word.replace("{url}", url).replace("{profile}", profile) for word in command]
    try:
        browser = subprocess.Popen(
            words, env=os.environ | dict.fromkeys(HOMES, profile), start_new_session=True
        )
        try:
            yield browser
        finally:
            _end_all(browser)
    finally:
        shutil.rmtree(profile, ignore_errors=True)


def _end_all(browser: subprocess.Popen[bytes]) -> None:
    """The group politely, then whatever is left of it, wherever it has gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(browser.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        browser.wait(ASKED_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(browser.pid, signal.SIGKILL)
    browser.wait()
    while children := Path("/proc/thread-self/children").read_text().split():
        for child in map(int, children):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
