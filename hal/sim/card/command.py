"""`kiosk sim card`: lay the card of one folder on a reader until interrupted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hal.sim.card.pki import load_card
from hal.sim.card.wire import CardProgram


def run(folder: Path, address: tuple[str, int], remember: bool = False) -> None:
    """Insert the card and leave it there until interrupted. Raises OSError, ValueError for a bad folder."""
    program = CardProgram(load_card(folder, remember), address)
    program.insert()
    sys.stdout.write(f"the card lies at {address[0]}:{address[1]}, as soon as a reader is there; Ctrl-C takes it off\n")
    sys.stdout.flush()
    try:
        program.wait()
    except KeyboardInterrupt:
        program.remove()


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 when the card was taken off, 2 when there is no such card."""
    parser = argparse.ArgumentParser(prog="kiosk sim card", description=__doc__)
    parser.add_argument("--card", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--connect", required=True, type=_address, metavar="HOST:PORT")
    parser.add_argument("--remember", action="store_true", help="write the PIN counter back to the folder")
    options = parser.parse_args(argv)
    try:
        run(options.card, options.connect, options.remember)
    except (OSError, ValueError, TypeError) as error:
        sys.stderr.write(f"{options.card}: {error}\n")
        return 2
    return 0


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError("HOST:PORT expected")
    return host.strip("[]"), int(port)
