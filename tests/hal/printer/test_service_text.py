"""Printer models, and text for technicians: nothing of the library's own faults comes out, and
importing it leaves nothing behind.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from paper_reader import text

from hal.faults import DeviceFault, Reason
from hal.printer import profiles, service_text
from hal.printer.escpos import EscposPrinter
from hal.printer.evidence import PageFault
from hal.printer.profiles import profile, usable
from hal.printer.service_text import TextLine, write
from hal.sim.printer import PrinterSim
from hal.sim.printer.characters import BOLD, TALL, WIDE

WIDE_ENOUGH = 576
SLIP = [TextLine("TEST", bold=True, centre=True, large=True), TextLine("all is well")]


@pytest.fixture
def sim(start: Callable[..., PrinterSim]) -> PrinterSim:
    return start(width=WIDE_ENOUGH, text=True)


# -- models


def test_a_model_is_what_the_library_says_of_it() -> None:
    found = profile("receipts", "TM-T88V")
    assert (found.model, found.width, found.dpi, found.cutter) == ("Epson TM-T88V", 512, 180, True)
    assert found.columns == 42
    assert found.code_pages[0] == "CP437"


def test_what_a_model_does_not_tell_is_none() -> None:
    found = profile("receipts", "default")
    assert (found.width, found.dpi) == (None, None)


def test_every_model_that_is_offered_can_be_used() -> None:
    names = usable("receipts")
    assert len(names) > 20
    for name in names:
        assert profile("receipts", name).cutter


@pytest.mark.parametrize("name", ["TM-U220", "NT-5890K", "OCD-100", "nobody's", ""])
def test_a_model_that_cannot_be_used_is_a_fault_of_the_configuration(name: str) -> None:
    with pytest.raises(DeviceFault) as caught:
        profile("receipts", name)
    assert caught.value.reason is Reason.CONFIGURATION
    assert "\n" not in str(caught.value)


def test_without_the_library_it_is_a_fault_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(profiles, "find_spec", lambda _: None)
    profiles._profiles.cache_clear()
    with pytest.raises(DeviceFault, match="not installed") as caught:
        profile("receipts", "TM-T88V")
    assert caught.value.reason is Reason.CONFIGURATION


# -- text


def test_a_text_is_printed_and_confirmed(
    sim: PrinterSim, connect: Callable[..., EscposPrinter]
) -> None:
    connect(sim.port).print_text(write("receipts", SLIP, "TM-T20II"))
    assert sim.violations == []
    [page] = sim.pages
    assert text(page, (0, BOLD | TALL | WIDE))[:2] == ["TEST", "all is well"]


def test_a_text_that_is_not_confirmed_is_a_fault_with_its_evidence(
    sim: PrinterSim, connect: Callable[..., EscposPrinter]
) -> None:
    sim.fail_after_lines = 10
    with pytest.raises(PageFault):
        connect(sim.port).print_text(write("receipts", SLIP))
    assert sim.page_count == 0


def test_nothing_is_sent_to_a_printer_that_is_not_ready(
    sim: PrinterSim, connect: Callable[..., EscposPrinter]
) -> None:
    """The library would have read the same silence as paper enough."""
    sim.mute = True
    with pytest.raises(DeviceFault) as caught:
        connect(sim.port, connect_s=0.1).print_text(write("receipts", SLIP))
    assert caught.value.reason is Reason.BUSY
    assert sim.page_count == 0


@pytest.mark.parametrize("words", ["住民票", "é", "a\x10\x14b", "two\nlines", "\x1b@"])
def test_only_printable_ascii_is_taken(words: str) -> None:
    with pytest.raises(DeviceFault) as caught:
        write("receipts", [TextLine(words)])
    assert caught.value.reason is Reason.REFUSED


def test_an_error_of_the_library_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise LookupError("its own")

    monkeypatch.setattr(service_text, "library_printer", broken)
    with pytest.raises(DeviceFault, match="LookupError") as caught:
        write("receipts", SLIP)
    assert caught.value.reason is Reason.CONFIGURATION


def test_importing_the_library_leaves_nothing_behind(tmp_path: Path) -> None:
    """No folder, no file, no handler of the log, and no change of where temporary files go."""
    program = (
        "import logging, tempfile; from hal.printer.service_text import TextLine, write; "
        "before = tempfile.tempdir; write('receipts', [TextLine('x')]); "
        "import sys; assert 'escpos' in sys.modules; "
        "assert logging.getLogger().handlers == []; assert tempfile.tempdir == before"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
