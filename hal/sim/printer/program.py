"""`kiosk sim printer`: one printer until it is interrupted, worked from standard input."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from hal.sim import console
from hal.sim.console import Act, Refused
from hal.sim.printer.faults import FAULTS
from hal.sim.printer.server import PrinterSim


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until Ctrl-C or SIGTERM: 0; or 1 when the port or the socket cannot be had."""
    parser = argparse.ArgumentParser(
        prog="kiosk sim printer", description="An ESC/POS printer that draws what it gets."
    )
    parser.add_argument(
        "--listen", type=console.address, metavar="HOST:PORT", default="127.0.0.1:9100"
    )
    parser.add_argument(
        "--width", type=int, default=1654, help="dots of the print head (default: %(default)s, A4)"
    )
    parser.add_argument("--dpi", type=int, default=203)
    parser.add_argument("--speed", type=float, default=0.0, help="lines a second, 0: at once")
    parser.add_argument("--paper", type=int, default=200, help="sheets")
    parser.add_argument(
        "--outlet-sensor", action="store_true", help="answer the full status of wide printers"
    )
    parser.add_argument("--text", action="store_true", help="draw ASCII text too, for test prints")
    parser.add_argument(
        "--pty", action="store_true", help="offer a serial line too and print its path"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write each sheet there as NNN.png")
    console.add_option(parser)
    options = parser.parse_args(argv)
    try:
        asyncio.run(_run(options, *options.listen))
    except OSError as error:
        where = error.filename or "{}:{}".format(*options.listen)
        sys.stderr.write(f"kiosk sim printer: {where}: {error.strerror or error}\n")
        return 1
    return 0


async def _run(options: argparse.Namespace, host: str, port: int) -> None:
    number = 0

    def keep(page: Image.Image) -> None:
        nonlocal number
        number += 1
        unfinished = options.out / ".unfinished"  # whoever watches the folder sees whole files only
        page.save(unfinished, "PNG", dpi=(options.dpi, options.dpi))
        unfinished.replace(options.out / f"{number:03}.png")

    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    sim = PrinterSim(
        host,
        port,
        options.width,
        options.dpi,
        options.outlet_sensor,
        speed=options.speed,
        paper=options.paper,
        text=options.text,
        on_page=keep if options.out is not None else None,
    )
    await sim.start()
    try:
        console.say(f"printer at {sim.host}:{sim.port}")
        if options.pty:
            console.say(f"serial line at {sim.open_pty()}")
        await console.serve(console.Console(sim, FAULTS, acts(sim)), options.control)
    finally:
        await sim.stop()


def acts(sim: PrinterSim) -> Mapping[str, Act]:
    """What a hand does at the printer."""

    def load(sheets: str) -> str:
        if not sheets.isdecimal():
            raise Refused("load wants a number of sheets")
        sim.load_paper(int(sheets))
        return ""

    return {
        "take": Act("take what lies at the outlet", lambda _: f"taken: {len(sim.take())}"),
        "load": Act("put so many sheets in", load, "SHEETS"),
        "show": Act("paper, sheets, and what no correct kiosk sent", lambda _: _show(sim)),
    }


def _show(sim: PrinterSim) -> str:
    return (
        f"paper {sim.paper_left} printed {sim.page_count} at the outlet {sim.waiting} "
        f"{sim.violations}"
    )


if __name__ == "__main__":
    sys.exit(main())
