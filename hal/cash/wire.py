"""One ccTalk wire: a serial port at 9600 8N1 (or a pty), one question at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Container

import serial

from hal.cash.frame import ACK, BUSY, HOST, NAK, AnswerReader, Checksum, Frame, FrameError, encode
from hal.exchanges import exchange
from hal.faults import DeviceFault, Reason
from hal.serial_line import PORT_ERRORS, close_line, open_line, read_some

BAUD = 9600
# after a bad answer its rest is let pass (the specification's limit between two bytes)
SETTLE_S = 0.05
SURE_TRIES = 5
MAYBE_S = 0.2  # for a question that many devices do not know: those that do answer within 0.1 s


class CctalkWire:
    """Asks and hands back the answer's data. Opens the port when needed, again after it was lost.

    `lock` may be held by a caller to keep several questions together; `reply_s` is the limit of one
    answer. `checksum` is how everybody on this wire protects frames.
    """

    def __init__(
        self, device: str, port: str, reply_s: float, checksum: Checksum = Checksum.SUM
    ) -> None:
        self.lock = threading.RLock()
        self.checksum = checksum
        self._device = device
        self._path = port
        self._reply_s = reply_s
        self._port: serial.Serial | None = None

    def ask(
        self,
        address: int,
        header: int,
        data: bytes = b"",
        lengths: Container[int] = (0,),
        tries: int = 3,
        reply_s: float | None = None,
    ) -> bytes:
        """Data of the answer; its length must be in `lengths`. Only commands that may be repeated
        get `tries`.

        `reply_s` shortens the limit of one answer, for a question that may well stay without one.
        Raises DeviceFault: NOT_CONNECTED, SILENT, GARBLED, REFUSED (the device said NAK or BUSY).
        """
        request = Frame(address, HOST, header, data)
        for left in reversed(range(tries)):
            try:
                return self._ask_once(
                    request, lengths, min(reply_s or self._reply_s, self._reply_s)
                )
            except DeviceFault as fault:
                if not left or fault.reason in (Reason.NOT_CONNECTED, Reason.REFUSED):
                    raise
        raise AssertionError("tries must be at least 1")

    def ask_sure(
        self,
        address: int,
        header: int,
        lengths: Container[int],
        known: bytes | None = None,
        tries: int = 3,
        data: bytes = b"",
    ) -> bytes:
        """Ask until two answers in a row are equal: the 8-bit sum lets one damaged answer in 256
        pass.

        An answer that is `known` needs no second one. Raises DeviceFault as `ask`, GARBLED when
        they never agree.
        """
        last = known
        for _ in range(SURE_TRIES):
            answer = self.ask(address, header, data, lengths, tries)
            if answer == last:
                return answer
            last = answer
        raise self.fault(Reason.GARBLED, f"header {header} to {address}: no two answers agree")

    def listen(self, request: Frame, seconds: float) -> bytes:
        """Send `request` and return whatever comes in that time behind its echo.

        Raises DeviceFault: NOT_CONNECTED.
        """
        sent = encode(request, self.checksum)
        received = b""
        with self.lock:
            try:
                port = self._open()
                port.reset_input_buffer()
                port.write(sent)
                deadline = time.monotonic() + seconds
                while time.monotonic() < deadline and len(received) < 1024:
                    received += port.read(256)
            except PORT_ERRORS as error:
                raise self._lost(error) from None
        return received.removeprefix(sent)

    def is_quiet(self, seconds: float) -> bool:
        """Whether nothing more comes in that time. Raises DeviceFault: NOT_CONNECTED."""
        with self.lock:
            deadline = time.monotonic() + seconds
            try:
                port = self._open()
                while time.monotonic() < deadline:
                    if port.in_waiting:
                        return False
                    time.sleep(seconds / 5)
            except PORT_ERRORS as error:
                raise self._lost(error) from None
        return True

    def fault(self, reason: Reason, detail: str = "") -> DeviceFault:
        return DeviceFault(self._device, reason, detail)

    def close(self) -> None:
        """Never raises."""
        with self.lock:
            port, self._port = self._port, None
            close_line(port)

    def _ask_once(self, request: Frame, lengths: Container[int], reply_s: float) -> bytes:
        kind = f"{request.header} to {request.destination}"
        with self.lock, exchange(self._device, kind, len(request.data)) as made:
            data = self._data(request, lengths, reply_s)
            made.got = len(data)
            return data

    def _data(self, request: Frame, lengths: Container[int], reply_s: float) -> bytes:
        about = f"header {request.header} to {request.destination}"
        try:
            answer = self._exchange(request, reply_s)
        except FrameError as error:
            self._settle()
            raise self.fault(Reason.GARBLED, f"{about}: {error}") from None
        except PORT_ERRORS as error:
            raise self._lost(error) from None
        if answer is None:
            raise self.fault(Reason.SILENT, about)
        if answer.header in (NAK, BUSY):
            raise self.fault(Reason.REFUSED, f"{about}: {answer.header}")
        if answer.header != ACK:
            raise self.fault(Reason.GARBLED, f"{about}: answered with header {answer.header}")
        if len(answer.data) not in lengths:
            raise self.fault(Reason.GARBLED, f"{about}: {len(answer.data)} bytes of data")
        return answer.data

    def _exchange(self, request: Frame, reply_s: float) -> Frame | None:
        port = self._open()
        port.reset_input_buffer()
        port.write(encode(request, self.checksum))
        reader = AnswerReader(request, self.checksum)
        deadline = time.monotonic() + reply_s
        while piece := read_some(port, reader.wanted, deadline):
            answer = reader.feed(piece)
            if answer is not None:
                return answer
        return None

    def _open(self) -> serial.Serial:
        if self._port is None:
            self._port = open_line(self._path, BAUD)
        return self._port

    def _lost(self, error: Exception) -> DeviceFault:
        self.close()
        return self.fault(Reason.NOT_CONNECTED, f"{self._path}: {type(error).__name__}")

    def _settle(self) -> None:
        time.sleep(SETTLE_S)  # what came is thrown away before the next question
