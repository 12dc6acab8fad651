"""The listening sockets: the supervisor's, used by whichever child serves."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass, field

from firmware.service.config import Config, VpcdCard
from firmware.service.kept_wires import KeptWires
from firmware.service.preflight import StartError

# file descriptors handed over when the supervisor executes itself anew
INHERITED = "MADOGUCHI_LISTENERS"


@dataclass(frozen=True)
class Listeners:
    """Sockets the supervisor holds and every child inherits. `card` only where the reader is a
    socket. `wires`: what one child leaves to the next.
    """

    panel: socket.socket
    card: socket.socket | None
    wires: KeptWires = field(default_factory=KeptWires)

    def hand_over(self) -> None:
        """To the program that this process becomes."""
        sockets = [sock for sock in (self.panel, self.card) if sock is not None]
        for sock in sockets:
            sock.set_inheritable(True)
        os.environ[INHERITED] = ",".join(str(sock.fileno()) for sock in sockets)
        self.wires.hand_over()


def _listen(port: str) -> socket.socket:
    host, _, number = port.rpartition(":")
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, int(number)))
    except (OSError, OverflowError) as error:
        raise StartError(
            f"{port}: {error.strerror if isinstance(error, OSError) else error}"
        ) from None
    sock.listen(16)
    sock.setblocking(False)
    return sock


def open_listeners(config: Config) -> Listeners:
    """Bind, or take over from the process we were before. Raises StartError."""
    inherited = [int(fd) for fd in os.environ.pop(INHERITED, "").split(",") if fd]
    if inherited:
        sockets = [socket.socket(fileno=fd) for fd in inherited]
        for sock in sockets:
            sock.set_inheritable(False)
        return Listeners(sockets[0], sockets[1] if len(sockets) > 1 else None)
    card = _listen(config.card.listen) if isinstance(config.card, VpcdCard) else None
    panel = _listen(config.panel.listen)
    if not ipaddress.ip_address(panel.getsockname()[0]).is_loopback:
        raise StartError(f"panel.listen: {config.panel.listen} is not on loopback")
    return Listeners(panel, card)
