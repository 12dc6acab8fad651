"""`kiosk city migrate|cases`: what whoever looks after the city's database does with it.

0 when all is well; 1 when there is no such case. With --json, one JSON value
on stdout.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import Connection

from city import audit as chain
from city import cases as book
from city import database
from city.clock import JST, starting
from city.config import Config, ConfigError, load
from city.database import Mode
from city.handlers import seconds
from city.work import sign_as_it_is, work

SIGNED: Final = "0012"  # from this schema on the log is


def migrate(argv: Sequence[str]) -> int:
    """Bring the schema up to date. Raises ConfigError, DatabaseError."""
    given = common(
        parser_for("migrate", "bring the database's schema up to this build's")
    ).parse_args(argv)
    config = read_config(given)
    before, after = database.migrate(config.gateway.database)
    text = f"schema {after}, as before" if before == after else f"schema {before} -> {after}"
    if before < SIGNED:
        text += f"; {_first_signature(config)}"
    print_line(to_json({"before": before, "after": after}) if given.json else text)
    return 0


def _first_signature(config: Config) -> str:
    """Over what an earlier build has chained. Raises DatabaseError."""
    try:
        head = sign_as_it_is(config, city_now(config))
    except ConfigError:  # the owner of the tables need not be able to read the issuing key
        return "now `kiosk city audit seal`, with the issuing key"
    return f"the log is signed: {head.entries}:{head.hash}"


# -- cases -----------------------------------------------------------------------------------------


def cases(argv: Sequence[str]) -> int:
    """List, show, open and close anomalies. Raises ConfigError, DatabaseError."""
    parser = parser_for("cases", "anomalies at the city's end")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = common(actions.add_parser("list", help="open cases"))
    listing.add_argument("--all", action="store_true", help="closed ones too")
    listing.set_defaults(run=_list)
    showing = common(
        actions.add_parser("show", help="one case, and what the log says of its order or session")
    )
    showing.add_argument("id")
    showing.set_defaults(run=_show)
    closing = common(actions.add_parser("close", help="close one, with what was found"))
    closing.add_argument("id")
    closing.add_argument("--note", required=True, help="what was found and done; no names")
    closing.add_argument(
        "--result", default="", choices=book.RESULTS, help="for the public figures"
    )
    closing.set_defaults(run=_close)
    opening = common(
        actions.add_parser(
            "open", help="stop a kiosk or a certificate: a mix-up was told otherwise"
        )
    )
    which = opening.add_mutually_exclusive_group(required=True)
    which.add_argument("--kiosk", default="", metavar="ID")
    which.add_argument("--certificate", default="", metavar="KIND")
    opening.set_defaults(run=_open)
    given = parser.parse_args(argv)
    run: Callable[[Config, argparse.Namespace], int] = given.run
    return run(read_config(given), given)


def _list(config: Config, given: argparse.Namespace) -> int:
    found = work(config, Mode.READ, lambda connection: book.listed(connection, given.all))
    lines = "\n".join(_line(case) for case in found) or "no open case"
    print_line(to_json([_plain(case) for case in found]) if given.json else lines)
    return 0


def _show(config: Config, given: argparse.Namespace) -> int:
    def look(connection: Connection) -> tuple[book.Case | None, list[str]]:
        case = book.case_of(connection, given.id)
        return case, chain.mentioning(
            connection, case.order or case.session or case.case
        ) if case else []

    case, entries = work(config, Mode.READ, look)
    if case is None:
        return _none(given.id)
    if given.json:
        print_line(
            to_json({**_plain(case), "log": [msgspec.json.decode(entry) for entry in entries]})
        )
    else:
        print_line("\n".join((_line(case), *(f"  {entry}" for entry in entries))))
    return 0


def _close(config: Config, given: argparse.Namespace) -> int:
    at = city_now(config)
    closed = work(
        config,
        Mode.DECIDE,
        lambda connection: book.close_case(connection, given.id, at, given.note, given.result),
    )
    if not closed:
        return _none(given.id)
    print_line(to_json({"closed": given.id}) if given.json else "closed")
    return 0


def _open(config: Config, given: argparse.Namespace) -> int:
    path = {"kiosk": given.kiosk, "kind": given.certificate}
    at = city_now(config)
    work(
        config, Mode.DECIDE, lambda connection: book.open_case(connection, book.MIX_UP, at, **path)
    )
    print_line(
        to_json({"paused": given.kiosk or given.certificate})
        if given.json
        else "paused until the case is closed"
    )
    return 0


def _line(case: book.Case) -> str:
    """Tab-separated: id, code, when, what it stops, the ids it is about, the note."""
    about = (
        f"{name}={value}"
        for name in ("kiosk", "kind", "session", "order", "outcome")
        if (value := getattr(case, name))
    )
    words = (
        case.case,
        case.code,
        _when(case.opened),
        f"stops {case.pauses}" if case.pauses else "",
        *about,
    )
    end = (f"closed {_when(case.closed)}", case.note) if case.closed is not None else ()
    return "\t".join(word for word in (*words, *end) if word)


def _plain(case: book.Case) -> dict[str, str | int | None]:
    return {**asdict(case), "pauses": case.pauses}


def _when(at: int) -> str:
    return datetime.fromtimestamp(at, JST).isoformat()


def _none(case: str) -> int:
    sys.stderr.write(f"city: no such open case: {case}\n")
    return 1


# -- all of them -----------------------------------------------------------------------------------


def parser_for(name: str, text: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"kiosk city {name}", description=text)


def common(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="the gateway's TOML"
    )
    parser.add_argument("--json", action="store_true")
    return parser


def read_config(given: argparse.Namespace) -> Config:
    path: Path = given.config
    return load(path)


def city_now(config: Config) -> int:
    return seconds(starting(config.clock.start)())


def to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
