"""`kiosk sim card`: lay the card of one folder on a reader until interrupted.

The reader is whoever listens: the kiosk's socket reader, or pcscd's virtual reader (port 35963).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import Field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hal.sim.card.flaws import FLAWS, flawed
from hal.sim.card.options import CardFaults, Options
from hal.sim.card.pki import Chip, load_card, load_card_ca, make_card_ca, revoke
from hal.sim.card.wire import CardProgram


def run(program: CardProgram, address: tuple[str, int]) -> None:
    """Insert the card and leave it there until interrupted, or until it is yanked."""
    program.insert()
    sys.stdout.write(
        f"the card lies at {address[0]}:{address[1]}, as soon as a reader is there; "
        "Ctrl-C takes it off\n"
    )
    sys.stdout.flush()
    try:
        program.wait()
    except KeyboardInterrupt:
        program.remove()


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 when the card was taken off, 2 when there is no such card."""
    given = _parser().parse_args(argv)
    try:
        ways = _given(given, Options)
        applet = load_card(
            given.card, given.remember, ways, lambda chip: _burnt(given, chip), given.tries
        )
        faults = msgspec.convert(_given(given, CardFaults), CardFaults)
        run(CardProgram(applet, given.connect, faults), given.connect)
    except (OSError, ValueError, TypeError) as error:
        sys.stderr.write(f"{given.card}: {error}\n")
        return 2
    return 0


def _burnt(given: argparse.Namespace, chip: Chip) -> Chip:
    """The chip with the flaw that was asked for; the folder's CA is made when it is not there."""
    if not (given.flaw or given.revoked):
        return chip
    folder = given.ca or given.card.parent / "ca"
    ca = load_card_ca(folder) if (folder / "ca.der").exists() else make_card_ca(folder)
    chip = flawed(given.flaw or "reissued", ca)(chip)
    if given.revoked and chip.certificate:
        revoke(folder, chip.certificate, datetime.now(UTC))
    return chip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kiosk sim card",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="flaws:\n" + "".join(f"  {name:16}{flaw.words}\n" for name, flaw in FLAWS.items()),
    )
    parser.add_argument("--card", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--connect", required=True, type=_address, metavar="HOST:PORT")
    parser.add_argument(
        "--remember", action="store_true", help="write the PIN counter back to the folder"
    )
    parser.add_argument("--tries", type=int, metavar="INT", help="PIN tries left; 0: locked")
    burnt = parser.add_argument_group("what is burnt in")
    burnt.add_argument(
        "--flaw",
        choices=FLAWS,
        metavar="FLAW",
        help="a certificate or key with this flaw: see below",
    )
    burnt.add_argument(
        "--revoked", action="store_true", help="a certificate that the CA's ca.crl lists"
    )
    burnt.add_argument(
        "--ca",
        type=Path,
        metavar="FOLDER",
        help="the CA that issues it; made there if there is none",
    )
    _add(parser.add_argument_group("how the card behaves"), Options)
    _add(parser.add_argument_group("what happens to it (APDUs count from 1)"), CardFaults)
    return parser


def _add(group: Any, of: type[Options] | type[CardFaults]) -> None:
    for option in fields(of):
        flag, words = "--" + option.name.replace("_", "-"), option.metadata["help"]
        if isinstance(option.default, bool):
            group.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=None, help=words
            )
        else:
            group.add_argument(
                flag,
                type=_kind(option),
                metavar=_kind(option).__name__.strip("_").upper(),
                help=words,
            )


def _kind(option: Field[Any]) -> Callable[[str], Any]:
    kind = int if option.default is None else type(option.default)
    return _number if kind is int else kind


def _number(text: str) -> int:
    """Decimal, or a status word such as 0x6F00."""
    return int(text, 0)


def _given(given: argparse.Namespace, of: type[Options] | type[CardFaults]) -> dict[str, Any]:
    """What was said on the command line; the rest is the card folder's or the default."""
    return {o.name: value for o in fields(of) if (value := getattr(given, o.name)) is not None}


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError("HOST:PORT expected")
    return host.strip("[]"), int(port)
