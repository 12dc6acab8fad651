"""Free ports on the loopback, which no other program of a rehearsal takes meanwhile."""

from __future__ import annotations

import contextlib
import functools
import itertools
import secrets
import socket
from collections.abc import Iterator, Mapping
from typing import Final

from testbed.rehearsal_error import RehearsalError

HOST: Final = "127.0.0.1"
WIRES: Final = (
    "panel",
    "reader",
    "city",
    "cable",
    "line",
    "sheets",
    "receipts",
    "speaker",
    "verification",
)
FIRST_PORT: Final = 10_000
PORTS_OF_A_BLOCK: Final = 100
BLOCKS: Final = 220
LOCKS: Final[list[socket.socket]] = []  # as long as the process lives


def choose_ports(given: Mapping[str, int]) -> Mapping[str, int]:
    """A port for each wire; all free ones are held until the last is found, so no two are
    the same.
    """
    if unknown := set(given) - set(WIRES):
        raise RehearsalError(f"no such wire: {', '.join(sorted(unknown))}")
    held = {name: hold_port() for name in WIRES if name not in given}
    found = {name: sock.getsockname()[1] for name, sock in held.items()}
    for sock in held.values():
        sock.close()
    return {**found, **given}


def free_port() -> int:
    """One that no other program of a rehearsal takes meanwhile."""
    with hold_port() as held:
        return int(held.getsockname()[1])


def hold_port() -> socket.socket:
    """A port is let go before the program that was given it takes it: until then nobody else may.
    Therefore each process has a block of ports to itself.
    """
    while True:
        with contextlib.suppress(OSError):
            return socket.create_server((HOST, next(_own_ports())))


@functools.cache
def _own_ports() -> Iterator[int]:
    """A block of ports, over and over, that this process alone has as long as it lives: the name of
    a socket in the kernel's memory says so. They are below the ports that the kernel gives to
    whoever connects. Raises RehearsalError when no block is left.
    """
    for block in secrets.SystemRandom().sample(range(BLOCKS), BLOCKS):
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0madoguchi-ports-{block}")
        except OSError:
            lock.close()
            continue
        LOCKS.append(lock)
        first = FIRST_PORT + block * PORTS_OF_A_BLOCK
        return itertools.cycle(range(first, first + PORTS_OF_A_BLOCK))
    raise RehearsalError(f"{BLOCKS} programs rehearse already: end one of them")
