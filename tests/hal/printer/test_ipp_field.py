"""IPP printers as they stand in offices: the driver against a strict far end that does what they
do.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable

import pytest
from ipp_far_end import (
    CREATE,
    DESCRIPTION,
    ENUM,
    HEAD,
    JOB,
    JOB_PART,
    JOBS,
    KEYWORD,
    NAME,
    OPERATION_PART,
    PRINT,
    PRINTER,
    PRINTER_PART,
    PRINTS_ONLY,
    SEND,
    UNSUPPORTED_PART,
    VALIDATE,
    FarEnd,
    JobSays,
    Message,
    Reply,
    at_work,
    chunked,
    http,
    job_part,
    message,
    number,
    word,
)
from pytest_mock import MockerFixture

from hal.faults import DeviceFault, Reason
from hal.printer.contract import Bitmap, PaperSupply, PrinterState, PrinterStatus
from hal.printer.evidence import Out, PageFault
from hal.printer.ipp import IppPrinter

SHEET = Bitmap(64, 80, bytes(640))
QUICK = {
    "answer_s": 10.0,
    "silent_s": 0.3,
    "count_s": 5.0,
    "poll_s": 0.001,
    "page_deadline_s": 20.0,
    "purge_deadline_s": 0.5,
}


def prints(far_end: FarEnd, *sides: Bitmap, **options: object) -> IppPrinter:
    """The driver, after a sheet has come out of this far end."""
    pages = sides or (SHEET,)
    with at_work(far_end) as address:
        device = driver(address, duplex=len(pages) > 1, **options)
        device.print_page(*pages)
        device.close()
    assert far_end.wrong == []
    assert len(far_end.documents) == 1
    return device


def fails(far_end: FarEnd, *sides: Bitmap, **options: object) -> DeviceFault:
    pages = sides or (SHEET,)
    with at_work(far_end) as address, pytest.raises(DeviceFault) as caught:
        driver(address, duplex=len(pages) > 1, **options).print_page(*pages)
    assert far_end.wrong == []
    return caught.value


def driver(address: str, **options: object) -> IppPrinter:
    return IppPrinter("sheets", address, 300, **{**QUICK, **options})  # type: ignore[arg-type]


def certain(fault: DeviceFault) -> bool:
    return not isinstance(fault, PageFault) or fault.out is Out.NO


# --- connections


def test_one_connection_does_for_all() -> None:
    """A printer that holds its port after a close takes no second one."""
    far_end = FarEnd(connections=1)
    with at_work(far_end) as address:
        device = driver(address)
        for _ in range(3):
            assert device.status().ready
            device.print_page(SHEET)
        device.purge()
    assert far_end.taken == 1


@pytest.mark.parametrize("told", [True, False])
def test_a_printer_may_close_the_connection_after_any_answer(told: bool) -> None:
    """Announced or not."""

    def close(_: int, answer: bytes) -> Reply:
        more = b"\r\nConnection: close\r\n\r\n" if told else b"\r\n\r\n"
        return Reply(((0.0, answer.replace(b"\r\n\r\n", more, 1)),), hangs_up=True)

    prints(FarEnd(meddle=close))


def test_a_printer_may_close_the_connection_a_moment_after_any_answer() -> None:
    """The next request is under way by then. It may not be the one that prints."""

    def close(_: int, answer: bytes) -> Reply:
        return Reply(((0.0, answer), (0.1, b"")), hangs_up=True)

    prints(FarEnd(meddle=close))


@pytest.mark.parametrize(("question", "connections"), [(JOBS, 2), (VALIDATE, 4), (JOB, 2)])
def test_a_connection_that_closes_under_a_question_is_opened_again(
    question: int, connections: int
) -> None:
    """Behind the question a job is made and a document sent: each over a connection of its own when
    the last question was cut short.
    """
    seen: list[int] = []

    def meddle(code: int, _: bytes) -> Reply | None:
        seen.append(code)
        return _silence(code == question and seen.count(question) == 1)

    far_end = FarEnd(meddle=meddle)
    prints(far_end)
    assert far_end.taken == connections


def test_a_refusal_that_comes_before_the_document_was_read_is_understood() -> None:
    """Some HTTP servers answer to the head, and close with the rest unread."""
    noise = random.Random(1).randbytes(620 * 14032)  # more than the buffers of a connection hold
    big = Bitmap(4960, 14032, noise)
    far_end = FarEnd(operations=PRINTS_ONLY, hasty={PRINT: http(b"", "401 Unauthorized")})
    fault = fails(far_end, big)
    assert (fault.reason, certain(fault)) == (Reason.CONFIGURATION, True)
    assert "HTTP 401" in fault.detail


WAYS: dict[str, Callable[[int, bytes], Reply]] = {
    "in chunks": lambda _, answer: Reply(((0.0, chunked(answer, 7)),)),
    "after 100-continue": lambda _, answer: Reply(
        ((0.0, b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + answer),)
    ),
    "HTTP/1.0": lambda _, answer: Reply(
        ((0.0, answer.replace(b"HTTP/1.1", b"HTTP/1.0", 1)),), hangs_up=True
    ),
    "until it closes": lambda _, answer: Reply(
        ((0.0, b"HTTP/1.1 200 OK\r\n\r\n" + answer.partition(b"\r\n\r\n")[2]),), hangs_up=True
    ),
    "in two pieces, late": lambda _, answer: Reply(((0.03, answer[:30]), (0.03, answer[30:]))),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_may_come_in_any_way_of_http(way: str) -> None:
    prints(FarEnd(meddle=WAYS[way]))


def test_an_answer_to_the_document_that_never_comes_is_looked_up() -> None:
    """The job's number is known, and the job says that it is done."""

    def meddle(code: int, _: bytes) -> Reply | None:
        return Reply((), hangs_up=True) if code == SEND else None

    prints(FarEnd(meddle=meddle))


