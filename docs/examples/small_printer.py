"""A page printer in under a hundred lines, with few commands of ESC/POS (see docs/hal.md)."""

import socket
import time
from dataclasses import dataclass

from hal.exchanges import exchange
from hal.faults import DeviceFault, Reason
from hal.printer import contract
from hal.printer.evidence import Out, PageFault

State, Supply = contract.PrinterState, contract.PaperSupply
BEGIN, CUT, FENCE, ASK = b"\x1b@\x1da\x00", b"\x1dV\x41\x00", b"\x1dr\x01", b"\x10\x04"
CLEAR, CLEARED = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08", b"\x37\x25\x00"
NEVER = (CLEAR, b"\x10\x14\x02\x01\x08", b"\x10\x05\x01", b"\x10\x05\x02")
STATES, PAPER_END = {0x04: State.COVER_OPEN, 0x40: State.ERROR}, 0x60  # DLE EOT 2 and 4


class SmallPrinter:
    @dataclass(frozen=True)
    class Options:
        address: str  # host:port
        width: int  # dots
        answer_s: float = 2.0
        page_s: float = 60.0

    capabilities = contract.Capabilities(duplex=False, never=NEVER)

    def __init__(self, name: str, options: Options) -> None:
        self.name, self.options, self.bytes_sent = name, options, 0
        self._line: socket.socket | None = None

    def status(self) -> contract.PrinterStatus:
        try:
            offline, paper = self._ask(2), self._ask(4)
        except DeviceFault:
            return contract.PrinterStatus()
        state = next((s for bit, s in STATES.items() if offline & bit), State.READY)
        supply = Supply.OUT if paper & PAPER_END else Supply.ADEQUATE
        return contract.PrinterStatus(state, supply, contract.Outlet.NOT_SUPPORTED)

    def check(self) -> None:
        self._ask(1)

    def print_page(self, front: contract.Bitmap, back: contract.Bitmap | None = None) -> None:
        stride = (front.width + 7) // 8
        if back or front.width > self.options.width or len(front.rows) != stride * front.height:
            raise self._fault(Reason.CONFIGURATION)
        if any(command in front.rows for command in NEVER):
            raise self._fault(Reason.REFUSED)
        if not self.status().ready:
            raise self._fault(Reason.PRINTER_ERROR)
        self.purge()
        try:  # from here on a sheet may come out, whatever is heard of it
            head = b"\x1dv0\x00" + bytes(
                divmod(stride, 256)[::-1] + divmod(front.height, 256)[::-1]
            )
            self._send(head + front.rows + CUT + FENCE, answers=1, seconds=self.options.page_s)
        except DeviceFault as fault:
            raise PageFault(self.name, Reason.UNCERTAIN, Out.UNKNOWN, str(fault)) from None

    def purge(self) -> None:
        self.close()  # on a new connection no answer is to an older question
        if self._send(CLEAR, answers=len(CLEARED)) != CLEARED:
            raise self._fault(Reason.UNCERTAIN)
        self._send(BEGIN + CUT + FENCE, answers=1)

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None

    def _ask(self, question: int) -> int:
        if (answer := self._send(ASK + bytes([question]), answers=1)[0]) & 0x93 != 0x12:
            raise self._fault(Reason.GARBLED)
        return answer

    def _send(self, data: bytes, answers: int = 0, seconds: float = 0) -> bytes:
        host, _, port = self.options.address.rpartition(":")
        received, until = b"", time.monotonic() + (seconds or self.options.answer_s)
        try:
            with exchange(self.name, "send", len(data)):
                line = self._line = self._line or socket.create_connection((host, int(port)), 5)
                line.settimeout(max(0.001, until - time.monotonic()))
                line.sendall(data)
                self.bytes_sent += len(data)
                while len(received) < answers:
                    line.settimeout(max(0.001, until - time.monotonic()))
                    if not (piece := line.recv(answers - len(received))):
                        raise ConnectionResetError
                    received += piece
                return received
        except OSError as error:
            silent = isinstance(error, TimeoutError)
            raise self._fault(Reason.SILENT if silent else Reason.NOT_CONNECTED) from error

    def _fault(self, reason: Reason) -> DeviceFault:
        self.close()
        return DeviceFault(self.name, reason)
