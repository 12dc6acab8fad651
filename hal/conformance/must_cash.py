"""What a driver of a coin unit must do (`hal.cash.contract.CoinUnit`). No coin is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hal.cash.contract import CashEvent, CoinAccepted, CoinUnit, PayoutFault
from hal.conformance.plugin import Broken
from hal.faults import DeviceFault, Reason

pytestmark = pytest.mark.device("cash")
Call = Callable[[Callable[[], Any]], Any]
COINS = frozenset({10, 50, 100})


def ignore(_: CashEvent) -> None:
    """What happens is of no interest."""


def test_a_unit_that_is_well_says_so(driver: CoinUnit, in_time: Call) -> None:
    missed = in_time(lambda: driver.start(ignore))
    assert not missed.lost
    status = in_time(driver.status)
    assert status.ready
    assert status.hoppers


def test_before_it_is_started_nothing_is_promised(driver: CoinUnit) -> None:
    assert not driver.status().ready
    with pytest.raises(DeviceFault):
        driver.accept(COINS)


def test_the_counter_is_told_before_the_slot_opens(driver: CoinUnit, in_time: Call) -> None:
    told: list[int] = []
    driver.start(ignore)
    assert in_time(lambda: driver.accept(COINS, told.append)) == told[0]
    assert in_time(driver.stop) == told[0], "no coin was put in"


def test_a_slot_whose_opening_cannot_be_written_down_stays_shut(driver: CoinUnit) -> None:
    def fail(_: int) -> None:
        raise OSError("the disk is full")

    heard: list[CashEvent] = []
    driver.start(heard.append)
    with pytest.raises(OSError, match="full"):
        driver.accept(COINS, fail)
    driver.stop()
    assert not [each for each in heard if isinstance(each, CoinAccepted)]


@pytest.mark.parametrize("amount", [7, -10, 10_000_000])
def test_an_amount_that_it_cannot_pay_is_refused_before_a_coin_moves(
    driver: CoinUnit, amount: int
) -> None:
    driver.start(ignore)
    with pytest.raises(PayoutFault) as caught:
        driver.pay(amount)
    assert caught.value.paid == 0


def test_a_payout_that_cannot_be_written_down_does_not_happen(driver: CoinUnit) -> None:
    def fail(_: object) -> None:
        raise OSError("the disk is full")

    driver.start(ignore)
    with pytest.raises(PayoutFault) as caught:
        driver.pay(10, fail)
    assert (caught.value.paid, caught.value.reason) == (0, Reason.REFUSED)


def test_a_unit_that_is_silent_is_told(driver: CoinUnit, broken: Broken, in_time: Call) -> None:
    with broken("silent"), pytest.raises(DeviceFault):
        in_time(lambda: driver.start(ignore))
    in_time(lambda: driver.start(ignore))
    assert driver.status().ready


def test_closing_twice_is_nothing(driver: CoinUnit) -> None:
    driver.start(ignore)
    driver.close()
    driver.close()
