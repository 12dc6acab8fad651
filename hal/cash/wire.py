"""One ccTalk wire: a serial port at 9600 8N1 (or a pty), one question at a time."""

from __future__ import annotations

import contextlib
import termios
import threading
import time
from collections.abc import Container

import serial

from hal.cash.frame import ACK, HOST, AnswerReader, Frame, FrameError, encode
from hal.faults import DeviceFault, Reason

BAUD = 9600
SLICE_S = 0.02  # a read looks at the deadline this often
SETTLE_S = 0.05  # after a bad answer its rest is let pass (the specification's limit between two bytes)
PORT_ERRORS = (OSError, termios.error, serial.SerialException, ValueError)


class Wire:
    """Asks and hands back the answer's data. Opens the port when needed, again after it was lost.

    `lock` may be held by a caller to keep several questions together; `reply_s` is the limit of one answer.
    """

    def __init__(self, device: str, port: str, reply_s: float) -> None:
        self.lock = threading.RLock()
        self._device = device
        self._path = port
        self._reply_s = reply_s
        self._port: serial.Serial | None = None

    def ask(
        self, address: int, header: int, data: bytes = b"", lengths: Container[int] = (0,), tries: int = 3
    ) -> bytes:
        """Data of the answer; its length must be in `lengths`. Only commands that may be repeated get `tries`.

        Raises DeviceFault: NOT_CONNECTED, SILENT, GARBLED, REFUSED (the device said NAK or BUSY).
        """
        request = Frame(address, HOST, header, data)
        for left in reversed(range(tries)):
            try:
                return self._ask_once(request, lengths)
            except DeviceFault as fault:
                if not left or fault.reason in (Reason.NOT_CONNECTED, Reason.REFUSED):
                    raise
        raise AssertionError("tries must be at least 1")

    def fault(self, reason: Reason, detail: str = "") -> DeviceFault:
        return DeviceFault(self._device, reason, detail)

    def close(self) -> None:
        """Never raises."""
        with self.lock, contextlib.suppress(*PORT_ERRORS):
            port, self._port = self._port, None
            if port is not None:
                port.close()

    def _ask_once(self, request: Frame, lengths: Container[int]) -> bytes:
        about = f"header {request.header} to {request.destination}"
        with self.lock:
            try:
                answer = self._exchange(request)
            except FrameError as error:
                self._settle()
                raise self.fault(Reason.GARBLED, f"{about}: {error}") from None
            except PORT_ERRORS as error:
                self.close()
                raise self.fault(Reason.NOT_CONNECTED, f"{self._path}: {type(error).__name__}") from None
        if answer is None:
            raise self.fault(Reason.SILENT, about)
        if answer.header != ACK:
            raise self.fault(Reason.REFUSED, f"{about}: {answer.header}")
        if len(answer.data) not in lengths:
            raise self.fault(Reason.GARBLED, f"{about}: {len(answer.data)} bytes of data")
        return answer.data

    def _exchange(self, request: Frame) -> Frame | None:
        port = self._open()
        port.reset_input_buffer()
        port.write(encode(request))
        reader = AnswerReader(request)
        deadline = time.monotonic() + self._reply_s
        while time.monotonic() < deadline:
            answer = reader.feed(port.read(reader.wanted))
            if answer is not None:
                return answer
        return None

    def _open(self) -> serial.Serial:
        if self._port is None:
            self._port = serial.Serial(self._path, BAUD, timeout=SLICE_S, write_timeout=self._reply_s, exclusive=True)
        return self._port

    def _settle(self) -> None:
        time.sleep(SETTLE_S)  # what came is thrown away before the next question
