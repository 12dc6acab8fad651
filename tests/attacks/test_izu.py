"""伊豆: a printer that two machines share mixed two people's documents.

Here a printer belongs to one kiosk, and this is what happens when it does not: on the printer's own
port the jobs come one after the other; a page into which a spooler put another job's bytes is not
taken for printed. A whole job exactly between two bands is beyond that: a fence's answer bears no
name. Therefore no spooler, and no printer with two masters.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from firmware.flow import events as flow_events
from firmware.service.paper_desk import PaperDesk
from firmware.sheets.prepare import SheetImage
from hal.printer.escpos import EscposPrinter
from hal.printer.escpos_commands import BAND_LINES, END_OF_PAGE, INITIALIZE, RASTER
from hal.sim.printer import PrinterSim

WIDTH, LINES = 64, 3 * BAND_LINES
STRIDE = WIDTH // 8
BAND = len(RASTER) + 4 + STRIDE * BAND_LINES  # bytes of one band on the wire
QUICK = {
    "answer_s": 0.4,
    "stall_s": 0.4,
    "poll_s": 0.02,
    "page_deadline_s": 2.0,
    "purge_deadline_s": 2.0,
}
OURS, THEIRS = b"\xaa", b"\x55"
Insert = Callable[[bytes], bytes]


def sheet(dots: bytes) -> SheetImage:
    return SheetImage(1, 1, WIDTH, LINES, dots * STRIDE * LINES)


@pytest.fixture
def shared() -> Iterator[PrinterSim]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    sim = PrinterSim(width=WIDTH)
    asyncio.run_coroutine_threadsafe(sim.start(), loop).result(5)
    yield sim
    asyncio.run_coroutine_threadsafe(sim.stop(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def driver(port: int) -> EscposPrinter:
    return EscposPrinter("sheets", f"tcp:127.0.0.1:{port}", WIDTH, **QUICK)


def test_two_machines_at_one_printer_are_served_one_after_the_other(shared: PrinterSim) -> None:
    printers = [driver(shared.port) for _ in range(2)]

    def print_some(number: int) -> list[flow_events.Event]:
        desk = PaperDesk(printers[number], printers[number])
        return [desk.print_sheet(1, 1, sheet((OURS, THEIRS)[number])) for _ in range(4)]

    with ThreadPoolExecutor(2) as pool:
        events = list(pool.map(print_some, range(2)))
    for printer in printers:
        printer.close()
    out = [page.rows for page in shared.engine.pages]
    assert all(
        rows.strip(b"\0") in (dots * STRIDE * LINES for dots in (OURS, THEIRS)) or not rows
        for rows in out
    )
    for number, dots in enumerate((OURS, THEIRS)):
        printed = sum(isinstance(event, flow_events.SheetPrinted) for event in events[number])
        assert sum(rows == dots * STRIDE * LINES for rows in out) == printed


@contextmanager
def spooler(port: int, treat: Insert) -> Iterator[int]:
    """Between driver and printer: what goes to the printer is treated, what comes back is not."""
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(source: socket.socket, sink: socket.socket, through: Insert) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(through(data))
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                for source, sink, through in ((near, far, treat), (far, near, lambda data: data)):
                    threading.Thread(
                        target=carry, args=(source, sink, through), daemon=True
                    ).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


class Mixer:
    """Puts another job into a page's stream, once, `at` bytes behind its beginning."""

    def __init__(self, job: bytes, at: int) -> None:
        self._job, self._at, self._seen, self._begun = job, at, 0, False

    def __call__(self, data: bytes) -> bytes:
        start = data.find(RASTER)
        if not self._begun and start < 0:
            return data
        offset = self._at - self._seen + (0 if self._begun else start)
        self._seen, self._begun = self._seen + len(data) - (0 if self._begun else start), True
        if not self._job or offset > len(data):
            return data
        job, self._job = self._job, b""
        return data[:offset] + job + data[offset:]


def job(lines: int) -> bytes:
    size = STRIDE.to_bytes(2, "little") + lines.to_bytes(2, "little")
    return INITIALIZE + RASTER + size + THEIRS * STRIDE * lines + END_OF_PAGE


@pytest.mark.parametrize("at", [1, 5, 100, BAND + 3, 2 * BAND - 1])
def test_a_page_among_which_a_spooler_mixed_another_is_not_taken_for_printed(
    shared: PrinterSim, at: int
) -> None:
    with spooler(shared.port, Mixer(job(40), at)) as port:
        printer = driver(port)
        event = PaperDesk(printer, printer).print_sheet(1, 1, sheet(OURS))
        printer.close()
    assert isinstance(event, flow_events.SheetFailed), f"taken for printed: {event}"
