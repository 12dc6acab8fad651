"""Paying out: the driver against the hoppers at the far end, over a pty."""

from __future__ import annotations

import contextlib
import threading

import pytest
from coin_rig import EVERY, Rig, until

from hal.cash.cctalk import CctalkCoinUnit
from hal.cash.contract import Dispense, HopperLevel, PayoutFault
from hal.cash.frame import NAK, Frame
from hal.faults import Reason
from hal.sim.coins.bus import CoinBus
from hal.sim.coins.hopper import HopperDevice

PAY, STATUS, CREDITS, MASTER, RESET = 167, 166, 229, 228, 1


def insert(rig: Rig, bus: CoinBus, *coins: int) -> list[bool]:
    return rig.at(lambda: [bus.insert(coin) for coin in coins])


def paid_by(unit: CctalkCoinUnit, amount: int) -> PayoutFault:
    with pytest.raises(PayoutFault) as caught:
        unit.pay(amount)
    return caught.value


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
    assert unit.status().hoppers == (HopperLevel(100, 0), HopperLevel(10, 10))


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
    assert bus.hoppers[0].received.count(PAY) == 3


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
    """Counter 0 before and after: only `disabled` tells a reset from a command that did
    not arrive.
    """
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
    assert hopper.received.count(PAY) == 1


def test_a_hopper_that_is_reset_ahead_of_the_command_is_not_told_twice(rig: Rig) -> None:
    """It had counted one command, is reset, counts one again, and the answer is lost: the number is
    the one before, as if the command had never arrived.
    """
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.pay(200)
    hopper = bus.hoppers[0]

    def reset(_: Dispense) -> None:
        """Behind the driver's first look."""
        if hopper.received.count(PAY) == 1:
            rig.at(lambda: (hopper.power_cycle(), bus.lose_answer_to(PAY)))

    with contextlib.suppress(PayoutFault):
        unit.pay(500, reset)
    assert sum(bus.paid_out) <= 700
    assert hopper.paid_out <= 7


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
    assert unit.status().hoppers == (HopperLevel(100, 0), HopperLevel(10, 10))
    unit.pay(200)
    assert bus.paid_out == [10] * 20


def test_a_hopper_that_goes_silent_while_it_pays(rig: Rig) -> None:
    bus = rig.bus(coin_s=0.02)
    unit = rig.unit(bus, reply_s=0.03, stall_s=0.2)
    payer_result: list[PayoutFault] = []
    payer = threading.Thread(target=lambda: payer_result.append(paid_by(unit, 2000)))
    payer.start()
    until(lambda: len(bus.paid_out) >= 3)
    asked = bus.hoppers[0].received.count(STATUS)
    until(lambda: bus.hoppers[0].received.count(STATUS) > asked + 2)  # and it has counted
    rig.at(lambda: bus.mute(3))
    payer.join()
    fault = payer_result[0]
    assert fault.reason is Reason.UNCERTAIN
    assert 0 < fault.paid <= sum(bus.paid_out)


def test_a_hopper_that_stands_still_is_stopped(rig: Rig) -> None:
    bus = rig.bus([(100, 20)], coin_s=60)
    unit = rig.unit(bus, stall_s=0.1)
    fault = paid_by(unit, 500)
    assert (fault.reason, fault.paid) == (Reason.UNCERTAIN, 0)  # it does not say why
    assert 172 in bus.hoppers[0].received


