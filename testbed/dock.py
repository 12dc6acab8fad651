"""`kiosk dock --config FILE --device sheets` tries a board although a device of it is missing.

The devices that FILE names are the real ones, but for those given with --device: the virtual far
end of each stands in its place. The coin unit and the payment terminal are always virtual, so no
real money can be taken, and the city is the rehearsal's. So the kiosk holds a certificate that no
city admits; `firmware/service/under_test.py` refuses to start it with any other. Every screen and
sheet says TEST. The board's own journal and keys are not touched. Stop the service first: it holds
the devices.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import tempfile
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from firmware.service import toml
from firmware.service.config import Config, load
from testbed.demo import FOLDER, PORT, run_dock
from testbed.process import ProcessDead
from testbed.rehearsal import Rehearsal, prepare
from testbed.rehearsal_error import RehearsalError

REAL: Final = ("card", "sheets", "receipts", "speaker")  # what may be the board's own
MONEY: Final = ("cash", "cashless")  # never
LOOK_S: Final = 1.0


def main(argv: Sequence[str]) -> int:
    """0 when it ended as asked; 1 with one line on stderr when it did not. Raises ConfigError."""
    parser = argparse.ArgumentParser(prog="kiosk dock", description=__doc__)
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="the board's TOML configuration"
    )
    parser.add_argument(
        "--device",
        required=True,
        action="append",
        choices=(*REAL, *MONEY),
        help="missing or broken: a virtual one takes its place; may be given again",
    )
    parser.add_argument("--port", type=int, default=PORT, help="the dock's (default: %(default)s)")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="keys, cards, voice (default: %(default)s)"
    )
    given = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="madoguchi-dock-") as run:
            made = dock(given.config, given.device, given.folder, Path(run))
            return asyncio.run(run_dock(made, given.port))
    except (RehearsalError, ProcessDead) as error:
        sys.stderr.write(f"dock: {error}\n")
    except KeyboardInterrupt:
        sys.stderr.write("dock: interrupted\n")
    return 1


def dock(file: Path, virtual: Collection[str], folder: Path, run: Path) -> Rehearsal:
    """A rehearsal with the devices of this board, but for the virtual ones. Raises ConfigError,
    RehearsalError.
    """
    board = load(file)
    if _is_running(board):
        raise RehearsalError("the kiosk is running and holds its devices: stop the service first")
    own = tomllib.loads(file.read_text("utf-8"))
    made = prepare(folder, run, cashless="cashless" in own)
    document = tomllib.loads(made.kiosk_toml.read_text("utf-8"))
    real: dict[str, Any] = {
        name: _table(file, own[name]) for name in REAL if name not in virtual and name in own
    }
    panel = {name: value for name, value in own["panel"].items() if name != "listen"}
    under_test = sorted({*virtual, *MONEY})
    document |= real
    document = toml.merge(document, {"panel": panel, "kiosk": {"under_test": under_test}})
    made.kiosk_toml.write_text(toml.dumps(document))
    load(made.kiosk_toml)
    return made


def _table(file: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    """As it is in the board's file. Its paths count from there."""
    if isinstance(authority := table.get("ca"), str):
        return {**table, "ca": str(file.parent.absolute() / authority)}
    return dict(table)


def _is_running(board: Config) -> bool:
    host, _, port = board.panel.listen.rpartition(":")
    try:
        socket.create_connection((host, int(port)), LOOK_S).close()
    except OSError:
        return False
    return True