def test_without_a_number_the_same_is_uncertain() -> None:
    far_end = FarEnd(operations=PRINTS_ONLY, meddle=lambda code, _: _silence(code == PRINT))
    fault = fails(far_end)
    assert (fault.reason, certain(fault)) == (Reason.UNCERTAIN, False)


def _silence(applies: bool) -> Reply | None:
    return Reply((), hangs_up=True) if applies else None


# --- refusals

DOORS = {
    "301 Moved": "another address",
    "401 Unauthorized": "a user name and a password",
    "403 Forbidden": "allow the kiosk",
    "404 Not Found": "no printer at this path",
    "426 Upgrade Required": "configure ipps",
}


@pytest.mark.parametrize("status", DOORS)
@pytest.mark.parametrize("code", [PRINTER, SEND, PRINT])
def test_what_the_http_server_refuses_is_certain_and_told(status: str, code: int) -> None:
    operations = PRINTS_ONLY if code == PRINT else FarEnd().operations
    far_end = FarEnd(operations=operations, instead={code: lambda *_: http(b"<html>", status)})
    fault = fails(far_end)
    assert (fault.reason, certain(fault)) == (Reason.CONFIGURATION, True)
    assert DOORS[status] in fault.detail


HEADS = {0x402: "not-authenticated", 0x403: "not-authorized", 0x40A: "format", 0x506: "accepting"}


@pytest.mark.parametrize("status", HEADS)
@pytest.mark.parametrize("code", [PRINTER, VALIDATE, CREATE, SEND, PRINT])
def test_what_the_printer_refuses_at_its_head_is_certain_and_named(status: int, code: int) -> None:
    operations = PRINTS_ONLY if code == PRINT else FarEnd().operations
    fault = fails(FarEnd(operations=operations, instead={code: lambda *_: status}))
    assert certain(fault)
    assert HEADS[status] in fault.detail


