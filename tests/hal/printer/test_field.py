"""Printers as they are in the field, one kind after the other."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from printer_bench import WIDTH, page_of
from printer_world import FRAME, World, world

from hal.faults import DeviceFault, Reason
from hal.printer import wire
from hal.printer.contract import Bitmap, PaperSupply, PrinterState, PrinterStatus
from hal.printer.escpos import EscposPrinter
from hal.printer.escpos_answers import AnswerReader, Garbled, Kind, Ledger
from hal.printer.escpos_commands import RECOVER
from hal.printer.evidence import Out, PageFault
from hal.sim.printer.manners import Manners

PAGES = (page_of(0xA1, 300), page_of(0xB2, 200), page_of(0xC3, 260))
NEXT = page_of(0xD4, 150)


# -- a printer that keeps its port, or serves one client at a time


@pytest.mark.parametrize("hold_s", [1.0, 30.0, 45.0])
def test_a_port_that_is_kept_after_a_close_comes_back(hold_s: float) -> None:
    """Every attempt begins that time anew, so whoever asks every second would never be served."""
    there = world(manners=Manners(hold_s=hold_s))
    first = there.driver()
    assert first.status().ready
    first.close()
    printer = there.driver()
    seen = []
    for _ in range(240):
        seen.append(printer.status().state)
        there.time.sleep(1.0)
    assert set(seen) == {PrinterState.BUSY, PrinterState.READY}
    assert seen == sorted(seen)  # "busy" stands before "ready", and it stays ready
    printer.print_page(NEXT)
    assert there.engine.pages == [NEXT]


def test_a_page_waits_for_a_printer_that_is_busy() -> None:
    there = world(manners=Manners(hold_s=30.0))
    first = there.driver()
    assert first.status().ready
    first.close()
    with pytest.raises(DeviceFault) as caught:
        there.driver().print_page(NEXT)
    assert caught.value.reason is Reason.BUSY
    assert there.engine.pages == []
    there.time.sleep(30.0)
    there.driver(connect_s=45.0).print_page(NEXT)
    assert there.engine.pages == [NEXT]


def test_another_client_is_served_first() -> None:
    there = world()
    other = there.driver()
    assert other.status().ready
    printer = there.driver()
    assert printer.status() == PrinterStatus(PrinterState.BUSY)
    other.close()
    there.time.sleep(1.0)
    assert printer.status().ready


def test_a_printer_that_refuses_for_minutes_is_not_busy() -> None:
    there = world(manners=Manners(hold_s=1e9))
    there.manners.ended(there.time.now)
    printer = there.driver()
    assert printer.status().state is PrinterState.BUSY
    there.time.sleep(200.0)
    assert printer.status() == PrinterStatus()


# -- automatic status


def test_automatic_status_is_switched_off() -> None:
    there = world(connection=False)
    there.engine.auto_status = True
    there.engine.power_cycle()
    printer = there.driver()
    printer.print_page(PAGES[0])
    there.engine.cover_open = True
    there.turn()
    assert [data for _, data in there.on_its_way] == [], "it reports no more"
    assert there.engine.violations == []


@pytest.mark.parametrize("place", range(0, 2700, 150))
def test_automatic_status_in_mid_page_is_skipped(place: int) -> None:
    there = world(wide=True)
    printer = there.driver()
    printer.purge()
    before = there.sent
    there.at = {before + place + n: lambda w: w.answer(FRAME) for n in (0, 1, 7)}
    printer.print_page(PAGES[0])
    printer.print_page(PAGES[1])
    assert there.engine.pages == [PAGES[0], PAGES[1]]
    assert len(there.attempts) == 1


def test_a_frame_is_no_answer_to_a_fence() -> None:
    """Its last three bytes look like three of them, and the cover that is open like a cause."""
    reader, ledger = AnswerReader(), Ledger()
    ledger.due[Kind.FENCE] = 3
    for byte in b"\x38\x04\x0c\x0f" + FRAME:
        for kind, answer in reader.read(bytes([byte])):
            ledger.count(kind, answer)
    assert (ledger.fences, ledger.due[Kind.FENCE]) == (0, 3)


def test_half_a_frame_may_have_taken_the_answers_to_fences() -> None:
    """Then a sheet whose fences seem unanswered may be out all the same."""
    there = world(paper=1)
    there.engine.stops_behind_last = True
    printer = there.driver()
    printer.purge()
    there.when.append((lambda w: w.engine.drawn > 200, lambda w: w.answer(FRAME[:2])))
    with pytest.raises(PageFault) as caught:
        printer.print_page(PAGES[0])
    assert caught.value.out is Out.UNKNOWN
    assert there.engine.pages == [PAGES[0]]


@given(st.lists(st.sampled_from([b"\x12", b"\x00", FRAME, b"\x37\x25\x00", b"\x10\x0f\x20\0\0\0"])))
def test_answers_are_found_however_they_are_cut(answers: list[bytes]) -> None:
    data = b"".join(answers)
    whole, pieces = AnswerReader(), AnswerReader()
    found = [answer for byte in data for _, answer in pieces.read(bytes([byte]))]
    assert found == [answer for _, answer in whole.read(data)] == answers


@given(st.binary(max_size=40))
def test_any_bytes_are_answers_or_garbled(data: bytes) -> None:
    reader = AnswerReader()
    with suppress(Garbled):
        found = b"".join(answer for _, answer in reader.read(data))
        assert data.startswith(found)
    assert len(reader._begun) < 6


# -- late answers, and printers that hang up


@pytest.mark.parametrize("late_s", [0.9, 1.2, 1.9])
def test_answers_that_come_late(late_s: float) -> None:
    there = world(wide=True, manners=Manners(late_s=late_s))
    printer = there.driver()
    assert printer.status().ready
    printer.print_page(NEXT)
    assert there.engine.pages == [NEXT]


def test_how_late_is_configured() -> None:
    there = world(manners=Manners(late_s=4.0))
    assert not there.driver().status().ready
    there = world(manners=Manners(late_s=4.0))
    assert there.driver(answer_s=5.0).status().ready


@pytest.mark.parametrize("connection", [True, False])
def test_a_late_answer_is_no_answer_to_the_next_question(connection: bool) -> None:
    """Paper is out. Each answer is late by one question, so the last question would hear that all
    is well.
    """
    there = world(paper=0, connection=connection, manners=Manners(late_s=0.1))
    printer = there.driver()
    printer.status()
    there.manners.late_s = 2.5
    for _ in range(40):
        assert not printer.status().ready
        there.time.sleep(0.4)
    there.manners.late_s = 0.0
    there.time.sleep(100.0)
    assert PaperSupply.OUT in [printer.status().paper for _ in range(5)]


@pytest.mark.parametrize("connection", [True, False])
def test_one_answer_too_late_moves_no_other(
    monkeypatch: pytest.MonkeyPatch, connection: bool
) -> None:
    """Only the last of the four answers says that paper is out: one place later it is not heard."""
    there = world(connection=connection)
    printer = there.driver()
    assert printer.status().ready
    monkeypatch.setattr(there.engine, "_status", lambda n: 0x72 if n == 4 else 0x12)
    there.manners.late_s = 2.5
    assert printer.status() == PrinterStatus()
    there.manners.late_s = 1.0
    assert printer.status().paper is PaperSupply.OUT


@pytest.mark.parametrize("sent", range(1, 16))
def test_a_hang_up_during_a_question_is_no_fault(sent: int) -> None:
    there = world(wide=True)
    printer = there.driver()
    assert printer.status().ready
    there.at[there.sent + sent] = World.hang_up
    assert printer.status().ready
    assert len(there.attempts) == 2


def test_a_printer_that_hangs_up_behind_each_cut() -> None:
    there = world(manners=Manners(hangs_up=True))
    printer = there.driver()
    for page in PAGES:
        printer.print_page(page)
        there.time.sleep(0.1)
        assert printer.status().ready
    assert there.engine.pages == list(PAGES)


def test_no_connection_is_made_only_to_be_handed_over() -> None:
    """Each attempt begins anew the time for which such a printer keeps its port."""
    there = world(manners=Manners(hangs_up=True, hold_s=30.0))
    printer = there.driver(connect_s=60.0)
    printer.print_page(NEXT)
    there.time.sleep(0.1)
    attempts = len(there.attempts)
    assert printer.release() is None
    assert len(there.attempts) == attempts


def test_all_of_it_at_once() -> None:
    there = world(manners=Manners(hangs_up=True, hold_s=30.0, late_s=1.1))
    there.engine.auto_status = True
    there.engine.power_cycle()
    printer = there.driver(connect_s=60.0)
    for page in PAGES:
        printer.print_page(page)
    assert there.engine.pages == list(PAGES)


# -- empty reads


def test_a_read_that_gives_nothing_ends_a_connection_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ordinary file is always readable and has nothing to give."""
    device = tmp_path / "lp0"
    device.touch()
    line = wire.opener(str(device))(1.0)
    assert line.read(0.05) == b""
    device.write_bytes(b"\x12")
    assert line.read(0.05) == b"\x12"
    line.close()
    printer = EscposPrinter("printer", str(device), WIDTH, answer_s=0.02)
    assert printer.status() == PrinterStatus()
    printer.close()


