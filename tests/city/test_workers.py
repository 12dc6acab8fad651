"""The gateway's queue ends in number and in time; who has begun goes before who has not."""

from __future__ import annotations

import asyncio
import threading
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
    done: list[int] = []

    async def scenario() -> None:
        queue = Workers(1, 10)
        begun, go_on = threading.Event(), threading.Event()

        def wait() -> None:
            begun.set()
            go_on.wait(30)

        first = asyncio.create_task(queue.run(wait))
        await asyncio.sleep(0)
        await asyncio.to_thread(begun.wait, 30)
        monkeypatch.setattr(workers, "GONE_S", TAKES_S)
        late = asyncio.create_task(queue.run(lambda: done.append(1)))
        await asyncio.sleep(5 * TAKES_S)
        go_on.set()
        with pytest.raises(Refused):
            await late
        await first
        queue.close()

    asyncio.run(scenario())
    assert not done


def test_who_has_not_begun_is_sent_away_first() -> None:
    assert max(gateway.ENTRANCE_S.values()) < workers.PATIENCE_S < workers.GONE_S
    assert set(gateway.ENTRANCE_S) == {"hello", "sessions"}


# -- fair between kiosks ---------------------------------------------------------------------------


def test_a_kiosk_that_asks_much_does_not_make_the_others_wait() -> None:
    """They have their turns one after the other, whoever came first."""
    done: list[str] = []

    async def scenario() -> None:
        queue = Workers(1, 1000)
        go_on = threading.Event()
        first = asyncio.create_task(queue.run(lambda: go_on.wait(30), owner="storm"))
        await asyncio.sleep(0)
        storm = [
            asyncio.create_task(queue.run(lambda: done.append("storm"), owner="storm"))
            for _ in range(50)
        ]
        await asyncio.sleep(0)
        others = [
            asyncio.create_task(queue.run(lambda name=name: done.append(name), owner=name))
            for name in "abc"
        ]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, *storm, *others)
        queue.close()

    asyncio.run(scenario())
    assert sorted(done[:5]) == ["a", "b", "c", "storm", "storm"]
    assert done[5:] == ["storm"] * 48


def test_of_a_full_queue_the_greediest_gives_up_a_place() -> None:
    async def scenario() -> tuple[list[object], object]:
        queue = Workers(1, 4)
        go_on = threading.Event()
        first = asyncio.create_task(queue.run(lambda: go_on.wait(30), owner="storm"))
        await asyncio.sleep(0)
        storm = [asyncio.create_task(queue.run(lambda n=n: n, owner="storm")) for n in range(5)]
        await asyncio.sleep(0)
        other = asyncio.create_task(queue.run(lambda: "served", owner="other"))
        await asyncio.sleep(0)
        go_on.set()
        found = await asyncio.gather(*storm, return_exceptions=True)
        await first
        queue_left = await other
        queue.close()
        return found, queue_left

    found, other = asyncio.run(scenario())
    assert other == "served"
    assert found[:3] == [0, 1, 2]
    assert [type(one) for one in found[3:]] == [Refused, Refused]
