"""Diagnose before IPP printers: each tells its own cause, and there is a remedy."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ipp_far_end import JOB_PART, JOBS, PRINTER, FarEnd, at_work, http, number, word

from firmware.service.config import Config, IppSection
from firmware.tools.diagnose import printers
from firmware.tools.diagnose.finding import Wrong

# What the printer or its HTTP server answers, and what a technician reads.
IPP_CAUSES: dict[str, tuple[dict[str, Any], str, str]] = {
    "wants a password": (
        {"instead": {PRINTER: lambda *_: http(b"", "401 Unauthorized")}},
        "a user name and a password",
        "printer.configuration",
    ),
    "wants encryption": (
        {"instead": {PRINTER: lambda *_: http(b"", "426 Upgrade Required")}},
        "configure ipps",
        "printer.configuration",
    ),
    "draws PDF only": (
        {"description": {"document-format-supported": [word("application/pdf")]}},
        "without image/pwg-raster",
        "printer.configuration",
    ),
    "other paper": (
        {"description": {"media-ready": [word("na_letter_8.5x11in")]}},
        "iso_a4_210x297mm is not loaded",
        "printer.paper-out",
    ),
    "busy": ({"instead": {PRINTER: lambda *_: 0x507}}, "server-error-busy", "printer.busy"),
    "at work for others": (
        {"instead": {JOBS: lambda *_: (JOB_PART, {"job-id": [number(3)]})}},
        "1 jobs of somebody else",
        "printer.busy",
    ),
    "unknown keyword": (
        {"description": {"printer-state-reasons": [word("com.example-strange")]}},
        "com.example-strange",
        "printer.error",
    ),
}


def look(address: str) -> str:
    class Kiosk:
        sheets = IppSection(address=address)

    return printers.sheets(cast(Config, Kiosk))


@pytest.mark.parametrize("cause", IPP_CAUSES)
def test_an_ipp_printer_tells_its_own_cause(cause: str) -> None:
    options, detail, code = IPP_CAUSES[cause]
    with at_work(FarEnd(**options)) as address, pytest.raises(Wrong) as caught:
        look(address)
    assert detail in caught.value.detail
    assert caught.value.code == code


def test_an_ipp_printer_that_is_well_says_what_it_has() -> None:
    with at_work(FarEnd()) as address:
        assert look(address) == "ready, paper adequate, outlet not-supported"
