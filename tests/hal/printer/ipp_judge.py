"""What an IPP driver may claim, by the bytes that the printer really sent. No code is shared with
the driver.

It may say "printed" only after the printer's own "completed" with the count, and "nothing printed"
only when no document went out, when the printer refused the document at its head, or when it had
stopped, said so twice, and ended the job with nothing counted.
"""

from __future__ import annotations

import re
import struct

from ipp_far_end import (
    JOB,
    JOB_PART,
    JOBS,
    PRINTER,
    PRINTER_PART,
    WITH_DOCUMENT,
    FarEnd,
    Message,
    understood,
)

PRINTED, NOTHING, UNKNOWN = "printed", "nothing", "unknown"
COMPLETED, STOPPED = 9, 5
# Refusals that need no look at a document, with "busy" among them.
REFUSED = {
    *(0x400, 0x401, 0x402, 0x403, 0x409, 0x40A, 0x40B, 0x40D, 0x40E, 0x40F),
    *(0x41C, 0x41D, 0x41E, 0x41F, 0x501, 0x503, 0x506, 0x507, 0x509),
}
REFUSED_BY_HTTP = {301, 302, 303, 307, 308, 401, 403, 404, 405, 426}


def breach(claim: str, far_end: FarEnd, sides: int) -> str:
    """What the driver had no right to, or ""."""
    told = [(code, _read(sent)) for code, sent in far_end.answered]
    if len(far_end.documents) > 1 and not _each_refused(told):
        return "the document went out twice"
    if claim == PRINTED and not any(
        _job_says(message, sides) for code, message in told if code in (JOB, JOBS)
    ):
        return "printed, and the printer never said so"
    if claim == NOTHING and far_end.documents and not _nothing_is_proven(far_end, told):
        return "nothing printed, and it may have printed"
    return ""


def _each_refused(told: list[tuple[int, tuple[int, Message | None]]]) -> bool:
    answers = [answer for code, answer in told if code in WITH_DOCUMENT]
    return all(_refuses(answer) for answer in answers[:-1])


def _refuses(answer: tuple[int, Message | None]) -> bool:
    status, message = answer
    if status in REFUSED_BY_HTTP:
        return True
    return message is not None and message.code in REFUSED and not message.of(JOB_PART, "job-id")


def _nothing_is_proven(far_end: FarEnd, told: list[tuple[int, tuple[int, Message | None]]]) -> bool:
    answers = [answer for code, answer in told if code in WITH_DOCUMENT]
    if len(answers) == len(far_end.documents) and _refuses(answers[-1]):
        return True
    stops = [
        message
        for code, (_, message) in told
        if code == PRINTER
        and message
        and _numbers(message, PRINTER_PART, "printer-state") == [STOPPED]
    ]
    ended = any(
        _numbers(message, JOB_PART, "job-impressions-completed") == [0]
        and _numbers(message, JOB_PART, "job-state")[:1] in ([7], [8])
        for code, (_, message) in told
        if code in (JOB, JOBS) and message
    )
    return len(stops) >= 2 and ended


def _job_says(answer: tuple[int, Message | None], sides: int) -> bool:
    message = answer[1]
    if message is None or _numbers(message, JOB_PART, "job-state") != [COMPLETED]:
        return False
    counted = _numbers(message, JOB_PART, "job-impressions-completed")
    sheets = _numbers(message, JOB_PART, "job-media-sheets-completed")
    return counted == [sides] or (not counted and sheets == [1])


def _numbers(message: Message, part: int, name: str) -> list[int]:
    values = [value for value in message.of(part, name) if len(value) == 4]
    return [struct.unpack(">i", value)[0] for value in values]


def _read(sent: bytes) -> tuple[int, Message | None]:
    """(HTTP status, its message). Read leniently: what could be understood counts as said."""
    head, body = [*re.split(rb"\r?\n\r?\n", sent, maxsplit=1), b""][:2]
    found = re.match(rb"HTTP/1\.\d +(\d{3})", head)
    status = int(found[1]) if found else 0
    if b"chunked" in head:
        body = b"".join(re.split(rb"(?:\A|\r\n)[0-9a-f]+\r\n", body))
    try:
        return status, understood(body)
    except (ValueError, struct.error):
        return status, None
