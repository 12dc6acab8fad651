"""Damaged, invented and late answers, wrong echoes, and devices that are reset, in the middle of
everything that a coin unit does.

`COIN_FUZZ` in the environment sets the number of such cases; each life has a seed of its own.
The port is a fake one without a pty, so that a hundred thousand take minutes.
"""

from __future__ import annotations

import os
import random
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from coin_rig import EVERY

from hal.cash import cctalk, discovery, hopper, wire
from hal.cash.cctalk import CctalkCoinUnit, Hopper
from hal.cash.contract import CashEvent, CoinAccepted, CoinFault, Dispense, PayoutFault
from hal.cash.frame import Checksum, FrameError, decode, encode
from hal.faults import DeviceFault, Reason
from hal.sim.coins.acceptor import Acceptor
from hal.sim.coins.device import Device
from hal.sim.coins.hopper import HopperDevice

ANSWERS = int(os.environ.get("COIN_FUZZ", "1000"))
LONGEST_CALL_S = 20.0
Damage = Callable[[random.Random, bytes, Checksum], bytes]


def flipped(luck: random.Random, raw: bytes, _: Checksum) -> bytes:
    damaged = bytearray(raw)
    for _bit in range(luck.randint(1, 4)):
        damaged[luck.randrange(len(raw))] ^= 1 << luck.randrange(8)
    return bytes(damaged)


def cut(luck: random.Random, raw: bytes, _: Checksum) -> bytes:
    return raw[: luck.randrange(len(raw))]


def noise(luck: random.Random, _raw: bytes, __: Checksum) -> bytes:
    return luck.randbytes(luck.randrange(40))


def longer(luck: random.Random, raw: bytes, _: Checksum) -> bytes:
    return raw + luck.randbytes(luck.randint(1, 300))


def resummed(luck: random.Random, raw: bytes, checksum: Checksum) -> bytes:
    """Other data behind a good checksum: once in 256 times damage looks like this."""
    frame = decode(raw, checksum)
    data = luck.randbytes(len(frame.data))
    return encode(type(frame)(frame.destination, frame.source, frame.header, data), checksum)


def refused(luck: random.Random, raw: bytes, checksum: Checksum) -> bytes:
    frame = decode(raw, checksum)
    header = luck.choice([5, 6, luck.randrange(256)])
    return encode(type(frame)(frame.destination, frame.source, header), checksum)


DAMAGES: tuple[Damage, ...] = (flipped, cut, noise, longer, resummed, refused)
# What an adapter gives back of what was sent, instead of exactly that.
ECHOES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    lambda _, raw: b"",
    lambda _, raw: raw + raw,
    lambda luck, raw: raw[: luck.randrange(len(raw))],
    lambda luck, raw: flipped(luck, raw, Checksum.SUM),
)


class FakePort:
    """A serial port with the devices behind it. One answer in `one_in` is damaged or comes late,
    with the next question; as many echoes are wrong, and sometimes a device is reset, or somebody
    puts in a coin. Reads never wait.
    """

    def __init__(self, seed: int, checksum: Checksum, one_in: int) -> None:
        self.luck = random.Random(seed)
        self.checksum = checksum
        self.one_in = one_in
        self.acceptor = Acceptor()
        self.hoppers = [HopperDevice(3, 100, 40), HopperDevice(4, 10, 60)]
        self.damaged = 0
        self.lock = threading.Lock()
        self.resets = 0
        self._heard = b""
        self._late = b""

    @property
    def in_waiting(self) -> int:
        return len(self._heard)

    def reset_input_buffer(self) -> None:
        self._heard = b""

    def close(self) -> None: ...

    def read(self, size: int) -> bytes:
        piece, self._heard = self._heard[:size], self._heard[size:]
        return piece

    def write(self, raw: bytes) -> None:
        with self.lock:
            late, self._late = self._late, b""
            if self._happens(8):
                self.resets += 1
                self.luck.choice(self._devices).power_cycle()
            if self._happens(4):
                self.acceptor.insert(self.luck.choice([10, 50, 100, 500]))
            echo, answer = raw, self._answer(raw)
            if self._happens():
                echo = self.luck.choice(ECHOES)(self.luck, raw)
            if answer and self._happens():
                self._late, answer = answer, b""
            self._heard = self.luck.choice([late + echo + answer, echo + late + answer])

    def _happens(self, rarely: int = 1) -> bool:
        """By chance. It counts as a case."""
        happens = not self.luck.randrange(rarely * self.one_in)
        self.damaged += happens
        return happens

    def _answer(self, raw: bytes) -> bytes:
        for device in self.hoppers:
            device.turn()
        try:
            frame = decode(raw, self.checksum)
        except FrameError:
            return b""
        device = next((d for d in self._devices if d.address == frame.destination), None)
        answer = device.answer(frame) if device else None
        if answer is None:
            return b""
        said = encode(answer, self.checksum)
        if not self._happens():
            return said
        return self.luck.choice(DAMAGES)(self.luck, said, self.checksum)

    @property
    def _devices(self) -> list[Device]:
        return [self.acceptor, *self.hoppers]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((wire, "SETTLE_S"), (discovery, "LISTEN_S"), (discovery, "ALONE_S")):
        monkeypatch.setattr(module, name, 0.0)
    monkeypatch.setattr(cctalk, "STOP_S", 0.1)
    assert hopper.MOST_COINS <= 20