@pytest.mark.parametrize("status", [0x405, 0x406, 0x408, 0x411, 0x500, 0x505, 0x508, 0x4FF])
@pytest.mark.parametrize("code", [SEND, PRINT])
def test_a_refusal_in_the_middle_of_the_document_is_uncertain(status: int, code: int) -> None:
    """A printer that draws while it reads may have paper under way."""
    operations = PRINTS_ONLY if code == PRINT else FarEnd().operations
    assert not certain(fails(FarEnd(operations=operations, instead={code: lambda *_: status})))


def test_a_refusal_that_names_a_job_is_uncertain() -> None:
    def refuse(_: FarEnd, asked: Message) -> bytes:
        part = (JOB_PART, {"job-id": [number(7)]})
        return http(message(0x40A, asked.request, [HEAD, part]))

    assert not certain(fails(FarEnd(operations=PRINTS_ONLY, instead={PRINT: refuse})))


@pytest.mark.parametrize("code", [PRINTER, CREATE, SEND, PRINT])
def test_a_busy_printer_is_asked_again(code: int) -> None:
    operations = PRINTS_ONLY if code == PRINT else FarEnd().operations

    def busy(far_end: FarEnd, _: Message) -> int | None:
        return 0x507 if far_end.asked.count(code) <= 3 else None

    far_end = FarEnd(operations=operations, instead={code: busy})
    with at_work(far_end) as address:
        driver(address).print_page(SHEET)
    assert far_end.asked.count(code) >= 4


def test_a_busy_printer_says_so() -> None:
    for busy in (0x507, http(b"", "503 Service Unavailable")):
        with at_work(FarEnd(instead={PRINTER: lambda *_, busy=busy: busy})) as address:  # type: ignore[misc]
            assert driver(address).status() == PrinterStatus(PrinterState.BUSY)
            with pytest.raises(DeviceFault) as caught:
                driver(address).check()
        assert caught.value.reason is Reason.BUSY


@pytest.mark.parametrize("code", [SEND, PRINT])
def test_a_busy_printer_that_names_a_job_is_not_given_the_sheet_again(code: int) -> None:
    """It has taken one, whatever else it says."""

    def busy(_: FarEnd, asked: Message) -> bytes:
        job = (JOB_PART, {"job-id": [number(7)]})
        return http(message(0x507, asked.request, [HEAD, job]))

    operations = PRINTS_ONLY if code == PRINT else FarEnd().operations
    far_end = FarEnd(operations=operations, instead={code: busy})
    assert not certain(fails(far_end))
    assert far_end.asked.count(code) == 1


PASSED_OVER = [(1, "job-name", True), (1, "sides", False), (1, "", False), (2, "job-name", False)]


@pytest.mark.parametrize(("status", "named", "printed"), PASSED_OVER)
@pytest.mark.parametrize("code", [VALIDATE, CREATE])
def test_only_what_is_not_of_the_sheet_may_be_passed_over(
    status: int, named: str, printed: bool, code: int
) -> None:
    def substitute(_: FarEnd, asked: Message) -> bytes:
        passed_over = (UNSUPPORTED_PART, {named: [word("x", NAME)]} if named else {})
        job = (JOB_PART, {"job-id": [number(7)]})
        return http(message(status, asked.request, [HEAD, passed_over, job]))

    far_end = FarEnd(instead={code: substitute})
    if printed:
        prints(far_end)
    else:
        fault = fails(far_end)
        assert certain(fault)
        assert f"({status:#06x})" in fault.detail
        assert far_end.documents == []


# --- how a job goes


def test_sides_may_be_counted_after_the_job_has_ended() -> None:
    prints(FarEnd(job=[JobSays(5, 0), JobSays(9, 0), JobSays(9, 1), JobSays(9, 2)]), SHEET, SHEET)


@pytest.mark.parametrize("sides", [1, 2])
def test_sheets_count_where_no_sides_are_counted(sides: int) -> None:
    prints(FarEnd(job=[JobSays(9, None, 1)]), *(SHEET,) * sides)


