"""The gateway's queue ends in number and in time; who has begun goes before who has not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from city import gateway, workers
from city.handlers import Refused
from city.workers import Workers

TAKES_S = 0.02


async def at_once(
    workers: Workers, count: int, patience_s: float, work: Callable[[], object]
) -> int:
    """How many of so many were refused."""
    found = await asyncio.gather(
        *(workers.run(work, patience_s) for _ in range(count)), return_exceptions=True
    )
    assert all(not isinstance(one, BaseException) or isinstance(one, Refused) for one in found)
    return sum(isinstance(one, Refused) for one in found)


def test_the_queue_is_as_long_as_the_patience_of_who_asks() -> None:
    async def scenario() -> None:
        workers = Workers(1, 1000)
        for _ in range(150):  # it learns what work takes
            await workers.run(lambda: time.sleep(TAKES_S))
        refused = await at_once(workers, 100, 10 * TAKES_S, lambda: time.sleep(TAKES_S))
        assert (
            80 <= refused < 100
        )  # ten wait, and one is worked on; on a slow machine work takes longer, so fewer
        assert (
            await at_once(workers, 5, 100 * TAKES_S, lambda: time.sleep(TAKES_S)) == 0
        )  # well again
        workers.close()

    asyncio.run(scenario())


def test_the_queue_is_as_long_as_is_configured() -> None:
    async def scenario() -> None:
        workers = Workers(2, 3)
        assert await at_once(workers, 12, 1e9, lambda: time.sleep(TAKES_S)) == 7
        workers.close()

    asyncio.run(scenario())


def test_nothing_is_done_for_who_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "GONE_S", TAKES_S)
    done: list[int] = []

    async def scenario() -> None:
        workers = Workers(1, 10)
        first = asyncio.create_task(workers.run(lambda: time.sleep(5 * TAKES_S)))
        await asyncio.sleep(0)
        with pytest.raises(Refused):
            await workers.run(lambda: done.append(1))
        await first
        workers.close()

    asyncio.run(scenario())
    assert not done


def test_who_has_not_begun_is_sent_away_first() -> None:
    assert max(gateway.ENTRANCE_S.values()) < workers.PATIENCE_S < workers.GONE_S
    assert set(gateway.ENTRANCE_S) == {"hello", "sessions"}
