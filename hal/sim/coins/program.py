"""`kiosk sim coins --link PATH`: the coin unit as a program of its own, worked from
standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hal.cash.frame import Checksum
from hal.sim import console
from hal.sim.coins.acceptor import Acceptor
from hal.sim.coins.bus import CoinBus
from hal.sim.coins.faults import FAULTS
from hal.sim.coins.hopper import HopperDevice
from hal.sim.console import Act, Refused


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until Ctrl-C or SIGTERM: 0; or 2 when the pty or the socket cannot be opened."""
    options = argparse.ArgumentParser(prog="kiosk sim coins", description=__doc__)
    options.add_argument(
        "--link", type=Path, required=True, help="symlink to make, for the kiosk's `port`"
    )
    options.add_argument(
        "--hopper",
        type=_hopper,
        action="append",
        help="ADDRESS:YEN:COINS, again for each",
        metavar="A:Y:C",
    )
    options.add_argument("--acceptor", type=int, default=2, help="address of the acceptor")
    options.add_argument("--baud", type=int, default=9600, help="pace of the answers; 0 = at once")
    options.add_argument(
        "--coin-s", type=float, default=0.15, help="seconds a hopper needs for a coin"
    )
    options.add_argument("--checksum", type=Checksum, choices=list(Checksum), default=Checksum.SUM)
    console.add_option(options)
    given = options.parse_args(argv)
    acceptor = Acceptor(given.acceptor)
    bus = CoinBus(
        acceptor, given.hopper, given.link, given.baud, given.coin_s, checksum=given.checksum
    )
    try:
        asyncio.run(_serve(bus, given.control))
    except OSError as error:
        sys.stderr.write(f"coins: {error}\n")
        return 2
    return 0


def _hopper(text: str) -> HopperDevice:
    address, value, coins = (int(part) for part in text.split(":"))
    return HopperDevice(address, value, coins)


async def _serve(bus: CoinBus, control: Path | None) -> None:
    await bus.start()
    console.say(f"coins: {bus.port}\n{console.HINT}")
    try:
        await console.serve(console.Console(bus, FAULTS, acts(bus)), control)
    finally:
        await bus.close()


def acts(bus: CoinBus) -> Mapping[str, Act]:
    """What a hand does at the coin unit."""

    def insert(yen: str) -> str:
        if not yen.isdecimal():
            raise Refused("insert wants yen, or 0 for what is no coin")
        return "swallowed" if bus.insert(int(yen)) else "not swallowed"

    return {
        "insert": Act("put a coin in; 0: a button, a token, a foreign coin", insert, "YEN"),
        "take": Act("empty the return cup", lambda _: f"taken: {bus.take()}"),
        "show": Act("what is in it, and what no correct kiosk sent", lambda _: _show(bus)),
    }


def _show(bus: CoinBus) -> str:
    held = {hopper.value: hopper.coins for hopper in bus.hoppers}
    return f"swallowed {bus.acceptor.swallowed} cup {bus.cup} hoppers {held} {bus.violations}"
