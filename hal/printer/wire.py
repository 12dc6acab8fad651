"""Byte streams to a printer: TCP, serial line, character device. One file descriptor, never
blocking past a deadline.

Every error leaves as an `OSError`: `TimeoutError` when the far end takes no more bytes,
`ConnectionError` and its like when the wire is gone.

A read that gives nothing means the end of the stream on a socket only. A device file and a serial
line give nothing when there is nothing to give; there the kernel reports a hang-up when the device
is gone.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

from hal.exchanges import exchange

CHUNK = 4096
GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL
# a printer's answers are a few bytes; more than this without a question is no printer
FLOOD = 1 << 16
# between two looks at a device file that promised bytes and gave none
PAUSE_S = 0.01
# the kernel may hold this much of a page that is given up; `abandon` throws it away
SEND_BUFFER = 1 << 17


class Wire:
    """An open stream. `abandon` throws away what the kernel still holds, `close` lets it go out.

    `line`: the socket, where it is one. `device`: whose exchanges these are.
    """

    device = "printer"

    def __init__(
        self,
        fd: int,
        close: Callable[[], None],
        discard: Callable[[], None],
        line: socket.socket | None = None,
    ) -> None:
        self._fd, self._close, self._discard, self._line = fd, close, discard, line
        self.sent = 0  # bytes handed to the kernel
        self.longest_pause_s = 0.0  # without a byte of progress; whoever wants to know sets it back

    @property
    def is_connection(self) -> bool:
        """A connection belongs to one client; what comes through it is for nobody else."""
        return self._line is not None

    def write(self, data: bytes, deadline: float, stall_s: float) -> None:
        """Send all of `data`. TimeoutError after `stall_s` without a byte of progress or at
        `deadline` (monotonic).
        """
        view = memoryview(data)
        moved = time.monotonic()
        with exchange(self.device, "write", len(data)):
            while view:
                if not self._wait(select.POLLOUT, min(stall_s, deadline - time.monotonic())):
                    raise TimeoutError("takes no data")
                with suppress(BlockingIOError):
                    written = os.write(self._fd, view)
                    self.sent += written
                    view = view[written:]
                    now = time.monotonic()
                    self.longest_pause_s = max(self.longest_pause_s, now - moved)
                    moved = now

    def read(self, timeout_s: float) -> bytes:
        """What has come, at least one byte, or b"" when nothing comes in time."""
        if not timeout_s:
            return self._read(0)
        with exchange(self.device, "read", 0) as made:
            data = self._read(timeout_s)
            made.got, made.result = len(data), "ok" if data else "nothing"
            return data

    def _read(self, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        while self._wait(select.POLLIN, deadline - time.monotonic()):
            with suppress(BlockingIOError):
                data = os.read(self._fd, CHUNK)
                if data:
                    return data
                if self.is_connection:
                    raise ConnectionResetError("closed by the far end")
            if time.monotonic() >= deadline:
                break
            time.sleep(PAUSE_S)
        return b""

    def detach(self) -> socket.socket | None:
        """The connection itself, for another process; nothing when it is none, or when something is
        still on its way out. The wire cannot be used any more.
        """
        if self._line is None or _unsent(self._line):
            return None
        return self._line

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
        found = poll.poll(max(0.0, timeout_s) * 1000)
        if found and found[0][1] & GONE and not self.is_connection:
            raise ConnectionResetError("the device is gone")
        return bool(found)


def _unsent(line: socket.socket) -> int:
    """Bytes that the kernel holds and the far end has not confirmed."""
    waiting = fcntl.ioctl(line.fileno(), termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(waiting, sys.byteorder)


def network_wire(line: socket.socket) -> Wire:
    """A wire on a connection that is open."""

    def discard() -> None:
        # closing then resets the connection instead of delivering the rest in the background
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return Wire(line.fileno(), line.close, discard, line)


def opener(address: str) -> Callable[[float], Wire]:
    """What opens `address`: `tcp:HOST:PORT`, `serial:/dev/ttyUSB0?baud=115200` or a device file's
    path.

    The result takes the seconds a connection may take. ValueError when the address is none of
    these.
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
    raise ValueError(
        "a printer's address is tcp:HOST:PORT, serial:/dev/NAME?baud=RATE or /dev/NAME"
    )


def _open_tcp(host: str, port: int, timeout_s: float) -> Wire:
    line = socket.create_connection((host, port), timeout=timeout_s)
    line.setblocking(False)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    return network_wire(line)


def _open_serial(path: str, baud: int) -> Wire:
    import serial

    try:
        port = serial.Serial(path, baud, rtscts=True, timeout=0, write_timeout=0, exclusive=True)
    except (termios.error, ValueError) as error:
        raise OSError("the serial line cannot be set") from error
    return Wire(port.fileno(), port.close, port.reset_output_buffer)


def _open_device(path: str) -> Wire:
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
    return Wire(fd, lambda: os.close(fd), lambda: None)
