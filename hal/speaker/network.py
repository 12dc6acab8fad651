"""A speaker somewhere on the network.

The protocol, over TCP: a 4-byte big-endian length, then a WAV recording of that many bytes, to be
played after those before it; length 0: be quiet at once and forget what waits. A speaker that has a
socket for headphones sends one byte when somebody connects and whenever it changes: 1 they are in,
0 they are not.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time

from hal.exchanges import exchange
from hal.faults import DeviceFault, Reason
from hal.speaker import wav
from hal.speaker.contract import Plugged

LENGTH = struct.Struct(">I")
QUIET = LENGTH.pack(0)
IN, OUT = b"\x01", b"\x00"
AGAIN_S = 1.0  # until the next try to connect, for one who waits for news of the headphones


class NetworkSpeaker:
    """`hal.speaker.contract.Speaker` at "host:port". No call takes longer than `connect_s`."""

    def __init__(self, address: str, connect_s: float = 1.0, name: str = "speaker") -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise DeviceFault(name, Reason.CONFIGURATION, "address is host:port")
        self._address = host.strip("[]"), int(port)
        self._connect_s = connect_s
        self._name = name
        self._volume = 100
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._plugged: bool | None = None
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def check(self) -> None:
        """Connect. Raises DeviceFault."""
        self._send(b"")

    def play(self, recordings: tuple[bytes, ...]) -> None:
        """See Speaker. Raises DeviceFault: NOT_CONNECTED, SILENT; REFUSED for what is not 16-bit
        mono WAV.
        """
        try:
            louder = [wav.encode(wav.scale(wav.decode(r), self._volume)) for r in recordings]
        except wav.WavError as error:
            raise DeviceFault(self._name, Reason.REFUSED, str(error)) from None
        self._send(QUIET + b"".join(LENGTH.pack(len(r)) + r for r in louder))

    def stop(self) -> None:
        """See Speaker."""
        if self._socket is not None:
            with contextlib.suppress(DeviceFault):
                self._send(QUIET)

    def set_volume(self, percent: int) -> None:
        """See Speaker."""
        self._volume = percent

    def watch(self, plugged: Plugged) -> None:
        """See Speaker."""
        self._watcher = threading.Thread(
            target=self._listen, args=(plugged,), name="headphones", daemon=True
        )
        self._watcher.start()

    def close(self) -> None:
        """See Speaker."""
        self._ended.set()
        self.stop()
        with self._lock:
            self._drop()

    def _send(self, message: bytes) -> None:
        deadline = time.monotonic() + self._connect_s
        with self._lock, exchange(self._name, "send", len(message)):
            try:
                wire = self._connected()
                wire.settimeout(max(deadline - time.monotonic(), 0.01))
                wire.sendall(message)
            except TimeoutError as error:
                self._drop()  # half a message may be out: this connection is of no more use
                raise DeviceFault(
                    self._name, Reason.SILENT, f"no progress in {self._connect_s} s"
                ) from error
            except OSError as error:
                self._drop()
                raise DeviceFault(self._name, Reason.NOT_CONNECTED, type(error).__name__) from error

    def _connected(self) -> socket.socket:
        if self._socket is not None and self._hung_up(self._socket):
            self._drop()
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._connect_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _hung_up(self, wire: socket.socket) -> bool:
        """What the other end has said is read here too."""
        wire.setblocking(False)
        try:
            news = wire.recv(64)
        except BlockingIOError:
            return False
        except OSError:
            return True
        if not news or news.strip(IN + OUT):
            return True  # its end, or nothing that a speaker says
        self._plugged = news[-1:] == IN
        return False

    def _listen(self, plugged: Plugged) -> None:
        told: bool | None = None
        plugged(told)
        while not self._ended.is_set():
            wire = self._reached()
            if (now := self._plugged) is not told:
                if told:
                    self.stop()
                told = now
                plugged(now)
            if wire is None:
                self._ended.wait(AGAIN_S)
            else:
                with contextlib.suppress(OSError, ValueError):  # closed meanwhile
                    select.select([wire], [], [], AGAIN_S)

    def _reached(self) -> socket.socket | None:
        with self._lock:
            try:
                return None if self._ended.is_set() else self._connected()
            except OSError:
                return None

    def _drop(self) -> None:
        self._plugged = None
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None
