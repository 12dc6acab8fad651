"""A simulated printer in a loop of its own thread, and the driver that speaks to it over TCP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from printer_bench import WIDTH

from hal.printer.escpos import EscposPrinter
from hal.sim.printer import PrinterSim

QUICK = {
    "answer_s": 0.5,
    "stall_s": 0.5,
    "poll_s": 0.02,
    "page_deadline_s": 5.0,
    "purge_deadline_s": 5.0,
}


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def start(loop: asyncio.AbstractEventLoop) -> Iterator[Callable[..., PrinterSim]]:
    sims: list[PrinterSim] = []

    def start(width: int = WIDTH, **options: object) -> PrinterSim:
        sim = PrinterSim(width=width, **options)  # type: ignore[arg-type]
        asyncio.run_coroutine_threadsafe(sim.start(), loop).result(5)
        sims.append(sim)
        return sim

    yield start
    for sim in sims:
        asyncio.run_coroutine_threadsafe(sim.stop(), loop).result(5)


@pytest.fixture
def sim(start: Callable[..., PrinterSim]) -> PrinterSim:
    return start()


@pytest.fixture
def connect() -> Iterator[Callable[..., EscposPrinter]]:
    printers: list[EscposPrinter] = []

    def connect(port: int, **options: object) -> EscposPrinter:
        printer = EscposPrinter("printer", f"tcp:127.0.0.1:{port}", WIDTH, **(QUICK | options))  # type: ignore[arg-type]
        printers.append(printer)
        return printer

    yield connect
    for printer in printers:
        printer.close()


@pytest.fixture
def printer(sim: PrinterSim, connect: Callable[..., EscposPrinter]) -> EscposPrinter:
    return connect(sim.port)