LIES = {
    "sheets in place of sides": JobSays(9, 1),
    "more than were sent": JobSays(9, 3),
    "two sheets": JobSays(9, None, 2),
    "nothing": JobSays(9, None),
    "less than nothing": JobSays(9, -1),
    "with errors": JobSays(9, 2, 1, ("job-completed-with-errors",)),
    "out of sight": JobSays(9, 2, 1, ("job-printing", "queued-in-device")),
    "completed and canceled": JobSays(9, 2, 1, ("job-canceled-at-device",)),
    "aborted": JobSays(8, 2),
    "canceled at the printer": JobSays(7, 0, 0, ("job-canceled-at-device",)),
}


@pytest.mark.parametrize("lie", LIES)
def test_any_other_count_is_uncertain(lie: str) -> None:
    fault = fails(FarEnd(job=[LIES[lie]]), SHEET, SHEET, count_s=0.01)
    assert (fault.reason, certain(fault)) == (Reason.UNCERTAIN, False)


def test_a_job_may_wait_for_long() -> None:
    waiting = (JobSays(3, 0, None, ("job-incoming",)),) * 20 + (JobSays(4, 0), JobSays(6, 0))
    prints(FarEnd(job=[*waiting, JobSays(5, 0), JobSays(9, 1)]))


@pytest.mark.parametrize("listed", [True, False])
def test_a_forgotten_job_is_looked_for_among_those_that_ended(listed: bool) -> None:
    def jobs(_: FarEnd, asked: Message) -> tuple[int, dict[str, list[tuple[int, bytes]]]] | None:
        which = asked.of(OPERATION_PART, "which-jobs")
        return (JOB_PART, job_part(JobSays())) if listed and which == [b"completed"] else None  # type: ignore[return-value]

    far_end = FarEnd(instead={JOB: lambda *_: 0x406, JOBS: jobs})
    if listed:
        prints(far_end)
    else:
        fault = fails(far_end)
        assert not certain(fault)
        assert "forgotten" in fault.detail


def test_what_is_said_of_another_job_does_not_count() -> None:
    other = (JOB_PART, {**job_part(JobSays()), "job-id": [number(8)]})
    fault = fails(FarEnd(instead={JOB: lambda *_: other}))
    assert (fault.reason, certain(fault)) == (Reason.UNCERTAIN, False)


def test_a_stopped_printer_that_counted_nothing_proves_it_and_is_named() -> None:
    def jam(far_end: FarEnd, _: Message) -> tuple[int, dict[str, object]] | None:
        said = [word("media-jam-error"), word("com.example-odd\n")]
        state = {"printer-state": [number(5, ENUM)], "printer-state-reasons": said}
        return (PRINTER_PART, {**DESCRIPTION, **state}) if far_end.documents else None

    jobs = [JobSays(6, 0), JobSays(6, 0), JobSays(7, 0)]
    fault = fails(FarEnd(job=jobs, instead={PRINTER: jam}), count_s=0.05)  # type: ignore[dict-item]
    assert (fault.reason, certain(fault)) == (Reason.JAM, True)
    assert "media-jam-error, com.example-odd?" in fault.detail
    late = [*jobs, JobSays(7, 0), JobSays(7, 1)]  # counted behind the end, as some printers do
    assert not certain(fails(FarEnd(job=late, instead={PRINTER: jam})))  # type: ignore[dict-item]


# --- how a printer describes itself


def test_groups_in_another_order_unknown_tags_and_collections() -> None:
    def describe(far_end: FarEnd, asked: Message) -> bytes:
        odd = {
            "media-col-ready": [(0x34, b""), (0x4A, b"media-size"), (0x34, b""), (0x37, b"")],
            "printer-odd": [(0x7F, b"\x00\x01"), (0x13, b""), (0x36, b"\x00\x02ja\x00\x01x")],
            "printer-state-change-date-time": [(0x31, bytes(11))],
        }
        usual = far_end._usual(asked)[1]
        printer = (PRINTER_PART, dict(reversed({**odd, **usual}.items())))
        nothing = (UNSUPPORTED_PART, {"media-ready": [(0x10, b"")]})
        return http(message(0, asked.request, [nothing, printer, HEAD]) + b"trailing")

    def made(_: FarEnd, asked: Message) -> bytes:
        job = (JOB_PART, {"job-uri": [word("ipp://x/7")], "job-id": [number(7)]})
        return http(message(0, asked.request, [job, HEAD]))

    prints(FarEnd(instead={PRINTER: describe, CREATE: made}))