def test_a_device_that_is_gone_is_noticed() -> None:
    ours, theirs = os.openpty()
    line = wire.opener(os.ttyname(theirs))(1.0)
    os.close(theirs)
    os.close(ours)
    with pytest.raises(OSError):
        line.read(1.0)
    line.close()


# -- the end of the paper


@pytest.mark.parametrize("wide", [True, False])
def test_no_paper_behind_the_last_sheet(wide: bool) -> None:
    there = world(paper=1, wide=wide)
    there.engine.stops_behind_last = True
    with pytest.raises(PageFault) as caught:
        there.driver().print_page(NEXT)
    assert caught.value.out is (Out.YES if wide else Out.UNKNOWN)
    assert there.engine.pages == [NEXT]


def test_a_sheet_that_may_be_out_is_waited_for() -> None:
    """Somebody puts paper in at once: the last fence is answered, and nobody is in doubt."""
    there = world(paper=1)
    there.engine.stops_behind_last = True
    there.when.append((lambda w: w.engine.page_count == 1 and w.time.now > 1001.0, _refill))
    there.driver().print_page(NEXT)
    assert there.engine.pages == [NEXT]


@pytest.mark.parametrize("room", [2_048, 30_000])  # bytes: of a page of 108,000
@pytest.mark.parametrize("filled_after_s", [3.0, 5.0, 9.0])
def test_paper_that_ends_and_is_filled_while_the_page_is_sent(
    room: int, filled_after_s: float
) -> None:
    """The printer cannot be asked meanwhile, and confirms the page in the end: it is torn."""
    there = world(lines_s=500.0)
    there.room = room
    page = page_of(0xA1, 1500)
    driver = there.driver()
    driver.purge()
    there.engine.fail_after_lines = 400
    stopped_at: list[float] = []

    def is_filled_now(now: World) -> bool:
        if now.engine.stopped and not stopped_at:
            stopped_at.append(now.time.now)
        return bool(stopped_at) and now.time.now - stopped_at[0] > filled_after_s

    there.when.append((is_filled_now, _refill))
    with pytest.raises(PageFault) as caught:
        driver.print_page(page)
    assert caught.value.out is not Out.YES
    assert [each.height for each in there.engine.pages] != [page.height]


def test_a_small_buffer_is_no_fault() -> None:
    there = world(lines_s=500.0)
    there.room = 2_048
    there.driver().print_page(page_of(0xA1, 1500))
    assert [each.height for each in there.engine.pages] == [1500]


def _refill(there: World) -> None:
    there.engine.load_paper(5)


@pytest.mark.parametrize("command", RECOVER)
def test_a_page_that_would_clear_the_printer_is_refused(command: bytes) -> None:
    there = world()
    page = Bitmap(WIDTH, 4, (bytes(9) + command).ljust(32, b"\0"))
    printer = there.driver()
    with pytest.raises(DeviceFault) as caught:
        printer.print_page(page)
    assert caught.value.reason is Reason.REFUSED
    assert there.sent == 0
