"""Reads four digits from the terminal without showing or keeping them."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
from collections.abc import Iterator


def ask_pin() -> bytearray:
    """One line of standard input, without its end: never a str. On a terminal nothing is shown of
    it.
    """
    line = bytearray(16)
    fd = sys.stdin.fileno()
    with _unseen(fd):
        size = os.readv(fd, [line])
    end = line.find(b"\n", 0, size)
    digits = line[: end if end >= 0 else size]
    line[:] = bytes(len(line))
    return digits


@contextlib.contextmanager
def _unseen(fd: int) -> Iterator[None]:
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    silent = [*before]
    silent[3] &= ~termios.ECHO
    sys.stderr.write("PIN (暗証番号): ")
    sys.stderr.flush()
    termios.tcsetattr(fd, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSAFLUSH, before)
        sys.stderr.write("\n")
