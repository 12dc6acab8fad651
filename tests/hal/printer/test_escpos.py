"""The driver against the simulated printer over real TCP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from printer_bench import WIDTH, eventually, far_end, page_of
from printer_world import World, world

from hal.faults import DeviceFault, Reason
from hal.printer.contract import (
    Bitmap,
    Outlet,
    PaperSupply,
    PrinterState,
    PrinterStatus,
)
from hal.printer.escpos import EscposPrinter
from hal.printer.escpos_answers import CLEAR_RESPONSE
from hal.printer.escpos_commands import BEGIN, NEVER_IN_A_PAGE, RASTER
from hal.printer.port import BUSY_S
from hal.sim.printer import PrinterSim

Connect = Callable[..., EscposPrinter]
READY = PrinterStatus(PrinterState.READY, PaperSupply.ADEQUATE, Outlet.NOT_SUPPORTED)


def refused(action: Callable[[], object]) -> Reason:
    with pytest.raises(DeviceFault) as caught:
        action()
    return caught.value.reason


# --- pages


def test_there_is_no_other_side_of_the_paper(sim: PrinterSim, printer: EscposPrinter) -> None:
    assert not printer.capabilities.duplex
    assert refused(lambda: printer.print_page(page_of(), page_of())) is Reason.CONFIGURATION
    assert (sim.page_count, printer.bytes_sent) == (0, 0)


def test_a_page_comes_out_dot_for_dot(sim: PrinterSim, printer: EscposPrinter) -> None:
    page = page_of(0x5A, 300)
    printer.print_page(page)
    assert sim.engine.pages == [page]
    assert sim.violations == []
    assert printer.bytes_sent > len(page.rows)


def test_the_picture_is_black_where_the_bit_is_set(sim: PrinterSim, printer: EscposPrinter) -> None:
    printer.print_page(Bitmap(WIDTH, 1, b"\x80" + bytes(7)))
    (image,) = sim.pages
    assert [image.getpixel((x, 0)) for x in (0, 1, 63)] == [0, 255, 255]
    assert sim.png(0).startswith(b"\x89PNG")


@st.composite
def bitmaps(draw: st.DrawFn) -> Bitmap:
    width, height = draw(st.integers(1, WIDTH)), draw(st.integers(1, 280))
    size = (width + 7) // 8 * height
    seed = draw(st.binary(min_size=1, max_size=64))
    rows = (seed * (size // len(seed) + 1))[:size]
    assume(not any(command in rows for command in NEVER_IN_A_PAGE))
    return Bitmap(width, height, rows)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(page=bitmaps())
def test_what_was_sent_is_what_was_drawn(
    sim: PrinterSim, printer: EscposPrinter, page: Bitmap
) -> None:
    sim.load_paper(200)
    printer.print_page(page)
    drawn, stride, head = sim.engine.pages[-1], (page.width + 7) // 8, WIDTH // 8
    lines = [drawn.rows[top : top + head] for top in range(0, len(drawn.rows), head)]
    assert b"".join(line[:stride] for line in lines) == page.rows
    assert not any(b"".join(line[stride:] for line in lines))
    assert (drawn.height, sim.violations) == (page.height, [])


@pytest.mark.parametrize(
    "question", [b"\x10\x04\x01", b"\x10\x04\x02", b"\x10\x04\x04", b"\x10\x04\x14"]
)
def test_a_bitmap_that_asks_by_chance(
    start: Callable[..., PrinterSim], connect: Connect, question: bytes
) -> None:
    """Near the paper's end: its answer to 4 would mean an open cover if it were taken for the
    answer to 2.
    """
    sim = start(paper=3, outlet_sensor=True)
    printer = connect(sim.port, outlet_sensor=True)
    page = Bitmap(WIDTH, 256, (question + b"\xff" * 5) * 256)
    printer.print_page(page)
    assert printer.status().ready
    assert sim.engine.pages == [page]


@pytest.mark.parametrize("command", NEVER_IN_A_PAGE)
def test_a_bitmap_that_commands_is_refused(
    sim: PrinterSim, printer: EscposPrinter, command: bytes
) -> None:
    page = Bitmap(WIDTH, 4, (bytes(9) + command).ljust(32, b"\0"))
    assert refused(lambda: printer.print_page(page)) is Reason.REFUSED
    assert (printer.bytes_sent, sim.engine.held) == (0, 0)


@pytest.mark.parametrize(
    "page", [Bitmap(WIDTH + 8, 1, bytes(9)), Bitmap(WIDTH, 0, b""), Bitmap(WIDTH, 2, bytes(8))]
)
def test_a_page_that_does_not_fit_is_not_sent(printer: EscposPrinter, page: Bitmap) -> None:
    assert refused(lambda: printer.print_page(page)) is Reason.CONFIGURATION
    assert printer.bytes_sent == 0


def test_an_address_that_is_none(connect: Connect) -> None:
    for address in ("", "tcp:host", "tcp::9100", "tcp:h:99999", "serial:/dev/x?speed=1", "usb:1"):
        assert (
            refused(lambda address=address: EscposPrinter("printer", address, WIDTH))
            is Reason.CONFIGURATION
        )


def test_over_a_serial_line(loop, sim: PrinterSim) -> None:  # type: ignore[no-untyped-def]
    opened: list[str] = []
    loop.call_soon_threadsafe(lambda: opened.append(sim.open_pty()))
    eventually(lambda: bool(opened))
    for address in (f"serial:{opened[0]}?baud=115200", opened[0]):
        printer = EscposPrinter("printer", address, WIDTH)
        assert printer.status() == READY
        printer.print_page(page_of(0xC3, 200))
        printer.close()
    assert sim.engine.pages == [page_of(0xC3, 200)] * 2


# --- status


def test_ready(printer: EscposPrinter) -> None:
    assert printer.status() == READY
    assert printer.status().ready


def test_near_end_is_still_ready(sim: PrinterSim, printer: EscposPrinter) -> None:
    sim.load_paper(1)
    assert printer.status().paper is PaperSupply.NEAR_END
    assert printer.status().ready


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(
    ("attribute", "state", "reason"),
    [
        ("cover_open", PrinterState.COVER_OPEN, Reason.COVER_OPEN),
        ("jam", PrinterState.ERROR, Reason.JAM),
    ],
)
def test_trouble_before_the_page(
    start: Callable[..., PrinterSim],
    connect: Connect,
    wide: bool,
    attribute: str,
    state: PrinterState,
    reason: Reason,
) -> None:
    sim = start(outlet_sensor=wide)
    printer = connect(sim.port, outlet_sensor=wide)
    setattr(sim, attribute, True)
    assert printer.status().state is state
    assert refused(lambda: printer.print_page(page_of())) is reason
    setattr(sim, attribute, False)
    printer.print_page(page_of())
    assert sim.page_count == 1


def test_no_paper_before_the_page(sim: PrinterSim, printer: EscposPrinter) -> None:
    sim.load_paper(0)
    assert printer.status().paper is PaperSupply.OUT
    assert refused(lambda: printer.print_page(page_of())) is Reason.PAPER_OUT
    sim.load_paper(5)
    assert printer.status().ready
    assert sim.page_count == 0


def test_mute() -> None:
    there = world()
    printer = there.driver()
    printer.print_page(page_of())
    there.engine.mute = True
    assert printer.status() == PrinterStatus()
    assert refused(lambda: printer.print_page(page_of())) is Reason.SILENT
    assert refused(printer.purge) is Reason.UNCERTAIN
    assert printer.status() == PrinterStatus()
    assert there.driver().status() == PrinterStatus(PrinterState.BUSY)  # nothing was ever answered
    there.engine.mute = False
    there.time.sleep(BUSY_S)
    printer.print_page(page_of())
    assert there.engine.page_count == 2


def test_nobody_there() -> None:
    there = world(gone=True)
    printer = there.driver()
    assert printer.status() == PrinterStatus()
    assert refused(lambda: printer.print_page(page_of())) is Reason.NOT_CONNECTED
    assert refused(printer.purge) is Reason.NOT_CONNECTED


def test_the_sheet_at_the_outlet(start: Callable[..., PrinterSim], connect: Connect) -> None:
    sim = start(outlet_sensor=True)
    printer = connect(sim.port, outlet_sensor=True)
    assert printer.status().outlet is Outlet.CLEAR
    printer.print_page(page_of(1))
    printer.print_page(page_of(2))
    assert printer.status().outlet is Outlet.PRESENT
    assert (len(sim.take()), sim.take()) == (2, [])
    assert printer.status().outlet is Outlet.CLEAR


def test_a_line_cut_while_idle_is_made_again(sim: PrinterSim, printer: EscposPrinter) -> None:
    """Printers hang up on an idle line; that is no fault, and the bytes sent before still count."""
    printer.print_page(page_of())
    sent = printer.bytes_sent
    sim.drop_connection = True
    with (
        socket.create_connection(("127.0.0.1", sim.port)) as witness,
        suppress(ConnectionResetError),
    ):
        assert witness.recv(1) == b""
    sim.drop_connection = False
    printer.print_page(page_of())
    assert sim.page_count == 2
    assert printer.bytes_sent > 2 * sent - 100


# --- stopped in the middle


def test_paper_out_in_the_middle_then_purged(sim: PrinterSim, printer: EscposPrinter) -> None:
    sim.fail_after_lines = 100
    assert refused(lambda: printer.print_page(page_of())) is Reason.PAPER_OUT
    assert (
        refused(printer.purge) is Reason.UNCERTAIN
    )  # cleared, but no fence is answered without paper
    sim.load_paper(10)
    printer.purge()
    assert sim.page_count == 0
    printer.print_page(page_of(7, 20))
    assert sim.engine.pages == [page_of(7, 20)]


def test_without_purging_the_rest_comes_out_after_the_refill(
    sim: PrinterSim, printer: EscposPrinter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The danger that purging is for: if this fails, the test above proves nothing."""
    monkeypatch.setattr(EscposPrinter, "_cleared", lambda _: False)
    sim.fail_after_lines = 100
    assert refused(lambda: printer.print_page(page_of())) is Reason.UNCERTAIN
    sim.load_paper(10)
    eventually(lambda: sim.page_count == 1)
    assert sim.engine.pages[0].height == 200