def test_the_hopper_is_enabled_for_the_payout_only(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.pay(200)
    assert not any(hopper._enabled for hopper in bus.hoppers)


# counts that come late, or not at all


def test_a_late_count_is_waited_for_and_no_other_hopper_pays(rig: Rig) -> None:
    bus = rig.bus([(100, 20), (50, 20), (10, 20)])
    unit = rig.unit(bus, lag_s=0.5)
    rig.at(lambda: setattr(bus.hoppers[0], "count_late", 12))
    for _ in range(3):
        unit.pay(200)
    assert bus.paid_out == [100] * 6


def test_an_uncounted_coin_is_uncertain_and_no_other_hopper_pays(rig: Rig) -> None:
    bus = rig.bus([(100, 20), (50, 20)])
    unit = rig.unit(bus)
    rig.at(lambda: setattr(bus.hoppers[0], "uncounted", 1))
    fault = paid_by(unit, 300)
    assert (fault.reason, fault.paid, bus.paid_out) == (Reason.UNCERTAIN, 200, [100] * 3)
    assert "3 due, 2 paid, 0 unpaid" in fault.detail


def test_short_without_a_reason_is_uncertain_and_no_other_hopper_pays(rig: Rig) -> None:
    bus = rig.bus([(100, 1), (50, 20)])
    unit = rig.unit(bus)
    rig.at(lambda: setattr(bus.hoppers[0], "silent_about_why", True))
    fault = paid_by(unit, 300)
    assert (fault.reason, fault.paid, bus.paid_out) == (Reason.UNCERTAIN, 100, [100])


@pytest.mark.parametrize("bit", [3, 4, 6, 7])
def test_a_flag_of_doubt_is_believed_over_a_reason(rig: Rig, bit: int) -> None:
    bus = rig.bus([(100, 1), (50, 20)])
    unit = rig.unit(bus)
    hopper = bus.hoppers[0]
    end = hopper._end

    def end_strangely() -> None:
        end()
        hopper._test |= 1 << bit

    hopper._end = end_strangely  # type: ignore[method-assign]
    fault = paid_by(unit, 300)
    assert (fault.reason, fault.paid, bus.paid_out) == (Reason.UNCERTAIN, 100, [100])


@pytest.mark.parametrize("figures", [b"\x01\x00\x05\x00", b"\x03\x00\x02\x00", b"\x00\x00\x02\x00"])
def test_figures_that_cannot_be(rig: Rig, figures: bytes) -> None:
    bus = rig.bus(coin_s=60)
    unit = rig.unit(bus)
    asked = unit.last_payout()
    assert asked[0].events == 0

    hopper = bus.hoppers[0]
    lengths, dispense = hopper.commands[PAY]

    def lie(data: bytes) -> bytes:
        hopper.commands[STATUS] = (frozenset({0}), lambda _data: figures)
        return dispense(data)

    hopper.commands[PAY] = (lengths, lie)
    fault = paid_by(unit, 200)
    assert (fault.reason, fault.paid) == (Reason.UNCERTAIN, 0)
    assert hopper.received.count(PAY) == 1
    assert PAY not in bus.hoppers[1].received


def test_a_command_of_somebody_else_ahead_of_ours_stops_the_payout(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    hopper = bus.hoppers[0]
    with pytest.raises(PayoutFault) as caught:
        unit.pay(200, lambda _: rig.at(lambda: setattr(hopper, "_events", 5)))
    assert (caught.value.reason, caught.value.paid) == (Reason.UNCERTAIN, 0)
    assert PAY not in hopper.received and PAY not in bus.hoppers[1].received


def test_a_refused_dispense_is_an_answer(rig: Rig) -> None:
    bus = rig.bus([(100, 20), (10, 30)])
    unit = rig.unit(bus)
    rig.at(lambda: bus.hoppers[0].refuse(PAY))
    unit.pay(200)
    assert bus.paid_out == [10] * 20
    assert bus.hoppers[0].received.count(PAY) == 1


def say_failed_and_pay(hopper: HopperDevice) -> None:
    """As a damaged "done" whose sum is good by chance."""
    answer = hopper.answer

    def turned(frame: Frame) -> Frame | None:
        good = answer(frame)
        return Frame(frame.source, hopper.address, NAK) if frame.header == PAY else good

    hopper.answer = turned  # type: ignore[method-assign]


def test_a_hopper_that_says_failed_and_pays_is_not_told_again(rig: Rig) -> None:
    bus = rig.bus([(100, 20), (10, 50)])
    unit = rig.unit(bus)
    say_failed_and_pay(bus.hoppers[0])
    unit.pay(300)
    assert bus.paid_out == [100] * 3
    fault = paid_by(unit, 300)  # the same count as before: nobody can tell
    assert (fault.reason, fault.paid) == (Reason.UNCERTAIN, 0)
    assert bus.paid_out == [100] * 6


def test_a_refused_command_that_was_counted_is_nothing_paid(rig: Rig) -> None:
    """A hopper counts what it refuses, and its figures stay those of the payout before."""
    bus = rig.bus([(100, 20), (10, 50)])
    unit = rig.unit(bus)
    unit.pay(100)
    bus.hoppers[0]._serial = b"\x01\x02\x03"
    bus.hoppers[0].commands[242] = (frozenset({0}), lambda _data: b"\x09\x09\x09")
    unit.pay(200)
    assert bus.paid_out == [100] + [10] * 20


def test_one_coin_a_command_where_the_hopper_says_so(rig: Rig) -> None:
    bus = rig.bus([(100, 20)])
    hopper = bus.hoppers[0]
    hopper.commands[163] = (
        frozenset({0}),
        lambda _data: bytes([0 if hopper._enabled else 0x80, 2]),
    )
    rig.unit(bus).pay(300)
    assert hopper.received.count(PAY) == 3


def test_without_a_sensor_the_last_payout_tells_what_it_holds(rig: Rig) -> None:
    bus = rig.bus([(100, 2), (10, 50)])
    for hopper in bus.hoppers:
        hopper.has_sensor = False
    unit = rig.unit(bus)
    assert unit.status().hoppers == (HopperLevel(100, 10), HopperLevel(10, 10))
    assert not unit.status().exact_only
    unit.pay(300)
    assert unit.status().exact_only
    unit.close()
    again = rig.unit(bus)  # another process: the hopper's own flag tells
    assert again.status().hoppers == (HopperLevel(100, 0), HopperLevel(10, 10))
