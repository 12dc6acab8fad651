"""`kiosk city orders show|void`: sheets by their unique number, for whoever answers for them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from city import audit, database, registry
from city.clock import starting
from city.config import Config, load
from city.database import DatabaseError, Mode
from city.handlers import seconds

T = TypeVar("T")


def main(argv: Sequence[str]) -> int:
    """0; 1 when there is no such order, or none in force. Raises ConfigError, DatabaseError."""
    parser = argparse.ArgumentParser(
        prog="kiosk city orders", description="Sheets by their unique number (固有番号)."
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    show = _action(
        actions, "show", "kind, state, kiosk, and whether the sheets are in force", _show
    )
    show.add_argument("--json", action="store_true")
    void = _action(
        actions, "void", "declare issued sheets void: whoever checks them is told so", _void
    )
    void.add_argument("--note", required=True, help="why; no names")
    given = parser.parse_args(argv)
    run: Callable[[Config, argparse.Namespace], int] = given.run
    return run(load(given.config), given)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    run: Callable[[Config, argparse.Namespace], int],
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=text)
    action.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="the gateway's TOML"
    )
    action.add_argument("number", metavar="NUMBER", help="the unique number on each sheet")
    action.set_defaults(run=run)
    return action


def _show(config: Config, given: argparse.Namespace) -> int:
    def look(connection: Connection) -> dict[str, str | int] | None:
        order = registry.order_by_number(connection, given.number)
        if order is None:
            return None
        return {
            "unique_number": order.unique_number,
            "order": order.order,
            "kiosk": order.kiosk,
            "kind": order.kind,
            "state": order.state,
            "sheets": order.sheets,
            "standing": registry.standing(connection, given.number).value,
        }

    found = _work(config, Mode.READ, look)
    if found is None:
        return _none(given.number)
    lines = "\n".join(f"{name}\t{value}" for name, value in found.items())
    sys.stdout.write((json.dumps(found) if given.json else lines) + "\n")
    return 0


def _void(config: Config, given: argparse.Namespace) -> int:
    at = seconds(starting(config.clock.start)())

    def withdraw(connection: Connection) -> str:
        order = registry.declare_void(connection, given.number, at)
        if order:
            audit.append(connection, "declared-void", at, order=order, note=given.note)
        return order

    order = _work(config, Mode.DECIDE, withdraw)
    if not order:
        return _none(given.number)
    sys.stdout.write(f"{given.number}\tvoid\n")
    return 0


def _none(number: str) -> int:
    sys.stderr.write(f"city: no sheets in force under {number}\n")
    return 1


def _work(config: Config, mode: Mode, work: Callable[[Connection], T]) -> T:
    engine = database.connect(config.gateway.database, 1)
    try:
        return database.transact(engine, mode, work)
    except database.Unavailable:
        raise DatabaseError("the database does not answer") from None
    finally:
        engine.dispose()
