"""`kiosk sim card`: lay the card of one folder on a reader until interrupted.

The reader is whoever listens: the kiosk's socket reader, or pcscd's virtual reader (port 35963).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import msgspec

from hal.sim import console
from hal.sim.card.faults import FAULTS, CardTrouble
from hal.sim.card.flaws import FLAWS
from hal.sim.card.options import CardFaults, Options
from hal.sim.card.stand import CardStand
from hal.sim.console import Act


def run(stand: CardStand, control: Path | None) -> None:
    """Lay the card and obey until interrupted. Raises OSError when there is no such socket."""
    asyncio.run(_serve(stand, control))


async def _serve(stand: CardStand, control: Path | None) -> None:
    stand.lay()
    console.say(
        "the card lies at {}:{}, as soon as a reader is there; Ctrl-C takes it off".format(
            *stand.address
        )
    )
    try:
        await console.serve(console.Console(stand, FAULTS, acts(stand)), control)
    finally:
        stand.take_off()


def acts(stand: CardStand) -> Mapping[str, Act]:
    """What a hand does with the card."""

    def lay(_: str) -> str:
        stand.lay()
        return ""

    def take_off(_: str) -> str:
        stand.take_off()
        return ""

    return {
        "lay": Act("lay it on the reader, made anew where it is to differ", lay),
        "off": Act("take it off", take_off),
        "show": Act(
            "whether it lies there, its PIN tries, APDUs of this stay", lambda _: str(stand)
        ),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 when it was interrupted, 2 when there is no such card, or no such socket."""
    given = _parser().parse_args(argv)
    try:
        faults = msgspec.convert(_given(given, CardFaults), CardFaults)
        trouble = CardTrouble(
            faults=faults,
            ways=_given(given, Options),
            flaw=given.flaw or "",
            revoked=given.revoked,
            tries=given.tries,
            ca=given.ca,
        )
        run(CardStand(given.card, given.connect, trouble, given.remember), given.control)
    except (OSError, ValueError, TypeError) as error:
        sys.stderr.write(f"{given.card}: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kiosk sim card",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="flaws:\n" + "".join(f"  {name:16}{flaw.words}\n" for name, flaw in FLAWS.items()),
    )
    parser.add_argument("--card", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--connect", required=True, type=_reader, metavar="HOST:PORT")
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
    console.add_option(parser)
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


def _reader(text: str) -> tuple[str, int]:
    """Where a reader listens: not at any free port."""
    host, port = console.address(text)
    if port == 0:
        raise argparse.ArgumentTypeError("HOST:PORT expected")
    return host, port
