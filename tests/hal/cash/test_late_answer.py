"""A late answer and the one behind it are of one device; two answers to one question, of two."""

from __future__ import annotations

import pytest

from hal.cash.discovery import SERIAL, check_alone
from hal.cash.frame import HOST, Frame, encode
from hal.cash.wire import CctalkWire
from hal.faults import DeviceFault, Reason

ANSWER = encode(Frame(HOST, 2, 0, b"\x01\x02\x03"))
# What comes behind the echo of each question: nothing, then what was late, and the answer itself.
LATE = (b"", ANSWER + ANSWER, ANSWER)


class Port:
    def __init__(self, answers: tuple[bytes, ...]) -> None:
        self._answers = [*answers]
        self._here = b""

    def reset_input_buffer(self) -> None:
        self._here = b""

    def write(self, data: bytes) -> int:
        assert data[3] == SERIAL
        self._here = data + self._answers.pop(0)
        return len(data)

    @property
    def in_waiting(self) -> int:
        return len(self._here)

    def read(self, size: int) -> bytes:
        piece, self._here = self._here[:size], self._here[size:]
        return piece


def check(monkeypatch: pytest.MonkeyPatch, *answers: bytes) -> None:
    wire = CctalkWire("cash", "nowhere", 0.01)
    monkeypatch.setattr(wire, "_port", Port(answers))
    check_alone(wire, 2)


def test_a_device_that_answered_late_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    check(monkeypatch, *LATE)


@pytest.mark.parametrize("silences", [0, 1, 2])
def test_two_devices_are_told(monkeypatch: pytest.MonkeyPatch, silences: int) -> None:
    answers = [b""] * silences + [ANSWER + ANSWER] * (3 - silences)
    with pytest.raises(DeviceFault) as told:
        check(monkeypatch, *answers)
    assert told.value.reason is Reason.GARBLED


def test_nobody_who_answers_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    check(monkeypatch, b"", b"", b"")
