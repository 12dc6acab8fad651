"""A scenario on the bench: the kiosk runs by itself, and everything that a person does at a device
is done by a program that is called for it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from testbed.demo import FOLDER
from testbed.rehearsal import Rehearsal, prepare
from testbed.scenario.command import on_bench
from testbed.scenario.hands import HandsGaveUp, ProgramHands
from testbed.scenario.real_bench import find_bench
from testbed.scenario_file import load
from testbed.system import System

SCENARIOS = Path(__file__).parents[1] / "scenarios"
# Called as a robot would be: it passes on what it is asked, and ends as it is told.
ROBOT = """import json, socket, sys
with socket.socket(socket.AF_UNIX) as wire:
    wire.connect(sys.argv[1])
    wire.sendall(json.dumps(sys.argv[2:]).encode() + b"\\n")
    answer = wire.makefile().readline()
print(answer.strip())
sys.exit(3 if answer.startswith("no") else 0)
"""


class Robot:
    """The far ends of `system` in its gripper. `refuses`: an act that it cannot do."""

    def __init__(self, system: System) -> None:
        self.acts: list[list[str]] = []
        self.refuses = ""
        self._bench = system.bench
        self._rehearsal = system.rehearsal
        self._do: dict[str, Callable[[str], Any]] = {
            "card": self._card,
            "pin": self._rehearsal.pin,
            "coin": lambda yen: self._bench.coin(int(yen)) and "",
            "take": lambda what: (
                (self._bench.take_sheets() if what == "sheets" else self._bench.take_receipt())
                and ""
            ),
            "mend": lambda _: self._bench.remove_card() or self._bench.new_cards(),
        }

    def _card(self, name: str) -> None:
        self._bench.remove_card()
        if name != "off":
            self._bench.insert_card(name)

    @asynccontextmanager
    async def listening(self, socket: Path) -> AsyncIterator[None]:
        async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            act, *words = json.loads(await reader.readline())
            self.acts.append([act, *words])
            said = "no" if act == self.refuses else self._do[act](" ".join(words))
            writer.write(f"{said or ''}\n".encode())
            await writer.drain()
            writer.close()

        async with await asyncio.start_unix_server(obey, socket):
            yield


def robot(folder: Path) -> tuple[str, Path]:
    """The command of one, and its socket."""
    program, socket = folder / "robot.py", folder / "robot"
    program.write_text(ROBOT)
    return f"{sys.executable} '{program}' '{socket}'", socket


async def play(made: Rehearsal, folder: Path) -> None:
    command, socket = robot(folder)
    files = [SCENARIOS / "inkan.toml", SCENARIOS / "card-left-after-pin.toml"]
    jobs = [(path, script) for path in files for script in load(path)]
    async with System(made) as system:
        arm = Robot(system)
        async with arm.listening(socket):
            bench = find_bench(made.kiosk_toml, ProgramHands(command))
            verdicts = await on_bench(jobs[:1], bench)
            assert [verdict.why for verdict in verdicts] == [""]
            assert verdicts[0].passed
            acts = [" ".join(act) for act in arm.acts]
            assert acts == [
                "card taro",
                "pin taro",
                "card off",
                "coin 100",
                "take sheets",
                "mend",
            ]
            arm.refuses = "pin"
            with pytest.raises(HandsGaveUp) as gave_up:
                await on_bench(jobs[1:], bench)
            step = f"{files[1].name}: step 6 (pin right): "
            assert str(gave_up.value) == f"{step}{sys.executable} pin ended with 3"


@pytest.mark.wires
def test_a_whole_journey_and_hands_that_give_up(tmp_path: Path) -> None:
    asyncio.run(play(prepare(FOLDER, tmp_path / "run"), tmp_path))
