"""Diagnose before IPP printers: each tells its own cause, and there is a remedy."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ipp_far_end import JOB_PART, JOBS, PRINTER, FarEnd, at_work, http, number, word

from firmware.service.config import Config, IppSection
from firmware.tools.diagnose import devices, finding
from hal.faults import DeviceFault, Reason

# What the printer or its HTTP server answers, and what a technician reads.
IPP_CAUSES: dict[str, tuple[dict[str, Any], str, Reason]] = {
    "wants a password": (
        {"instead": {PRINTER: lambda *_: http(b"", "401 Unauthorized")}},
        "a user name and a password",
        Reason.CONFIGURATION,
    ),
    "wants encryption": (
        {"instead": {PRINTER: lambda *_: http(b"", "426 Upgrade Required")}},
        "configure ipps",
        Reason.CONFIGURATION,
    ),
    "draws PDF only": (
        {"description": {"document-format-supported": [word("application/pdf")]}},
        "without image/pwg-raster",
        Reason.CONFIGURATION,
    ),
    "other paper": (
        {"description": {"media-ready": [word("na_letter_8.5x11in")]}},
        "iso_a4_210x297mm is not loaded",
        Reason.PAPER_OUT,
    ),
    "busy": ({"instead": {PRINTER: lambda *_: 0x507}}, "server-error-busy", Reason.BUSY),
    "at work for others": (
        {"instead": {JOBS: lambda *_: (JOB_PART, {"job-id": [number(3)]})}},
        "1 jobs of somebody else",
        Reason.BUSY,
    ),
    "unknown keyword": (
        {"description": {"printer-state-reasons": [word("com.example-strange")]}},
        "com.example-strange",
        Reason.PRINTER_ERROR,
    ),
}


def look(address: str) -> str:
    class Kiosk:
        sheets = IppSection(address=address)

    return devices.sheets(cast(Config, Kiosk))


@pytest.mark.parametrize("cause", IPP_CAUSES)
def test_an_ipp_printer_tells_its_own_cause(cause: str) -> None:
    options, detail, reason = IPP_CAUSES[cause]
    with at_work(FarEnd(**options)) as address, pytest.raises(DeviceFault) as caught:
        look(address)
    assert detail in caught.value.detail
    assert caught.value.reason is reason
    assert reason in finding.FAULTS


def test_an_ipp_printer_that_is_well_says_what_it_has() -> None:
    with at_work(FarEnd()) as address:
        assert look(address) == "ready, paper adequate, outlet not-supported"
