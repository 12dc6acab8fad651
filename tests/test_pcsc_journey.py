"""The same journey through pcscd: the configuration names a PC/SC reader, and nothing else is
different.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pcsc_daemon import NAME, Daemon, missing

from testbed.demo import FOLDER
from testbed.rehearsal import prepare
from testbed.scenario import wires
from testbed.scenario_file import load
from testbed.system import System

SCENARIOS = Path(__file__).parent / "scenarios"
# Each works the card in another way: to the end, a wrong PIN, the card gone in the middle, a card
# left lying.
JOURNEYS = ("juminhyo-self", "pin-wrong-then-right", "card-pulled-at-pin", "card-swapped")


@pytest.mark.pcsc
@pytest.mark.wires
def test_journeys_through_pcscd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := missing():
        pytest.skip(f"not here: {reason}")
    daemon = Daemon(tmp_path)
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", str(daemon.socket))
    daemon.start()

    async def play() -> None:
        reader = {"driver": "pcsc", "reader": NAME, "listen": None, "cable": None}
        made = prepare(
            FOLDER, tmp_path / "run", ports={"reader": daemon.port}, kiosk={"card": reader}
        )
        async with System(made) as system:
            for name in JOURNEYS:
                for script in load(SCENARIOS / f"{name}.toml"):
                    await wires.run(script, system)

    try:
        asyncio.run(play())
    finally:
        daemon.stop()
