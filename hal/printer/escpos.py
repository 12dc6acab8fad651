"""ESC/POS printers: pages as raster bands, completion by a fence, emptiness by proof.

A printer that stops in the middle keeps the rest of the page and prints it after the refill, for whoever stands
there then. So nothing is sent to a printer that has not been proven empty, and a page counts as done only when the
printer has answered what stands behind it in the same stream.
"""

from __future__ import annotations

import time

from hal.faults import DeviceFault, Reason
from hal.printer import escpos_status as status_bytes
from hal.printer.contract import Bitmap, PrinterStatus
from hal.printer.escpos_status import Answers, Garbled, Reading
from hal.printer.wire import FLOOD, Wire, opener

INITIALIZE = b"\x1b@"  # ESC @
RASTER = b"\x1dv0\x00"  # GS v 0, m=0: one dot is one dot; then xL xH (bytes a line) yL yH (lines)
CUT = b"\x1dV\x41\x00"  # GS V 65 0: feed to the cutter, full cut
FENCE = b"\x1dr\x01"  # GS r 1: paper sensor, answered in order, when everything before it is done
REALTIME_STATUS = b"\x10\x04"  # DLE EOT n: answered at once, past the buffer
CLEAR_BUFFERS = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"  # DLE DC4 8 and its seven fixed parameters
CLEAR_RESPONSE = b"\x37\x25\x00"
POWER_OFF = b"\x10\x14\x02\x01\x08"  # DLE DC4 2 1 8
# The printer obeys real-time commands inside a bitmap too. After these the rest of it would be taken for commands
# and text: a person's document in the clear. Ten and five exact bytes; no page has them but by intent.
NEVER_IN_A_PAGE = (CLEAR_BUFFERS, POWER_OFF)

BAND_LINES = 128
# The first fence stands before the cut: while it is unanswered the sheet is certainly still in the printer.
END_OF_PAGE = FENCE + CUT + FENCE
# A half sheet left from before must not become the head of the next one: purging cuts too.
END_OF_PURGE = INITIALIZE + CUT + FENCE


