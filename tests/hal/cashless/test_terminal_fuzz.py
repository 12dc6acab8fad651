"""Damaged and invented answers: the driver never says more of the money than is true, and never
breaks.

`MADOGUCHI_TERMINAL_FUZZ=100000` sets how many answers are damaged or invented; a few thousand in
CI.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hal import serial_line
from hal.cashless import terminal as driver_module
from hal.cashless import wire as wire_module
from hal.cashless.contract import ChargeResult
from hal.cashless.frame import (
    ACK,
    LAYOUT,
    NAK,
    STX,
    MessageKind,
    body,
    decode,
    encode,
    message,
    parse,
)
from hal.cashless.terminal import SerialTerminal
from hal.faults import DeviceFault, Reason
from hal.sim.cashless.terminal import TerminalDevice

COUNT = int(os.environ.get("MADOGUCHI_TERMINAL_FUZZ", "3000"))
AMOUNT = 300


class Clock:
    """Time passes only where the driver waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 0.0005
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakePort:
    """A serial port without a kernel: the terminal answers at once, and `luck` spoils what
    it says.
    """

    def __init__(self, device: TerminalDevice, luck: random.Random, clock: Clock) -> None:
        self.device, self.luck, self.clock = device, luck, clock
        self.waiting = bytearray()
        self.asked, self.last = b"", b""
        self.spoilt = 0
        self.rate = luck.choice((0.0, 0.2, 0.6, 1.0))

    def write(self, raw: bytes) -> None:
        if raw[0] == STX:
            sequence, content = decode(raw)
            if self.luck.random() < self.rate / 4:
                self.spoilt += 1
                return None  # it never arrives
            if raw != self.asked:
                answer = self.device.answer(parse(content), self.clock.now)
                assert answer is not None
                self.asked, self.last = raw, encode(sequence, body(answer))
            self.say(bytes([ACK]) + self.last)
        elif raw[0] == NAK:
            self.say(self.last)
        elif raw[0] != ACK:
            self.waiting += bytes([ACK])
        if self.device.waiting and self.luck.random() < 0.3:
            self.device.present(self.clock.now)
        return None

    def say(self, raw: bytes) -> None:
        if self.luck.random() < self.rate:
            self.spoilt += 1
            raw = self.luck.choice(SPOILERS)(raw, self.luck)
        self.waiting += raw

    @property
    def in_waiting(self) -> int:
        return len(self.waiting)

    def read(self, count: int) -> bytes:
        heard, self.waiting = bytes(self.waiting[:count]), self.waiting[count:]
        if not heard:
            self.clock.sleep(0.02)
        return heard

    def reset_input_buffer(self) -> None:
        self.waiting.clear()

    def close(self) -> None:
        pass


def _flip(raw: bytes, luck: random.Random) -> bytes:
    at = luck.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << luck.randrange(8)]) + raw[at + 1 :]


def _other_reference(raw: bytes, luck: random.Random) -> bytes:
    """A whole frame with a good checksum that speaks of another charge."""
    if raw[:1] != bytes([ACK]) or raw[4:5] != b"q":
        return b""
    told = message(
        MessageKind.CHARGE_IS,
        reference=f"{luck.getrandbits(128):032x}",
        amount=luck.choice((0, AMOUNT)),
        state=luck.choice("NWPADU"),
        reason=luck.randrange(100),
        transaction=luck.randrange(10**12),
        boots=luck.choice((1, 2)),
    )
    return bytes([ACK]) + encode(raw[3], body(told))


def _invented(raw: bytes, luck: random.Random) -> bytes:
    """A good checksum over a body of nobody's."""
    length = 1 + sum(field.width for field in LAYOUT[MessageKind.CHARGE_IS].values())
    return bytes([ACK]) + encode(
        raw[3] if len(raw) > 3 else 0, luck.randbytes(luck.randrange(1, length + 3))
    )


SPOILERS = (
    _flip,
    _other_reference,
    _invented,
    lambda raw, luck: b"",
    lambda raw, luck: luck.randbytes(luck.randrange(1, 90)),
    lambda raw, luck: raw[: luck.randrange(len(raw))],
    lambda raw, luck: raw + raw,
    lambda raw, luck: bytes([NAK]),
)


@contextmanager
def wired(port: FakePort, clock: Clock) -> Iterator[SerialTerminal]:
    patch = pytest.MonkeyPatch()
    patch.setattr(driver_module, "time", clock)
    patch.setattr(wire_module, "time", clock)
    patch.setattr(serial_line, "time", clock)
    patch.setattr(wire_module.serial, "Serial", lambda *_, **__: port)
    try:
        yield SerialTerminal("nowhere", wait_s=8, decide_s=4)
    finally:
        patch.undo()


def _answer(work: Any) -> Any:
    try:
        return work()
    except DeviceFault as fault:
        return fault.reason


@pytest.mark.timeout(900)
def test_no_answer_makes_the_driver_lie_about_money() -> None:
    spoilt, seed, words = 0, 0, set()
    while spoilt < COUNT:
        seed += 1
        luck, clock = random.Random(seed), Clock()
        device = TerminalDevice(wait_s=6)
        port = FakePort(device, luck, clock)
        with wired(port, clock) as driver:
            charge = _answer(lambda driver=driver: driver.charge(AMOUNT, "a1" * 16))
            words.add(str(charge if isinstance(charge, Reason) else charge.result))
            if isinstance(charge, Reason):
                assert device.balance == 0 or charge is Reason.UNCERTAIN, seed
            else:
                assert device.balance == (
                    AMOUNT if charge.result is ChargeResult.APPROVED else 0
                ), seed
            if not isinstance(charge, Reason) and charge.result is ChargeResult.APPROVED:
                back = _answer(
                    lambda driver=driver, charge=charge: driver.reverse(charge.transaction, AMOUNT)
                )
                assert back is Reason.UNCERTAIN or device.balance == (
                    0 if back is None else AMOUNT
                ), seed
            assert device.asked.count("C") <= 1, seed
            assert device.violations == [], seed
            assert device.balance in (0, AMOUNT), seed
        spoilt += port.spoilt
    assert {"approved", "declined", "uncertain"} <= words
