"""Coins are asked for when the slot lets them in, and not a moment before."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from executor_bench import Bench
from pytest_mock import MockerFixture

from firmware.flow import commands, events
from firmware.flow.screens import Screen
from firmware.texts.texts import Texts
from hal.cash.contract import CashStatus
from hal.faults import DeviceFault, Reason

DUE = {"due": 100, "inserted": 0, "missing": 100, "notice": "", "exact_only": False}
PAYING = Screen("paying", 7, "ja", limit_s=None, facts=DUE)
REFUNDING = Screen("refunding", 8, "ja", facts={"amount": 0, "code": "coins"})


class Till:
    """A kiosk whose coin unit opens its slot when the test lets it."""

    def __init__(self, folder: Path, mocker: MockerFixture) -> None:
        self.bench = Bench(folder, mocker)
        self.executor = self.bench.executor
        self.executor.texts = {"ja": Texts.load("ja")}
        config: Any = self.executor.config
        config.panel = SimpleNamespace(sides={})
        self.let = threading.Event()
        self.fault: DeviceFault | None = None
        cash: Any = self.bench.cash
        cash.status.return_value = CashStatus(True, {})
        cash.accept.side_effect = self._accept

    def _accept(self, *_: Any) -> None:
        self.let.wait(20)
        if self.fault:
            raise self.fault

    def shown(self) -> list[int]:
        panel: Any = self.bench.executor.panel
        return [call.args[0] for call in panel.show.call_args_list]

    async def ask_for_coins(self) -> None:
        self.executor.dispatch(commands.AcceptCoins(due=100))
        self.executor.dispatch(commands.ShowScreen(screen=PAYING))
        await asyncio.sleep(0.05)

    async def opened(self) -> None:
        self.let.set()
        async with asyncio.timeout(20):
            while self.executor.opening:
                await asyncio.sleep(0.005)


@pytest.fixture
def till(tmp_path: Path, mocker: MockerFixture) -> Till:
    mocker.patch("firmware.service.handlers.panel.render", return_value="<main></main>")
    return Till(tmp_path, mocker)


def test_the_screen_waits_for_the_open_slot(till: Till) -> None:
    async def case() -> None:
        await till.ask_for_coins()
        assert till.shown() == [], "nobody is asked for coins that would come back"
        await till.opened()
        assert till.shown() == [PAYING.number]

    asyncio.run(case())


def test_a_screen_that_does_not_ask_for_coins_waits_for_nothing(till: Till) -> None:
    async def case() -> None:
        await till.ask_for_coins()
        till.executor.dispatch(commands.ShowScreen(screen=REFUNDING))
        assert till.shown() == [REFUNDING.number]
        await till.opened()
        assert till.shown() == [REFUNDING.number], "what waited is of an older time"

    asyncio.run(case())


def test_a_slot_that_does_not_open_is_never_announced(till: Till) -> None:
    async def case() -> None:
        till.fault = DeviceFault("cash", Reason.SILENT)
        await till.ask_for_coins()
        await till.opened()
        await asyncio.sleep(0.05)
        assert till.shown() == []
        queue = till.bench.resident._queue
        assert queue.get_nowait() == events.CoinsFailed(reason=Reason.SILENT.value)

    asyncio.run(case())
