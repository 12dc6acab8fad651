"""kill -9 and SIGSTOP around money, on the simulated wires: judged by the units' own counts, not by
the kiosk's.

What the acceptor buffered and what the hoppers counted is booked to the yen; the rest is one case,
without an amount.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from service.test_crash import JOURNEY, entries, serving, to_the_till

from testbed.customer import Watcher
from testbed.demo import FOLDER
from testbed.rehearsal import prepare
from testbed.scenario import wires
from testbed.scenario_file import Step
from testbed.system import System

pytestmark = pytest.mark.wires

Play = Callable[["Till"], Awaitable[None]]
FEE = 100


class Till:
    """One person before a kiosk, and what the kiosk has written down since."""

    def __init__(self, system: System, run: wires.WireRun) -> None:
        self.system, self.run, self.bench = system, run, system.bench

    async def pay(self, *coins: int) -> None:
        await to_the_till(self.run)
        await self.slot_opens()
        for number, coin in enumerate(coins, 1):
            await self.run.coin(Step(coin=coin))
            await self.until(lambda: len(self.of("coin")) == number)  # noqa: B023

    async def slot_opens(self) -> None:
        """A little after the screen."""
        await self.until(lambda: self.bench.coins.acceptor.accepting)

    async def until(self, done: Callable[[], bool], limit_s: float = 10) -> None:
        async with asyncio.timeout(limit_s):
            while not done():
                await asyncio.sleep(0.01)

    def kill(self) -> None:
        os.kill(serving(self.system), signal.SIGKILL)
        self.run._seen = None

    async def see(self, screen: str, **facts: Any) -> None:
        await wires.STEPS["see"](self.run, Step(see=screen, facts=facts))

    async def ended(self) -> dict[str, Any]:
        """The books of the one session, once they are closed."""
        await self.until(lambda: bool(self.of("ended")), 20)
        [ended] = self.of("ended")
        return {name: yen for name, yen in ended.items() if yen or name != "held"}

    async def coins_out(self, count: int) -> None:
        await self.until(lambda: len(self.bench.coins.paid_out) >= count, 30)

    async def ended_after_ok(self, code: str) -> dict[str, Any]:
        """The person reads why, and goes."""
        await self.see("refused", code=code)
        await wires.STEPS["touch"](self.run, Step(touch="ok"))
        return await self.ended()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [facts for found, facts in entries(self.system.rehearsal) if found == kind]

    @property
    def cases(self) -> list[str]:
        return [facts["code"] for facts in self.of("case")]

    def balance(self, ended: dict[str, Any]) -> None:
        """The journal against the far end: what was swallowed, and what the hoppers gave out."""
        coins = self.bench.coins
        assert sum(facts["value"] for facts in self.of("coin")) == sum(coins.acceptor.swallowed)
        assert ended["returned"] == sum(coins.paid_out)
        inside = ended["kept"] + ended["owed"] + ended.get("held", 0)
        assert inside == sum(coins.acceptor.swallowed) - sum(coins.paid_out)


def play(folder: Path, what: Play, coin_s: float = 0.002) -> None:
    async def run() -> None:
        async with System(prepare(FOLDER, folder), coin_s=coin_s) as system:
            async with Watcher(
                system.rehearsal.panel, system.rehearsal.panel_key
            ).watching() as watcher:
                await what(Till(system, wires.WireRun(JOURNEY, system, watcher)))
            assert not system.bench.violations

    asyncio.run(run())


def test_killed_with_the_slot_open_and_nothing_in_is_exact_and_no_case(tmp_path: Path) -> None:
    async def killed(till: Till) -> None:
        await till.pay()
        till.kill()
        assert await till.ended() == {"kept": 0, "returned": 0, "owed": 0}
        await till.see("menu")
        assert till.cases == []
        assert [facts["open"] for facts in till.of("coin-counter")] == [True, False]

    play(tmp_path, killed)


@pytest.mark.parametrize("coins", [(100,), (500, 10), (10, 50, 10, 50, 10)], ids=str)
def test_coins_in_the_poll_window_of_a_killed_process_are_counted(
    tmp_path: Path, coins: tuple[int, ...]
) -> None:
    """Swallowed, and nobody had asked yet: the acceptor still knows. One case, and a slip for all
    of it.
    """

    async def killed(till: Till) -> None:
        await till.pay()
        till.kill()
        assert all(till.bench.coin(coin) for coin in coins)
        ended = await till.ended()
        till.balance(ended)
        assert ended["owed"] == sum(coins)
        await till.see("fault", problem="case-open")
        assert till.cases == ["power.money-owed"]
        assert await till.bench.until(lambda b: any(s.printer == "receipts" for s in b.waiting), 10)
        assert [facts["amount"] for facts in till.of("slip")] == [sum(coins)]

    play(tmp_path, killed)


def test_a_coin_that_fell_as_the_process_was_killed_counts_once(tmp_path: Path) -> None:
    """One coin is journalled, one may be: the counter that stands beside the first tells."""

    async def killed(till: Till) -> None:
        await till.pay(10)
        till.bench.coin(50)
        till.kill()
        ended = await till.ended()
        till.balance(ended)
        assert ended["owed"] == 60
        assert till.cases == ["power.money-owed"]

    play(tmp_path, killed)


def test_more_coins_than_the_acceptor_remembers_are_one_case_without_an_amount(
    tmp_path: Path,
) -> None:
    async def killed(till: Till) -> None:
        await till.pay()
        till.kill()
        for _ in range(7):
            assert till.bench.coin(10)
        ended = await till.ended()
        assert ended["owed"] == 50, "what is certain"
        assert till.of("coins-missed") == [{"lost": True, "reset": False}]
        assert sorted(till.cases) == ["coins.events-lost", "power.money-owed"]
        await till.see("fault", problem="case-open")
        await asyncio.sleep(1)
        assert len(till.cases) == 2, "the next process does not tell it again"

    play(tmp_path, killed)


@pytest.mark.parametrize("coins", range(1, 5))
def test_killed_in_payout_what_the_hoppers_paid_is_not_owed(tmp_path: Path, coins: int) -> None:
    """After so many coins of four."""

    async def killed(till: Till) -> None:
        await till.pay(500)
        await till.coins_out(coins)
        till.kill()
        ended = await till.ended()
        assert ended == {"kept": FEE, "returned": 400, "owed": 0}
        till.balance(ended)
        assert till.cases == []
        assert [facts["result"] for facts in till.of("outcome")] == ["printed"]

    play(tmp_path, killed, coin_s=0.4)


def test_killed_between_two_hoppers_what_was_not_ordered_is_owed(tmp_path: Path) -> None:
    """450 yen: the hopper of 100 gets its order, the one of 50 never does."""

    async def killed(till: Till) -> None:
        await till.pay(50, 500)
        await till.coins_out(1)
        till.kill()
        ended = await till.ended()
        assert ended == {"kept": FEE, "returned": 400, "owed": 50}
        till.balance(ended)
        assert till.cases == ["power.money-owed"]

    play(tmp_path, killed, coin_s=0.4)


def test_a_hopper_that_does_not_say_leaves_the_payout_uncertain(tmp_path: Path) -> None:
    """Nothing is guessed, and nothing promised on a slip."""

    async def killed(till: Till) -> None:
        await till.pay(500)
        await till.coins_out(1)
        till.bench.coins.mute(5)
        till.kill()
        ended = await till.ended()
        assert ended["returned"] == 0
        assert "power.payout-unknown" in till.cases
        await asyncio.sleep(1)
        assert till.of("slip") == []

    play(tmp_path, killed, coin_s=0.4)


def test_a_unit_that_does_not_answer_is_a_case_and_tells_later(tmp_path: Path) -> None:
    """Its memory outlives the silence: the next process that reaches it books the coin."""

    async def killed(till: Till) -> None:
        await till.pay()
        till.bench.coins.mute(2)
        till.kill()
        till.bench.coin(100)
        ended = await till.ended()
        assert ended == {"kept": 0, "returned": 0, "owed": 0}
        assert till.cases == ["power.coins-unknown"]
        till.bench.coins.mute()
        await till.until(lambda: [facts["value"] for facts in till.of("coin")] == [100], 30)
        await till.until(lambda: bool(till.of("owed")))
        assert [facts["amount"] for facts in till.of("owed")] == [100]

    play(tmp_path, killed)


def test_the_whole_kiosk_killed_at_the_till_is_exact_when_it_starts_again(tmp_path: Path) -> None:
    """As after a power cut of the board: the coin unit, on its own supply, still knows."""

    async def killed(till: Till) -> None:
        await till.pay(50)
        assert till.system.kiosk.pid
        os.killpg(till.system.kiosk.pid, signal.SIGKILL)
        assert till.bench.coin(10)
        await till.system.kiosk.died()
        await till.system.kiosk.start()
        ended = await till.ended()
        till.balance(ended)
        assert ended["owed"] == 60
        assert till.cases == ["power.money-owed"]

    play(tmp_path, killed)


def test_a_process_that_stood_still_counts_what_fell_meanwhile(tmp_path: Path) -> None:
    async def stopped(till: Till) -> None:
        await till.pay()
        child = serving(till.system)
        os.kill(child, signal.SIGSTOP)
        assert till.bench.coin(10)
        assert till.bench.coin(50)
        await asyncio.sleep(1.5)
        os.kill(child, signal.SIGCONT)
        await till.see("paying", inserted=60)
        await wires.STEPS["touch"](till.run, Step(touch="cancel"))
        ended = await till.ended_after_ok("cancelled")
        assert ended == {"kept": 0, "returned": 60, "owed": 0}
        till.balance(ended)
        assert till.cases == []

    play(tmp_path, stopped)


def test_a_process_that_stands_still_for_ever_is_killed_and_its_coins_are_owed(
    tmp_path: Path,
) -> None:
    """The supervisor ends one that is silent for 30 s; here somebody else is quicker."""

    async def stopped(till: Till) -> None:
        await till.pay()
        os.kill(serving(till.system), signal.SIGSTOP)
        assert till.bench.coin(100)
        assert till.bench.coin(100)
        await asyncio.sleep(1)
        till.kill()
        ended = await till.ended()
        till.balance(ended)
        assert ended["owed"] == 200
        assert till.cases == ["power.money-owed"]

    play(tmp_path, stopped)


@pytest.mark.parametrize("coins", [(), (10,)], ids=["before the first coin", "after one"])
def test_a_reset_while_the_slot_is_open_is_one_case(tmp_path: Path, coins: tuple[int, ...]) -> None:
    async def reset(till: Till) -> None:
        await till.pay(*coins)
        till.bench.coins.reset_in_the_middle()
        ended = await till.ended_after_ok("coins")
        assert ended == {"kept": 0, "returned": sum(coins), "owed": 0}
        till.balance(ended)
        assert till.cases == ["coins.events-lost"]
        await till.see("fault", problem="case-open")
        await asyncio.sleep(1)
        assert till.cases == ["coins.events-lost"], (
            "neither this process nor the next tells it again"
        )

    play(tmp_path, reset)
