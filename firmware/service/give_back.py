"""The journal takes nothing more while somebody has money in: they get it back, and their session
is ended.

Every entry of it is one that the supervisor keeps until it can be written (record.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from firmware.flow import commands, events
from firmware.service.executor import Executor
from firmware.service.recovery import Balance, balance, settlement

MOST_S = 150.0  # for what the coin unit was doing, and for paying out


async def give_back(executor: Executor, drain: Callable[[], None]) -> Balance:
    """What became of the money. `drain` writes down, or keeps, what has happened and nobody has
    looked at yet.
    """
    try:
        async with asyncio.timeout(MOST_S):
            shut = await _shut(executor)
            drain()
            if shut:
                await _pay(executor, drain)
    except TimeoutError:
        drain()
    end(executor)
    return _left(executor)


async def _shut(executor: Executor) -> bool:
    """Behind whatever the coin unit was doing: only when no coin can fall in any more, money may go
    out.
    """
    answer = await executor.ask_cash(executor.cash.stop)
    await executor.threads.finish()
    if answer is not None:
        executor.post(answer)  # behind every coin, for its counter
    return isinstance(answer, events.CoinsStopped)


async def _pay(executor: Executor, drain: Callable[[], None]) -> None:
    left = _left(executor)
    if not left.payout_open and left.coins_missing > 0:
        amount = left.coins_missing
        executor.happened("payout-begun", amount=amount)
        answer = await executor.ask_cash(executor.cash.pay, amount)
        if answer is not None:
            executor.post(answer)
        drain()
        left = _left(executor)
    if not left.payout_open and left.missing > 0:
        executor.dispatch(commands.PrintClaim(epoch=0, owed=left.missing))


def end(executor: Executor) -> None:
    """What the supervisor would find out by settling, while all of it is still known here."""
    kinds = {given.kind for given in executor.own_entries()}
    if "begun" in kinds and "ended" not in kinds:
        for given in settlement(executor.vault.session, _left(executor)):
            executor.record.add(given)


def _left(executor: Executor) -> Balance:
    return balance(executor.own_entries())
