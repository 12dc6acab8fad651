"""sd_notify: one datagram to the service manager, nothing when there is none."""

from __future__ import annotations

import contextlib
import os
import socket


def send(state: str) -> None:
    """READY=1, WATCHDOG=1, STOPPING=1, STATUS=… (sd_notify(3)). Never raises."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
