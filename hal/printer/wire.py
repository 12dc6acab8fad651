"""Byte streams to a printer: TCP, serial line, character device. One file descriptor, never blocking past a deadline.

Every error leaves as an `OSError`: `TimeoutError` when the far end takes no more bytes, `ConnectionError` and its
like when the wire is gone.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

CHUNK = 4096
FLOOD = 1 << 16  # a printer's answers are a few bytes; more than this without a question is no printer
SEND_BUFFER = 1 << 17  # the kernel may hold this much of a page that is given up; `abandon` throws it away


class Wire:
    """An open stream. `abandon` throws away what the kernel still holds, `close` lets it go out."""

    def __init__(self, fd: int, close: Callable[[], None], discard: Callable[[], None]) -> None:
        self._fd, self._close, self._discard = fd, close, discard
        self.sent = 0  # bytes handed to the kernel

    def write(self, data: bytes, deadline: float, stall_s: float) -> None:
        """Send all of `data`. TimeoutError after `stall_s` without a byte of progress or at `deadline` (monotonic)."""
        view = memoryview(data)
        while view:
            if not self._wait(select.POLLOUT, min(stall_s, deadline - time.monotonic())):
                raise TimeoutError("takes no data")
            with suppress(BlockingIOError):
                written = os.write(self._fd, view)
                self.sent += written
                view = view[written:]

    def read(self, timeout_s: float) -> bytes:
        """What has come, at least one byte, or b"" when nothing comes in time."""
        if not self._wait(select.POLLIN, timeout_s):
            return b""
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            raise ConnectionResetError("closed by the far end")
        return data

    def drain(self) -> None:
        """Throw away everything that has come so far."""
        total = 0
        while data := self.read(0):
            total += len(data)
            if total > FLOOD:
                raise ConnectionAbortedError("answers without end")

    def close(self) -> None:
        with suppress(Exception):
            self._close()

    def abandon(self) -> None:
        with suppress(Exception):
            self._discard()
        self.close()

    def _wait(self, event: int, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(self._fd, event)
        return bool(poll.poll(max(0.0, timeout_s) * 1000))


def opener(address: str) -> Callable[[float], Wire]:
    """What opens `address`: `tcp:HOST:PORT`, `serial:/dev/ttyUSB0?baud=115200` or a device file's path.

    The result takes the seconds a connection may take. ValueError when the address is none of these.
    """
    kind, _, rest = address.partition(":")
    if address.startswith("/"):
        return lambda timeout_s: _open_device(address)
    if kind == "tcp":
        host, _, port = rest.removeprefix("//").rpartition(":")
        if host and port.isdecimal() and 0 < int(port) < 65536:
            return lambda timeout_s: _open_tcp(host.strip("[]"), int(port), timeout_s)
    if kind == "serial":
        parts = urlsplit(rest)
        options = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
        baud = options.pop("baud", ["115200"])[-1]
        if parts.path.startswith("/") and not options and baud.isdecimal():
            return lambda timeout_s: _open_serial(parts.path, int(baud))
    raise ValueError("a printer's address is tcp:HOST:PORT, serial:/dev/NAME?baud=RATE or /dev/NAME")


def _open_tcp(host: str, port: int, timeout_s: float) -> Wire:
    line = socket.create_connection((host, port), timeout=timeout_s)
    line.setblocking(False)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def discard() -> None:  # closing then resets the connection instead of delivering the rest in the background
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return Wire(line.fileno(), line.close, discard)


def _open_serial(path: str, baud: int) -> Wire:
    import termios

    import serial

    try:
        port = serial.Serial(path, baud, rtscts=True, timeout=0, write_timeout=0, exclusive=True)
    except (termios.error, ValueError) as error:
        raise OSError("the serial line cannot be set") from error
    return Wire(port.fileno(), port.close, port.reset_output_buffer)


def _open_device(path: str) -> Wire:
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
    return Wire(fd, lambda: os.close(fd), lambda: None)
