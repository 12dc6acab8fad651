"""What the tests of the PC/SC driver share: another client, a client to be killed, and counts."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from card_bench import Watched, until
from pcsc_daemon import NAME

from hal.card.contract import CardPresence, Stay

ROOT = Path(__file__).parents[4]


def present(reader: Watched) -> Stay:
    stay = reader.wait(CardPresence.PRESENT).stay
    assert stay is not None
    return stay


def until_only(names: set[str], seconds: float = 5.0) -> None:
    """Wait until no other threads of the driver are left than these."""
    until(lambda: driver_threads() <= names, seconds)


def driver_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if " PCD " in thread.name}


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Client:
    """Another program's use of the reader, with pyscard alone."""

    def __init__(self, share: int = 1) -> None:
        from smartcard import scard

        self._scard: Any = scard
        _, self.context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        self._share = share
        self._handle: Any = None

    def state(self, known: int = 0, wait_ms: int = 0) -> int:
        """dwEventState of the reader."""
        _, seen = self._scard.SCardGetStatusChange(self.context, wait_ms, [(NAME, known)])
        return int(seen[0][1])

    def connect(self) -> None:
        code, self._handle, self._protocol = self._scard.SCardConnect(
            self.context, NAME, self._share, 3
        )
        assert code == 0, hex(code & 0xFFFFFFFF)

    def send(self, apdu: str) -> str:
        pci = self._scard.SCARD_PCI_T1 if self._protocol == 2 else self._scard.SCARD_PCI_T0
        code, answer = self._scard.SCardTransmit(self._handle, pci, list(bytes.fromhex(apdu)))
        assert code == 0, hex(code & 0xFFFFFFFF)
        return bytes(answer).hex()

    def leave(self) -> None:
        """Disconnect and leave the card as it is: powered, and with its PIN verified."""
        self._scard.SCardDisconnect(self._handle, self._scard.SCARD_LEAVE_CARD)

    def close(self) -> None:
        self._scard.SCardReleaseContext(self.context)


@contextlib.contextmanager
def program_running(code: str) -> Iterator[subprocess.Popen[str]]:
    """Another Python process that has the driver, for what only a process of its own can do. Killed
    at the end.
    """
    path = os.pathsep.join(
        map(str, (ROOT, ROOT / "tests", ROOT / "tests/hal/card", Path(__file__).parent))
    )
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
