"""`kiosk journal` makes the journal once, checks it, shows it and copies it. There is no personal
data in the journal.

Exit status 0: done as asked, and the journal is sound. 1: it is not sound, and the line says why.
2: the command or the configuration is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from firmware.service.cases import create_journal, journal_path
from firmware.service.config import ConfigError, load
from firmware.service.entry import JournalBroken
from firmware.service.journal import Journal
from firmware.service.journal_file import readable_by_others

SOUND, BROKEN, WRONG = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    try:
        return int(given.run(given, load(given.config).kiosk.state))
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"kiosk journal: {error}\n")
        return WRONG
    except JournalBroken as error:
        if getattr(given, "json", False):
            print(json.dumps({"ok": False, "why": str(error)}, ensure_ascii=False))
        sys.stderr.write(f"kiosk journal: {error}\n")
        return BROKEN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiosk journal", description=__doc__)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _action(
        actions.add_parser("create", help="make it: once, when the kiosk is installed"), _create
    )
    verify = actions.add_parser("verify", help="check all that it holds")
    _action(verify, _verify).add_argument("--json", action="store_true", help="one JSON object")
    show = _action(actions.add_parser("show", help="the newest entries"), _show)
    show.add_argument(
        "--last", type=int, default=40, metavar="N", help="how many (default: %(default)s)"
    )
    show.add_argument("--session", metavar="ID", help="only those of one session, all of them")
    show.add_argument("--json", action="store_true", help="one JSON object an entry")
    export = _action(actions.add_parser("export", help="all of it, as JSON lines"), _export)
    export.add_argument(
        "--out", type=Path, metavar="FILE", help="a new file (default: standard output)"
    )
    return parser


def _action(
    parser: argparse.ArgumentParser, run: Callable[[Any, Path], int]
) -> argparse.ArgumentParser:
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="the kiosk's TOML"
    )
    parser.set_defaults(run=run)
    return parser


def _open(state: Path) -> contextlib.closing[Journal]:
    return contextlib.closing(Journal(journal_path(state)))


def _create(_: argparse.Namespace, state: Path) -> int:
    print(create_journal(state))
    return SOUND


def _verify(given: argparse.Namespace, state: Path) -> int:
    with _open(state) as journal:
        entries = journal.verify()
        if open_files := readable_by_others(journal_path(state)):
            raise JournalBroken(f"{', '.join(open_files)}: others may read it: chmod 600")
        found = {
            "ok": True,
            "journal": journal.identity,
            "entries": entries,
            "head": journal.head().hash,
            "open_cases": len(journal.cases()),
            "undelivered": len(journal.undelivered()),
            "unfinished": len(journal.unfinished()),
        }
    if given.json:
        print(json.dumps(found))
    else:
        print(*(f"{name}\t{value}" for name, value in found.items()), sep="\n")
    return SOUND


def _show(given: argparse.Namespace, state: Path) -> int:
    with _open(state) as journal:
        rows = journal.rows(given.session)
    for row in rows if given.session else rows[-max(given.last, 0) :]:
        if given.json:
            print(json.dumps(row, ensure_ascii=False))
        else:
            facts = " ".join(f"{name}={value}" for name, value in row["facts"].items())
            print(row["seq"], row["at"], row["session"][:8], row["kind"], facts, sep="\t")
    return SOUND


def _export(given: argparse.Namespace, state: Path) -> int:
    """The first line names the journal; each other one is an entry with its hash, so that anybody
    can check it.
    """
    with _open(state) as journal:
        journal.verify()
        head = {
            "journal": journal.identity,
            "entries": journal.head().seq,
            "head": journal.head().hash,
        }
        rows = journal.rows()
    with given.out.open("x") if given.out else contextlib.nullcontext(sys.stdout) as file:
        for row in (head, *rows):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return SOUND
