"""The far end of a serial line: a pty. Lives in an asyncio loop; call it from there.

It carries bytes and keeps what has come and was not taken yet. What the bytes mean is the business
of the device that sits on it, and of no driver.
"""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Callable
from pathlib import Path


class FarLine:
    """`came` is called with each piece that the host sends; `received` is all that was not taken
    yet. When the host pauses for more than `gap_s` inside a frame, `broken` gets what came, and it
    is thrown away. `link` is another path to the same port.
    """

    def __init__(
        self,
        came: Callable[[bytes], None],
        broken: Callable[[bytes], None],
        gap_s: float,
        link: Path | None = None,
    ) -> None:
        self.port = ""
        self.received = bytearray()
        self._came = came
        self._broken = broken
        self._gap_s = gap_s
        self._link = link
        self._received_at = 0.0
        self._fds: tuple[int, ...] = ()

    async def start(self) -> None:
        """`port` (and `link`) is where the host finds it from now on. Raises OSError."""
        far, near = os.openpty()
        tty.setraw(near)
        os.set_blocking(far, False)
        self._fds = far, near  # the near end stays open: hosts come and go
        self.port = os.ttyname(near)
        if self._link is not None:
            self._link.parent.mkdir(parents=True, exist_ok=True)
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self.port)
        asyncio.get_running_loop().add_reader(far, self._read)

    async def close(self) -> None:
        if not self._fds:
            return
        asyncio.get_running_loop().remove_reader(self._fds[0])
        for fd in self._fds:
            os.close(fd)
        self._fds = ()
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    def send(self, raw: bytes) -> bool:
        """False: nobody listens and the buffer is full. It is lost, as on a wire."""
        if not self._fds:
            return False
        try:
            os.write(self._fds[0], raw)
        except OSError:
            return False
        return True

    def _read(self) -> None:
        try:
            piece = os.read(self._fds[0], 4096)
        except OSError:
            return
        now = asyncio.get_running_loop().time()
        if self.received and now - self._received_at > self._gap_s:
            self._broken(bytes(self.received))
            self.received.clear()
        self._received_at = now
        self.received += piece
        self._came(piece)
