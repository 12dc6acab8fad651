"""`kiosk bench-card`: what a session with a card costs, beside OpenSC and beside a minimal C
program.

All on one virtual card behind one pcscd, in one run: at once, and as slow as a contactless card is
assumed to be. Then on a whole system, with pcscd and with the socket reader: from the card set down
to the screen, from the PIN entered to "take your card", from its removal to the next screen. Wants
pcscd with its virtual reader, gcc with libpcsclite-dev and pkcs11-tool; of the last two, what is
missing is left out.

With --fuzz or --transient nothing is measured and none of that is wanted: sessions are played with
cards as they are in the field, and judged (testbed/bench_card/field.py).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from testbed.bench_card.field import Field, fuzz, saved
from testbed.bench_card.screens import Screens, measure_screens
from testbed.bench_card.sessions import CLIENTS, Clients, Pace
from testbed.demo import FOLDER, VPCD_PORT, pcsc_wires
from testbed.process import ProcessDead
from testbed.rehearsal import prepare
from testbed.rehearsal_error import RehearsalError

RESIDENT = "taro"
PACES = {"at once": Pace(0, 0), "contactless": Pace(apdu_ms=30, sign_ms=200)}


def main(argv: Sequence[str] | None = None) -> int:
    """0 when it could be measured; figures are no verdict."""
    parser = argparse.ArgumentParser(prog="kiosk bench-card", description=__doc__)
    parser.add_argument(
        "--reader", default="Virtual PCD 00 00", metavar="NAME", help="default: %(default)s"
    )
    parser.add_argument(
        "--vpcd-port", type=int, default=VPCD_PORT, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--sessions",
        type=int,
        default=20,
        metavar="N",
        help="of each client (default: %(default)s)",
    )
    parser.add_argument(
        "--journeys", type=int, default=5, metavar="N", help="to the screens (default: %(default)s)"
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="of the demo (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    field = parser.add_argument_group("cards as they are in the field")
    field.add_argument("--fuzz", type=int, metavar="N", help="any card, any trouble, N sessions")
    field.add_argument(
        "--transient", type=int, metavar="N", help="N sessions, with a second attempt and without"
    )
    field.add_argument(
        "--share", type=float, default=0.05, help="of exchanges in trouble (default: %(default)s)"
    )
    field.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    logging.getLogger().addHandler(logging.NullHandler())
    if given.fuzz or given.transient:
        return _field(given)
    try:
        found = _measure(given)
    except (RehearsalError, ProcessDead) as error:
        sys.stderr.write(f"bench-card: {error}\n")
        return 1
    print(json.dumps(found) if given.json else _table(found))
    return 0


@contextlib.contextmanager
def _nothing_logged() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _field(given: argparse.Namespace) -> int:
    """1 when the judge found something."""
    found: dict[str, Any] = {}
    with _nothing_logged(), tempfile.TemporaryDirectory(prefix="madoguchi-") as folder:
        where = Field(Path(folder))
        if given.fuzz:
            found["fuzz"] = fuzz(where, given.fuzz, given.seed)
        if given.transient:
            found["transient"] = saved(where, given.transient, given.share, given.seed)
    print(json.dumps(found, indent=None if given.json else 2))
    return int(any(part["wrong"] for part in found.values()))


def _measure(given: argparse.Namespace) -> dict[str, Any]:
    wires = pcsc_wires(given.reader, given.vpcd_port)
    with tempfile.TemporaryDirectory(prefix="madoguchi-") as folder:
        made = prepare(given.folder, Path(folder) / "run", **wires)
        with Clients(
            made.cards[RESIDENT], made.pin(RESIDENT), given.reader, given.vpcd_port, Path(folder)
        ) as clients:
            sessions = {pace: clients.measure(PACES[pace], given.sessions) for pace in PACES}
            missing = clients.missing
        card = PACES["contactless"]
        screens = {
            "pcscd": asyncio.run(measure_screens(made, RESIDENT, card, given.journeys)),
            "socket": asyncio.run(
                measure_screens(
                    prepare(given.folder, Path(folder) / "socket"), RESIDENT, card, given.journeys
                )
            ),
        }
    return {
        "sessions": {
            pace: {who: vars(cost) for who, cost in costs.items()}
            for pace, costs in sessions.items()
        },
        "screens_ms": {driver: found.figures() for driver, found in screens.items()},
        "missing": missing,
    }


def _table(found: dict[str, Any]) -> str:
    lines = []
    for pace, costs in found["sessions"].items():
        kiosk_ms = costs["kiosk"]["ms"]
        lines.append(
            f"{pace} ({PACES[pace].apdu_ms} ms an APDU, {PACES[pace].sign_ms} ms a signature), "
            "medians"
        )
        lines += [
            f"  {CLIENTS[who]:<32} {cost['apdus']:>4} APDUs {cost['ms']:>9.1f} ms   "
            f"x{cost['ms'] / kiosk_ms:.2f}"
            for who, cost in costs.items()
        ]
    lines.append("to the screen, contactless card, 0.3 s a digit: median (longest)")
    for driver, times in found["screens_ms"].items():
        lines += [
            f"  {driver:<7} {Screens.WORDS[what]:<40} {m:>7.0f} ({x:.0f}) ms"
            for what, (m, x) in times.items()
        ]
    lines += [f"not measured: {what}" for what in found["missing"]]
    return "\n".join(lines)
