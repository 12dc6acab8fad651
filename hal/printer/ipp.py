"""IPP printers: one sheet is one job, sent from memory, followed until the printer says that it is
done.

No spooler stands between, and nothing is written to a file. A job whose fate is not reported is
uncertain and is never sent again. The printer is the kiosk's alone: whatever else it holds is
thrown away before a sheet.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from hal.faults import DeviceFault, Reason
from hal.printer.contract import Bitmap, Capabilities, PrinterState, PrinterStatus
from hal.printer.evidence import Out, PageFault
from hal.printer.ipp_answers import BUSY, OK, Declined, changed, named
from hal.printer.ipp_client import Forgotten, IppClient, format_of, new_job, number_of
from hal.printer.ipp_message import (
    Attribute,
    Attributes,
    GarbledResponse,
    IppResponse,
    IppTrouble,
    Operation,
    Tag,
    attribute,
)
from hal.printer.ipp_sheet import Sheet, Unsuited, choose, names, ticket
from hal.printer.ipp_status import JOB_COMPLETED, Job, PrinterReading, read
from hal.printer.ipp_wire import IppWire, Lost, NotReached, TurnedAway
from hal.printer.port import Pauses

BY_JOB: Final = frozenset({Operation.CREATE_JOB, Operation.SEND_DOCUMENT})


class IppPrinter:
    """The printer at `address`; pages are A4 at `dpi`. `duplex`: it must be able to print both
    sides.

    Seconds: `connect_s` to open a connection, `answer_s` for an answer, `silent_s` without any
    answer about a job under way, `count_s` for a count that comes after the end of its job,
    `poll_s` between questions, `page_deadline_s` and `purge_deadline_s` for a whole sheet and
    a whole purge. DeviceFault CONFIGURATION when the address or the certificate cannot be read
    (`ca` or `fingerprint`, ipp_wire.py).
    """

    def __init__(
        self,
        device: str,
        address: str,
        dpi: int,
        *,
        ca: Path | None = None,
        fingerprint: str = "",
        duplex: bool = False,
        connect_s: float = 3.0,
        answer_s: float = 5.0,
        silent_s: float = 10.0,
        count_s: float = 3.0,
        poll_s: float = 0.25,
        page_deadline_s: float = 60.0,
        purge_deadline_s: float = 10.0,
    ) -> None:
        self._device = device
        self._dpi = dpi
        self._duplex = duplex
        self._silent_s = silent_s
        self._count_s = count_s
        self._poll_s = poll_s
        self._page_deadline_s = page_deadline_s
        self._purge_deadline_s = purge_deadline_s
        try:
            wire = IppWire(address, connect_s, ca, fingerprint)
        except ValueError as error:
            raise self._fault(Reason.CONFIGURATION, str(error)) from error
        self._client = IppClient(device, wire, answer_s, poll_s)
        self._pauses = Pauses(time)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(duplex=self._duplex)

    @property
    def bytes_sent(self) -> int:
        return self._client.sent

    def close(self) -> None:
        self._client.close()

    def status(self) -> PrinterStatus:
        """One that cannot be reached is asked less and less often: some printers hold their port
        after a close, and each attempt begins that time anew.
        """
        if self._pauses.attempts and self._pauses.wait_s() > 0:
            return PrinterStatus()
        try:
            printer = self._client.printer()
        except NotReached:
            self._pauses.note_failure()
            return PrinterStatus()
        except IppTrouble as error:
            busy = error.reason is Reason.BUSY
            return PrinterStatus(PrinterState.BUSY) if busy else PrinterStatus()
        self._pauses.note_success()
        suited = isinstance(choose(printer, self._dpi, self._duplex), Sheet)
        return read(printer).status if suited else PrinterStatus()

    def print_page(self, front: Bitmap, back: Bitmap | None = None) -> None:
        sides = (front,) if back is None else (front, back)
        deadline = time.monotonic() + self._page_deadline_s
        self._require_fit(sides)
        printer, sheet = self._suited_printer(deadline)
        self._require_empty(read(printer))
        asked = ticket(printer, len(sides))
        document = sheet.document(sides)
        self._validate(sheet, asked, deadline)
        by_job = set(printer.get("operations-supported", ())) >= BY_JOB
        submit = self._create_and_send if by_job else self._print
        number = submit(sheet, asked, document, deadline)
        self._follow(number, len(sides), deadline)

    def purge(self) -> None:
        """Cancel everything the printer holds; proven when it has no job and says that it
        is idle.
        """
        deadline = time.monotonic() + self._purge_deadline_s
        found = "no answer"
        while time.monotonic() < deadline:
            try:
                jobs = self._client.jobs()
                statuses = {
                    self._client.ask(Operation.CANCEL_JOB, deadline, job=job).status for job in jobs
                }
                printer = read(self._client.printer())
            except IppTrouble as error:
                found = str(error)
            else:
                if not jobs and printer.idle:
                    return
                answers = ", ".join(named(status) for status in sorted(statuses - {OK}))
                found = f"{len(jobs)} jobs, {printer.status.state.value}; {answers}"
            time.sleep(min(self._poll_s, max(0.0, deadline - time.monotonic())))
        raise self._fault(Reason.UNCERTAIN, f"not proven empty: {found}")

    def check(self) -> None:
        """DeviceFault when it cannot print these sheets now, and why; also when it is at work for
        somebody else.
        """
        self._suited_printer(time.monotonic())
        try:
            jobs = self._client.jobs()
        except IppTrouble as error:
            raise self._fault(error.reason, str(error)) from error
        if jobs:
            raise self._fault(Reason.BUSY, f"{len(jobs)} jobs of somebody else")

    # --- before the sheet: nothing has gone out, so every fault here is certain

    def _require_fit(self, sides: tuple[Bitmap, ...]) -> None:
        if len(sides) > 1 and not self._duplex:
            raise self._fault(Reason.CONFIGURATION, "not configured for both sides")
        for side in sides:
            size = (side.width + 7) // 8 * side.height
            if side.width < 1 or side.height < 1 or len(side.rows) != size:
                raise self._fault(Reason.CONFIGURATION, f"{side!r} is no page")
            if (side.width, side.height) != (sides[0].width, sides[0].height):
                raise self._fault(Reason.CONFIGURATION, "front and back differ in size")

    def _suited_printer(self, deadline: float) -> tuple[Attributes, Sheet]:
        try:
            printer = self._client.unless_busy(self._client.printer, deadline)
        except IppTrouble as error:
            raise self._fault(error.reason, str(error)) from error
        sheet = choose(printer, self._dpi, self._duplex)
        if isinstance(sheet, Unsuited):
            raise self._fault(Reason.CONFIGURATION, sheet.lacks)
        reading = read(printer)
        if reading.cause is not None:
            raise self._fault(reading.cause, f"before the sheet: {reading.named}")
        return printer, sheet

    def _require_empty(self, printer: PrinterReading) -> None:
        try:
            if printer.idle and not self._client.jobs():
                return
            self.purge()
        except (DeviceFault, IppTrouble) as error:
            raise self._fault(Reason.PRINTER_ERROR, f"before the sheet: {error}") from error

    def _validate(self, sheet: Sheet, asked: tuple[Attribute, ...], deadline: float) -> None:
        """A printer that would put another value in place of ours must say so now."""
        named_job = (*new_job(), format_of(sheet))
        try:
            answer = self._client.ask(Operation.VALIDATE_JOB, deadline, named_job, ticket=asked)
        except IppTrouble as error:
            detail = f"no answer before the sheet: {error}"
            raise self._fault(Reason.PRINTER_ERROR, detail) from error
        wrong = "" if answer.status == BUSY else changed(answer, names(asked) | {"document-format"})
        if wrong:
            raise self._fault(Reason.CONFIGURATION, f"refuses the sheet: {wrong}")

    # --- the sheet. A busy printer has taken nothing; it is asked again until the deadline

    def _create_and_send(
        self, sheet: Sheet, asked: tuple[Attribute, ...], document: bytes, deadline: float
    ) -> int:
        """The job's number is known before the document goes out. Whatever happens on the way, the
        job says what became of it.
        """

        def create() -> IppResponse:
            return self._client.accepted(Operation.CREATE_JOB, deadline, new_job(), ticket=asked)

        def send() -> IppResponse:
            head = (format_of(sheet), attribute(Tag.BOOLEAN, "last-document", True))
            return self._client.accepted(
                Operation.SEND_DOCUMENT, deadline, head, job=number, document=document
            )

        try:
            created = self._client.unless_busy(create, deadline)
        except IppTrouble as error:  # without a document nothing is printed
            raise self._fault(error.reason, f"makes no job: {error}") from error
        wrong = changed(created, names(asked))
        number = number_of(created)
        if wrong or number is None:
            detail = f"makes another job: {wrong or 'without a number'}"
            raise self._fault(Reason.CONFIGURATION, detail)
        try:
            self._client.unless_busy(send, deadline)
        except (Lost, GarbledResponse):
            pass
        except IppTrouble as error:
            raise self._refused(error) from error
        return number

    def _print(
        self, sheet: Sheet, asked: tuple[Attribute, ...], document: bytes, deadline: float
    ) -> int:
        """For printers that make no job without its document."""
        head = (*new_job(), format_of(sheet))

        def send() -> IppResponse:
            return self._client.accepted(
                Operation.PRINT_JOB, deadline, head, ticket=asked, document=document
            )

        try:
            answer = self._client.unless_busy(send, deadline)
        except IppTrouble as error:
            raise self._refused(error) from error
        wrong = changed(answer, names(asked) | {"document-format"})
        number = number_of(answer)
        if wrong or number is None:
            raise self._unknown(f"made another job: {wrong or 'without a number'}")
        return number

    def _refused(self, error: IppTrouble) -> DeviceFault:
        """The document was refused. Certain is what a printer says of a request's head."""
        if isinstance(error, Declined) and error.took_nothing:
            reason = Reason.BUSY if error.status == BUSY else Reason.PRINTER_ERROR
            return self._fault(reason, f"refuses the sheet: {error}")
        if isinstance(error, (NotReached, TurnedAway)):
            return self._fault(error.reason, str(error))
        return self._unknown(f"while the sheet was sent: {error}")

    def _follow(self, number: int, due: int, deadline: float) -> None:
        """Until the job has ended. What is wrong with the printer counts when it is named twice;
        then it is cancelled.

        Only a printer that reported both times that it has stopped proves something: one that goes
        on may have a sheet under way, whatever it names.
        """
        before: PrinterReading | None = None
        last_answer_at = time.monotonic()
        while time.monotonic() < deadline:
            try:
                job = self._client.job(number)
                printer = None if job.ended else read(self._client.printer())
            except Forgotten as error:
                raise self._unknown(str(error)) from error
            except IppTrouble as error:
                if time.monotonic() - last_answer_at > self._silent_s:
                    raise self._unknown(f"not confirmed: {error}") from error
                time.sleep(self._poll_s)
                continue
            last_answer_at = time.monotonic()
            if printer is None:
                self._judge(self._counted(number, job, due), due, None)
                return
            if before and printer.cause is not None and printer.cause is before.cause:
                self._give_up(number, due, printer, before.stopped and printer.stopped)
                return
            before = printer
            time.sleep(self._poll_s)
        self._give_up(number, due, None, has_stopped=False)

    def _give_up(
        self, number: int, due: int, printer: PrinterReading | None, has_stopped: bool
    ) -> None:
        """Cancel, and look what has come out until then: it may be the whole sheet. `printer`: what
        it named, `has_stopped`: both times.
        """
        deadline = time.monotonic() + self._purge_deadline_s
        stopped = printer if has_stopped else None
        why = printer.named if printer else "not done in time"
        with suppress(IppTrouble):
            self._client.ask(Operation.CANCEL_JOB, deadline, job=number)
        while time.monotonic() < deadline:
            with suppress(IppTrouble):
                job = self._client.job(number)
                if job.ended:
                    self._judge(self._counted(number, job, due), due, stopped, why)
                    return
            time.sleep(self._poll_s)
        raise self._unknown(f"the job does not end: {why}")

    def _counted(self, number: int, job: Job, due: int) -> Job:
        """Some printers say that a job has ended, however it did, and count a moment later."""
        until = time.monotonic() + self._count_s
        while (
            (job.state == JOB_COMPLETED or job.has_printed_nothing)
            and not job.has_printed(due)
            and job.may_count_on(due)
            and time.monotonic() < until
        ):
            time.sleep(self._poll_s)
            with suppress(IppTrouble):
                job = self._client.job(number)
        return job

    def _judge(self, job: Job, due: int, stopped: PrinterReading | None, why: str = "") -> None:
        """Certain is: completed with all sides counted, or ended with none by a printer that had
        stopped, for its cause.

        In any other a sheet that was under way may still come out, and sides are counted late.
        """
        if job.state == JOB_COMPLETED:
            if job.spoilt or not job.has_printed(due):
                counted = "without a count" if job.printed is None else f"with {job.printed} sides"
                raise self._unknown(f"completed {counted}, {due} were sent")
            return
        cause = stopped.cause if stopped else None
        if not job.has_printed_nothing or cause is None:
            raise self._unknown(f"ended after {job.printed} of {due} sides: {why}")
        raise PageFault(self._device, cause, Out.NO, f"in the middle of the sheet: {why}")

    def _unknown(self, detail: str) -> PageFault:
        return PageFault(self._device, Reason.UNCERTAIN, Out.UNKNOWN, detail)

    def _fault(self, reason: Reason, detail: str = "") -> DeviceFault:
        return DeviceFault(self._device, reason, detail)
