"""Status bytes: ready only for the protocol's own ready answers."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.faults import Reason
from hal.printer.contract import Outlet, PaperSupply, PrinterState
from hal.printer.escpos_answers import Garbled, is_fence, is_head, is_realtime
from hal.printer.escpos_status import read, stop_cause

READY = b"\x12\x12\x12\x12"


def test_no_byte_answers_two_questions() -> None:
    for byte in range(256):
        assert is_realtime(byte) + is_fence(byte) + is_head(byte) <= 1


def test_exactly_the_ready_answers_are_ready() -> None:
    """Every single byte in every place; bit 2 of the first is the drawer's connector, two bits say
    near end.
    """
    good = ({0x12, 0x16}, {0x12}, {0x12}, {0x12, 0x1E})
    for place in range(4):
        for byte in range(256):
            answers = bytearray(READY)
            answers[place] = byte
            ready = False
            with suppress(Garbled):
                ready = read(bytes(answers)).status.ready
            assert ready == (byte in good[place]), (place, byte)


@given(st.binary(max_size=6), st.none() | st.binary(max_size=8))
def test_random_bytes(answers: bytes, full: bytes | None) -> None:
    with suppress(Garbled):
        reading = read(answers, full)
        assert reading.status.ready == (reading.cause is None)
        assert full is None or (len(full) == 6 and full[:2] == b"\x10\x0f")


@pytest.mark.parametrize(
    ("answers", "state", "paper", "cause"),
    [
        ("1a161212", PrinterState.COVER_OPEN, PaperSupply.ADEQUATE, Reason.COVER_OPEN),
        ("1a321272", PrinterState.OFFLINE, PaperSupply.OUT, Reason.PAPER_OUT),
        ("1212127e", PrinterState.READY, PaperSupply.OUT, Reason.PAPER_OUT),
        ("1a521612", PrinterState.ERROR, PaperSupply.ADEQUATE, Reason.JAM),
        ("1a521a12", PrinterState.ERROR, PaperSupply.ADEQUATE, Reason.JAM),
        ("1a523212", PrinterState.ERROR, PaperSupply.ADEQUATE, Reason.PRINTER_ERROR),
        ("52121212", PrinterState.OFFLINE, PaperSupply.ADEQUATE, Reason.PRINTER_ERROR),
        ("12121216", PrinterState.READY, PaperSupply.UNKNOWN, Reason.GARBLED),
    ],
)
def test_causes(answers: str, state: PrinterState, paper: PaperSupply, cause: Reason) -> None:
    reading = read(bytes.fromhex(answers))
    assert (reading.status.state, reading.status.paper, reading.cause) == (state, paper, cause)
    assert not reading.status.ready


@pytest.mark.parametrize(
    ("full", "state", "paper", "outlet"),
    [
        ("00000000", PrinterState.READY, PaperSupply.ADEQUATE, Outlet.CLEAR),
        ("24000000", PrinterState.READY, PaperSupply.NEAR_END, Outlet.PRESENT),
        ("01000000", PrinterState.READY, PaperSupply.OUT, Outlet.CLEAR),
        ("00010000", PrinterState.COVER_OPEN, PaperSupply.ADEQUATE, Outlet.CLEAR),
        ("00004000", PrinterState.ERROR, PaperSupply.ADEQUATE, Outlet.CLEAR),
        ("00000001", PrinterState.ERROR, PaperSupply.ADEQUATE, Outlet.CLEAR),
    ],
)
def test_full_status(full: str, state: PrinterState, paper: PaperSupply, outlet: Outlet) -> None:
    status = read(READY, b"\x10\x0f" + bytes.fromhex(full)).status
    assert (status.state, status.paper, status.outlet) == (state, paper, outlet)


def test_stop_cause() -> None:
    assert stop_cause(0x12, 0x12) is None
    assert stop_cause(0x32, 0x12) is Reason.PAPER_OUT
    assert stop_cause(0x16, 0x12) is Reason.COVER_OPEN
    assert stop_cause(0x52, 0x16) is Reason.JAM
    assert stop_cause(0x52, 0x32) is Reason.PRINTER_ERROR