TRAYS = {
    "level=0": PaperSupply.OUT,
    "level=25": PaperSupply.NEAR_END,
    "level=-3": PaperSupply.NEAR_END,
    "level=-2": PaperSupply.OUT,
    "level=x": PaperSupply.OUT,
}


@pytest.mark.parametrize("level", TRAYS)
def test_an_empty_tray_matters_unless_that_of_a4_is_known_to_have_paper(level: str) -> None:
    trays = [f"mediafeed=29700;mediaxfeed=21000;{level};", "mediafeed=27940;level=0", ";=;;"]
    told = {
        "printer-state-reasons": [word("media-empty-warning")],
        "printer-input-tray": [(0x30, tray.encode()) for tray in trays],
    }
    with at_work(FarEnd(description=told)) as address:
        assert driver(address).status().paper is TRAYS[level]


def test_an_empty_tray_of_a4_is_paper_out_whatever_else_is_said() -> None:
    told = {"printer-input-tray": [(0x30, b"mediafeed=29700;mediaxfeed=21000;level=0")]}
    fault = fails(FarEnd(description=told))
    assert fault.reason is Reason.PAPER_OUT
    assert "no paper in the tray of iso_a4_210x297mm" in fault.detail


def test_media_that_is_not_loaded_is_paper_out() -> None:
    fault = fails(FarEnd(description={"media-ready": [word("na_letter_8.5x11in")]}))
    assert (fault.reason, fault.detail) == (
        Reason.PAPER_OUT,
        "before the sheet: iso_a4_210x297mm is not loaded",
    )


def test_what_the_printer_would_do_by_default_is_undone_where_it_can_be() -> None:
    asked: dict[str, list[bytes]] = {}

    def look(_: FarEnd, request: Message) -> None:
        for name in ("print-scaling", "print-color-mode", "job-sheets"):
            asked[name] = request.of(JOB_PART, name)

    told = {
        "print-scaling-supported": [word("auto"), word("none")],
        "print-color-mode-supported": [word("color"), word("monochrome")],
        "job-sheets-supported": [word("none"), word("standard")],
        "job-creation-attributes-supported": [word("print-scaling"), word("print-color-mode")],
    }
    prints(FarEnd(description=told, instead={CREATE: look}))
    assert asked == {
        "print-scaling": [b"none"],
        "print-color-mode": [b"monochrome"],
        "job-sheets": [],
    }


def test_a_printer_at_work_for_somebody_else_is_told_to_a_technician() -> None:
    held = (JOB_PART, {"job-id": [number(3)]})
    with at_work(FarEnd(instead={JOBS: lambda *_: held})) as address:
        with pytest.raises(DeviceFault, match=r"busy \(1 jobs of somebody else\)"):
            driver(address).check()


def test_keyword_is_the_only_type_of_a_reason() -> None:
    told = {"printer-state-reasons": [(KEYWORD, b"none"), (0x30, b"\xff")]}
    with at_work(FarEnd(description=told)) as address:
        assert not driver(address).status().ready


def test_a_printer_that_cannot_be_reached_is_not_asked_all_the_time(mocker: MockerFixture) -> None:
    """Some printers hold their port for half a minute after a close, and each attempt begins that
    time anew.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    attempts = mocker.spy(socket, "create_connection")
    printer = IppPrinter("sheets", f"ipp://127.0.0.1:{port}/ipp/print", 300)
    for _ in range(50):
        assert not printer.status().ready
    printer.close()
    assert 1 <= attempts.call_count < 5
