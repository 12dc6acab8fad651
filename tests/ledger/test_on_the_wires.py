"""Journeys of the whole system, and behind them the operator: the books are what the units hold."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from firmware.service import till
from firmware.service.config import load
from firmware.tools.cash import main
from hal.sim.bench import Bench
from testbed import rehearsal, scenario_file
from testbed.demo import FOLDER
from testbed.scenario import wires

SCENARIOS = Path(__file__).parents[1] / "scenarios"
NAMES = ("juminhyo-self", "cancel", "juminhyo-household-three-sheets", "inkan")

pytestmark = [pytest.mark.wires, pytest.mark.timeout(300)]


def words(bench: Bench) -> list[str]:
    """What an operator counts."""
    box = ",".join(
        f"{value}x{bench.coins.acceptor.swallowed.count(value)}" for value in (10, 50, 100, 500)
    )
    return [f"box:{box}", *(f"hopper-{h.address}:{h.value}x{h.coins}" for h in bench.coins.hoppers)]


async def play(run: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any, int, Any]:
    scripts = [scenario_file.load(SCENARIOS / f"{name}.toml")[-1] for name in NAMES]
    async with wires.system_for(scripts[0], FOLDER, run) as system:
        config = load(system.rehearsal.kiosk_toml)
        full = {f"hopper-{address}": {value: coins} for address, value, coins in rehearsal.HOPPERS}
        till.act(config, till.REFILL, full)
        for one in scripts:
            await wires.run(one, system)
        await system.kiosk.stop()
        capsys.readouterr()

        async def cash(action: str, *given: str) -> tuple[int, Any]:
            arguments = [action, *given, "--json", "--config", str(system.rehearsal.kiosk_toml)]
            code = await asyncio.to_thread(main, arguments)
            return code, json.loads(capsys.readouterr().out)

        counted = await cash("count", *words(system.bench))
        closed = await cash("close", "--print")
        return *counted, *closed


def income(rows: dict[tuple[str, str], Any]) -> int:
    return int(rows["手数料収入", "合計"]["yen"])


def test_after_some_journeys_a_count_agrees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, counted, closed, day = asyncio.run(play(tmp_path / "run", capsys))
    assert [(one["place"], one["difference"]) for one in counted] == [
        (place, 0) for place in ("box", "hopper-3", "hopper-4", "hopper-5")
    ]
    assert (code, closed) == (0, 0)
    rows = {(row["section"], row["item"]): row for row in day["rows"]}
    assert rows["手数料収入", "住民票の写し（現金）"]["count"] == 2
    assert rows["手数料収入", "印鑑登録証明書（現金）"]["count"] == 1
    assert rows["取消・返金", "返金した取引"]["yen"] == 60
    assert rows["金種別在高", "現金合計"]["yen"] == sum(
        v * n for _, v, n in rehearsal.HOPPERS
    ) + income(rows)
    assert rows["現金過不足", "累計"]["yen"] == 0
