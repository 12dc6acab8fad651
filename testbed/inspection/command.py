"""`kiosk inspect`: an inspection (再点検) of kiosks and city on the production path, and its signed
report.

0: whole, and nothing differed (with --prove: every control was found; with --verify: the signature
holds). 1: something differed (a control was not found; the signature does not hold). 2: the command
line is wrong. 3: it could not be carried out, or no journey came to its end. 4: it was stopped; the
same command goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firmware.link.signing import SignatureError
from firmware.service.build import build
from testbed.demo import FOLDER
from testbed.inspection import prove, report
from testbed.inspection.report import ReportError
from testbed.inspection.run import Inspection
from testbed.inspection.state import Order, State, StateError, load, save
from testbed.inspection.truths import Unanswered
from testbed.process import ProcessDead
from testbed.rehearsal_error import RehearsalError

PROGRAMS = ("zbarimg", "pdftoppm", "pdftotext")
CANNOT = (
    ProcessDead,
    RehearsalError,
    StateError,
    ReportError,
    Unanswered,
    SignatureError,
    subprocess.SubprocessError,
    OSError,
    TimeoutError,
)
STATE, REPORT, KEY = "state.json", "report.md", "key.pem"


class Exit(IntEnum):
    """As the first lines of this file say."""

    WELL = 0
    DIFFERS = 1
    FAILED = 3
    STOPPED = 4


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    try:
        if given.verify:
            return _verify(given.verify, given.public)
        _need_programs()
        return _prove(given) if given.prove else _inspect(given)
    except KeyboardInterrupt:
        _say("stopped; the same command goes on where it was")
        return Exit.STOPPED
    except CANNOT as error:
        _say(str(error) or type(error).__name__)
        return Exit.FAILED


def _inspect(given: argparse.Namespace) -> int:
    home = given.folder / "inspection"
    home.mkdir(parents=True, exist_ok=True)
    out = given.report or home / REPORT
    path = home / STATE
    if given.new:
        path.unlink(missing_ok=True)
    order = Order(given.journeys, given.kiosks, given.seed, given.trouble, given.dry, build())
    key = report.key_of(given.key or home / KEY)
    state = load(path, order, _now())
    if state.results:
        _say(f"going on after {len(state.results)} journeys")

    def note(now: State) -> None:
        save(path, now)
        wanted = order.journeys * order.kiosks
        sheets = sum(result.sheets for result in now.results)
        _say(
            f"{len(now.results)} of {wanted} journeys, {sheets} sheets, "
            f"{sum(now.disturbances.values())} disturbances, {len(now.faults)} mismatches"
        )

    if not state.whole:
        with tempfile.TemporaryDirectory(prefix="madoguchi-inspection-") as run:
            asyncio.run(
                Inspection(given.folder, Path(run), state, note, desks=given.load).inspect()
            )
    out.write_bytes(report.sign(report.text(state, _now()), key))
    path.unlink(missing_ok=True)
    return _conclude(state, out, key.public_key())


def _conclude(state: State, out: Path, key: Ed25519PublicKey) -> int:
    found = report.verdict(state)
    print(report.VERDICT[found][0])
    print(report.VERDICT[found][1])
    print(f"{out}: signed with the key {report.fingerprint(key)}")
    codes = {"sound": Exit.WELL, "wrong": Exit.DIFFERS}
    return codes.get(found, Exit.FAILED)


def _prove(given: argparse.Namespace) -> int:
    """One line for each control."""
    missed = 0
    for name, found in prove.prove(given.folder, given.seed, lambda name: _say(f"{name} ...")):
        missed += not found
        print(f"{'found' if found else 'NOT FOUND':<10} {name:<20} {found[0] if found else ''}")
    print(f"{missed} not found")
    return Exit.DIFFERS if missed else Exit.WELL


def _verify(path: Path, public: Path | None) -> int:
    try:
        key = report.verify(path, public)
    except ReportError as error:
        _say(str(error))
        return Exit.DIFFERS
    print(f"{path}: the signature holds; key {report.fingerprint(key)}")
    if public is None:
        print("Compare the key with the one that the city has published, or name it with --public.")
    return Exit.WELL


def _need_programs() -> None:
    """Raises ReportError."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise ReportError(f"{', '.join(missing)} missing: run ./scripts/setup test")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _say(words: str) -> None:
    sys.stderr.write(f"inspect: {words}\n")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kiosk inspect",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--prove", action="store_true", help="inspect what is wrong on purpose")
    what.add_argument("--verify", type=Path, metavar="REPORT", help="check a report's signature")
    parser.add_argument("--public", type=Path, metavar="FILE", help="the key for --verify (PEM)")
    parser.add_argument(
        "--journeys", type=_positive, default=30, metavar="N", help="at each kiosk (%(default)s)"
    )
    parser.add_argument(
        "--kiosks", type=_positive, default=3, metavar="N", help="at once (%(default)s)"
    )
    parser.add_argument(
        "--load",
        type=int,
        default=1,
        metavar="N",
        help="so many more ask the city all the time, and compare its answers (%(default)s)",
    )
    parser.add_argument(
        "--trouble",
        type=float,
        default=2.0,
        metavar="P",
        help="of a hundred exchanges with every device, so many go wrong (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--dry", action="store_true", help="end before the payment: no paper")
    parser.add_argument("--new", action="store_true", help="forget an inspection not finished")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help=f"default: inspection/{REPORT} in FOLDER"
    )
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help=f"Ed25519 key that signs (PEM; default: inspection/{KEY} in FOLDER, made if missing)",
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="keys, cards and voice (%(default)s)"
    )
    return parser
