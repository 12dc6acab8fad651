"""`kiosk cases list|show|reconcile|export` shows what an operator has to look into, and closes it
with what was found. `close` is another word for `reconcile`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from firmware.ledger.acts import Fee
from firmware.link.case_guide import guide
from firmware.service.cases import journal_path, list_cases
from firmware.service.config import Config, load
from firmware.service.entry import Case
from firmware.service.flight_record import case_path
from firmware.service.journal import Journal
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
    show = actions.add_parser("show", help="one, open or closed, with all that its session wrote")
    show.set_defaults(act=_show)
    show.add_argument("id", help="as `list` shows it, or its beginning")
    export = actions.add_parser("export", help="every case there was, one JSON object a line")
    export.set_defaults(act=_export)
    export.add_argument("--out", required=True, type=Path, metavar="FILE", help="a new file")
    close = actions.add_parser(
        "reconcile", aliases=["close"], help="close one, with what was found"
    )
    which = close.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="as `list` shows it")
    which.add_argument("--all", action="store_true", help="every open case")
    close.add_argument(
        "--note", "--reason", required=True, help="what was found and done; no names"
    )
    close.add_argument(
        "--fee", choices=[fee.value for fee in Fee], help="what becomes of money that it holds"
    )
    close.set_defaults(act=_close)
    for action in (listing, show, export, close):
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


def _show(config: Config, given: argparse.Namespace) -> int:
    with _journal(config) as journal:
        found = [case for case in _every(journal.rows()) if case["case"].startswith(given.id)]
        if len(found) != 1:
            many = "several cases begin with" if found else "no case"
            raise CommandError(f"{many} {given.id!r}: `kiosk cases list` shows the open ones")
        (case,) = found
        rows = journal.rows(case["session"]) if case["session"] else []
    print(*(f"{name}\t{value}" for name, value in case.items()), sep="\n")
    if known := guide(case["code"]):
        print(f"happened\t{known.happened}\nto do\t{known.en}\n対処\t{known.ja}")
    for row in rows:
        facts = " ".join(f"{name}={value}" for name, value in row["facts"].items())
        print(row["seq"], row["at"], row["kind"], facts, sep="\t")
    steps = case_path(config.kiosk.state, case["case"])
    if steps.exists():
        print("its flight record is kept: kiosk incident, then kiosk replay --case", case["case"])
    return 0


def _export(config: Config, given: argparse.Namespace) -> int:
    with _journal(config) as journal:
        journal.verify()
        cases = _every(journal.rows())
    try:
        with given.out.open("x") as file:
            file.writelines(json.dumps(case, ensure_ascii=False) + "\n" for case in cases)
    except FileExistsError:
        raise CommandError(f"{given.out} is there already: give another name") from None
    sys.stdout.write(f"{len(cases)} cases\n")
    return 0


def _journal(config: Config) -> contextlib.closing[Journal]:
    return contextlib.closing(Journal(journal_path(config.kiosk.state)))


def _every(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every case there was, oldest first, with how it was closed and what became of its money."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        facts = row["facts"]
        if row["kind"] == "case":
            opened = {"session": row["session"], "opened_at": row["at"], "held": 0}
            found[facts["case"]] = {**facts, **opened, "closed_at": "", "note": "", "fee": ""}
        elif row["kind"] == "case-closed":
            found[facts["case"]].update(closed_at=row["at"], note=facts["note"])
        elif row["kind"] == "held":
            found[facts["case"]]["held"] += facts["amount"]
        elif row["kind"] == "held-settled":
            found[facts["case"]]["fee"] = facts["how"]
    return list(found.values())


def _close(config: Config, given: argparse.Namespace) -> int:
    names = [case.id for case in list_cases(config.kiosk.state)] if given.all else [given.id]
    fee = Fee(given.fee) if given.fee else None
    for name in names:
        if not close_case(config, name, given.note, fee):
            raise CommandError(f"no open case {name!r}")
    sys.stdout.write(f"{len(names)} closed\n")
    return 0
