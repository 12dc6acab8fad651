"""What `Printer` promises, asked of both drivers: each before its own far end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from ipp_far_end import (
    DESCRIPTION,
    ENUM,
    JOB,
    PRINTER,
    PRINTER_PART,
    FarEnd,
    Reply,
    Values,
    at_work,
    number,
    word,
)
from printer_bench import WIDTH, eventually, page_of

from hal.faults import DeviceFault, Reason
from hal.printer.contract import Bitmap, Printer, PrinterStatus
from hal.printer.escpos import EscposPrinter
from hal.printer.evidence import Out, PageFault
from hal.printer.ipp import IppPrinter
from hal.sim.printer import PrinterSim

QUICK = {"answer_s": 0.5, "poll_s": 0.02, "page_deadline_s": 3.0, "purge_deadline_s": 1.0}
PAGE = page_of()
FAULTS = {
    "paper-out": (Reason.PAPER_OUT, "media-empty-error"),
    "cover-open": (Reason.COVER_OPEN, "cover-open-error"),
    "jam": (Reason.JAM, "media-jam"),
}


@dataclass
class Rig:
    """A driver, and what can be done at its far end. `pages`: those that came to it whole."""

    printer: Printer
    fault: Callable[[str], None]
    heal: Callable[[], None]
    mute: Callable[[bool], None]
    lose: Callable[[], None]  # from the next page on nobody answers for it
    pages: Callable[[], int]


@pytest.fixture(params=["escpos", "ipp"])
def rig(request: pytest.FixtureRequest, start: Callable[..., PrinterSim]) -> Iterator[Rig]:
    with ExitStack() as stack:
        made = _escpos(start()) if request.param == "escpos" else _ipp(stack)
        stack.callback(made.printer.close)
        yield made


def _escpos(sim: PrinterSim) -> Rig:
    breaks: dict[str, Callable[[], None]] = {
        "paper-out": lambda: sim.load_paper(0),
        "cover-open": lambda: setattr(sim, "cover_open", True),
        "jam": lambda: setattr(sim, "jam", True),
    }

    def heal() -> None:
        sim.load_paper(10)
        sim.cover_open = sim.jam = False

    def lose() -> None:
        sim.paced = True  # without a motor: it takes the page and never prints it

    printer = EscposPrinter("printer", f"tcp:127.0.0.1:{sim.port}", WIDTH, stall_s=0.5, **QUICK)
    return Rig(
        printer,
        lambda fault: breaks[fault](),
        heal,
        lambda mute: setattr(sim, "mute", mute),
        lose,
        lambda: sim.page_count,
    )


def _ipp(stack: ExitStack) -> Rig:
    far_end = FarEnd()
    address = stack.enter_context(at_work(far_end))

    def fault(name: str) -> None:
        state: dict[str, Values] = {
            "printer-state": [number(5, ENUM)],
            "printer-state-reasons": [word(FAULTS[name][1])],
        }
        far_end.instead[PRINTER] = lambda *_: (PRINTER_PART, {**DESCRIPTION, **state})

    def mute(on: bool) -> None:
        far_end.meddle = (lambda *_: Reply((), hangs_up=True)) if on else None

    def lose() -> None:
        far_end.instead[JOB] = lambda *_: 0x0406

    printer = IppPrinter("printer", address, 300, silent_s=0.1, **QUICK)
    return Rig(printer, fault, far_end.instead.clear, mute, lose, lambda: len(far_end.documents))


def refused(action: Callable[[], object]) -> DeviceFault:
    with pytest.raises(DeviceFault) as caught:
        action()
    return caught.value


def test_a_printer_that_is_well_prints_page_after_page(rig: Rig) -> None:
    for number_ in range(1, 4):
        assert rig.printer.status().ready
        before = rig.printer.bytes_sent
        rig.printer.print_page(PAGE)
        assert rig.printer.bytes_sent > before
        assert rig.pages() == number_
    rig.printer.purge()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_before_the_page_is_certain_and_named(rig: Rig, fault: str) -> None:
    rig.fault(fault)
    assert not rig.printer.status().ready
    told = refused(lambda: rig.printer.print_page(PAGE))
    assert (told.reason, type(told)) == (FAULTS[fault][0], DeviceFault)
    assert rig.pages() == 0
    rig.heal()
    assert rig.printer.status().ready


def test_a_mute_printer_is_not_ready_and_gets_nothing(rig: Rig) -> None:
    """One that admits a connection and answers nothing on it may be serving somebody else."""
    rig.mute(True)
    status = rig.printer.status()
    assert not status.ready
    assert status == PrinterStatus(state=status.state)
    told = refused(lambda: rig.printer.print_page(PAGE))
    assert type(told) is DeviceFault
    assert told.reason in (Reason.SILENT, Reason.BUSY)
    assert refused(rig.printer.purge).reason in (Reason.UNCERTAIN, Reason.BUSY)
    assert rig.pages() == 0
    rig.mute(False)
    eventually(lambda: rig.printer.status().ready, 60.0)  # it is not asked all the time
    rig.printer.print_page(PAGE)
    assert rig.pages() == 1


def test_a_page_that_nobody_confirms_is_uncertain(rig: Rig) -> None:
    rig.lose()
    told = refused(lambda: rig.printer.print_page(PAGE))
    assert isinstance(told, PageFault)
    assert (told.reason, told.out) == (Reason.UNCERTAIN, Out.UNKNOWN)


def test_what_is_no_page_is_not_sent(rig: Rig) -> None:
    short = Bitmap(WIDTH, 300, PAGE.rows[:-1])
    for sides in ((short,), (Bitmap(WIDTH, 0, b""),), (PAGE, PAGE)):
        told = refused(lambda sides=sides: rig.printer.print_page(*sides))  # type: ignore[misc]
        assert told.reason is Reason.CONFIGURATION
    assert rig.pages() == 0


def test_closing_twice_is_no_fault(rig: Rig) -> None:
    rig.printer.print_page(PAGE)
    rig.printer.close()
    rig.printer.close()
