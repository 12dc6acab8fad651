"""The acceptor resets, refuses or goes silent while the slot is open: told at once, and once."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from coin_rig import EVERY, Rig, ShutAcceptor, until

from hal.cash.cctalk import STOP_S, CctalkCoinUnit
from hal.cash.contract import CoinAccepted
from hal.faults import DeviceFault, Reason
from hal.sim.coins.acceptor import Acceptor
from hal.sim.coins.bus import CoinBus

CREDITS, MASK, MASTER, READ_MASK, READ_MASTER = 229, 231, 228, 230, 227


def insert(rig: Rig, bus: CoinBus, *coins: int) -> list[bool]:
    return rig.at(lambda: [bus.insert(coin) for coin in coins])


@pytest.mark.parametrize("acceptor", [Acceptor, ShutAcceptor])
def test_a_reset_before_the_first_coin_is_told_at_once(rig: Rig, acceptor: type[Acceptor]) -> None:
    """The counter is 0 before and after: what the reset destroyed tells of it."""
    bus = rig.bus(acceptor=acceptor())
    unit = rig.unit(bus)
    unit.accept(EVERY)
    rig.at(bus.reset_in_the_middle)
    until(lambda: rig.faults == ["events-lost"])
    assert not unit.status().ready
    began = time.monotonic()
    unit.stop()
    assert time.monotonic() - began < STOP_S
    assert rig.faults == ["events-lost"]  # one cause, one event
    assert not bus.acceptor.accepting


@pytest.mark.parametrize("known", [{READ_MASK}, {READ_MASTER}])
def test_one_of_the_two_questions_is_enough(rig: Rig, known: set[int]) -> None:
    bus = rig.bus(acceptor=ShutAcceptor())
    for header in {READ_MASK, READ_MASTER} - known:
        del bus.acceptor.commands[header]
    unit = rig.unit(bus, reply_s=0.1)
    unit.accept(EVERY)
    rig.at(bus.reset_in_the_middle)
    until(lambda: rig.faults == ["events-lost"])
    assert bus.violations == []


def test_a_reset_and_one_coin_is_not_one_more_coin(rig: Rig) -> None:
    """Counter 1, reset, one coin: the counter is 1 again."""
    bus = rig.bus()
    unit = rig.unit(bus, poll_s=0.1)
    unit.accept(EVERY)
    insert(rig, bus, 100)
    until(lambda: rig.notified == [100])
    rig.at(lambda: (bus.reset_in_the_middle(), bus.insert(500)))
    until(lambda: rig.faults == ["events-lost"])


def test_stopped_right_after_a_reset_it_is_told_before_stop_returns(rig: Rig) -> None:
    bus = rig.bus(acceptor=ShutAcceptor())
    unit = rig.unit(bus, poll_s=0.2)
    unit.accept(EVERY)
    rig.at(bus.reset_in_the_middle)
    unit.stop()
    assert rig.faults == ["events-lost"]


@pytest.mark.parametrize("last", [1, 255])
def test_a_slot_that_was_left_open_and_wakes_up_shut_may_have_lost_coins(
    rig: Rig, last: int
) -> None:
    """Refused coins have brought its counter to the one that is written down, or next to it."""
    bus = rig.bus(acceptor=ShutAcceptor())
    rig.at(bus.reset_in_the_middle)
    insert(rig, bus, 0)
    missed = rig.unit(bus, start=False).start(rig.told.append, last, left_open=True)
    assert missed.lost
    assert not any(isinstance(event, CoinAccepted) for event in missed.events)


def test_set_up_again_by_the_next_start(rig: Rig) -> None:
    bus = rig.bus(acceptor=ShutAcceptor())
    unit = rig.unit(bus)
    unit.accept(EVERY)
    rig.at(bus.reset_in_the_middle)
    until(lambda: bool(rig.faults))
    assert unit.start(rig.told.append).events == ()
    unit.accept(EVERY)
    insert(rig, bus, 100)
    until(lambda: rig.notified == [100])
    assert rig.faults == ["events-lost"]


def test_a_reset_while_shut_is_shut_again_and_nobodys_fault(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(EVERY)
    unit.stop()
    rig.at(bus.reset_in_the_middle)  # it wakes up accepting
    until(lambda: not bus.acceptor.accepting)
    assert rig.faults == []
    assert unit.status().ready


def reset_and_the_same_coin(bus: CoinBus) -> None:
    """Counter and events are what they were before: only mask and master inhibit differ."""
    before = bus.acceptor.counter
    bus.reset_in_the_middle()
    assert bus.insert(500)  # it woke up accepting
    assert bus.acceptor.counter == before


def shut_after_one_coin(rig: Rig, **options: float) -> tuple[CoinBus, CctalkCoinUnit]:
    bus = rig.bus()
    unit = rig.unit(bus, **options)
    unit.accept(EVERY)
    insert(rig, bus, 500)
    until(lambda: rig.notified == [500])
    unit.stop()
    return bus, unit


def test_a_coin_behind_a_reset_that_looks_like_the_one_before(rig: Rig) -> None:
    bus, _ = shut_after_one_coin(rig)
    rig.at(lambda: reset_and_the_same_coin(bus))
    until(lambda: rig.faults == ["events-lost"])
    assert not bus.acceptor.accepting


def test_that_coin_is_not_passed_over_by_an_opening(rig: Rig) -> None:
    """Before the next poll: it sets mask and master inhibit anew, which would hide the reset."""
    bus, unit = shut_after_one_coin(rig, poll_s=0.5)
    rig.at(lambda: reset_and_the_same_coin(bus))
    with pytest.raises(DeviceFault, match="events-lost"):
        unit.accept(EVERY)


def test_that_coin_is_not_passed_over_by_a_start(rig: Rig) -> None:
    bus, unit = shut_after_one_coin(rig, poll_s=0.5)
    rig.at(lambda: reset_and_the_same_coin(bus))
    assert unit.start(rig.told.append).lost


def test_a_reset_ahead_of_the_opening_is_written_down_as_counter_0(rig: Rig) -> None:
    """Else the next coin would have the number that is written down already."""
    bus, unit = shut_after_one_coin(rig, poll_s=0.5)
    rig.at(bus.reset_in_the_middle)
    written: list[int] = []
    assert unit.accept(EVERY, written.append) == 0
    assert written == [0]
    insert(rig, bus, 100)
    assert unit.start(rig.told.append).events + tuple(rig.told[1:]) == (CoinAccepted(100, 1),)


@pytest.mark.parametrize("header", [CREDITS, READ_MASK, 246, 184])
def test_a_reset_in_the_middle_of_a_start_neither_hides_a_coin_nor_tells_one_twice(
    rig: Rig, header: int
) -> None:
    """Behind the answer to that question; the coin that falls then looks like the one before."""
    bus, unit = shut_after_one_coin(rig)
    lengths, answer = bus.acceptor.commands[header]
    told: list[bool] = []

    def reset(data: bytes) -> bytes:
        given = answer(data)
        if not told and bus.acceptor.received.count(MASTER) >= masters:
            told.append(True)
            reset_and_the_same_coin(bus)
        return given

    unit.close()
    masters = bus.acceptor.received.count(MASTER) + (header != CREDITS)
    bus.acceptor.commands[header] = (lengths, reset)
    missed = unit.start(rig.told.append)
    assert told
    assert missed.reset or missed.lost
    coins = [event for event in missed.events if isinstance(event, CoinAccepted)]
    assert coins == [CoinAccepted(500, 1)]


def test_a_coin_behind_a_reset_is_told_once_though_it_cannot_be_shut(rig: Rig) -> None:
    """The next start finds the slot open to every coin still, and the coin told already."""
    bus = rig.bus()
    unit = rig.unit(bus)
    rig.at(lambda: bus.acceptor.refuse(MASTER, 1000))
    rig.at(lambda: (bus.reset_in_the_middle(), bus.insert(500)))
    until(lambda: rig.notified == [500])
    unit.close()
    rig.at(lambda: bus.acceptor.refuse(MASTER, 0))
    assert unit.start(rig.told.append).events == ()
    assert rig.notified == [500]


def test_that_coin_is_not_passed_over_by_a_stop(rig: Rig) -> None:
    bus, unit = shut_after_one_coin(rig, poll_s=0.5)
    rig.at(lambda: reset_and_the_same_coin(bus))
    unit.stop()
    assert rig.faults == ["events-lost"]


@pytest.mark.parametrize("acceptor", [Acceptor, ShutAcceptor])
def test_an_idle_acceptor_that_loses_its_power_for_a_moment_loses_no_coin(
    rig: Rig, acceptor: type[Acceptor]
) -> None:
    bus = rig.bus(acceptor=acceptor())
    unit = rig.unit(bus, reply_s=0.1)
    unit.accept(EVERY)
    insert(rig, bus, 100)
    unit.stop()
    rig.at(lambda: bus.mute(2))
    until(lambda: not unit.status().ready)
    rig.at(lambda: (bus.reset_in_the_middle(), bus.mute()))
    until(lambda: not bus.acceptor.accepting)
    assert rig.faults == [], "status says it"
    missed = unit.start(rig.told.append)
    assert (missed.events, missed.lost) == ((), False)
    assert unit.status().ready


@pytest.mark.parametrize(("last", "faults"), [(0, []), (None, ["silent"])])
def test_silence_behind_a_start_is_a_fault_where_a_coin_can_be_in_the_chute(
    rig: Rig, last: int | None, faults: list[str]
) -> None:
    """Whoever opened the slot last wrote down that it was shut; or nobody knows."""
    bus = rig.bus()
    rig.unit(bus, reply_s=0.1).close()
    unit = rig.unit(bus, reply_s=0.1, poll_s=0.3, start=False)
    unit.start(rig.told.append, last)
    rig.at(lambda: bus.mute(2))
    until(lambda: not unit.status().ready)
    assert rig.faults == faults


def test_an_acceptor_that_loses_its_power_while_open_is_one_fault(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus, reply_s=0.1)
    unit.accept(EVERY)
    insert(rig, bus, 100)
    rig.at(lambda: bus.mute(2))
    until(lambda: rig.faults == ["silent"])
    rig.at(lambda: (bus.reset_in_the_middle(), bus.mute()))
    until(lambda: not bus.acceptor.accepting)
    unit.stop()
    assert rig.faults == ["silent"]


def test_a_stop_that_meets_the_silence_itself_does_not_pass_over_a_coin_in_the_chute(
    rig: Rig,
) -> None:
    """The slot was open and quiet for long: these polls say nothing of the last coin."""
    bus = rig.bus()
    unit = rig.unit(bus, poll_s=0.02, reply_s=0.1)
    unit.accept(EVERY)
    time.sleep(0.2)
    rig.at(lambda: (bus.insert(500), bus.mute(2)))
    with contextlib.suppress(DeviceFault):
        unit.stop()
    until(lambda: rig.faults == ["silent"])


def test_coins_that_fell_into_a_slot_that_is_shut_are_told_all_the_same(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus, poll_s=0.1)
    unit.accept(EVERY)
    insert(rig, bus, 100)
    unit.stop()
    rig.at(lambda: (bus.reset_in_the_middle(), bus.insert(500)))  # it wakes up accepting
    until(lambda: bool(rig.faults))
    assert rig.faults == ["events-lost"]


# "failed" is an answer


@pytest.mark.parametrize("header", [MASK, MASTER])
def test_a_refused_opening_is_raised_and_not_told_again(rig: Rig, header: int) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    rig.at(lambda: bus.acceptor.refuse(header))
    with pytest.raises(DeviceFault) as caught:
        unit.accept(EVERY)
    assert caught.value.reason is Reason.REFUSED
    unit.stop()
    assert rig.faults == []
    until(lambda: not bus.acceptor.accepting)


@pytest.mark.parametrize("header", [MASK, MASTER, CREDITS])
def test_a_refused_answer_is_told_once_without_waiting(rig: Rig, header: int) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(EVERY)
    began = time.monotonic()
    rig.at(lambda: bus.acceptor.refuse(header, times=3))
    unit.stop()
    assert time.monotonic() - began < STOP_S
    assert rig.faults == ["refused"]
    until(lambda: not bus.acceptor.accepting)


def test_silence_after_the_opening_is_told_once_by_whichever_notices(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus, reply_s=0.1)
    unit.accept(EVERY)
    rig.at(lambda: bus.mute(2))
    stops = [threading.Thread(target=unit.stop) for _ in range(2)]
    for stop in stops:
        stop.start()
    for stop in stops:
        stop.join(3)
    assert rig.faults == ["silent"]


# counters that cannot be


def credit(counter: int, *newest_first: tuple[int, int]) -> bytes:
    return bytes([counter]) + b"".join(map(bytes, newest_first)).ljust(10, b"\x00")


@pytest.mark.parametrize(
    "told",
    [
        credit(1, (5, 0)),  # the counter stands still and the event is another
        credit(2, (5, 0), (5, 0)),  # what was known has changed
        credit(0, (3, 0)),
        credit(77, *[(5, 0)] * 5),
    ],
)
def test_impossible_counters_are_a_fault(rig: Rig, told: bytes) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(EVERY)
    insert(rig, bus, 100)
    until(lambda: rig.notified == [100])
    rig.at(lambda: bus.acceptor.lie(CREDITS, told, told))
    until(lambda: "events-lost" in rig.faults)
    assert rig.faults == ["events-lost"]


def test_one_damaged_answer_with_a_good_sum_is_no_coin(rig: Rig) -> None:
    """The 8-bit sum lets one in 256 pass: news is believed only when it is heard twice."""
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(EVERY)
    for n in range(1, 6):
        rig.at(lambda: bus.acceptor.lie(CREDITS, credit(1, (n % 5 + 1, 0))))  # noqa: B023
        asked = len(bus.acceptor.received)
        until(lambda: len(bus.acceptor.received) > asked + 8)  # noqa: B023
    assert rig.told == []
    insert(rig, bus, 50)
    until(lambda: rig.told == [CoinAccepted(50, 1)])
