"""A process dies and another starts: nothing that the units remember is lost."""

from __future__ import annotations

from typing import Any

import pytest
from coin_rig import EVERY, Rig, ShutAcceptor, until

from hal.cash.acceptor import READ_MASK
from hal.cash.contract import CoinAccepted, CoinReturned, Dispense, Missed, PayoutFault
from hal.faults import DeviceFault, Reason
from hal.sim.coins.acceptor import Acceptor
from hal.sim.coins.bus import CoinBus


def insert(rig: Rig, bus: CoinBus, *coins: int) -> None:
    rig.at(lambda: [bus.insert(coin) for coin in coins])


def killed(rig: Rig, *coins: int, **options: Any) -> tuple[CoinBus, int]:
    """A process that opened the slot and heard these coins is gone without a word; and its last
    counter.
    """
    bus = rig.bus(**options)
    unit = rig.unit(bus)
    unit.accept(EVERY)
    for n, coin in enumerate(coins, start=1):
        insert(rig, bus, coin)
        until(lambda: len(rig.notified) == n)  # noqa: B023
    unit._ending.set()  # no inhibit, no good-bye
    assert unit._thread is not None
    unit._thread.join()
    unit._wire.close()
    unit._thread = None
    last = [event for event in rig.told if isinstance(event, CoinAccepted)]
    rig.told.clear()
    return bus, last[-1].counter if last else 0


