"""Anything at all on the wire, and money over random lives of the coin unit."""

from __future__ import annotations

import os
import threading
import tty

import pytest
from coin_rig import EVERY, Rig
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hal.cash import discovery
from hal.cash.cctalk import CctalkCoinUnit
from hal.cash.contract import CashStatus, CoinFault, PayoutFault
from hal.faults import DeviceFault, Reason

PAY, STATUS, CREDITS, MASTER, RESET = 167, 166, 229, 228, 1


# anything at all on the wire


class Babble:
    """A far end that answers every request with the next of these pieces."""

    def __init__(self, pieces: list[bytes], echo: bool) -> None:
        self.far, near = os.openpty()
        tty.setraw(near)
        self.near, self.port = near, os.ttyname(near)
        self._pieces, self._echo = pieces, echo
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            request = os.read(self.far, 512)
            if request == b"END":
                return
            piece = self._pieces.pop(0) if self._pieces else b""
            os.write(self.far, (request if self._echo else b"") + piece)

    def close(self) -> None:
        os.write(self.near, b"END")
        self._thread.join(2)
        os.close(self.far)
        os.close(self.near)


acks = st.sampled_from(
    [
        bytes.fromhex("01000200FD"),
        bytes.fromhex("01000205F8"),
        bytes.fromhex("01010200FF FD".replace(" ", "")),
    ]
)


@settings(max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(acks, st.binary(max_size=600)), max_size=8), st.booleans())
def test_random_bytes_are_typed_faults_in_bounded_time(pieces: list[bytes], echo: bool) -> None:
    discovery.LISTEN_S = 0.02
    babble = Babble(pieces, echo)
    unit = CctalkCoinUnit(babble.port, reply_s=0.01)
    try:
        with pytest.raises(DeviceFault):
            unit.start(lambda _event: None)
        assert unit.status() == CashStatus()
    finally:
        unit.close()
        babble.close()


# money

OPS = st.one_of(
    st.tuples(st.just("insert"), st.sampled_from([10, 50, 100, 500, 0])),
    st.tuples(st.just("accept"), st.frozensets(st.sampled_from(sorted(EVERY)))),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("pay"), st.integers(0, 60).map(lambda n: n * 10)),
    st.tuples(st.just("garble"), st.integers(1, 3)),
    st.tuples(st.just("lose_answer"), st.sampled_from([PAY, STATUS, CREDITS, MASTER])),
    st.tuples(st.just("lose_request"), st.sampled_from([PAY, STATUS, CREDITS, MASTER])),
    st.tuples(st.just("jam"), st.none()),
    st.tuples(st.just("reset"), st.sampled_from([2, 3, 4])),
    st.tuples(st.just("burst"), st.integers(2, 8)),
)


class Money:
    """What the driver says against what the far end knows."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.bus = rig.bus([(100, 8), (10, 40)], coin_s=0.0005)
        self.unit = rig.unit(self.bus, poll_s=0.002, reply_s=0.04)
        self.said_paid = 0
        self.uncertain = False
        self.raised: set[Reason] = set()

    def do(self, name: str, value: object) -> None:
        bus, at = self.bus, self.rig.at
        works = {
            "insert": lambda: at(lambda: bus.insert(value)),
            "burst": lambda: at(lambda: [bus.insert(100) for _ in range(value)]),
            "accept": lambda: self.unit.accept(value),
            "stop": self.unit.stop,
            "pay": lambda: self.pay(value),
            "garble": lambda: at(lambda: bus.garble(value)),
            "lose_answer": lambda: at(lambda: bus.lose_answer_to(value)),
            "lose_request": lambda: at(lambda: bus.lose_request(value)),
            "jam": lambda: at(bus.jam_coin),
            "reset": lambda: at(lambda: bus.reset_in_the_middle(value)),
        }
        try:
            works[name]()
        except DeviceFault as fault:
            self.raised.add(fault.reason)

    @property
    def faults(self) -> set[str]:
        return {*self.rig.faults, *self.raised}

    def pay(self, amount: int) -> None:
        try:
            self.unit.pay(amount)
            self.said_paid += amount
        except PayoutFault as fault:
            self.said_paid += fault.paid
            self.uncertain |= fault.reason is Reason.UNCERTAIN

    def check(self) -> None:
        """A loss may happen. A loss that nobody is told of may not."""
        rig, bus = self.rig, self.bus
        rig.at(
            lambda: (bus.garble(0), bus.lose_answer_to(CREDITS, 0), bus.lose_request(CREDITS, 0))
        )
        self.unit.stop()
        if Reason.EVENTS_LOST not in self.faults:
            assert rig.notified == bus.acceptor.swallowed
            assert not bus.acceptor.stuck or CoinFault(Reason.COIN_JAM) in rig.told
        assert len(rig.notified) <= len(bus.acceptor.swallowed)
        paid = sum(bus.paid_out)
        assert self.said_paid <= paid if self.uncertain else self.said_paid == paid


@settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(OPS, max_size=14))
@example([("insert", 10), ("reset", 2), ("accept", EVERY)])
@example([("insert", 10), ("garble", 3), ("reset", 2), ("accept", EVERY)])
@example([("jam", None), ("insert", 10)])
def test_money_is_conserved(ops: list[tuple[str, object]]) -> None:
    rig = Rig()
    try:
        money = Money(rig)
        money.do("accept", EVERY)
        for name, value in ops:
            money.do(name, value)
        money.check()
    finally:
        rig.close()
