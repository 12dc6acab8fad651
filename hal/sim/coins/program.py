"""`kiosk sim coins --link PATH`: the coin unit as a program of its own, worked from
standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from hal.cash.frame import Checksum
from hal.sim.coins.acceptor import Acceptor
from hal.sim.coins.bus import CoinBus
from hal.sim.coins.faults import FAULTS
from hal.sim.coins.hopper import HopperDevice

HELP = f"""Commands on standard input: insert YEN | take | unmute | show | fault NAME
Faults: {" ".join(FAULTS)}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until Ctrl-C or SIGTERM: 0; or 2 when the pty cannot be opened."""
    options = argparse.ArgumentParser(prog="kiosk sim coins", epilog=HELP)
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
    given = options.parse_args(argv)
    acceptor = Acceptor(given.acceptor)
    bus = CoinBus(
        acceptor, given.hopper, given.link, given.baud, given.coin_s, checksum=given.checksum
    )
    try:
        asyncio.run(_serve(bus))
    except OSError as error:
        sys.stderr.write(f"coins: {error}\n")
        return 2
    return 0


def _hopper(text: str) -> HopperDevice:
    address, value, coins = (int(part) for part in text.split(":"))
    return HopperDevice(address, value, coins)


async def _serve(bus: CoinBus) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await bus.start()
    _write_line(f"coins: {bus.port}\n{HELP}")
    # a thread of its own: a read of standard input cannot be cancelled, and must not hold up the
    # end
    threading.Thread(target=_read, args=(bus, loop), daemon=True).start()
    await ended.wait()
    await bus.close()


def _read(bus: CoinBus, loop: asyncio.AbstractEventLoop) -> None:
    for line in sys.stdin:
        loop.call_soon_threadsafe(lambda words: _write_line(_obey(bus, words)), line.split())


def _write_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _obey(bus: CoinBus, words: list[str]) -> str:
    match words:
        case ["insert", yen] if yen.isdigit():
            return "swallowed" if bus.insert(int(yen)) else "not swallowed"
        case ["take"]:
            return f"taken: {bus.take()}"
        case ["unmute"]:
            bus.mute()
        case ["fault", name] if name in FAULTS:
            FAULTS[name](bus)
        case ["show"]:
            held = {hopper.value: hopper.coins for hopper in bus.hoppers}
            return (
                f"swallowed {bus.acceptor.swallowed} cup {bus.cup} hoppers {held} {bus.violations}"
            )
        case _:
            return HELP
    return "ok"
