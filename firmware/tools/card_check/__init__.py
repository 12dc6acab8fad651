"""`kiosk card-check` checks a card on a PC/SC reader, step by step: OK, or NG with what to do.

It is for technicians and benches, and uses the drivers that the kiosk itself uses. Without --pin it
spends no try. With --pin it sends one VERIFY, but never the last one. It shows nothing about the
person: no number, no name, no day of birth.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from cryptography import x509

from firmware.service.card_desk import load_trust
from firmware.tools.card_check.prompt import ask_pin
from firmware.tools.card_check.walk import TITLES, Walk
from firmware.tools.diagnose import write

GOOD, BAD, USAGE, WITHOUT_PIN = 0, 1, 2, 3
EPILOG = """exit status: 0 a whole good session, 1 something is wrong, 2 wrong arguments,
3 all good as far as it goes without a PIN. A PIN on a command line stays in the shell's
history and is shown by ps: give it there on a bench with test cards only, and let yourself
be asked (--pin alone, or --pin -) everywhere else."""


def main(argv: Sequence[str] | None = None) -> int:
    """See EPILOG. No mistake ends in a traceback."""
    parser = _parser()
    given = parser.parse_args(argv)
    logging.getLogger().addHandler(logging.NullHandler())  # the findings hold what drivers log
    pin = None if given.pin is None else _pin(parser, given.pin)
    walk = Walk(given.reader, given.wait, pin, _trusted(parser, given.trust))
    findings = []
    for finding in walk.findings():
        findings.append(finding)
        if not given.json:
            write(finding, sys.stdout, TITLES)
    good = all(finding.ok for finding in findings)
    whole = good and walk.record.signature_verified
    if given.json:
        print(json.dumps(walk.record.summary(whole, findings), ensure_ascii=False))
    else:
        print(_sum(good, whole, walk.record.apdus, walk.record.session_ms))
    return GOOD if whole else WITHOUT_PIN if good else BAD


def _sum(good: bool, whole: bool, apdus: int, ms: float) -> str:
    cost = f"{apdus} APDUs, {ms:.0f} ms"
    if whole:
        return f"OK  {cost}"
    return f"OK without a PIN: give --pin for a whole session  {cost}" if good else f"NG  {cost}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """argparse repeats what it does not know, and that may be a PIN."""
        super().error(
            message.partition(":")[0]
            if message.startswith(("unrecognized", "argument --pin"))
            else message
        )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="kiosk card-check", description=__doc__, epilog=EPILOG, allow_abbrev=False
    )
    parser.add_argument(
        "--reader",
        required=True,
        metavar="NAME",
        help="as pcsc_scan shows it; a wrong one lists all",
    )
    parser.add_argument(
        "--pin",
        nargs="?",
        const="-",
        help="the whole session; four digits, or - (or nothing) to be asked for them",
    )
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        type=Path,
        metavar="CA.pem",
        help="card CA to check the issuer against",
    )
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=10.0,
        metavar="S",
        help="seconds for the card to come (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("a time in seconds expected")
    return seconds


def _pin(parser: argparse.ArgumentParser, given: str) -> Callable[[], bytearray]:
    """Where the digits come from. A given PIN is looked at before anything is done."""
    if given == "-":
        return ask_pin
    digits = bytearray(given.encode("utf-8", "replace"))
    if len(digits) != 4 or not digits.isdigit():
        parser.error("the PIN is four digits")
    return lambda: digits


def _trusted(
    parser: argparse.ArgumentParser, paths: Sequence[Path]
) -> tuple[x509.Certificate, ...]:
    try:
        return load_trust(tuple(paths))
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        parser.error(str(error))
