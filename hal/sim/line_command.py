"""`kiosk sim line`: what lies between the kiosk and the city, or `kiosk sim reader`: the cable of a
socket reader; worked from standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from hal.sim import console
from hal.sim.console import Act
from hal.sim.fault import Fault
from hal.sim.line import Cable, LineRelay
from hal.sim.line_faults import FAULTS, OF_READER

C = TypeVar("C", bound=Cable)


def main(argv: Sequence[str] | None = None) -> int:
    """`kiosk sim line`. Runs until Ctrl-C or SIGTERM: 0; or 2 when the port cannot be had."""
    parser = _parser("line", "Carry the kiosk's line to the city, until it is told not to.")
    parser.add_argument(
        "--to", type=console.address, required=True, metavar="HOST:PORT", help="the city's gateway"
    )
    given = parser.parse_args(argv)
    return _run("line", LineRelay(given.listen, given.to), FAULTS, given.control)


def serve_reader(argv: Sequence[str] | None = None) -> int:
    """`kiosk sim reader`: as above, for `card.cable`."""
    parser = _parser("reader", "The port that tells a socket reader that it is plugged in.")
    given = parser.parse_args(argv)
    return _run("reader", Cable(given.listen), OF_READER, given.control)


def _parser(name: str, does: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"kiosk sim {name}", description=does)
    parser.add_argument("--listen", type=console.address, required=True, metavar="HOST:PORT")
    console.add_option(parser)
    return parser


def _run(name: str, cable: C, faults: Mapping[str, Fault[C]], control: Path | None) -> int:
    try:
        asyncio.run(_serve(name, cable, faults, control))
    except OSError as error:
        where = error.filename or "{}:{}".format(*cable.address)
        sys.stderr.write(f"kiosk sim {name}: {where}: {error.strerror or error}\n")
        return 2
    return 0


async def _serve(name: str, cable: C, faults: Mapping[str, Fault[C]], control: Path | None) -> None:
    await cable.start()
    console.say("{} at {}:{}".format(name, *cable.address))
    try:
        await console.serve(console.Console(cable, faults, acts(cable)), control)
    finally:
        await cable.stop()


def acts(cable: Cable) -> Mapping[str, Act]:
    """There is nothing that a hand does but what the faults are."""
    return {"show": Act("whether it is cut", lambda _: "cut" if cable.cut_off else "whole")}