def test_a_new_driver_purges_what_another_left(
    sim: PrinterSim, printer: EscposPrinter, connect: Connect
) -> None:
    sim.fail_after_lines = 100
    assert refused(lambda: printer.print_page(page_of(1))) is Reason.PAPER_OUT
    printer.close()
    with socket.create_connection(
        ("127.0.0.1", sim.port)
    ) as half:  # a band that never ends swallows what follows
        half.sendall(b"\x1dv0\x00\x08\x00\x80\x00" + bytes(100))
    eventually(lambda: sim.engine.held > 0)
    other = connect(sim.port)
    refused(other.purge)
    sim.load_paper(10)
    other.print_page(page_of(2))
    assert sim.engine.pages == [page_of(2)]


@pytest.mark.parametrize(
    ("attribute", "reason"),
    [("cover_open", Reason.COVER_OPEN), ("jam", Reason.JAM), ("mute", Reason.UNCERTAIN)],
)
def test_trouble_in_the_middle(attribute: str, reason: Reason) -> None:
    there = world(lines_s=100.0)
    printer = there.driver(page_deadline_s=4.0)
    there.when.append((lambda w: w.engine.drawn > 0, lambda w: setattr(w.engine, attribute, True)))
    assert refused(lambda: printer.print_page(page_of(lines=800))) is reason
    setattr(there.engine, attribute, False)
    printer.purge()
    assert all(page.height < 800 for page in there.engine.pages)


