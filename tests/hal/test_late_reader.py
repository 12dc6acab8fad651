"""A process that was not run for a while finds the answer lying there: that is no silence."""

from __future__ import annotations

import itertools

import pytest

from hal import serial_line
from hal.cash.frame import HOST, Frame, encode
from hal.cash.wire import CctalkWire
from hal.cashless.frame import ACK, MessageKind, body, message
from hal.cashless.frame import encode as terminal_frame
from hal.cashless.wire import TerminalWire
from hal.faults import DeviceFault, Reason


class Port:
    """The far end has answered at once; what it said is handed out as it is asked for."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def reset_input_buffer(self) -> None:
        pass

    def write(self, data: bytes) -> int:
        return len(data)

    @property
    def in_waiting(self) -> int:
        return len(self._answer)

    def read(self, size: int) -> bytes:
        piece, self._answer = self._answer[:size], self._answer[size:]
        return piece


@pytest.fixture(autouse=True)
def every_look_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between any two looks at the clock a minute goes by."""
    clock = itertools.count(step=60)
    monkeypatch.setattr(serial_line.time, "monotonic", lambda: float(next(clock)))


def test_the_coin_units_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    echo = encode(Frame(2, HOST, 245))
    answer = encode(Frame(HOST, 2, 0, b"Coin Acceptor"))
    wire = CctalkWire("cash", "nowhere", 0.5)
    monkeypatch.setattr(wire, "_port", Port(echo + answer))
    assert wire.ask(2, 245, lengths=range(256), tries=1) == b"Coin Acceptor"


def test_the_terminals_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = TerminalWire("nowhere", 0.5)
    given = message(MessageKind.STATUS_IS, state="R", boots=3)
    monkeypatch.setattr(wire, "_port", Port(bytes([ACK]) + terminal_frame(1, body(given))))
    assert wire.ask(message(MessageKind.STATUS), MessageKind.STATUS_IS, tries=1) == given


class DrippingPort(Port):
    """Another byte comes only while somebody waits for it."""

    in_waiting = 0


def test_behind_the_deadline_nobody_waits_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = CctalkWire("cash", "nowhere", 0.5)
    answer = encode(Frame(HOST, 2, 0, b"Coin Acceptor"))
    monkeypatch.setattr(wire, "_port", DrippingPort(encode(Frame(2, HOST, 245)) + answer))
    with pytest.raises(DeviceFault) as fault:
        wire.ask(2, 245, lengths=range(256), tries=1)
    assert fault.value.reason is Reason.SILENT
