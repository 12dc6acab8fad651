"""A stand-in accepts what its contract has, and nothing else."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from pytest_mock import MockerFixture
from service.executor_bench import Bench
from stand_ins import CONTRACTS, asked, stand_in

from firmware.flow import commands
from hal.cash.contract import CoinUnit
from hal.printer.contract import Printer, PrinterStatus


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_method_that_the_contract_does_not_have_is_refused(
    contract: type, mocker: MockerFixture
) -> None:
    device = stand_in(mocker, contract)
    for name, _ in inspect.getmembers(contract, inspect.isfunction):
        if not name.startswith("_"):
            assert callable(getattr(device, name))
            with pytest.raises(AttributeError):
                getattr(device, f"{name}_now")
    with pytest.raises(AttributeError):
        stand_in(mocker, contract, renamed=lambda: None)


def test_other_arguments_than_the_contract_s_are_refused(mocker: MockerFixture) -> None:
    device = stand_in(mocker, CoinUnit, pay=lambda amount, before=None: None)
    device.pay(100)
    with pytest.raises(TypeError):
        device.pay()
    with pytest.raises(TypeError):
        device.pay(100, in_yen=True)
    assert asked(device) == ["pay"]


def test_what_a_stand_in_says_is_an_answer_of_the_contract(mocker: MockerFixture) -> None:
    device = stand_in(mocker, Printer)
    assert device.status() == PrinterStatus()
    assert device.purge() is None


def test_a_service_that_calls_a_driver_s_method_by_an_old_name_is_stopped(bench: Bench) -> None:
    """What a renamed method would look like: the desk still asks for the one of yesterday."""

    class Desk:
        def stop(self) -> None:
            bench.cash.inhibit_all()

    bench.executor.cash = Desk()  # type: ignore[assignment]

    async def run() -> int:
        bench.executor.carry_out(commands.StopCoins())
        return await bench.resident._serve(bench.executor)

    assert asyncio.run(run()) == 1
    assert asked(bench.cash) == []
