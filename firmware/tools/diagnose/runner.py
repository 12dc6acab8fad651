"""Runs checks side by side, each in a process of its own that is killed at its deadline.

Whatever a library, a device file or a daemon does, the walk goes on: a process that hangs is ended
with everything that it has started. Findings come as the checks end.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn

import msgspec

from firmware.tools.diagnose.account import Account
from firmware.tools.diagnose.errors import said
from firmware.tools.diagnose.finding import Finding, Verdict, Wrong, causes

# Python reads these when they are first used, perhaps from a folder that is root's alone.
CODECS: Final = ("ascii", "idna", "latin-1")
MOST: Final = 1 << 20  # bytes of one finding
PIECE: Final = 1 << 16
REAPS, REAP_S = 50, 0.01


@dataclass(frozen=True)
class Task:
    """`look` returns a finding and may do what it likes; it has `deadline_s`."""

    name: str
    look: Callable[[], Finding]
    deadline_s: float


@dataclass
class _Running:
    task: Task
    pid: int
    pipe: int
    began: float
    received: bytearray


def run(tasks: Sequence[Task], account: Account) -> Iterator[Finding]:
    """One finding for each task, as they end. Never raises, and never takes longer than the longest
    deadline (and the moment that a process takes to die).
    """
    sys.stdout.flush()  # a child must not write it once more
    for codec in CODECS:
        codecs.lookup(codec)
    running = {task.name: _start(task, account) for task in tasks}
    with selectors.DefaultSelector() as ready:
        for each in running.values():
            ready.register(each.pipe, selectors.EVENT_READ, each)
        try:
            while running:
                yield from _turn(ready, running)
        finally:
            for each in running.values():
                _end(each)


def _turn(ready: selectors.DefaultSelector, running: dict[str, _Running]) -> Iterator[Finding]:
    """Wait for news or the next deadline."""
    now = time.monotonic()
    ends = {name: each.began + each.task.deadline_s for name, each in running.items()}
    for key, _ in ready.select(max(0.0, min(ends.values()) - now)):
        each: _Running = key.data
        piece = os.read(each.pipe, PIECE)
        each.received += piece
        if not piece or len(each.received) > MOST:
            ready.unregister(each.pipe)
            del running[each.task.name]
            yield _end(each)
    for name, end in ends.items():
        if name in running and time.monotonic() >= end:
            each = running.pop(name)
            ready.unregister(each.pipe)
            _end(each)
            yield _late(each)


def _start(task: Task, account: Account) -> _Running:
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        _be_child(task, account, theirs)
    os.close(theirs)
    return _Running(task, pid, ours, began, bytearray())


def _be_child(task: Task, account: Account, pipe: int) -> NoReturn:
    """Never returns, and runs nothing that was meant for the parent's end. It has a group of its
    own, in which whatever it starts is ended with it.
    """
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - libraries write what they like
            os.dup2(nowhere.fileno(), 2)
        try:
            account.take()
            finding = task.look()
        except (OSError, KeyError) as error:
            detail = said(error) if isinstance(error, OSError) else str(error)
            finding = unfinished(task.name, f"the service's user: {detail}")
        with open(pipe, "wb") as out:
            out.write(msgspec.json.encode(finding))
    finally:
        os._exit(0)


def _end(each: _Running) -> Finding:
    """What the process has sent; it and whatever it started are gone afterwards."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(each.pid, signal.SIGKILL)
    os.close(each.pipe)
    _reap(each.pid)
    seconds = time.monotonic() - each.began
    try:
        finding = msgspec.json.decode(bytes(each.received), type=Finding)
    except msgspec.MsgspecError:
        return replace(unfinished(each.task.name, "its process ended"), seconds=seconds)
    return replace(finding, seconds=seconds)


def _reap(pid: int) -> None:
    """A process that is stuck in the kernel dies later, and is not waited for."""
    for _ in range(REAPS):
        with contextlib.suppress(OSError):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                time.sleep(REAP_S)
                continue
        return


def _late(each: _Running) -> Finding:
    cause = causes()["check.timeout"]
    return Finding(
        each.task.name,
        Verdict.UNKNOWN,
        f"no end within {each.task.deadline_s:g} s",
        cause.remedy,
        cause.code,
        cause.expected,
        time.monotonic() - each.began,
    )


def unfinished(name: str, detail: str) -> Finding:
    cause = causes()["check.failed"]
    return Finding(name, Verdict.UNKNOWN, detail, cause.remedy, cause.code, cause.expected)


def examined(name: str, look: Callable[[], str]) -> Finding:
    """Whatever goes wrong in a check is a finding."""
    try:
        return Finding(name, Verdict.OK, look())
    except Wrong as found:
        return Finding(name, found.verdict, found.detail, found.remedy, found.code, found.expected)
    except Exception as error:
        return unfinished(name, f"{type(error).__name__}: {error}")
