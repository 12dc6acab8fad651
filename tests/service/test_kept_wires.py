"""A printer's connection outlives the process that opened it, and nothing else does."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from firmware.service.kept_wires import INHERITED, KeptWires
from firmware.service.listeners import INHERITED as LISTENING
from firmware.service.listeners import open_listeners
from hal.printer.contract import Bitmap, KeepsConnection, PrinterState
from hal.printer.escpos import EscposPrinter
from hal.sim.printer import PrinterSim

PAGE = Bitmap(64, 20, b"\xa5" * 160)


@pytest.fixture
def sim() -> Iterator[PrinterSim]:
    """It keeps its port for an hour."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    sim = PrinterSim(width=64)
    sim.manners.hold_s = 3600.0
    asyncio.run_coroutine_threadsafe(sim.start(), loop).result(5)
    yield sim
    asyncio.run_coroutine_threadsafe(sim.stop(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def driver(sim: PrinterSim) -> EscposPrinter:
    return EscposPrinter("sheets", f"tcp:127.0.0.1:{sim.port}", 64)


def serve_in_a_child(sim: PrinterSim, wires: KeptWires) -> int:
    """As a resident's process does: take, print, put. Its exit code."""
    pid = os.fork()
    if pid == 0:
        printer = driver(sim)
        for connection in wires.take().values():
            printer.adopt(connection)
        printer.print_page(PAGE)
        kept = printer.release()
        if kept is not None:
            wires.put("sheets", kept)
        printer.close()
        os._exit(0 if kept is not None else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_one_process_after_the_other_prints_over_one_connection(sim: PrinterSim) -> None:
    wires = KeptWires()
    assert [serve_in_a_child(sim, wires) for _ in range(3)] == [0, 0, 0]
    assert sim.page_count == 3
    connection = wires.take()["sheets"]
    assert not connection.get_inheritable(), "a program that is started would get it"
    with pytest.raises(BlockingIOError):
        connection.recv(1)
    assert wires.take() == {}
    connection.close()


def test_a_connection_on_which_something_is_under_way_is_not_kept(sim: PrinterSim) -> None:
    printer = driver(sim)
    assert isinstance(printer, KeepsConnection)
    assert printer.release() is None  # there is none
    assert printer.status().ready
    sim.mute = True
    printer.status()  # a question has no answer yet
    assert printer.release() is None
    printer.close()


def test_one_that_was_closed_meanwhile_is_no_fault(sim: PrinterSim) -> None:
    sim.manners.hold_s = 0.0
    printer = driver(sim)
    assert printer.status().ready
    kept = printer.release()
    assert kept is not None
    sim.drop_connection = True
    while kept.fileno() >= 0 and not _ended(kept):
        pass
    sim.drop_connection = False
    heir = driver(sim)
    heir.adopt(kept)
    assert heir.status().state is PrinterState.READY
    heir.close()


def _ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_browser_or_a_player_gets_no_listening_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.set_inheritable(True)
        monkeypatch.setenv(LISTENING, str(listening.fileno()))
        listeners = open_listeners(None)  # type: ignore[arg-type]
        assert not listening.get_inheritable()
        listeners.panel.detach()


def test_the_program_that_the_supervisor_becomes_has_them(
    sim: PrinterSim, monkeypatch: pytest.MonkeyPatch
) -> None:
    wires = KeptWires()
    assert serve_in_a_child(sim, wires) == 0
    monkeypatch.setenv(INHERITED, "")
    wires.hand_over()
    renewed = KeptWires()
    assert not any(end.get_inheritable() for end in (renewed._put, renewed._take))
    assert serve_in_a_child(sim, renewed) == 0
    wires._put.detach(), wires._take.detach()
