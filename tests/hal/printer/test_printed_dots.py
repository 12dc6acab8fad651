"""What the printer's far end draws is, dot for dot, what the kiosk checked before it took money."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sheets.sheet_cases import juminhyo

from firmware.link.sheet_code import address
from firmware.sheets.prepare import Target, prepare
from firmware.sheets.raster import dots
from hal.printer.contract import Bitmap
from hal.printer.escpos import EscposPrinter
from hal.sim.printer import PrinterSim


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_a_certificate(start: Callable[..., PrinterSim], dpi: int) -> None:
    target = Target(dpi, dots(210, dpi))
    expected = address("https://verify.akashi.example/v", bytes(range(147)))
    [sheet] = prepare(juminhyo().pdf, [expected], target)
    sim = start(width=target.width, dpi=dpi)
    printer = EscposPrinter("sheets", f"tcp:127.0.0.1:{sim.port}", target.width)
    printer.print_page(Bitmap(sheet.width, sheet.height, sheet.rows))
    printer.close()
    [page] = sim.engine.pages
    assert (page.width, page.height) == (sheet.width, sheet.height)
    assert page.rows == sheet.rows
    assert sim.violations == []
