"""Whether what a board forbids is forbidden: judged by what a process can do, in the machine and
from outside of it, and never by what a file says.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping

from inside import FREE_PORT, LOOPBACK, OURS, OUT
from machine import Machine, MachineError, until

FROM_OUTSIDE_S = 300.0  # only a hang takes so long: a refusal is an answer, too
LISTEN = f"""python3 -I -c 'import socket
s = socket.create_server(("", {FREE_PORT}), reuse_port=True)
s.settimeout(900)
while True: s.accept()[0].sendall(b"reached")
' >/dev/null 2>&1 </dev/null & echo $! >/run/listening
"""
LISTENS = f"ss -Hltn | grep -q :{FREE_PORT}"


def check_units(limits: Mapping[str, Mapping[str, str]]) -> None:
    """`limits`: what `inside.py` tried; no unit is the control. Raises MachineError."""
    if any(word != "allowed" for word in limits["no unit"].values()):
        raise MachineError(f"the control is refused: {limits['no unit']}")
    for unit in OURS:
        if limits[unit][LOOPBACK] != "allowed" or limits[unit][OUT] == "allowed":
            raise MachineError(f"{unit}: the limits of its addresses do not hold: {limits[unit]}")


def check_filter(machine: Machine, port: int) -> str:
    """A program of the board that listens on FREE_PORT, which is `port` here, is not reached; it is
    without the filter. Raises MachineError.
    """
    machine.run(LISTEN)
    try:
        until(lambda: _ends_well(machine, LISTENS), "nothing listens on the board")
        if _reached(port):
            raise MachineError(f"port {FREE_PORT} of the board is open to the outside")
        machine.run("nft flush ruleset")
        if not _reached(port):
            raise MachineError("the control is refused: nothing is reached without the filter")
    finally:
        machine.run("systemctl restart nftables; kill $(cat /run/listening)")
    return "closed"


def _ends_well(machine: Machine, command: str) -> bool:
    with contextlib.suppress(MachineError):
        machine.run(command)
        return True
    return False


def _reached(port: int) -> bool:
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), FROM_OUTSIDE_S) as wire,
    ):
        return bool(wire.recv(16))
    return False
