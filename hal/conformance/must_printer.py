"""What a driver of a printer must do (`hal.printer.contract.Printer`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from hal.conformance.bench import Table
from hal.conformance.plugin import Broken
from hal.faults import DeviceFault, Reason
from hal.printer.contract import Bitmap, Outlet, PaperSupply, Printer, PrinterState
from hal.printer.evidence import Out, PageFault

pytestmark = pytest.mark.device("printer")
Call = Callable[[Callable[[], Any]], Any]
LINES, PAUSE_S = 64, 0.2
FAULTS = ("cover-open", "paper-out", "jam", "silent", "gone")


def page(width: int, height: int = LINES) -> Bitmap:
    """A frame with a diagonal: something is drawn on every line."""
    stride = (width + 7) // 8
    rows = bytearray(stride * height)
    for line in range(height):
        rows[line * stride] = 0x80
        rows[line * stride + line * (stride - 1) // height] |= 0xFF
    return Bitmap(width, height, bytes(rows))


def test_a_printer_that_is_well_says_so(driver: Printer, in_time: Call) -> None:
    in_time(driver.check)
    status = in_time(driver.status)
    assert status.ready
    assert status.state is PrinterState.READY


def test_the_outlet_is_told_or_not_supported(driver: Printer, table: Table) -> None:
    """UNKNOWN would mean that somebody's sheet may lie there: nobody is served."""
    told = driver.status().outlet
    if "outlet-sensor" in table.features:
        assert told in (Outlet.CLEAR, Outlet.PRESENT)
    else:
        assert told is Outlet.NOT_SUPPORTED


def test_a_sheet_is_confirmed(driver: Printer, table: Table, in_time: Call) -> None:
    before = driver.bytes_sent
    in_time(lambda: driver.print_page(page(table.width)))
    assert driver.bytes_sent > before


def test_two_sheets_one_after_the_other(driver: Printer, table: Table, in_time: Call) -> None:
    for _ in range(2):
        in_time(lambda: driver.print_page(page(table.width)))
        assert driver.status().ready


def test_a_narrower_page_fits(driver: Printer, table: Table) -> None:
    driver.print_page(page(table.width // 2 // 8 * 8))


def test_a_purge_proves_that_nothing_is_left(driver: Printer, in_time: Call) -> None:
    in_time(driver.purge)
    assert driver.status().ready


@pytest.mark.parametrize("much", [8, 4096])
def test_a_page_that_does_not_fit_is_refused_before_anything_is_sent(
    driver: Printer, table: Table, much: int
) -> None:
    with pytest.raises(DeviceFault) as caught:
        driver.print_page(page(table.width + much))
    assert caught.value.reason is Reason.CONFIGURATION
    assert not isinstance(caught.value, PageFault)


def test_rows_that_are_not_the_page_are_refused(driver: Printer, table: Table) -> None:
    wrong = Bitmap(table.width, LINES, page(table.width).rows[:-1])
    with pytest.raises(DeviceFault) as caught:
        driver.print_page(wrong)
    assert caught.value.reason is Reason.CONFIGURATION


def test_a_back_is_printed_or_refused(driver: Printer, table: Table) -> None:
    front, back = page(table.width), page(table.width)
    if driver.capabilities.duplex:
        driver.print_page(front, back)
        return
    with pytest.raises(DeviceFault) as caught:
        driver.print_page(front, back)
    assert caught.value.reason is Reason.CONFIGURATION


def test_bytes_that_the_printer_would_obey_are_refused(driver: Printer, table: Table) -> None:
    """A page holds anything; what it contains must never become a command."""
    if not driver.capabilities.never:
        pytest.skip("the printer obeys nothing inside a page")
    plain = page(table.width)
    for command in driver.capabilities.never:
        rows = command + plain.rows[len(command) :]
        with pytest.raises(DeviceFault) as caught:
            driver.print_page(Bitmap(plain.width, plain.height, rows))
        assert caught.value.reason is Reason.REFUSED


def test_closing_twice_is_nothing(driver: Printer) -> None:
    driver.status()
    driver.close()
    driver.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_printer_that_is_not_well_is_never_ready(
    driver: Printer, broken: Broken, in_time: Call, fault: str
) -> None:
    with broken(fault):
        status = in_time(driver.status)
        assert not status.ready


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_claimed_to_be_printed(
    driver: Printer, table: Table, broken: Broken, in_time: Call, fault: str
) -> None:
    """A fault before the page is certain: no sheet comes out of it."""
    with broken(fault), pytest.raises(DeviceFault) as caught:
        in_time(lambda: driver.print_page(page(table.width)))
    if isinstance(caught.value, PageFault):
        assert caught.value.out is not Out.YES


@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        ("silent", {Reason.SILENT, Reason.BUSY}),
        ("gone", {Reason.NOT_CONNECTED, Reason.BUSY, Reason.SILENT}),
    ],
)
def test_why_it_cannot_be_asked_is_told(
    driver: Printer, broken: Broken, in_time: Call, fault: str, reasons: set[Reason]
) -> None:
    with broken(fault), pytest.raises(DeviceFault) as caught:
        in_time(driver.check)
    assert caught.value.reason in reasons


@pytest.mark.parametrize(
    ("fault", "seen"),
    [("cover-open", PrinterState.COVER_OPEN), ("jam", PrinterState.ERROR)],
)
def test_the_state_is_named(
    driver: Printer, broken: Broken, fault: str, seen: PrinterState
) -> None:
    with broken(fault):
        assert driver.status().state is seen


def test_paper_out_is_named(driver: Printer, broken: Broken) -> None:
    with broken("paper-out"):
        assert driver.status().paper is PaperSupply.OUT


@pytest.mark.parametrize("fault", FAULTS)
def test_after_the_fault_it_is_purged_and_prints_again(
    driver: Printer, table: Table, broken: Broken, fault: str
) -> None:
    with broken(fault), pytest.raises(DeviceFault):
        driver.print_page(page(table.width))
    recover(driver, table.deadline_s)
    driver.print_page(page(table.width))


def recover(driver: Printer, seconds: float) -> None:
    """A printer that was away may say for a while that it is busy."""
    until = time.monotonic() + seconds
    while True:
        try:
            return driver.purge()
        except DeviceFault:
            if time.monotonic() > until:
                raise
        time.sleep(PAUSE_S)


def test_paper_that_ends_in_the_middle_is_never_a_whole_sheet(
    driver: Printer, table: Table, broken: Broken, in_time: Call
) -> None:
    with broken("torn"), pytest.raises(PageFault) as caught:
        in_time(lambda: driver.print_page(page(table.width, 4 * LINES)))
    assert caught.value.out is not Out.YES


@pytest.mark.feature("outlet-sensor")
def test_a_sheet_in_the_outlet_is_seen(driver: Printer, table: Table) -> None:
    driver.print_page(page(table.width))
    assert driver.status().outlet is Outlet.PRESENT
