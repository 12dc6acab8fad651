"""One terminal's serial line: 19200 8N1 (or a pty), one question at a time."""

from __future__ import annotations

import threading
import time

import serial

from hal.cashless.frame import (
    ACK,
    ENQ,
    NAK,
    STX,
    MessageKind,
    TerminalFrameError,
    TerminalMessage,
    body,
    decode,
    encode,
    missing,
    parse,
)
from hal.exchanges import exchange
from hal.faults import DeviceFault, Reason
from hal.serial_line import PORT_ERRORS, close_line, open_line, read_some

DEVICE = "cashless"
BAUD = 19_200
TRIES = 3


class TerminalWire:
    """Asks, and hands back the answer. Opens the port when needed, again after it was lost.

    `reply_s`: how long the far end may take for its ACK, and again for its answer.
    """

    def __init__(self, port: str, reply_s: float) -> None:
        self._path = port
        self._reply_s = reply_s
        self._port: serial.Serial | None = None
        self._sequence = 0
        self._lock = threading.Lock()

    def ask(
        self, question: TerminalMessage, answered: MessageKind, tries: int = TRIES
    ) -> TerminalMessage:
        """The answer, of kind `answered`. Only what may be repeated gets `tries`.

        Raises DeviceFault: NOT_CONNECTED (nothing was written); SILENT, GARBLED or REFUSED (it came
        damaged each time).
        """
        maybe: DeviceFault | None = None
        with self._lock:
            for _ in range(tries):
                try:
                    with exchange(DEVICE, question.kind.name.lower(), len(body(question))) as made:
                        given = self._ask_once(question, answered)
                        made.got, made.result = len(body(given)), given.kind.name.lower()
                        return given
                except DeviceFault as fault:
                    if fault.reason is Reason.NOT_CONNECTED:
                        raise maybe or fault from None
                    maybe = maybe or fault
        raise maybe or AssertionError("tries must be at least 1")

    def close(self) -> None:
        """Never raises."""
        port, self._port = self._port, None
        close_line(port)

    # -- one question

    def _ask_once(self, question: TerminalMessage, answered: MessageKind) -> TerminalMessage:
        about = question.kind.name.lower()
        port = self._open()
        self._sequence = (self._sequence + 1) % 256
        try:
            self._send(port, encode(self._sequence, body(question)), about)
            return self._answer(port, answered, about)
        except TerminalFrameError as error:
            raise _fault(Reason.GARBLED, f"{about}: {error}") from None
        except PORT_ERRORS as error:  # what was written may have arrived
            self.close()
            raise _fault(Reason.SILENT, f"{about}: {type(error).__name__}") from None

    def _send(self, port: serial.Serial, frame: bytes, about: str) -> None:
        """Until it was taken (ACK). A NAK says that it came damaged: nobody has acted on it, so it
        is sent again.
        """
        for _ in range(TRIES):
            port.reset_input_buffer()
            port.write(frame)
            reply = self._byte(port)
            if reply == ACK:
                return
            if reply is None:
                raise _fault(Reason.SILENT, about)
            if reply != NAK:
                raise TerminalFrameError("neither taken nor refused")
        raise _fault(Reason.REFUSED, f"{about}: not taken {TRIES} times")

    def _answer(self, port: serial.Serial, answered: MessageKind, about: str) -> TerminalMessage:
        """Read whole; a damaged one is asked for again."""
        for _ in range(TRIES):
            try:
                sequence, content = decode(self._frame(port))
                given = parse(content)
            except TerminalFrameError:
                self._quiet(port)
                port.write(bytes([NAK]))
                continue
            port.write(bytes([ACK]))
            if sequence != self._sequence or given.kind is not answered:
                raise TerminalFrameError("the answer to something else")
            return given
        raise _fault(Reason.GARBLED, f"{about}: no whole answer")

    def _frame(self, port: serial.Serial) -> bytes:
        first = self._byte(port)
        if first is None:
            raise _fault(Reason.SILENT, "no answer")
        if first != STX:
            raise TerminalFrameError("not the start of a frame")
        received, deadline = bytearray([first]), time.monotonic() + self._reply_s
        while left := missing(received):
            piece = read_some(port, left, deadline)
            if not piece:
                raise TerminalFrameError("half a frame")
            received += piece
        return bytes(received)

    def _byte(self, port: serial.Serial) -> int | None:
        received = read_some(port, 1, time.monotonic() + self._reply_s)
        return received[0] if received else None

    def _quiet(self, port: serial.Serial) -> None:
        """Let the rest of what was damaged pass."""
        deadline = time.monotonic() + self._reply_s
        while port.read(256) and time.monotonic() < deadline:
            pass

    # -- the port

    def _open(self) -> serial.Serial:
        """Raises DeviceFault NOT_CONNECTED."""
        try:
            if self._port is None:
                self._port = open_line(self._path, BAUD)
                self._greet(self._port)
        except PORT_ERRORS as error:
            self.close()
            raise _fault(Reason.NOT_CONNECTED, f"{self._path}: {type(error).__name__}") from None
        return self._port

    def _greet(self, port: serial.Serial) -> None:
        """Behind it our sequence numbers are new to the far end, whatever an earlier
        process said.
        """
        for _ in range(TRIES):
            port.reset_input_buffer()
            port.write(bytes([ENQ]))
            if self._byte(port) == ACK:
                return
        self.close()
        raise _fault(Reason.NOT_CONNECTED, "nobody is there")


def _fault(reason: Reason, detail: str) -> DeviceFault:
    return DeviceFault(DEVICE, reason, detail)
