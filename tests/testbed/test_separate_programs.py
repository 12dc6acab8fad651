"""Every part as a program of its own, started by hand: a journey to the sheet, with nothing else
joining them.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.customer import Watcher
from testbed.demo import FOLDER
from testbed.rehearsal import HOPPERS, Rehearsal, prepare
from testbed.screen import Seen

SEE_S = 40.0


@contextmanager
def program(*arguments: str, ready: str = "") -> Iterator[subprocess.Popen[str]]:
    """`kiosk ARGUMENTS`, once it has said the line that begins with `ready`."""
    running = subprocess.Popen(
        [sys.executable, "-m", "firmware.tools", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert running.stdout is not None
        while ready and not running.stdout.readline().startswith(ready):
            assert running.poll() is None, f"{arguments[0]} has ended"
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(5)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def at(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


async def see(watcher: Watcher, *names: str) -> Seen:
    async with asyncio.timeout(SEE_S):
        while (seen := await watcher.next(SEE_S)).name not in names:
            pass
    return seen


async def journey(made: Rehearsal, coins: subprocess.Popen[str]) -> None:
    async with Watcher(made.panel, made.panel_key).watching() as watcher:
        await see(watcher, "menu")
        with program(
            "sim", "card", "--card", str(made.cards["taro"]), "--connect", at(made.wiring.reader)
        ):
            seen = await see(watcher, "pin")
            for digit in made.pin("taro"):
                await watcher.touch(seen, "digit", digit)
                seen = await see(watcher, "pin")
            await watcher.touch(seen, "enter")
            await see(watcher, "remove")
        await watcher.touch(await see(watcher, "certificates"), "choose", "inkan")
        await watcher.touch(await see(watcher, "options"), "next")
        await watcher.touch(await see(watcher, "confirm"), "confirm")
        seen = await see(watcher, "paying")
        assert coins.stdin is not None
        while seen.facts["missing"] == 100:  # the slot opens a little after the screen
            coins.stdin.write("insert 50\n")
            coins.stdin.flush()
            try:
                seen = await watcher.next(0.5)
            except TimeoutError:
                continue
        coins.stdin.write("insert 50\n")
        coins.stdin.flush()
        await see(watcher, "sheets")


@pytest.mark.wires
def test_a_journey_over_separate_programs(tmp_path: Path) -> None:
    first = prepare(FOLDER, tmp_path / "run")
    made = prepare(
        FOLDER,
        tmp_path / "run",
        ports={"panel": int(first.panel.rpartition(":")[2]), "city": first.wiring.city[1]},
        kiosk={"card": {"cable": None}, "line": {"city": f"https://{at(first.wiring.city)}"}},
    )
    wiring, out = made.wiring, tmp_path / "out"
    hoppers = [word for hopper in HOPPERS for word in ("--hopper", ":".join(map(str, hopper)))]
    with (
        program("city", "--config", str(made.city_toml), ready="city ready"),
        program(
            "sim", "printer", "--listen", at(wiring.sheets), "--outlet-sensor", "--out", str(out)
        ),
        program("sim", "printer", "--listen", at(wiring.receipts), "--width", "576"),
        program("sim", "coins", "--link", str(wiring.coins), *hoppers) as coins,
        program("sim", "speaker", "--listen", at(wiring.speaker), ready="speaker at"),
        program("run", "--config", str(made.kiosk_toml), ready="kiosk ready"),
    ):
        asyncio.run(journey(made, coins))
    assert [path.suffix for path in out.iterdir()] == [".png"]
