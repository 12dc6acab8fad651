"""The driver against the far end, over a pty."""

from __future__ import annotations

import os
import time
import tty
from pathlib import Path

import pytest
from coin_rig import EVERY, Rig, until

from hal.cash.cctalk import CctalkCoinUnit
from hal.cash.contract import CashStatus, CoinReturned, HopperLevel, PayoutFault
from hal.faults import DeviceFault, Reason
from hal.sim.coins.acceptor import COINS, Acceptor
from hal.sim.coins.bus import CoinBus

PAY, STATUS, CREDITS, MASTER, RESET = 167, 166, 229, 228, 1


def insert(rig: Rig, bus: CoinBus, *coins: int) -> list[bool]:
    return rig.at(lambda: [bus.insert(coin) for coin in coins])


def paid_by(unit: CctalkCoinUnit, amount: int) -> PayoutFault:
    with pytest.raises(PayoutFault) as caught:
        unit.pay(amount)
    return caught.value


# start


def test_reads_what_is_remembered_then_inhibits_and_never_resets(rig: Rig) -> None:
    bus = rig.bus()
    assert insert(rig, bus, 100) == [True]  # it woke up accepting
    rig.unit(bus)
    heard = bus.acceptor.received
    assert heard[:2] == [CREDITS] * 2  # once more, to be sure
    assert heard[2] == MASTER
    assert RESET not in heard
    assert insert(rig, bus, 100) == [False]
    assert bus.cup == [100]


def test_ready_and_change(rig: Rig) -> None:
    bus = rig.bus([(500, 20), (100, 2)])
    unit = rig.unit(bus, start=False)
    assert unit.status() == CashStatus(ready=False)
    unit.start(rig.told.append)
    assert unit.status() == CashStatus(True, (HopperLevel(500, 10), HopperLevel(100, 0)))
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
    expected = (
        Reason.CONFIGURATION if address == 2 else Reason.SILENT
    )  # a hopper is silent to an inhibit
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
    assert unit.stop() == 6  # at once: one cause, one event
    with pytest.raises(DeviceFault, match="events-lost"):
        unit.accept(EVERY)
    assert insert(rig, bus, 100) == [False]
    assert rig.faults == ["events-lost"]


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
    unit.stop()
    assert rig.faults == ["silent"]
    rig.at(bus.mute)
    until(lambda: rig.notified == [100])
    until(
        lambda: insert(rig, bus, 100) == [False]
    )  # the inhibit that did not arrive was made up for
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
        told = len(bus.acceptor.received)
        rig.at(lambda: bus.noise(bytes(range(1, 200))))
        until(lambda: len(bus.acceptor.received) > told + 1)  # noqa: B023
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


@pytest.mark.parametrize("late", [b"JP500A", b"JP010A"])
def test_a_late_answer_gives_no_coin_another_value(rig: Rig, late: bytes) -> None:
    """The positions are asked for one after the other, and an answer does not say to which."""
    bus = rig.bus()
    rig.at(lambda: bus.acceptor.lie(184, b"JP010A", b"JP010A", late))  # position 1 twice, then 2
    unit = rig.unit(bus)
    unit.accept(EVERY)
    rig.at(lambda: bus.insert(50))
    until(lambda: rig.notified == [50])
