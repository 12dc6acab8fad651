"""An exclusive connection to the card of one stay."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from hal.card.pcsc.calls import (
    COUNT_SHIFT,
    SCOPE_SYSTEM,
    SETTLED,
    SHARE_EXCLUSIVE,
    T0,
    T1,
    UNPOWER,
    Calls,
    Code,
    ReaderState,
)
from hal.card.pcsc.worker import WorkerThread
from hal.faults import DeviceFault, Reason

SHORTEST_COMMAND = 4  # CLA INS P1 P2
ANSWER_SIZES = range(2, 259)  # SW1 SW2, and 256 bytes of data at most: no extended length
# pcscd has noticed a removal by then: it looks every 0.4 s at readers that do not report it
NOTICED_S = 1.0
# answers to a disconnect with UNPOWER
NO_POWER = frozenset({Code.SUCCESS, Code.NO_SMARTCARD, Code.REMOVED_CARD})


class PcscChannel:
    """CardChannel, with a context of its own (a context is locked while somebody waits on it).

    The constructor powers the card up; `cold` cuts the power first, because a PIN verified for a
    program that was killed may still stand. `count` is the reader's count of insertions then.
    `silent` is called when the card gave no answer, and `ended(unpowered)` once, from the worker,
    when handle and context are given back: late, when a call was stuck. Raises DeviceFault REMOVED,
    MUTE, IN_USE, SILENT, GARBLED, NOT_CONNECTED.
    """

    def __init__(
        self,
        calls: Calls,
        deadline_s: float,
        cold: bool,
        silent: Callable[[], None],
        ended: Callable[[bool], None],
    ) -> None:
        self._calls = calls
        self._deadline_s = deadline_s
        self._silent = silent
        self._ended = ended
        self._exchanged = 0
        self._lock = threading.Lock()
        self._dead: Reason | None = None
        self._context: Any = None
        self._handle: Any = None
        self._pci: Any = None
        self._state = 0  # dwEventState after power-up
        self._worker = WorkerThread(calls.reader, self._power_down)
        try:
            self.count = self._worker.run(lambda: self._power_up(cold), deadline_s)
        except DeviceFault as fault:
            self._fail(fault)
            self.disconnect()
            raise

    @property
    def exchanged(self) -> int:
        return self._exchanged

    @property
    def is_open(self) -> bool:
        return self._dead is None

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        if len(apdu) < SHORTEST_COMMAND:
            raise DeviceFault(self._calls.reader, Reason.GARBLED, "not a command")
        with self._lock:
            if self._dead:
                raise DeviceFault(self._calls.reader, self._dead)
            self._exchanged += 1
            numbers = list(apdu)
            try:
                return self._worker.run(lambda: self._exchange(numbers), self._deadline_s)
            except DeviceFault as fault:
                self._fail(fault)
                raise
            finally:
                numbers[:] = [0] * len(numbers)  # it may have held a PIN

    def disconnect(self) -> None:
        self._dead = self._dead or Reason.NOT_CONNECTED
        self._worker.end(self._deadline_s)

    def _fail(self, fault: DeviceFault) -> None:
        self._dead = self._dead or fault.reason
        if fault.reason in (Reason.SILENT, Reason.MUTE):
            self._silent()

    # --- in the worker's thread ---

    def _power_up(self, cold: bool) -> int:
        how = (SHARE_EXCLUSIVE, T0 | T1)
        self._context = self._calls("SCardEstablishContext", SCOPE_SYSTEM)
        before = self._look(ReaderState.UNAWARE, 0)
        try:
            self._handle, protocol = self._calls(
                "SCardConnect", self._context, self._calls.found, *how
            )
            if cold:
                protocol = self._calls("SCardReconnect", self._handle, *how, UNPOWER)
        except DeviceFault as fault:
            if fault.reason not in (Reason.MUTE, Reason.REMOVED):
                raise
            # a failed power-up says nothing yet: pcscd calls a card that was just pulled mute, and
            # a mute one gone
            reason = Reason.REMOVED if self._left(before) else Reason.MUTE
            raise DeviceFault(self._calls.reader, reason, fault.detail) from None
        self._pci = self._calls.pci(protocol)
        self._state = self._look(ReaderState.UNAWARE, 0)
        return self._state >> COUNT_SHIFT

    def _power_down(self) -> None:
        unpowered = False
        try:
            if self._handle is not None:
                unpowered = self._calls.ask("SCardDisconnect", self._handle, UNPOWER)[0] in NO_POWER
            if self._context is not None:
                self._calls.ask("SCardReleaseContext", self._context)
        except DeviceFault:
            unpowered = False
        self._ended(unpowered)

    def _exchange(self, numbers: list[int]) -> bytes:
        code, answer = self._calls.ask("SCardTransmit", self._handle, self._pci, numbers)
        if code == Code.NOT_TRANSACTED or (code == Code.SUCCESS and not answer):
            left = self._left(self._state)
            raise DeviceFault(
                self._calls.reader, Reason.REMOVED if left else Reason.SILENT, f"{code:08X}"
            )
        if code != Code.SUCCESS:
            raise self._calls.fault(code)
        if len(answer) not in ANSWER_SIZES:
            raise DeviceFault(self._calls.reader, Reason.GARBLED, f"answer of {len(answer)} bytes")
        return bytes(answer)

    def _left(self, state: int) -> bool:
        """No answer: was the card pulled, or does it lie there and say nothing? pcscd may need a
        moment to know.

        Only the count tells: after a failed power-up pcscd can report "empty" without having
        counted a removal.
        """
        count = state >> COUNT_SHIFT
        end = time.monotonic() + min(NOTICED_S, self._deadline_s / 2)
        while state >> COUNT_SHIFT == count:
            left_ms = int((end - time.monotonic()) * 1000)
            if left_ms <= 0:
                return False
            state = self._look(state, left_ms)
        return True

    def _look(self, known: int, wait_ms: int) -> int:
        """The reader's dwEventState, as soon as it is not `known`. Raises DeviceFault."""
        code, seen = self._calls.ask(
            "SCardGetStatusChange", self._context, wait_ms, [(self._calls.found, known)]
        )
        if code == Code.TIMEOUT:
            return known
        if code != Code.SUCCESS:
            raise self._calls.fault(code)
        return int(seen[0][1]) & SETTLED
