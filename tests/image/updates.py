"""Updates of a board in QEMU: a stranger's bundle, a newer build, and one that never comes up."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

from far_ends import FarEnds
from machine import Machine, MachineError, until

Look = Callable[[Machine, Path], None]
Say = Callable[[Machine, str], str]

SITE = "mkdir -p /run/site && mount -o ro /dev/vdb /run/site"
SLOT = r"sed 's/.*rauc\.slot=\([ab]\).*/\1/' /proc/cmdline"
NEW, FOREIGN, DEAD = "new.raucb", "foreign.raucb", "dead.raucb"
JOURNEYS = 3  # until a build is trusted (docs/updates.md)


async def updates(
    machine: Machine, ends: FarEnds, out: Path, say: Say, wait_for_screen: Look
) -> dict[str, object]:
    """Raises MachineError, JourneyFailed."""
    found: dict[str, object] = {}

    async def ask(words: str) -> str:
        return await asyncio.to_thread(say, machine, words)

    async def restart(picture: str) -> float:
        """Seconds until the first screen is there again."""
        began = time.monotonic()
        await ask("systemctl start --no-block madoguchi-restart.service")
        await asyncio.to_thread(machine.booted)
        await asyncio.to_thread(wait_for_screen, machine, out / picture)
        return round(time.monotonic() - began, 1)

    await ask(f"mountpoint -q /run/site || ({SITE})")
    found["foreign"] = await asyncio.to_thread(refusal, machine, FOREIGN)
    began = time.monotonic()
    await ask(f"rauc install /run/site/{NEW}")
    found["install_s"] = round(time.monotonic() - began, 1)
    before = await ask(SLOT)
    found["restart_to_screen_s"] = await restart("after-the-update.png")
    if (after := await ask(SLOT)) == before:
        raise MachineError(f"the new build was not started: slot {after}")
    await asyncio.to_thread(until, lambda: gate_passed(machine), "the gate did not pass")
    for number in range(JOURNEYS):
        await ends.serve(("taro", "hanako")[number % 2], "juminhyo", out)
    found["trial"] = await ask("{kiosk} update trial")
    found["trusted"] = json.loads(await ask("{kiosk} update status"))
    await ask(SITE)
    await ask(f"rauc install /run/site/{DEAD}")
    found["fall_back_s"] = await restart("after-the-fall-back.png")
    if (back := await ask(SLOT)) != after:
        raise MachineError(f"it did not fall back: slot {back}")
    found["fell_back"] = json.loads(await ask("{kiosk} update status"))
    await ends.serve("taro", "juminhyo", out)
    return found


def refusal(machine: Machine, bundle: str) -> str:
    """What RAUC says. Raises MachineError when it installs it."""
    try:
        machine.run(f"rauc install /run/site/{bundle}")
    except MachineError as error:
        if "signature" in str(error):
            return str(error).rsplit("LastError: ", maxsplit=1)[-1]
        raise
    raise MachineError(f"{bundle} was installed")


def gate_passed(machine: Machine) -> bool:
    try:
        machine.run("systemctl is-active madoguchi-gate")
    except MachineError:
        return False
    return True
