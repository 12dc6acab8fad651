"""Connections to printers that outlive a resident's process.

Many printers keep their port for half a minute after a connection has ended; if every process
closed its own, the kiosk would be out of service that long after every person. So a process that
ends in order lays its connections into a pair of sockets, on which the kernel keeps them open, and
the next process takes them out. The supervisor made the pair before the first fork; it looks at
nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket

# file descriptors of the pair, for the program that the supervisor becomes
INHERITED = "MADOGUCHI_WIRES"
NAME_BYTES = 64


class KeptWires:
    """Only connections on which nothing is under way are put here: nothing of a person is in
    one.
    """

    def __init__(self) -> None:
        inherited = [int(fd) for fd in os.environ.pop(INHERITED, "").split(",") if fd]
        pair = (
            [socket.socket(fileno=fd) for fd in inherited]
            if inherited
            else socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        )
        self._put, self._take = pair
        for end in pair:
            end.setblocking(False)
            end.set_inheritable(False)

    def put(self, name: str, connection: socket.socket) -> None:
        """Never raises; where it cannot be kept it is closed."""
        with contextlib.suppress(OSError), connection:
            socket.send_fds(self._put, [name.encode()], [connection.fileno()])

    def take(self) -> dict[str, socket.socket]:
        """All that were put here. The newest of each name is open, an older one is closed."""
        found: dict[str, socket.socket] = {}
        with contextlib.suppress(BlockingIOError):
            while True:
                name, fds, _, _ = socket.recv_fds(self._take, NAME_BYTES, 1)
                for fd in fds:
                    connection = socket.socket(fileno=fd)
                    connection.setblocking(False)
                    connection.set_inheritable(False)  # no program that is started gets it
                    if older := found.pop(name.decode(), None):
                        older.close()
                    found[name.decode()] = connection
        return found

    def hand_over(self) -> None:
        """To the program that this process becomes."""
        for end in (self._put, self._take):
            end.set_inheritable(True)
        os.environ[INHERITED] = f"{self._put.fileno()},{self._take.fileno()}"
