"""`kiosk sim key --link PATH`: the technician's key switch on a pty, worked from standard input."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hal.sim import console
from hal.sim.console import Act
from hal.sim.service_key.device import KeySim
from hal.sim.service_key.faults import FAULTS


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until Ctrl-C or SIGTERM: 0; or 2 when the pty or the socket cannot be opened."""
    options = argparse.ArgumentParser(prog="kiosk sim key", description=__doc__)
    options.add_argument(
        "--link", type=Path, required=True, help="symlink to make, for the kiosk's `port`"
    )
    options.add_argument("--unit", type=int, default=1, help="the module's address")
    console.add_option(options)
    given = options.parse_args(argv)
    try:
        asyncio.run(_serve(KeySim(given.link, given.unit), given.control))
    except OSError as error:
        sys.stderr.write(f"key: {error}\n")
        return 2
    return 0


async def _serve(key: KeySim, control: Path | None) -> None:
    await key.start()
    console.say(f"key: {key.port}\n{console.HINT}")
    try:
        await console.serve(console.Console(key, FAULTS, acts(key)), control)
    finally:
        await key.close()


def acts(key: KeySim) -> Mapping[str, Act]:
    """What a hand does at the switch."""

    def turn(on: bool) -> str:
        key.turn(on)
        return ""

    return {
        "turn": Act("turn the key", lambda _: turn(True)),
        "back": Act("turn it back", lambda _: turn(False)),
        "show": Act("how it stands, and what no correct kiosk sent", lambda _: _show(key)),
    }


def _show(key: KeySim) -> str:
    return f"{'turned' if key.turned else 'not turned'} {key.violations}"