class Life:
    """One unit from start to end, by a seed; `check` compares what it said with what the devices
    know.
    """

    def __init__(self, seed: int) -> None:
        luck = random.Random(seed)
        checksum = luck.choice(list(Checksum))
        self.port = FakePort(seed, checksum, one_in=luck.choice([5, 20, 100]))
        self.luck = luck
        self.told: list[CashEvent] = []
        self.orders: list[Dispense] = []
        self.missed: list[CashEvent] = []
        self.certain = True
        self.paid = 0
        self.faults: set[Reason] = set()  # that whoever uses the unit was told of since a start
        self.before = 0  # of `told`: up to the last start that came about
        self.lost = 0  # coins, until then
        self.unit = CctalkCoinUnit(
            "fake",
            hoppers=[Hopper(3, 100), Hopper(4, 10)],
            poll_s=0.0005,
            reply_s=0.002,
            stall_s=0.03,
            lag_s=0.003,
            checksum=checksum,
        )
        self.unit._wire._open = lambda: self.port  # type: ignore[method-assign, assignment, return-value]

    def run(self) -> None:
        acts = [self.start, self.accept, self.coin, self.coin, self.stop, self.pay, self.status]
        for act in [self.start, *self.luck.choices(acts, k=14)]:
            began = time.monotonic()
            self.attempt(act)
            assert time.monotonic() - began < LONGEST_CALL_S
        self.port.one_in = 10**9
        self.attempt(self.start)  # all is well again: what was not told yet is told now
        self.unit.close()

    def attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
        except PayoutFault:
            pass
        except DeviceFault as fault:
            self.faults.add(fault.reason)

    def start(self) -> None:
        """A unit that cannot be started leaves the kiosk out of service: nothing falls in then.

        One that can is trusted again, so what was lost before must have been told before, or now.
        """
        missed = self.unit.start(self.told.append)
        self.missed += missed.events
        self.faults |= {event.reason for event in missed.events if isinstance(event, CoinFault)}
        if missed.lost or missed.reset:
            self.faults.add(Reason.EVENTS_LOST)
        self.attempt(self.stop)  # what fell in meanwhile is told
        self.check_losses()
        self.faults.clear()
        self.before = len(self.told)

    def check_losses(self) -> None:
        said = [
            event.value for event in (*self.missed, *self.told) if isinstance(event, CoinAccepted)
        ]
        swallowed = self.port.acceptor.swallowed
        assert not Counter(said) - Counter(swallowed), "a coin was invented"
        lost = (Counter(swallowed) - Counter(said)).total()
        fresh = self.told[self.before :]
        told = self.faults | {event.reason for event in fresh if isinstance(event, CoinFault)}
        assert lost <= self.lost or told, f"{lost - self.lost} coins were lost, nobody was told"
        self.lost = lost

    def accept(self) -> None:
        self.unit.accept(EVERY)

    def stop(self) -> None:
        self.unit.stop()

    def status(self) -> None:
        self.unit.status()
        self.unit.last_payout()

    def coin(self) -> None:
        with self.port.lock:
            self.port.acceptor.insert(self.luck.choice([10, 50, 100, 500, 0]))
        time.sleep(0.001)

    def pay(self) -> None:
        amount = self.luck.randrange(0, 60) * 10
        try:
            self.unit.pay(amount, self.orders.append)
            self.paid += amount
        except PayoutFault as fault:
            self.paid += fault.paid
            self.certain &= fault.reason is not Reason.UNCERTAIN

    def check(self) -> None:
        port = self.port
        self.check_losses()
        out = sum(device.paid_out * device.value for device in port.hoppers)
        assert self.paid <= out if not self.certain else self.paid == out
        ordered = sum(order.coins * order.value for order in self.orders)
        assert out <= ordered, "a dispense command was repeated"
        for device in port.hoppers:
            orders = [order for order in self.orders if order.address == device.address]
            assert device.paid_out <= sum(order.coins for order in orders)


def lives() -> Iterator[Life]:
    answers, seed = 0, 0
    while answers < ANSWERS:
        life = Life(seed)
        try:
            life.run()
            life.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        finally:
            life.unit.close()
        answers += life.port.damaged
        seed += 1
        yield life


@pytest.mark.timeout(60 + ANSWERS // 50)
def test_no_coin_is_invented_and_no_dispense_repeated_whatever_the_wire_says() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = SimpleNamespace(coins=0, out=0)
    died: list[object] = []
    hook, threading.excepthook = threading.excepthook, died.append
    try:
        for life in lives():
            seen.coins += len(life.port.acceptor.swallowed)
            seen.out += sum(device.paid_out for device in life.port.hoppers)
    finally:
        threading.excepthook = hook
    assert died == []  # no traceback in the unit's own thread
    assert seen.coins > ANSWERS / 100  # the lives were lived
    assert seen.out > ANSWERS / 100
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 64 * 1024
