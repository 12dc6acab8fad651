"""The questions that are put to an IPP printer, each with the answer in the driver's words."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Final, TypeVar

from hal.exchanges import exchange
from hal.printer.ipp_answers import BUSY, FIRST_ERROR, GONE, NOT_FOUND, Declined
from hal.printer.ipp_message import (
    JOB_GROUP,
    OPERATION_GROUP,
    PRINTER_GROUP,
    Attribute,
    Attributes,
    GarbledResponse,
    IppResponse,
    IppTrouble,
    Operation,
    Tag,
    attribute,
    encode,
)
from hal.printer.ipp_sheet import ASKED_PRINTER, USER, Sheet
from hal.printer.ipp_status import Job, read_job
from hal.printer.ipp_wire import IppWire

ASKED_JOB: Final = (
    "job-id",
    "job-state",
    "job-state-reasons",
    "job-impressions-completed",
    "job-media-sheets-completed",
)
# Asking these twice could print twice.
ONCE: Final = frozenset({Operation.CREATE_JOB, Operation.SEND_DOCUMENT, Operation.PRINT_JOB})
LATEST: Final = 10  # ended jobs that are looked through for one that is not found

Answer = TypeVar("Answer")


class Forgotten(IppTrouble):
    """The printer no longer knows the job, neither by its number nor among those that ended."""


class IppClient:
    """Every question raises IppTrouble. Seconds: `answer_s` for an answer, `poll_s` between
    questions to a busy printer.
    """

    def __init__(self, device: str, wire: IppWire, answer_s: float, poll_s: float) -> None:
        self._device = device
        self._wire = wire
        self._answer_s = answer_s
        self._poll_s = poll_s
        self._requests = count(1)

    @property
    def sent(self) -> int:
        return self._wire.sent

    def close(self) -> None:
        self._wire.close()

    def printer(self) -> Attributes:
        asked = attribute(Tag.KEYWORD, "requested-attributes", *ASKED_PRINTER)
        return self._answer_to(Operation.GET_PRINTER_ATTRIBUTES, asked).first(PRINTER_GROUP)

    def job(self, number: int) -> Job:
        asked = attribute(Tag.KEYWORD, "requested-attributes", *ASKED_JOB)
        try:
            answer = self._answer_to(Operation.GET_JOB_ATTRIBUTES, asked, job=number)
            found = answer.first(JOB_GROUP)
        except Declined as error:
            if error.status not in (NOT_FOUND, GONE):
                raise
            found = self._forgotten(number)
        job = read_job(found)
        if job is None or found.get("job-id", (number,)) != (number,):
            raise GarbledResponse("a job without a state, or another one")
        return job

    def _forgotten(self, number: int) -> Attributes:
        """Some printers answer for a job that has ended in the list of such jobs only."""
        which = attribute(Tag.KEYWORD, "which-jobs", "completed")
        limit = attribute(Tag.INTEGER, "limit", LATEST)
        asked = attribute(Tag.KEYWORD, "requested-attributes", *ASKED_JOB)
        answer = self._answer_to(Operation.GET_JOBS, which, limit, asked)
        for group, job in answer.groups:
            if group == JOB_GROUP and job.get("job-id") == (number,):
                return job
        raise Forgotten("the printer has forgotten the job")

    def jobs(self) -> list[int]:
        """The numbers of all jobs that are not done, whoever sent them."""
        which = attribute(Tag.KEYWORD, "which-jobs", "not-completed")
        asked = attribute(Tag.KEYWORD, "requested-attributes", "job-id")
        answer = self._answer_to(Operation.GET_JOBS, which, asked)
        jobs = [attributes for group, attributes in answer.groups if group == JOB_GROUP]
        numbers = [
            number for job in jobs for number in job.get("job-id", ()) if isinstance(number, int)
        ]
        if len(numbers) != len(jobs):
            raise GarbledResponse("a job without a number")
        return numbers

    def _answer_to(
        self, operation: Operation, *asked: Attribute, job: int | None = None
    ) -> IppResponse:
        return self.accepted(operation, time.monotonic() + self._answer_s, asked, job=job)

    def accepted(
        self,
        operation: Operation,
        deadline: float,
        asked: tuple[Attribute, ...] = (),
        *,
        job: int | None = None,
        ticket: tuple[Attribute, ...] = (),
        document: bytes = b"",
    ) -> IppResponse:
        answer = self.ask(operation, deadline, asked, job=job, ticket=ticket, document=document)
        if answer.status >= FIRST_ERROR:
            raise Declined(answer.status, job="job-id" in answer.first(JOB_GROUP))
        return answer

    def ask(
        self,
        operation: Operation,
        deadline: float,
        asked: tuple[Attribute, ...] = (),
        *,
        job: int | None = None,
        ticket: tuple[Attribute, ...] = (),
        document: bytes = b"",
    ) -> IppResponse:
        target = [
            attribute(Tag.CHARSET, "attributes-charset", "utf-8"),
            attribute(Tag.LANGUAGE, "attributes-natural-language", "en"),
            attribute(Tag.URI, "printer-uri", self._wire.uri),
        ]
        if job is not None:
            target.append(attribute(Tag.INTEGER, "job-id", job))
        user = attribute(Tag.NAME, "requesting-user-name", USER)
        groups = [(OPERATION_GROUP, (*target, user, *asked))]
        if ticket:
            groups.append((JOB_GROUP, ticket))
        request = encode(operation, next(self._requests), groups) + document
        with exchange(self._device, operation.name.lower(), len(request)) as made:
            before = self._wire.received
            answer = self._wire.ask(request, deadline, repeatable=operation not in ONCE)
            made.got, made.result = self._wire.received - before, f"{answer.status:04x}"
            return answer

    def unless_busy(self, ask: Callable[[], Answer], deadline: float) -> Answer:
        """A busy printer has taken nothing; it is asked again until the deadline. One that names
        a job in the same breath has taken something: asking again could print twice.
        """
        while True:
            try:
                return ask()
            except Declined as error:
                asked_again = error.status == BUSY and error.took_nothing
                if not asked_again or time.monotonic() + self._poll_s >= deadline:
                    raise
            time.sleep(self._poll_s)


def new_job() -> tuple[Attribute, ...]:
    return (
        attribute(Tag.NAME, "job-name", USER),
        attribute(Tag.BOOLEAN, "ipp-attribute-fidelity", True),
    )


def format_of(sheet: Sheet) -> Attribute:
    return attribute(Tag.MIME_TYPE, "document-format", sheet.mime_type)


def number_of(answer: IppResponse) -> int | None:
    """The number of the job that was made; None when the answer has none, or several."""
    number = answer.first(JOB_GROUP).get("job-id", ())
    return number[0] if len(number) == 1 and isinstance(number[0], int) else None
