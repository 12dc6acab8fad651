"""`kiosk sim cashless --link PATH`: a payment terminal as a program of its own, worked from
standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hal.sim import console
from hal.sim.cashless.device import TerminalSim
from hal.sim.cashless.faults import FAULTS
from hal.sim.cashless.terminal import TerminalDevice
from hal.sim.console import Act


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until Ctrl-C or SIGTERM: 0; or 2 when the pty or the socket cannot be opened."""
    options = argparse.ArgumentParser(prog="kiosk sim cashless", description=__doc__)
    options.add_argument(
        "--link", type=Path, required=True, help="symlink to make, for the kiosk's `address`"
    )
    options.add_argument(
        "--wait-s", type=float, default=60, help="seconds it waits for somebody to present"
    )
    console.add_option(options)
    given = options.parse_args(argv)
    sim = TerminalSim(TerminalDevice(given.wait_s), given.link)
    try:
        asyncio.run(_serve(sim, given.control))
    except OSError as error:
        sys.stderr.write(f"cashless: {error}\n")
        return 2
    return 0


async def _serve(sim: TerminalSim, control: Path | None) -> None:
    await sim.start()
    console.say(f"cashless: {sim.port}\n{console.HINT}")
    try:
        await console.serve(console.Console(sim, FAULTS, acts(sim)), control)
    finally:
        await sim.close()


def acts(sim: TerminalSim) -> Mapping[str, Act]:
    """What a hand does at the terminal."""

    def present(_: str) -> str:
        return "presented" if sim.present() else "nothing is to be paid"

    return {
        "present": Act("hold a phone or card to it", present),
        "show": Act("its own account, and what no correct kiosk sent", lambda _: _show(sim)),
    }


def _show(sim: TerminalSim) -> str:
    terminal = sim.terminal
    return (
        f"due {terminal.due} taken {terminal.taken} "
        f"given back {terminal.given_back} {sim.violations}"
    )