def test_the_line_cut_in_the_middle() -> None:
    there = world(lines_s=100.0)
    there.when.append((lambda w: w.engine.drawn > 0, World.hang_up))
    assert refused(lambda: there.driver().print_page(page_of())) is Reason.UNCERTAIN


def test_the_last_sheet_is_confirmed(sim: PrinterSim, printer: EscposPrinter) -> None:
    sim.load_paper(2)
    printer.print_page(page_of(1))
    printer.print_page(page_of(2))
    assert refused(lambda: printer.print_page(page_of(3))) is Reason.PAPER_OUT
    assert sim.page_count == 2


def test_slow_paper_is_waited_for() -> None:
    there = world(lines_s=100.0)
    there.driver().print_page(page_of(lines=600))
    assert there.engine.page_count == 1
    assert there.time.now > 1005.0


# --- far ends that are no printer


def honest(data: bytes) -> bytes:
    """Real-time answers and a clear response; fences are never answered."""
    return b"\x12" * data.count(b"\x10\x04") + CLEAR_RESPONSE * data.count(b"\x10\x14\x08")


def test_a_printer_that_never_answers_the_fence(connect: Connect) -> None:
    with far_end(honest) as port:
        printer = connect(port, page_deadline_s=0.3, purge_deadline_s=0.3)
        assert printer.status().ready
        assert refused(printer.purge) is Reason.UNCERTAIN
        assert (
            refused(lambda: printer.print_page(page_of())) is Reason.PRINTER_ERROR
        )  # not sent: not proven empty


