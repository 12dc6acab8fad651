"""`kiosk cases list|close` shows and closes what an operator has to look into."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from firmware.ledger.acts import Fee
from firmware.service.cases import list_cases
from firmware.service.config import Config, load
from firmware.service.entry import Case
from firmware.service.till import close_case
from firmware.tools.cli import CommandError


def main(argv: Sequence[str]) -> int:
    """0. Raises CommandError, ConfigError, JournalBroken, TillError."""
    given = _parser().parse_args(argv)
    act: Callable[[Config, argparse.Namespace], int] = given.act
    return act(load(given.config), given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiosk cases", description=__doc__)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="open cases")
    listing.set_defaults(act=_list)
    listing.add_argument("--json", action="store_true", help="one JSON array")
    close = actions.add_parser("close", help="close one, with what was found")
    which = close.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="as `list` shows it")
    which.add_argument("--all", action="store_true", help="every open case")
    close.add_argument("--note", required=True, help="what was found and done; no names")
    close.add_argument(
        "--fee", choices=[fee.value for fee in Fee], help="what becomes of money that it holds"
    )
    close.set_defaults(act=_close)
    for action in (listing, close):
        action.add_argument(
            "--config", required=True, type=Path, metavar="FILE", help="TOML configuration"
        )
    return parser


def _list(config: Config, given: argparse.Namespace) -> int:
    cases = list_cases(config.kiosk.state)
    if given.json:
        print(json.dumps([asdict(case) for case in cases]))
        return 0
    sys.stdout.write("".join(f"{_line(case)}\n" for case in cases) or "no open case\n")
    return 0


def _line(case: Case) -> str:
    return "\t".join(str(value) for value in vars(case).values() if value not in (None, ""))


def _close(config: Config, given: argparse.Namespace) -> int:
    names = [case.id for case in list_cases(config.kiosk.state)] if given.all else [given.id]
    fee = Fee(given.fee) if given.fee else None
    for name in names:
        if not close_case(config, name, given.note, fee):
            raise CommandError(f"no open case {name!r}")
    sys.stdout.write(f"{len(names)} closed\n")
    return 0
