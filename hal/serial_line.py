"""A serial line (or a pty) as drivers open it: 8N1, held by one program, read in short slices."""

from __future__ import annotations

import contextlib
import termios
import time
from typing import Final

import serial

SLICE_S: Final = 0.02  # a read looks at the deadline this often
WRITE_S: Final = 2.0  # a question is a few bytes: a port that takes longer is none
PORT_ERRORS: Final = (OSError, termios.error, serial.SerialException, ValueError)


def open_line(path: str, baud: int) -> serial.Serial:
    """Raises one of PORT_ERRORS."""
    return serial.Serial(path, baud, timeout=SLICE_S, write_timeout=WRITE_S, exclusive=True)


def read_some(port: serial.Serial, size: int, deadline: float) -> bytes:
    """At least one byte and at most `size`; b"" when nothing has come by `deadline` (monotonic).

    A board that was busy with something else asks late: what lies there by then has come in time.
    Raises one of PORT_ERRORS.
    """
    while time.monotonic() < deadline:
        if piece := bytes(port.read(size)):
            return piece
    return bytes(port.read(min(size, port.in_waiting)))


def close_line(port: serial.Serial | None) -> None:
    """Never raises."""
    if port is not None:
        with contextlib.suppress(*PORT_ERRORS):
            port.close()
