"""`kiosk sim cashless --link PATH`: a payment terminal as a program of its own, worked from
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

from hal.sim.cashless.device import TerminalSim
from hal.sim.cashless.faults import FAULTS, mend
from hal.sim.cashless.terminal import TerminalDevice

HELP = f"""Commands on standard input: present | show | mend | fault NAME
Faults: {" ".join(FAULTS)}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until Ctrl-C or SIGTERM: 0; or 2 when the pty cannot be opened."""
    options = argparse.ArgumentParser(prog="kiosk sim cashless", epilog=HELP)
    options.add_argument(
        "--link", type=Path, required=True, help="symlink to make, for the kiosk's `address`"
    )
    options.add_argument(
        "--wait-s", type=float, default=60, help="seconds it waits for somebody to present"
    )
    given = options.parse_args(argv)
    try:
        asyncio.run(_serve(TerminalSim(TerminalDevice(given.wait_s), given.link)))
    except OSError as error:
        sys.stderr.write(f"cashless: {error}\n")
        return 2
    return 0


async def _serve(sim: TerminalSim) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await sim.start()
    _write_line(f"cashless: {sim.port}\n{HELP}")
    # a thread of its own: a read of standard input cannot be cancelled, and must not hold up the
    # end
    threading.Thread(target=_read, args=(sim, loop), daemon=True).start()
    await ended.wait()
    await sim.close()


def _read(sim: TerminalSim, loop: asyncio.AbstractEventLoop) -> None:
    for line in sys.stdin:
        loop.call_soon_threadsafe(lambda words: _write_line(_obey(sim, words)), line.split())


def _write_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _obey(sim: TerminalSim, words: list[str]) -> str:
    match words:
        case ["present"]:
            return "presented" if sim.present() else "nothing is to be paid"
        case ["mend"]:
            mend(sim)
        case ["fault", name] if name in FAULTS:
            FAULTS[name](sim)
        case ["show"]:
            terminal = sim.terminal
            return (
                f"due {terminal.due} taken {terminal.taken} "
                f"given back {terminal.given_back} {sim.violations}"
            )
        case _:
            return HELP
    return "ok"
