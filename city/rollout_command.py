"""`kiosk city rollout start|show|stop`: let a build go out to the kiosks, ring by ring.

The plan is a file:

board = "x86-64"
version = "20261128030000"            # and build: as in the image's build.json
build = "0.1.0+gabc1234"
hours = 72                            # each kiosk has them, from the beginning of its ring
rings = [["kiosk-1"], ["kiosk-2", "kiosk-3"]]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy import Connection

from city import rollouts
from city.clock import starting
from city.config import load
from city.database import Mode
from city.fleet_command import update
from city.handlers import seconds
from city.rollout import Plan, Rollout, stage
from city.rollouts import RolloutError
from city.work import work

T = TypeVar("T")
WELL = {"running": 0, "done": 0, "stopped": 1}


def main(argv: Sequence[str]) -> int:
    """0; 1 when a rollout that is shown was stopped. Raises RolloutError, ConfigError,
    DatabaseError.
    """
    parser = argparse.ArgumentParser(
        prog="kiosk city rollout",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, run, text, what, kind in (
        ("start", _start, "from the first ring on", "PLAN.toml", Path),
        ("show", _show, "where each kiosk stands; 1 when it was stopped", "", None),
        ("stop", _stop, "no other kiosk starts it; those that run it keep it", "BOARD", str),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument(
            "--config", required=True, type=Path, metavar="FILE", help="the gateway's TOML"
        )
        if kind:
            action.add_argument("what", metavar=what, type=kind)
        if name == "show":
            action.add_argument("--json", action="store_true")
        action.set_defaults(run=run)
    given = parser.parse_args(argv)
    return int(given.run(given))


def read(path: Path) -> Plan:
    """Raises RolloutError."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Plan)
    except OSError as error:
        raise RolloutError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # of TOML, of UTF-8, and msgspec's
        raise RolloutError(f"{path}: {error}") from None


def _start(given: argparse.Namespace) -> int:
    plan = read(given.what)
    begun = _decide(given, lambda connection, now: rollouts.start(connection, plan, now))
    sys.stdout.write(f"{begun.version}\t{begun.state}\n")
    return 0


def _stop(given: argparse.Namespace) -> int:
    stopped = _decide(given, lambda connection, now: rollouts.stop(connection, given.what, now))
    sys.stdout.write(f"{stopped.version}\t{stopped.state}\n")
    return 0


def _show(given: argparse.Namespace) -> int:
    """Time alone may stop one: it is judged anew."""

    def look(connection: Connection, now: int) -> list[tuple[Rollout, list[tuple[str, ...]]]]:
        fleet = rollouts.seen_by_kiosk(connection, now)
        boards = [one.board for one in rollouts.every(connection)]
        moved = [rollouts.move(connection, board, now) for board in boards]
        return [(one, _rows(one, fleet)) for one in moved if one]

    found = _decide(given, look)
    if given.json:
        told = [{**msgspec.to_builtins(one), "kiosks": rows} for one, rows in found]
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    else:
        sys.stdout.write("".join(map(_as_text, found)) or "none yet\n")
    return max((WELL[one.state] for one, _ in found), default=0)


def _rows(one: Rollout, fleet: rollouts.Fleet) -> list[tuple[str, ...]]:
    """Ring, kiosk, its stage, what it told."""
    return [
        (str(number), kiosk, stage(told, one.version), update(told))
        for number, ring in enumerate(one.rings, 1)
        for kiosk in ring
        for told in [fleet[kiosk].update if kiosk in fleet else None]
    ]


def _as_text(found: tuple[Rollout, list[tuple[str, ...]]]) -> str:
    one, rows = found
    state = f"{one.state}: {one.why}" if one.why else one.state
    head = (one.board, one.version, one.build, f"ring {one.ring + 1} of {len(one.rings)}", state)
    return "".join("\t".join(line) + "\n" for line in (head, *rows))


def _decide(given: argparse.Namespace, what: Callable[[Connection, int], T]) -> T:
    config = load(given.config)
    now = seconds(starting(config.clock.start)())
    return work(config, Mode.DECIDE, lambda connection: what(connection, now))
