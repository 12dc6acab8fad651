"""Pages, patience and a raw far end for the printer's tests."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from hal.printer.contract import Bitmap

WIDTH = 64


def page_of(byte: int = 0xAA, lines: int = 300) -> Bitmap:
    return Bitmap(WIDTH, lines, bytes([byte]) * (WIDTH // 8 * lines))


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.005)


@contextmanager
def far_end(
    answer: Callable[[bytes], bytes], greeting: bytes = b"", receive_buffer: int = 0
) -> Iterator[int]:
    """A TCP server that answers each piece it reads with `answer(piece)`; its port."""
    listener = socket.socket()
    if receive_buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    def serve() -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                with line, suppress(OSError, StopIteration):
                    line.sendall(greeting)
                    while data := line.recv(65536):
                        line.sendall(answer(data))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
