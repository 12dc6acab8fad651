"""What a driver of the technician's key must do (`hal.service_key.contract.ServiceKey`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hal.conformance.plugin import Broken
from hal.faults import DeviceFault
from hal.service_key.contract import ServiceKey

pytestmark = pytest.mark.device("service_key")
Call = Callable[[Callable[[], Any]], Any]


def test_a_key_that_nobody_turned(driver: ServiceKey, in_time: Call) -> None:
    assert in_time(driver.turned) is False


def test_it_is_turned_and_turned_back(driver: ServiceKey, broken: Broken, in_time: Call) -> None:
    with broken("turned"):
        assert in_time(driver.turned) is True
    assert in_time(driver.turned) is False


@pytest.mark.parametrize("fault", ["silent", "cut"])
def test_what_nobody_can_tell_is_neither(
    driver: ServiceKey, broken: Broken, in_time: Call, fault: str
) -> None:
    """A wire that is cut never opens anything, and never closes it as a hand would."""
    with broken(fault), pytest.raises(DeviceFault):
        in_time(driver.turned)
    assert in_time(driver.turned) is False


def test_closing_twice_is_nothing(driver: ServiceKey) -> None:
    driver.close()
    driver.close()
