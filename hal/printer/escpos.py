"""ESC/POS printers: pages as raster bands, completion by a fence, emptiness by proof.

A printer that stops in the middle keeps the rest of the page and prints it after the refill, for
whoever stands there then. So nothing is sent to a printer that has not been proven empty, and a
page counts as done only when the printer has answered what stands behind it in the same stream.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Final, TypeVar

from hal.faults import DeviceFault, Reason
from hal.printer import escpos_status as status_bytes
from hal.printer.contract import Bitmap, Capabilities, Outlet, PrinterState, PrinterStatus
from hal.printer.escpos_answers import Garbled
from hal.printer.escpos_commands import (
    BEGIN,
    CUT,
    END_OF_PAGE,
    FENCE,
    NEVER_IN_A_PAGE,
    Job,
    page_job,
    text_job,
)
from hal.printer.escpos_line import EscposLine
from hal.printer.evidence import FENCES, Evidence, Out, PageFault, out
from hal.printer.port import Clock, Open, Port, PortBusy
from hal.printer.service_text import ServiceText

# A sheet that the last cut has separated needs no second cut for so long: some printers hang up
# behind each one.
CUT_S: Final = 120.0
PURGES: Final = 3  # with a printer that hangs up behind the cut
T = TypeVar("T")


class EscposPrinter:
    """A printer at `address` (see `wire.opener`), `width_dots` wide. Connects when first asked for
    something.

    `outlet_sensor`: the model answers DLE EOT 20 (full status) and sees a sheet that waits.
    Seconds: `connect_s` for the connection, and how long a page waits for a printer that is busy;
    `answer_s` for a real-time answer; `stall_s` without a byte taken; `poll_s` between questions
    while a fence is out; `eject_s` for the fences of a sheet that may be out of a printer that says
    that it has stopped; `page_deadline_s` and `purge_deadline_s` for a whole page and a whole
    purge. DeviceFault CONFIGURATION when the address cannot be read. `clock` and `open_wire`: other
    ones than the machine's own.
    """

    def __init__(
        self,
        device: str,
        address: str,
        width_dots: int,
        *,
        outlet_sensor: bool = False,
        connect_s: float = 5.0,
        answer_s: float = 2.0,
        stall_s: float = 10.0,
        poll_s: float = 0.25,
        eject_s: float = 3.0,
        page_deadline_s: float = 60.0,
        purge_deadline_s: float = 10.0,
        clock: Clock = time,
        open_wire: Open | None = None,
    ) -> None:
        self._device, self._width, self._outlet_sensor = device, width_dots, outlet_sensor
        self._connect_s, self._answer_s, self._poll_s = connect_s, answer_s, poll_s
        self._eject_s, self._clock = eject_s, clock
        self._page_deadline_s, self._purge_deadline_s = page_deadline_s, purge_deadline_s
        try:
            port = Port(address, clock, connect_s, open_wire, device)
        except ValueError as error:
            raise self._fault(Reason.CONFIGURATION, str(error)) from error
        self._line = EscposLine(port, clock, answer_s, stall_s)
        self._empty_at = -1  # the printer was proven to hold nothing on the wire of this number
        self._cut_at = float("-inf")  # monotonic: the last cut that is proven, with nothing behind
        self._unanswered = False  # a question behind the page that is under way

    def status(self) -> PrinterStatus:
        try:
            return self._line.read_status(self._outlet_sensor).status
        except PortBusy:
            return PrinterStatus(PrinterState.BUSY)
        except TimeoutError:  # the answer may only be late: the connection is kept
            return PrinterStatus()
        except (OSError, Garbled):
            self._line.drop()
            return PrinterStatus()

    def check(self) -> None:
        """Whether the printer can be asked. Raises DeviceFault, which says why not."""
        self.read_status()

    def read_status(self) -> status_bytes.Reading:
        """The whole status with its bytes, for a technician. Raises DeviceFault; its cause is the
        system's own error.
        """
        return self._patiently(lambda: self._line.read_status(self._outlet_sensor), 0)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(duplex=False, never=NEVER_IN_A_PAGE)

    def print_page(self, front: Bitmap, back: Bitmap | None = None) -> None:
        if back is not None:
            raise self._fault(
                Reason.CONFIGURATION, "ESC/POS has no command for the back of a sheet"
            )
        self._require_fit(front)
        self._print(page_job(front))

    def print_text(self, text: ServiceText) -> None:
        """A slip of the technician's, in the printer's own characters, to the same proof as a page.

        Raises what `print_page` raises.
        """
        self._print(text_job(text.commands))

    def _print(self, job: Job) -> None:
        before = self._patiently(self._require_ready, self._connect_s)
        try:
            self._send_and_confirm(job, before, self._clock.monotonic() + self._page_deadline_s)
        except BaseException:
            self._line.drop()
            raise
        self._empty_at, self._cut_at = self._line.number, self._clock.monotonic()

    def purge(self) -> None:
        try:
            self._patiently(self._purge, self._connect_s)
        except DeviceFault as fault:
            if fault.reason in (Reason.SILENT, Reason.GARBLED):
                raise self._fault(Reason.UNCERTAIN, f"not proven empty: {fault.detail}") from fault
            raise

    @property
    def bytes_sent(self) -> int:
        return self._line.bytes_sent

    def adopt(self, connection: socket.socket) -> None:
        """Use this connection first: another process has opened it, and nothing is under way."""
        self._line.adopt(connection)

    def release(self) -> socket.socket | None:
        """The connection for the process that comes next, or None: then it is closed. This driver
        is not used any more.
        """
        return self._line.release()

    def close(self) -> None:
        self._line.close()

    # --- a page

    def _require_fit(self, page: Bitmap) -> None:
        stride = (page.width + 7) // 8
        if (
            not 0 < page.width <= self._width
            or page.height < 1
            or len(page.rows) != stride * page.height
        ):
            raise self._fault(
                Reason.CONFIGURATION, f"{page!r} does not fit a head of {self._width} dots"
            )
        if any(command in page.rows for command in NEVER_IN_A_PAGE):
            raise self._fault(Reason.REFUSED, f"{page!r} contains a real-time command")

    def _require_ready(self) -> Outlet:
        """What the outlet's sensor says of a printer that is ready and proven empty."""
        reading = self._line.read_status(self._outlet_sensor)
        if not reading.status.ready:
            raise self._fault(reading.cause or Reason.PRINTER_ERROR, "before the page")
        if self._empty_at != self._line.number:
            self._require_empty()
        return reading.status.outlet

    def _require_empty(self) -> None:
        try:
            self._purge()
        except (DeviceFault, TimeoutError, Garbled) as error:
            raise self._fault(Reason.PRINTER_ERROR, "before the page: not proven empty") from error

    def _patiently(self, work: Callable[[], T], busy_s: float) -> T:
        """Nothing of a page is on the wire yet, so every fault here is certain. A printer that is
        busy is waited for so many seconds.
        """
        until = self._clock.monotonic() + busy_s
        while True:
            try:
                return work()
            except PortBusy as error:
                wait_s = self._line.port.wait_s()
                if self._clock.monotonic() + wait_s >= until:
                    raise self._fault(Reason.BUSY, error.strerror or "") from error
                self._clock.sleep(wait_s)
            except TimeoutError as error:
                raise self._fault(Reason.SILENT, str(error)) from error
            except OSError as error:
                self._line.drop()
                raise self._fault(Reason.NOT_CONNECTED, error.strerror or "") from error
            except Garbled as error:
                self._line.drop()
                raise self._fault(Reason.GARBLED, str(error)) from error

    def _send_and_confirm(self, job: Job, before: Outlet, deadline: float) -> None:
        """Raises PageFault with what the evidence proves, unless the printer has confirmed the
        sheet.
        """
        self._empty_at, self._cut_at = -1, float("-inf")
        self._line.forget_questions()
        ink_ends = self.bytes_sent + job.ink
        reason: Reason | None
        stopped = garbled = interrupted = False
        self._unanswered = False
        try:
            self._send(job, deadline)
            reason, detail = self._await_fences(FENCES, deadline), "the printer has stopped"
            stopped = reason is not None
            interrupted = stopped and self._line.fences < FENCES - 1
            if not stopped and self._was_silent:
                reason, detail, interrupted = Reason.UNCERTAIN, "it was silent meanwhile", True
        except TimeoutError as error:
            reason, detail = Reason.SILENT, str(error)
        except Garbled as error:
            reason, detail, garbled = Reason.GARBLED, str(error), True
        except OSError as error:
            reason, detail = Reason.NOT_CONNECTED, str(error)
        if reason is None:
            self._line.forget_questions()
            return
        sent = self.bytes_sent >= ink_ends
        if not sent and reason is Reason.SILENT:
            reason = self._cause_of_stall()
        cleared = stopped and self._cleared() and not self._line.fence_in_doubt
        # A printer that went on meanwhile has answered more. Of one that is garbled nothing counts.
        fences = 0 if garbled else self._line.fences
        after = self.status().outlet if before is Outlet.CLEAR else before
        proved = out(Evidence(sent, fences, cleared, before, after, interrupted))
        if proved is Out.UNKNOWN:
            reason, detail = (
                Reason.UNCERTAIN,
                f"{reason.value}, {fences} of {FENCES} fences answered: {detail}",
            )
        raise PageFault(self._device, reason, proved, detail)

    def _send(self, job: Job, deadline: float) -> None:
        for number, (command, dots) in enumerate(job.pieces):
            fence = FENCE if number == job.fence else b""
            if fence:
                self._line.expect_fences(1)
            self._line.send_dots(b"".join((fence, command, dots)), deadline)
        self._line.expect_fences(FENCES)
        self._line.send(END_OF_PAGE, deadline)

    @property
    def _was_silent(self) -> bool:
        """While the page was under way the printer took nothing, or left a question unanswered, for
        so long that it may have stopped and been filled: its buffer is full then, and it cannot be
        asked.
        """
        return self._unanswered or self._line.longest_pause_s >= self._answer_s

    def _cause_of_stall(self) -> Reason:
        """The printer's buffer is full, so the question goes over a new connection."""
        self._line.drop()
        try:
            reading = self._line.read_status(self._outlet_sensor)
        except (OSError, Garbled):
            return Reason.PRINTER_ERROR
        return reading.cause or Reason.PRINTER_ERROR

    # --- emptiness

    def _cleared(self) -> bool:
        """A printer that has stopped says that it has thrown away what it still had to draw."""
        try:
            self._line.clear()
        except (OSError, Garbled):
            return False
        return True

    def _purge(self) -> None:
        """A half sheet left from before must not become the head of the next one: it is cut off.

        A printer that hangs up behind that cut is called again and asked once more.
        """
        self._empty_at = -1
        for _ in range(PURGES):
            try:
                return self._purge_once(self._clock.monotonic() + self._purge_deadline_s)
            except ConnectionError:
                self._line.drop()
                if self._clock.monotonic() - self._cut_at > CUT_S:
                    raise
            except (TimeoutError, Garbled):
                self._line.drop()
                raise
        raise ConnectionResetError("hangs up again and again")

    def _purge_once(self, deadline: float) -> None:
        cut = b"" if self._clock.monotonic() - self._cut_at <= CUT_S else CUT
        self._line.settle()
        self._line.resynchronise()
        self._line.expect_fences(1)
        self._line.send(BEGIN + cut + FENCE, deadline)
        cause = self._await_fences(1, deadline)
        if cause is not None:
            raise self._fault(Reason.UNCERTAIN, f"not proven empty: {cause.value}")
        self._line.forget_questions()
        self._cut_at = self._clock.monotonic()
        self._line.ask(status_bytes.PRINTER)  # the connection has outlived the cut
        self._empty_at = self._line.number

    def _await_fences(self, due: int, deadline: float) -> Reason | None:
        """None: all answered. A reason: printing has stopped. TimeoutError at the deadline.

        The printer is silent while it is stopped, so it is asked in between; a cause counts when it
        is named twice. Behind its last sheet a printer may say that it has no paper: when all dots
        are drawn, the last fence is waited for a little longer.
        """
        suspected: Reason | None = None
        give_up = float("inf")
        while True:
            self._line.collect(min(self._poll_s, deadline - self._clock.monotonic()))
            if self._line.fences == due:
                return None
            if self._clock.monotonic() >= deadline:
                raise TimeoutError("no answer to the fence")
            try:
                cause = self._stop_cause()
            except ConnectionError:  # behind the last answer that is no fault
                if self._line.fences != due:
                    raise
            if self._line.fences == due:
                return None
            if cause is None or cause is not suspected:
                suspected, give_up = cause, float("inf")
                continue
            give_up = min(give_up, self._clock.monotonic() + self._eject_s)
            if self._line.fences != FENCES - 1 or self._clock.monotonic() >= give_up:
                return cause

    def _stop_cause(self) -> Reason | None:
        try:
            offline = self._line.ask(status_bytes.OFFLINE_CAUSE)
            error = self._line.ask(status_bytes.ERROR_CAUSE) if offline & status_bytes.ERROR else 0
        except TimeoutError:
            self._unanswered = True
            return None
        return status_bytes.stop_cause(offline, error)

    def _fault(self, reason: Reason, detail: str = "") -> DeviceFault:
        return DeviceFault(self._device, reason, detail)
