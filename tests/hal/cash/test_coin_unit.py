"""The driver against the far end, over a pty."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import tty
from pathlib import Path

import pytest
from coin_rig import EVERY, Rig, until
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hal.cash import cctalk
from hal.cash.cctalk import CctalkCoinUnit
from hal.cash.contract import CashStatus, CoinFault, CoinReturned, PayoutFault
from hal.faults import DeviceFault, Reason
from hal.sim.coins.acceptor import COINS, Acceptor
from hal.sim.coins.bus import CoinBus

PAY, STATUS, CREDITS, MASTER = 167, 166, 229, 228


def insert(rig: Rig, bus: CoinBus, *coins: int) -> list[bool]:
    return rig.at(lambda: [bus.insert(coin) for coin in coins])


def paid_by(unit: CctalkCoinUnit, amount: int) -> PayoutFault:
    with pytest.raises(PayoutFault) as caught:
        unit.pay(amount)
    return caught.value


# start


def test_inhibits_before_anything_else_and_after_the_reset(rig: Rig) -> None:
    bus = rig.bus()
    assert insert(rig, bus, 100) == [True]  # it woke up accepting
    rig.unit(bus)
    heard = bus.acceptor.heard
    reset = heard.index(1)
    assert heard[0] == MASTER
    assert MASTER in heard[reset + 1 : reset + 3]
    assert insert(rig, bus, 100) == [False]
    assert bus.cup == [100]


def test_ready_and_change(rig: Rig) -> None:
    bus = rig.bus([(500, 20), (100, 2)])
    unit = rig.unit(bus, start=False)
    assert unit.status() == CashStatus(ready=False)
    unit.start(rig.told.append)
    assert unit.status() == CashStatus(ready=True, change=((500, True), (100, False)))
    unit.close()
    assert unit.status() == CashStatus(ready=False)


def test_through_a_symlink(rig: Rig, tmp_path: Path) -> None:
    bus = rig.bus(link=tmp_path / "coins")
    unit = rig.unit(bus, start=False)
    linked = CctalkCoinUnit(str(tmp_path / "coins"), poll_s=0.005)
    rig.units.append(linked)
    linked.start(rig.told.append)
    assert linked.status().ready
    with pytest.raises(DeviceFault):  # one host at a time
        unit.start(rig.told.append)


def test_no_port(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(DeviceFault) as caught:
        CctalkCoinUnit(str(tmp_path / "nothing")).start(rig.told.append)
    assert caught.value.reason is Reason.NOT_CONNECTED


def test_silence(rig: Rig) -> None:
    bus = rig.bus()
    rig.at(lambda: bus.mute(2))
    with pytest.raises(DeviceFault) as caught:
        rig.unit(bus, reply_s=0.03)
    assert caught.value.reason is Reason.SILENT


@pytest.mark.parametrize(
    ("acceptor", "address"),
    [
        (Acceptor(coins={1: (b"EU100A", 100)}), 2),
        (Acceptor(coins={n: COINS[n] for n in (1, 2, 3)}), 2),
        (Acceptor(), 3),
    ],
    ids=["other money", "no 500 yen", "a hopper at its address"],
)
def test_not_what_the_configuration_says(rig: Rig, acceptor: Acceptor, address: int) -> None:
    bus = rig.bus(acceptor=acceptor)
    unit = CctalkCoinUnit(bus.port, acceptor=address, reply_s=0.03)
    with pytest.raises(DeviceFault) as caught:
        unit.start(rig.told.append)
    expected = Reason.CONFIGURATION if address == 2 else Reason.SILENT  # a hopper is silent to an inhibit
    assert caught.value.reason is expected


def test_started_again_after_a_fault(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(EVERY)
    insert(rig, bus, 100)
    until(lambda: rig.notified == [100])
    rig.at(bus.reset_in_the_middle)
    until(lambda: bool(rig.faults))
    unit.start(rig.told.append)
    assert unit.status().ready
    unit.accept(EVERY)
    insert(rig, bus, 500)
    until(lambda: rig.notified == [100, 500])


# coins in


def test_only_what_is_asked_for(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(frozenset({100, 500}))
    assert insert(rig, bus, 100, 10, 500, 0) == [True, False, True, False]
    until(lambda: rig.told.count(CoinReturned()) == 2)
    assert rig.notified == bus.acceptor.swallowed == [100, 500]
    assert rig.at(bus.take) == [10, 0]
    assert rig.at(bus.take) == []
    with pytest.raises(DeviceFault, match="no coin of"):
        unit.accept(frozenset({1}))
    assert bus.violations == []


def test_stop_returns_after_the_last_coin_was_told(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus, poll_s=0.05)  # slow: the coin is swallowed and not yet polled
    unit.accept(EVERY)
    assert insert(rig, bus, 100) == [True]
    unit.stop()
    assert rig.notified == [100]
    assert insert(rig, bus, 100) == [False]


def test_over_the_wrap_of_the_counter(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(EVERY)
    for n in range(1, 53):
        insert(rig, bus, 10, 50, 100, 10, 500)
        until(lambda: len(rig.notified) == 5 * n)  # noqa: B023
    assert rig.notified == bus.acceptor.swallowed
    assert rig.faults == []


def test_more_than_it_remembers(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(EVERY)
    insert(rig, bus, *[100] * 6)
    until(lambda: rig.faults == ["events-lost"])
    assert rig.notified == [100] * 5
    assert not unit.status().ready
    with pytest.raises(DeviceFault, match="events-lost"):
        unit.stop()
    with pytest.raises(DeviceFault, match="events-lost"):
        unit.accept(EVERY)
    assert insert(rig, bus, 100) == [False]


def test_reset_in_the_middle_inhibits_again(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(EVERY)
    insert(rig, bus, 100)
    until(lambda: rig.notified == [100])
    rig.at(bus.reset_in_the_middle)
    until(lambda: rig.faults == ["events-lost"])
    until(lambda: insert(rig, bus, 50) == [False])


def test_an_acceptor_that_opens_on_its_own_is_shut(rig: Rig) -> None:
    bus = rig.bus()
    rig.unit(bus)
    time.sleep(0.05)
    rig.at(bus.reset_in_the_middle)  # counter was 0 and is 0: nothing to see but the coin
    assert insert(rig, bus, 500) == [True]
    until(lambda: rig.notified == [500])
    until(lambda: insert(rig, bus, 500) == [False])


def test_a_stuck_coin(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(EVERY)
    rig.at(bus.jam_coin)
    assert insert(rig, bus, 500) == [False]
    until(lambda: rig.faults == ["coin-jam"])
    assert (rig.notified, bus.cup, bus.acceptor.stuck) == ([], [], [500])
    unit.stop()


def test_silence_is_told_once_and_no_coin_is_lost(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus, reply_s=0.03)
    unit.accept(EVERY)
    rig.at(lambda: bus.mute(2))
    assert insert(rig, bus, 100) == [True]
    until(lambda: rig.faults == ["silent"])
    assert not unit.status().ready
    with pytest.raises(DeviceFault):
        unit.stop()
    rig.at(bus.mute)
    until(lambda: rig.notified == [100])
    until(lambda: insert(rig, bus, 100) == [False])  # the inhibit that did not arrive was made up for
    unit.stop()
    assert rig.notified == bus.acceptor.swallowed
    assert rig.faults == ["silent"]


def test_a_garbled_answer_is_asked_again(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(EVERY)
    rig.at(lambda: bus.garble(2))
    insert(rig, bus, 100)
    until(lambda: rig.notified == [100])
    assert rig.faults == []


def test_noise_between_questions_is_not_an_answer(rig: Rig) -> None:
    bus = rig.bus()
    rig.unit(bus, poll_s=0.02)
    for _ in range(5):
        told = len(bus.acceptor.heard)
        rig.at(lambda: bus.noise(bytes(range(1, 200))))
        until(lambda: len(bus.acceptor.heard) > told + 1)  # noqa: B023
    assert rig.faults == []


def test_the_wire_is_cut(rig: Rig) -> None:
    far, near = os.openpty()
    tty.setraw(near)
    port = os.ttyname(near)
    os.close(near)
    os.close(far)
    with pytest.raises(DeviceFault):
        CctalkCoinUnit(port, reply_s=0.03).start(rig.told.append)


def test_closed_from_its_own_thread(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus, start=False)
    unit.start(lambda _event: unit.close())
    insert(rig, bus, 100)
    until(lambda: not unit.status().ready)


# coins out


def test_pays_the_fewest_coins(rig: Rig) -> None:
    bus = rig.bus([(10, 20), (500, 20), (100, 20)])
    unit = rig.unit(bus)
    unit.pay(1230)
    assert bus.paid_out == [500] * 2 + [100] * 2 + [10] * 3
    unit.pay(0)
    assert rig.at(bus.take) == bus.paid_out
    assert bus.violations == []


def test_pays_while_coins_come_in(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(EVERY)
    payer = threading.Thread(target=unit.pay, args=(1000,))
    payer.start()
    for n in range(10):
        insert(rig, bus, 100)
        until(lambda: len(rig.notified) == n + 1)  # noqa: B023
    payer.join()
    assert sum(bus.paid_out) == sum(rig.notified) == 1000


@pytest.mark.parametrize("amount", [-10, 15, 10_010])
def test_amounts_that_nobody_is_paid(rig: Rig, amount: int) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    fault = paid_by(unit, amount)
    assert (fault.reason, fault.paid, bus.paid_out) == (Reason.REFUSED, 0, [])


def test_another_hopper_pays_the_rest(rig: Rig) -> None:
    bus = rig.bus([(100, 3), (10, 30)])
    unit = rig.unit(bus)
    unit.pay(500)
    assert bus.paid_out == [100] * 3 + [10] * 20
    assert dict(unit.status().change) == {100: False, 10: True}


def test_hoppers_run_empty(rig: Rig) -> None:
    bus = rig.bus([(100, 3), (10, 5)])
    fault = paid_by(rig.unit(bus), 500)
    assert (fault.reason, fault.paid, sum(bus.paid_out)) == (Reason.HOPPER_EMPTY, 350, 350)


def test_a_jam_in_the_hopper(rig: Rig) -> None:
    bus = rig.bus([(100, 20)])
    unit = rig.unit(bus)
    bus.hoppers[0].jam_after = 2
    fault = paid_by(unit, 500)
    assert (fault.reason, fault.paid, sum(bus.paid_out)) == (Reason.COIN_JAM, 200, 200)


@pytest.mark.parametrize("header", [PAY, STATUS, 164])
def test_a_lost_answer_is_not_a_lost_coin(rig: Rig, header: int) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    for _ in range(3):
        rig.at(lambda: bus.lose_answer_to(header))
        unit.pay(300)
    assert bus.paid_out == [100] * 9
    assert bus.hoppers[0].heard.count(PAY) == 3


def test_a_garbled_answer_to_dispense(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    hopper = bus.hoppers[0]
    answer = hopper.answer

    def garble_dispense(frame):  # type: ignore[no-untyped-def]
        if frame.header == PAY:
            bus.garble()
        return answer(frame)

    hopper.answer = garble_dispense  # type: ignore[method-assign]
    unit.pay(300)
    assert bus.paid_out == [100] * 3


def test_a_lost_command_is_sent_again_after_looking(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    rig.at(lambda: bus.lose_request(PAY))
    unit.pay(300)
    assert bus.paid_out == [100] * 3


def test_a_command_that_never_arrives_goes_to_the_next_hopper(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    rig.at(lambda: bus.lose_request(PAY, 2))
    unit.pay(100)
    assert bus.paid_out == [10] * 10


def test_power_lost_with_the_answer_is_uncertain(rig: Rig) -> None:
    """Counter 0 before and after: only `disabled` tells a reset from a command that did not arrive."""
    bus = rig.bus(coin_s=60)
    unit = rig.unit(bus)
    hopper = bus.hoppers[0]
    dispense = hopper.commands[PAY]

    def die(data: bytes) -> bytes:
        dispense[1](data)
        hopper.turn()
        hopper.power_cycle()
        bus.lose_answer_to(PAY)
        return b""

    hopper.commands[PAY] = (dispense[0], die)
    fault = paid_by(unit, 300)
    assert (fault.reason, fault.paid, hopper.paid_out) == (Reason.UNCERTAIN, 0, 1)
    assert hopper.heard.count(PAY) == 1


@pytest.mark.parametrize(("after", "coin_s"), [(0, 0.001), (1, 0.0001), (3, 0.02)])
def test_the_hopper_resets_in_the_middle(rig: Rig, after: int, coin_s: float) -> None:
    """Also before the driver saw a coin fall."""
    bus = rig.bus(coin_s=coin_s)
    unit = rig.unit(bus)
    bus.hoppers[0].reset_after = after
    fault = paid_by(unit, 500)
    assert fault.reason is Reason.UNCERTAIN
    assert fault.paid <= sum(bus.paid_out) == 100 * after


def test_a_payout_nobody_asked_for(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    bus.hoppers[0]._events = 7
    fault = paid_by(unit, 100)
    assert (fault.reason, fault.paid, bus.paid_out) == (Reason.UNCERTAIN, 0, [])


def test_a_silent_hopper_is_passed_over(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus, reply_s=0.03)
    rig.at(lambda: bus.mute(3))
    assert dict(unit.status().change) == {100: False, 10: True}
    unit.pay(200)
    assert bus.paid_out == [10] * 20


def test_a_hopper_that_goes_silent_while_it_pays(rig: Rig) -> None:
    bus = rig.bus(coin_s=0.02)
    unit = rig.unit(bus, reply_s=0.03, stall_s=0.2)
    payer_result: list[PayoutFault] = []
    payer = threading.Thread(target=lambda: payer_result.append(paid_by(unit, 2000)))
    payer.start()
    until(lambda: len(bus.paid_out) >= 3)
    rig.at(lambda: bus.mute(3))
    payer.join()
    fault = payer_result[0]
    assert fault.reason is Reason.UNCERTAIN
    assert 0 < fault.paid <= sum(bus.paid_out)


def test_a_hopper_that_stands_still_is_stopped(rig: Rig) -> None:
    bus = rig.bus([(100, 20)], coin_s=60)
    unit = rig.unit(bus, stall_s=0.1)
    fault = paid_by(unit, 500)
    assert (fault.reason, fault.paid) == (Reason.HOPPER_EMPTY, 0)
    assert 172 in bus.hoppers[0].heard


def test_the_hopper_is_enabled_for_the_payout_only(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.pay(200)
    assert not any(hopper._enabled for hopper in bus.hoppers)


# strictness of the far end


def test_the_far_end_is_silent_to_what_it_does_not_know_and_writes_it_down(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus, reply_s=0.03)
    for address, header, data in [(2, 99, b""), (2, 231, b"\x01"), (3, 167, b"\x01")]:
        with pytest.raises(DeviceFault) as caught:
            unit._wire.ask(address, header, data, tries=1)
        assert caught.value.reason is Reason.SILENT
    serial = unit._wire.ask(3, 242, lengths=(3,))
    with pytest.raises(DeviceFault) as caught:
        unit._wire.ask(3, 167, serial + b"\x01", tries=1)
    assert caught.value.reason is Reason.REFUSED  # not enabled
    assert len(bus.violations) == 4
    assert bus.paid_out == []


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
    [bytes.fromhex("01000200FD"), bytes.fromhex("01000205F8"), bytes.fromhex("01010200FF FD".replace(" ", ""))]
)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(acks, st.binary(max_size=600)), max_size=8), st.booleans())
def test_random_bytes_are_typed_faults_in_bounded_time(pieces: list[bytes], echo: bool) -> None:
    cctalk.BOOT_S = 0.05
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
        with contextlib.suppress(DeviceFault):
            works[name]()

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
        rig.at(lambda: (bus.garble(0), bus.lose_answer_to(CREDITS, 0), bus.lose_request(CREDITS, 0)))
        lost = False
        try:
            self.unit.stop()
        except DeviceFault as fault:
            lost = fault.reason is Reason.EVENTS_LOST
        if not lost:
            assert rig.notified == bus.acceptor.swallowed
            assert not bus.acceptor.stuck or CoinFault(Reason.COIN_JAM) in rig.told
        assert len(rig.notified) <= len(bus.acceptor.swallowed)
        paid = sum(bus.paid_out)
        assert self.said_paid <= paid if self.uncertain else self.said_paid == paid


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
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
