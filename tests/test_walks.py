"""Long random walks over the whole system: nothing is lost, nobody gets another's paper, there is always a way home.

`MADOGUCHI_WALKS=200 MADOGUCHI_STEPS=400 pytest tests/test_walks.py` is a night's worth.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from madoguchi import walks
from madoguchi.demo import FOLDER
from madoguchi.rehearsal import prepare
from madoguchi.system import System

WALKS = int(os.environ.get("MADOGUCHI_WALKS", "3"))
STEPS = int(os.environ.get("MADOGUCHI_STEPS", "80"))


@pytest.mark.wires
@pytest.mark.timeout(WALKS * (STEPS + 60))
def test_walks(tmp_path: Path) -> None:
    async def play() -> None:
        made = prepare(FOLDER, tmp_path, pace=walks.PACE, kiosk={"line": {"deadline_s": 1.0}})
        async with System(made) as system:
            for seed in range(WALKS):
                try:
                    await walks.walk(system, walks.numbers(seed, STEPS))
                except walks.Violated as violated:
                    pytest.fail(f"seed {seed}: {violated}")

    asyncio.run(play())


def test_a_seed_is_a_walk() -> None:
    assert walks.numbers(7, 50) == walks.numbers(7, 50)
    assert walks.numbers(7, 50) != walks.numbers(8, 50)