@pytest.mark.parametrize("stale", [b"\x00", b"\x00\x00\x00", b"\x12\x00", b"\x37\x25\x00\x00"])
def test_an_answer_to_an_older_fence_does_not_count(connect: Connect, stale: bytes) -> None:
    """It comes together with the clear response, that is before anything that purging asked for."""

    def late(data: bytes) -> bytes:
        return honest(data).replace(CLEAR_RESPONSE, stale + CLEAR_RESPONSE)

    with far_end(late, greeting=stale) as port:
        assert refused(connect(port, purge_deadline_s=0.3).purge) is Reason.UNCERTAIN


def test_without_a_clear_response_a_question_separates_old_from_new(connect: Connect) -> None:
    pending = [b"\x00"]  # what an older fence is answered, as late as it can be

    def late(data: bytes) -> bytes:
        if b"\x10\x04" not in data:
            return b""
        return (pending.pop() if pending else b"") + b"\x12"

    with far_end(late) as port:
        assert refused(connect(port, purge_deadline_s=1.0).purge) is Reason.UNCERTAIN
    assert not pending


def test_a_fence_answered_before_it_was_asked(connect: Connect) -> None:
    """The page is larger than all buffers between, so its end is sent after the hasty answer has
    come.
    """

    def hasty(data: bytes) -> bytes:
        return (
            honest(data)
            + b"\x00" * data.count(b"\x1dr\x01")
            + b"\x00" * data.startswith(BEGIN + RASTER)
        )

    with far_end(hasty, receive_buffer=4096) as port:
        printer = connect(port)
        printer.purge()
        assert refused(lambda: printer.print_page(page_of(lines=1_000_000))) is Reason.GARBLED


def test_a_cause_named_once_is_no_cause(connect: Connect) -> None:
    """It may be an older answer, to a question that a bitmap contained."""
    causes = [b"\x16"]

    def once(data: bytes) -> bytes:
        if data == b"\x10\x04\x02" and printing:
            return causes.pop() if causes else b"\x12\x00\x00\x00"
        if b"\x1dv0" in data:
            printing.append(True)
            return b""
        return honest(data) + b"\x00" * (0 if printing else data.count(b"\x1dr\x01"))

    printing: list[bool] = []
    with far_end(once) as port:
        connect(port).print_page(page_of(lines=1))
    assert not causes


def test_one_fence_is_not_enough(connect: Connect) -> None:
    """The raster is done, the cut is not confirmed: nobody knows whether the sheet is out."""

    def halfway(data: bytes) -> bytes:
        return honest(data) + b"\x00" * min(1, data.count(b"\x1dr\x01"))

    with far_end(halfway) as port:
        printer = connect(port, page_deadline_s=0.5)
        assert refused(lambda: printer.print_page(page_of())) is Reason.UNCERTAIN


def test_a_printer_that_takes_no_more(connect: Connect) -> None:
    taken = 0

    def stuck(data: bytes) -> bytes:
        nonlocal taken
        taken += len(data)
        if taken > 4096:
            threading.Event().wait(1.0)
            raise StopIteration
        return honest(data) + b"\x00" * data.count(b"\x1dr\x01")

    with far_end(stuck, receive_buffer=4096) as port:
        printer = connect(port, stall_s=0.2, page_deadline_s=5.0)
        assert refused(lambda: printer.print_page(page_of(lines=200_000))) is Reason.PRINTER_ERROR


def _is_protocol(answers: list[bytes]) -> bool:
    """What a printer that is ready says to the four questions."""
    first, second, third, fourth = answers
    return (
        first in (b"\x12", b"\x16") and second == third == b"\x12" and fourth in (b"\x12", b"\x1e")
    )


@settings(max_examples=60)
@given(
    answers=st.lists(
        st.one_of(st.binary(max_size=3), st.sampled_from([b"\x12", b"\x16", b"\x1e"])), max_size=6
    )
)
def test_nonsense_is_never_ready(answers: list[bytes]) -> None:
    """Random answers, one for each question; ready only if they are exactly the protocol's."""
    queue = iter(answers)

    def reply(data: bytes) -> bytes:
        return next(queue)  # then it hangs up

    with far_end(reply) as port:
        printer = EscposPrinter("printer", f"tcp:127.0.0.1:{port}", WIDTH, answer_s=0.01)
        ready = printer.status().ready
        printer.close()
    # A busy machine may hear silence and ask again: what counts are four answers in a row.
    rows = (answers[n : n + 4] for n in range(len(answers) - 3))
    assert any(map(_is_protocol, rows)) or not ready