class EscposPrinter:
    """A printer at `address` (see `wire.opener`), `width_dots` wide. Connects when first asked for something.

    `outlet_sensor`: the model answers DLE EOT 20 (full status) and sees a sheet that waits. Seconds: `connect_s` to
    open the wire, `answer_s` for a real-time answer, `stall_s` without a byte taken, `poll_s` between questions
    while a fence is out, `page_deadline_s` and `purge_deadline_s` for a whole page and a whole purge.
    DeviceFault CONFIGURATION when the address cannot be read.
    """

    def __init__(
        self,
        device: str,
        address: str,
        width_dots: int,
        *,
        outlet_sensor: bool = False,
        connect_s: float = 3.0,
        answer_s: float = 1.0,
        stall_s: float = 10.0,
        poll_s: float = 0.25,
        page_deadline_s: float = 60.0,
        purge_deadline_s: float = 10.0,
    ) -> None:
        self._device, self._width, self._outlet_sensor = device, width_dots, outlet_sensor
        self._connect_s, self._answer_s, self._stall_s, self._poll_s = connect_s, answer_s, stall_s, poll_s
        self._page_deadline_s, self._purge_deadline_s = page_deadline_s, purge_deadline_s
        try:
            self._open = opener(address)
        except ValueError as error:
            raise self._fault(Reason.CONFIGURATION, str(error)) from error
        self._wire: Wire | None = None
        self._sent_before = 0  # on wires that are closed
        self._answers = Answers()
        self._empty = False  # proven: the printer holds nothing

    def status(self) -> PrinterStatus:
        try:
            return self._reading().status
        except (DeviceFault, OSError, Garbled):
            self._drop()
            return PrinterStatus()

    def print_page(self, page: Bitmap) -> None:
        self._require_fit(page)
        self._require_ready()
        self._require_empty()
        try:
            self._send_and_confirm(page, time.monotonic() + self._page_deadline_s)
        except BaseException:
            self._drop()
            raise
        self._empty = True

    def purge(self) -> None:
        try:
            self._purge(time.monotonic() + self._purge_deadline_s)
        except (OSError, Garbled) as error:
            self._drop()
            raise self._fault(Reason.UNCERTAIN, f"not proven empty: {error}") from error
        except BaseException:
            self._drop()
            raise
        self._empty = True

    @property
    def bytes_sent(self) -> int:
        return self._sent_before + (self._wire.sent if self._wire else 0)

    def close(self) -> None:
        if self._wire is not None:
            self._forget(self._wire)
            self._wire.close()
            self._wire = None

    # --- a page

    def _require_fit(self, page: Bitmap) -> None:
        stride = (page.width + 7) // 8
        if not 0 < page.width <= self._width or page.height < 1 or len(page.rows) != stride * page.height:
            raise self._fault(Reason.CONFIGURATION, f"{page!r} does not fit a head of {self._width} dots")
        if any(command in page.rows for command in NEVER_IN_A_PAGE):
            raise self._fault(Reason.REFUSED, f"{page!r} contains a real-time command")

    def _require_ready(self) -> None:
        """Nothing of the page is on the wire yet, so every fault here is certain."""
        try:
            reading = self._reading()
        except TimeoutError as error:
            self._drop()
            raise self._fault(Reason.SILENT) from error
        except OSError as error:
            self._drop()
            raise self._fault(Reason.NOT_CONNECTED) from error
        except Garbled as error:
            self._drop()
            raise self._fault(Reason.GARBLED) from error
        if not reading.status.ready:
            raise self._fault(reading.cause or Reason.PRINTER_ERROR, "before the page")

    def _require_empty(self) -> None:
        if self._empty:
            return
        try:
            self.purge()
        except DeviceFault as fault:
            raise self._fault(Reason.PRINTER_ERROR, "before the page: not proven empty") from fault

    def _send_and_confirm(self, page: Bitmap, deadline: float) -> None:
        self._empty = False
        self._answers = Answers(printing=True)
        try:
            self._send_bands(page, deadline)
            self._collect(0)  # no fence is out yet: one that has come belongs to nobody
        except TimeoutError as error:
            raise self._fault(self._cause_of_stall(), "takes no more data") from error
        except OSError as error:
            raise self._fault(Reason.NOT_CONNECTED, "in the middle of the page") from error
        except Garbled as error:
            raise self._fault(Reason.PRINTER_ERROR, f"in the middle of the page: {error}") from error
        try:
            cause = self._fence(END_OF_PAGE, 2, deadline)
        except (OSError, Garbled) as error:
            raise self._fault(Reason.UNCERTAIN, f"not confirmed: {error}") from error
        if cause is not None and self._answers.fences == 0:
            raise self._fault(cause, "in the middle of the page")
        if cause is not None:
            raise self._fault(Reason.UNCERTAIN, f"{cause.value} at the cut")

    def _send_bands(self, page: Bitmap, deadline: float) -> None:
        stride = (page.width + 7) // 8
        self._send(INITIALIZE, deadline)
        for top in range(0, page.height, BAND_LINES):
            lines = min(BAND_LINES, page.height - top)
            size = stride.to_bytes(2, "little") + lines.to_bytes(2, "little")
            self._send(RASTER + size + page.rows[top * stride : (top + lines) * stride], deadline)

    def _cause_of_stall(self) -> Reason:
        """The printer's buffer is full, so the question goes over a new connection."""
        self._drop()
        try:
            return self._reading().cause or Reason.PRINTER_ERROR
        except (DeviceFault, OSError, Garbled):
            return Reason.PRINTER_ERROR

    # --- emptiness

    def _purge(self, deadline: float) -> None:
        self._empty = False
        self._idle_wire()
        self._send(CLEAR_BUFFERS, deadline)
        self._await_clear_response()
        self._skip_stale()
        self._answers = Answers()
        cause = self._fence(END_OF_PURGE, 1, deadline)
        if cause is not None:
            raise self._fault(Reason.UNCERTAIN, f"not proven empty: {cause.value}")

    def _await_clear_response(self) -> None:
        """Epson wants nothing sent before it. A model without one stays silent; the fence decides for both."""
        deadline, seen = time.monotonic() + self._answer_s, b""
        while CLEAR_RESPONSE not in seen and len(seen) < FLOOD:
            data = self._connected().read(deadline - time.monotonic())
            if not data:
                return
            seen += data

    def _skip_stale(self) -> None:
        """Whatever comes before the answer to a question asked after the clearing is from before the clearing."""
        self._send(REALTIME_STATUS + bytes([status_bytes.PRINTER]), time.monotonic() + self._answer_s)
        deadline, last = time.monotonic() + self._answer_s, b""
        while not (last and status_bytes.is_realtime(last[-1])):
            last = self._connected().read(deadline - time.monotonic())
            if not last or time.monotonic() >= deadline:
                raise TimeoutError("silent")

    # --- questions

    def _reading(self) -> Reading:
        self._idle_wire()
        self._answers = Answers()
        answers = bytes(self._ask(question) for question in status_bytes.QUESTIONS)
        return status_bytes.read(answers, self._ask_full() if self._outlet_sensor else None)

    def _ask(self, question: int) -> int:
        """One real-time question, one byte. What came before the question is no answer to it.

        While a page is on its way the bitmap may have asked too, before us: the last byte is ours. Otherwise a
        second byte is garbled.
        """
        self._collect(0)
        self._answers.realtime = b""
        self._send(REALTIME_STATUS + bytes([question]), time.monotonic() + self._answer_s)
        deadline = time.monotonic() + self._answer_s
        while not self._answers.realtime:
            if time.monotonic() >= deadline:
                raise TimeoutError("silent")
            self._collect(deadline - time.monotonic())
        if len(self._answers.realtime) > 1 and not self._answers.printing:
            raise Garbled("two answers to one question")
        return self._answers.realtime[-1]

    def _ask_full(self) -> bytes:
        self._send(REALTIME_STATUS + bytes([status_bytes.FULL]), time.monotonic() + self._answer_s)
        deadline, answer = time.monotonic() + self._answer_s, b""
        while len(answer) < status_bytes.FULL_LENGTH:
            data = self._connected().read(deadline - time.monotonic())
            if not data:
                raise TimeoutError("silent")
            answer += data
        return answer

    def _fence(self, commands: bytes, due: int, deadline: float) -> Reason | None:
        """Send `commands` with `due` fences and wait for all. None: all answered. A reason: printing has stopped.

        The printer is silent while it is stopped, so it is asked in between; a cause counts when it is named twice.
        TimeoutError at the deadline.
        """
        self._answers.due = due
        self._send(commands, deadline)
        suspected: Reason | None = None
        while True:
            self._collect(min(self._poll_s, deadline - time.monotonic()))
            if self._answers.fences == due:
                return None
            if time.monotonic() >= deadline:
                raise TimeoutError("no answer to the fence")
            cause = self._stop_cause()
            if cause is not None and cause is suspected and self._answers.fences < due:
                return cause
            suspected = cause

    def _stop_cause(self) -> Reason | None:
        try:
            offline = self._ask(status_bytes.OFFLINE_CAUSE)
            error = self._ask(status_bytes.ERROR_CAUSE) if offline & status_bytes.ERROR else 0
        except TimeoutError:
            return None
        return status_bytes.stop_cause(offline, error)

    # --- the wire

    def _collect(self, timeout_s: float) -> None:
        self._answers.sort(self._connected().read(timeout_s))

    def _send(self, data: bytes, deadline: float) -> None:
        self._connected().write(data, deadline, self._stall_s)

    def _idle_wire(self) -> None:
        """A wire with nothing waiting on it. Many printers hang up on an idle line: that is found here."""
        try:
            self._connected().drain()
        except OSError:
            self._drop()
            self._connected().drain()

    def _connected(self) -> Wire:
        if self._wire is None:
            try:
                self._wire = self._open(self._connect_s)
            except OSError as error:
                raise self._fault(Reason.NOT_CONNECTED) from error
        return self._wire

    def _drop(self) -> None:
        if self._wire is not None:
            self._forget(self._wire)
            self._wire.abandon()
            self._wire = None

    def _forget(self, wire: Wire) -> None:
        self._sent_before += wire.sent
        self._empty = False  # whoever connects next may find what another left

    def _fault(self, reason: Reason, detail: str = "") -> DeviceFault:
        return DeviceFault(self._device, reason, detail)
