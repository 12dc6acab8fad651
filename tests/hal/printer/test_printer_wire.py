"""The wire: deadlines, the far end's end, and nothing of a page that was given up."""

from __future__ import annotations

import socket
import time

import pytest

from hal.printer.wire import Wire, opener


@pytest.fixture
def ends() -> tuple[Wire, socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        wire = opener(f"tcp:127.0.0.1:{listener.getsockname()[1]}")(1.0)
        return wire, listener.accept()[0]


def test_what_is_abandoned_never_arrives(ends: tuple[Wire, socket.socket]) -> None:
    wire, far = ends
    with far:
        with pytest.raises(TimeoutError):
            wire.write(bytes(1 << 24), time.monotonic() + 5, stall_s=0.1)
        assert 0 < wire.sent < 1 << 23
        wire.abandon()
        far.settimeout(5)
        with pytest.raises(ConnectionResetError):
            while far.recv(65536):
                pass


def test_the_deadline_ends_a_write_that_makes_progress(ends: tuple[Wire, socket.socket]) -> None:
    wire, far = ends
    with far, pytest.raises(TimeoutError):
        wire.write(bytes(1 << 24), time.monotonic() + 0.1, stall_s=60)
    wire.close()


def test_the_far_end_hangs_up(ends: tuple[Wire, socket.socket]) -> None:
    wire, far = ends
    far.close()
    with pytest.raises(ConnectionError):
        wire.read(5)
    wire.close()
    wire.abandon()  # closed twice is closed


def test_a_connection_with_something_on_its_way_is_not_handed_on(
    ends: tuple[Wire, socket.socket],
) -> None:
    wire, far = ends
    with far:
        assert wire.detach() is not None
        with pytest.raises(TimeoutError):
            wire.write(bytes(1 << 24), time.monotonic() + 5, stall_s=0.1)
        assert wire.detach() is None
    wire.close()
