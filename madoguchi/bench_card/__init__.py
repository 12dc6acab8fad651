"""`kiosk bench-card`: what a session with a card costs, beside OpenSC and beside a minimal C program.

All on one virtual card behind one pcscd, in one run: at once, and as slow as a contactless card is assumed to be.
Then on a whole system, with pcscd and with the socket reader: from the card set down to the screen, from the PIN
entered to "take your card", from its removal to the next screen. Wants pcscd with its virtual reader, gcc with
libpcsclite-dev and pkcs11-tool; of the last two, what is missing is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from madoguchi.bench_card.screens import Screens, measure_screens
from madoguchi.bench_card.sessions import CLIENTS, Clients, Pace
from madoguchi.demo import FOLDER, VPCD_PORT, pcsc_wires
from madoguchi.part import PartDead
from madoguchi.rehearsal import RehearsalError, prepare

RESIDENT = "taro"
PACES = {"at once": Pace(0, 0), "contactless": Pace(apdu_ms=30, sign_ms=200)}


def main(argv: Sequence[str] | None = None) -> int:
    """0 when it could be measured; figures are no verdict."""
    parser = argparse.ArgumentParser(prog="kiosk bench-card", description=__doc__)
    parser.add_argument("--reader", default="Virtual PCD 00 00", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--vpcd-port", type=int, default=VPCD_PORT, metavar="N", help="default: %(default)s")
    parser.add_argument("--sessions", type=int, default=20, metavar="N", help="of each client (default: %(default)s)")
    parser.add_argument("--journeys", type=int, default=5, metavar="N", help="to the screens (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the demo (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    given = parser.parse_args(argv)
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        found = _measure(given)
    except (RehearsalError, PartDead) as error:
        sys.stderr.write(f"bench-card: {error}\n")
        return 1
    print(json.dumps(found) if given.json else _table(found))
    return 0


def _measure(given: argparse.Namespace) -> dict[str, Any]:
    wires = pcsc_wires(given.reader, given.vpcd_port)
    with tempfile.TemporaryDirectory(prefix="madoguchi-") as folder:
        made = prepare(given.folder, Path(folder) / "run", **wires)
        with Clients(made.cards[RESIDENT], made.pin(RESIDENT), given.reader, given.vpcd_port, Path(folder)) as clients:
            sessions = {pace: clients.measure(PACES[pace], given.sessions) for pace in PACES}
            missing = clients.missing
        card = PACES["contactless"]
        screens = {
            "pcscd": asyncio.run(measure_screens(made, RESIDENT, card, given.journeys)),
            "socket": asyncio.run(
                measure_screens(prepare(given.folder, Path(folder) / "socket"), RESIDENT, card, given.journeys)
            ),
        }
    return {
        "sessions": {pace: {who: vars(cost) for who, cost in costs.items()} for pace, costs in sessions.items()},
        "screens_ms": {driver: found.told() for driver, found in screens.items()},
        "missing": missing,
    }


def _table(found: dict[str, Any]) -> str:
    lines = []
    for pace, costs in found["sessions"].items():
        house = costs["kiosk"]["ms"]
        lines.append(f"{pace} ({PACES[pace].apdu_ms} ms an APDU, {PACES[pace].sign_ms} ms a signature), medians")
        lines += [
            f"  {CLIENTS[who]:<32} {cost['apdus']:>4} APDUs {cost['ms']:>9.1f} ms   x{cost['ms'] / house:.2f}"
            for who, cost in costs.items()
        ]
    lines.append("to the screen, contactless card, 0.3 s a digit: median (longest)")
    for driver, times in found["screens_ms"].items():
        lines += [f"  {driver:<7} {Screens.WORDS[what]:<40} {m:>7.0f} ({x:.0f}) ms" for what, (m, x) in times.items()]
    lines += [f"not measured: {what}" for what in found["missing"]]
    return "\n".join(lines)