def test_coins_carry_the_counter(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    assert unit.accept(EVERY) == 0
    insert(rig, bus, 100, 0, 500)
    assert unit.stop() == 3
    assert rig.told == [CoinAccepted(100, 1), CoinReturned(), CoinAccepted(500, 3)]


def test_coins_that_fell_while_nobody_listened_are_found_with_their_value(rig: Rig) -> None:
    bus, last = killed(rig, 100)
    insert(rig, bus, 500, 0, 50)
    unit = rig.unit(bus, start=False)
    missed = unit.start(rig.told.append, last)
    assert missed == Missed((CoinAccepted(500, 2), CoinReturned(), CoinAccepted(50, 4)))
    unit.accept(EVERY)
    insert(rig, bus, 10)
    until(lambda: rig.notified == [10])  # and none of them is told twice
    assert rig.faults == []


def test_found_again_by_a_third_process_when_the_second_died_as_well(rig: Rig) -> None:
    bus, last = killed(rig, 100)
    insert(rig, bus, 500)
    for _ in range(2):
        unit = rig.unit(bus, start=False)
        assert unit.start(rig.told.append, last).events == (CoinAccepted(500, 2),)
        unit.close()


def test_more_than_five_are_not_certain(rig: Rig) -> None:
    bus, last = killed(rig, 100)
    insert(rig, bus, *[10] * 6)
    missed = rig.unit(bus, start=False).start(rig.told.append, last)
    assert missed.lost
    assert len(missed.events) == 5


def test_nothing_new(rig: Rig) -> None:
    bus, last = killed(rig, 100, 100)
    assert rig.unit(bus, start=False).start(rig.told.append, last) == Missed()


def test_a_reset_in_between_is_told(rig: Rig) -> None:
    bus, last = killed(rig, 100)
    insert(rig, bus, 500)
    rig.at(bus.reset_in_the_middle)
    assert rig.unit(bus, start=False).start(rig.told.append, last) == Missed(reset=True)


@pytest.mark.parametrize("before", [1, 3])
@pytest.mark.parametrize("after", range(7))
def test_a_counter_that_came_back_to_the_journalled_one_after_a_reset(
    rig: Rig, before: int, after: int
) -> None:
    """A coin fell in the poll window, the power went, and it has counted again since: it woke up
    letting coins in.
    """
    bus, last = killed(rig, *[100] * before)
    insert(rig, bus, 500)
    rig.at(bus.reset_in_the_middle)
    insert(rig, bus, *[50] * after)
    missed = rig.unit(bus, start=False).start(rig.told.append, last)
    assert missed.reset
    counters = range(max(after - 5, 0) + 1, after + 1)
    assert missed.events == tuple(CoinAccepted(50, counter) for counter in counters)
    assert missed.lost is (after > 5)


@pytest.mark.parametrize("tells", [True, False])
def test_a_reset_before_the_first_event_of_an_acceptor_that_wakes_up_shut(
    rig: Rig, tells: bool
) -> None:
    """A coin fell into the slot that was opened at 0, the power went, and the counter is at 0
    again.
    """
    acceptor = ShutAcceptor()
    if not tells:
        del acceptor.commands[READ_MASK]
    bus, last = killed(rig, acceptor=acceptor)
    insert(rig, bus, 500)
    rig.at(bus.reset_in_the_middle)
    unit = rig.unit(bus, start=False, reply_s=0.05)
    assert unit.start(rig.told.append, last, left_open=True) == Missed(reset=True)


@pytest.mark.parametrize("acceptor", [Acceptor, ShutAcceptor])
def test_what_the_driver_shut_itself_was_not_reset(rig: Rig, acceptor: type[Acceptor]) -> None:
    """A process that ends before the journal has it, or the one of a closed kiosk."""
    bus, last = killed(rig, acceptor=acceptor())
    for _ in range(2):
        unit = rig.unit(bus, start=False)
        assert unit.start(rig.told.append, last, left_open=True) == Missed()
        unit.close()


@pytest.mark.parametrize("coins", [(), (500,)])
def test_an_acceptor_that_was_not_reset_is_not_said_to_be(rig: Rig, coins: tuple[int, ...]) -> None:
    bus, last = killed(rig, acceptor=ShutAcceptor())
    insert(rig, bus, *coins)
    missed = rig.unit(bus, start=False).start(rig.told.append, last, left_open=True)
    assert missed == Missed(tuple(CoinAccepted(coin, 1) for coin in coins))


def test_without_a_journalled_counter_a_slot_left_open_is_not_certain(rig: Rig) -> None:
    bus, _ = killed(rig, 100)
    first = rig.unit(bus, start=False)
    assert first.start(rig.told.append) == Missed(lost=True)
    first.close()
    assert rig.unit(bus, start=False).start(rig.told.append) == Missed()


def test_the_same_object_started_again_needs_no_counter(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    unit.accept(EVERY)
    insert(rig, bus, 100)
    until(lambda: rig.notified == [100])
    unit.close()
    rig.at(lambda: setattr(bus.acceptor, "_open", True))
    rig.at(lambda: setattr(bus.acceptor, "_mask", 0x00FF))
    insert(rig, bus, 50)
    assert unit.start(rig.told.append).events == (CoinAccepted(50, 2),)


def test_the_counter_is_told_before_the_slot_opens_and_only_then(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)
    insert(rig, bus, 0, 0)  # refused while the slot is shut: they count
    until(lambda: len(rig.told) == 2)
    seen: list[tuple[int, bool]] = []

    def before(counter: int) -> None:
        seen.append((counter, bus.acceptor.accepting))

    assert unit.accept(EVERY, before) == 2
    assert unit.accept(frozenset({10}), before) == 2, "open already: only narrower"
    assert seen == [(2, False)]
    insert(rig, bus, 100, 10)
    until(lambda: rig.notified == [10])


def test_a_counter_that_cannot_be_written_down_keeps_the_slot_shut(rig: Rig) -> None:
    bus = rig.bus()
    unit = rig.unit(bus)

    def disk_full(_: int) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        unit.accept(EVERY, disk_full)
    assert not rig.at(lambda: bus.insert(100))
    assert not bus.acceptor.accepting
    assert unit.accept(EVERY) == unit._acceptor.counter, "the unit itself is well"


# payouts


def test_each_dispense_is_told_before_it_is_given(rig: Rig) -> None:
    bus = rig.bus([(100, 20), (10, 20)])
    unit = rig.unit(bus)
    seen: list[tuple[Dispense, int]] = []
    unit.pay(230, lambda dispense: seen.append((dispense, len(bus.paid_out))))
    unit.pay(100, lambda dispense: seen.append((dispense, len(bus.paid_out))))
    assert seen == [
        (Dispense(3, 100, coins=2, events=0), 0),
        (Dispense(4, 10, coins=3, events=0), 2),
        (Dispense(3, 100, coins=1, events=1), 5),
    ]


def test_an_order_that_cannot_be_written_down_moves_no_coin(rig: Rig) -> None:
    bus = rig.bus([(100, 20), (10, 20)])
    unit = rig.unit(bus)

    def disk_full(dispense: Dispense) -> None:
        if dispense.value == 10:
            raise OSError("no space left")

    with pytest.raises(PayoutFault) as caught:
        unit.pay(230, disk_full)
    assert (caught.value.reason, caught.value.paid) == (Reason.REFUSED, 200)
    assert bus.paid_out == [100] * 2
    assert 167 not in bus.hoppers[1].received


def test_killed_in_payout_the_hoppers_tell_what_came_out(rig: Rig) -> None:
    """The first process dies with the command given; the coins come all the same."""
    bus = rig.bus([(100, 20), (10, 20)], coin_s=0.12)
    dying = rig.unit(bus)
    orders: list[Dispense] = []

    def die(_order: object) -> None:
        raise SystemExit

    hopper = next(h for h in dying._hoppers if h.value == 100)
    hopper._follow = die  # type: ignore[method-assign, assignment]
    dying._hoppers[0].disable = lambda: None  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        dying.pay(400, orders.append)
    dying.close()
    unit = rig.unit(bus, start=False)
    counts = {
        count.address: count for count in unit.last_payout()
    }  # before anything else is asked of them
    assert orders[0].coins_out(counts[3]) == 4 == len(bus.paid_out)


def test_start_lets_a_payout_that_still_runs_end(rig: Rig) -> None:
    bus = rig.bus([(100, 20)], coin_s=0.02)
    rig.at(lambda: bus.hoppers[0]._enable(b"\xa5"))
    rig.at(lambda: bus.hoppers[0]._dispense(bus.hoppers[0]._serial + b"\x05"))
    rig.at(lambda: bus._turn(bus.hoppers[0]))
    unit = rig.unit(bus, stall_s=2.0)
    assert bus.paid_out == [100] * 5
    assert unit.last_payout()[0].paid == 5


def test_what_a_command_that_never_arrived_paid_is_nothing(rig: Rig) -> None:
    bus = rig.bus([(100, 20)])
    unit = rig.unit(bus)
    unit.pay(200)
    (count,) = unit.last_payout()
    assert Dispense(3, 100, coins=5, events=1).coins_out(count) == 0
    assert Dispense(3, 100, coins=2, events=0).coins_out(count) == 2


def test_silent_hoppers_are_left_out(rig: Rig) -> None:
    bus = rig.bus([(100, 20), (10, 20)])
    unit = rig.unit(bus, reply_s=0.03)
    rig.at(lambda: bus.mute(3))
    assert [count.address for count in unit.last_payout()] == [4]


def test_a_coin_that_a_failed_start_has_read_is_told_by_the_next(rig: Rig) -> None:
    """The acceptor answers, a hopper behind it does not: nobody was told of the coin yet."""
    bus = rig.bus()
    unit = rig.unit(bus, reply_s=0.1, poll_s=30)
    unit.accept(EVERY)
    rig.at(lambda: bus.insert(100))
    rig.at(lambda: bus.mute(3))
    with pytest.raises(DeviceFault):
        unit.start(rig.told.append)
    rig.at(lambda: bus.mute())
    missed = unit.start(rig.told.append)
    assert [getattr(event, "value", 0) for event in missed.events] == [100]
    assert unit.start(rig.told.append).events == (), "it is told once"
