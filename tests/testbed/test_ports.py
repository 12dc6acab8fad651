"""No two processes choose the same port, though each lets go of it before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from testbed import ports
from testbed.rehearsal_error import RehearsalError

CHOOSE = (
    "from testbed.ports import hold_port\n"
    "held = [hold_port() for _ in range(9)]\n"
    "print(*(one.getsockname()[1] for one in held), flush=True)\n"
    "[one.close() for one in held]\n"
    "input()\n"
)


def test_processes_choose_different_ports() -> None:
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", CHOOSE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    chosen: list[str] = []
    for program in programs:
        assert program.stdout is not None
        chosen += program.stdout.readline().split()
    for program in programs:
        program.communicate("\n")
    assert len(chosen) == 27
    assert len({int(port) // ports.PORTS_OF_A_BLOCK for port in chosen}) == 3


def test_when_every_block_is_taken_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "BLOCKS", 0)
    with pytest.raises(RehearsalError, match="rehearse already"):
        ports._own_ports.__wrapped__()
