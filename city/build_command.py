"""`kiosk city builds list|accept|refuse|forget`: which builds of the kiosk may serve."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from city import audit, builds
from city.clock import starting
from city.config import Config, load
from city.database import Mode
from city.handlers import seconds
from city.work import work

STATES = {"accept": builds.ACCEPTED, "refuse": builds.REFUSED, "forget": ""}


def main(argv: Sequence[str]) -> int:
    """0; 1 when there is nothing to forget. Raises ConfigError, DatabaseError."""
    parser = argparse.ArgumentParser(
        prog="kiosk city builds", description="which builds of the kiosk may serve"
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    for name, text in (
        ("list", "every build that is named here or runs on a kiosk, its state, its kiosks"),
        ("accept", "it may serve; from the first accepted one on, nothing unnamed may"),
        ("refuse", "it may serve nobody any more; who is being served is served to the end"),
        ("forget", "as if it had never been named"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument(
            "--config", required=True, type=Path, metavar="FILE", help="the gateway's TOML"
        )
        if name != "list":
            action.add_argument("build", help="as `kiosk version` and `list` write it")
    given = parser.parse_args(argv)
    config = load(given.config)
    if given.action == "list":
        return _list(config)
    return _name(config, given.build, STATES[given.action])


def _list(config: Config) -> int:
    rows = work(config, Mode.READ, builds.listed)
    lines = ("\t".join((build, state or "-", " ".join(kiosks))) for build, state, kiosks in rows)
    sys.stdout.write("".join(f"{line}\n" for line in lines) or "none yet\n")
    return 0


def _name(config: Config, build: str, state: str) -> int:
    at = seconds(starting(config.clock.start)())

    refused: list[str] = []

    def change(connection: Connection) -> bool:
        if state:
            builds.name(connection, build, state, at)
        elif not builds.forget(connection, build):
            return False
        audit.append(connection, f"build-{state or 'forgotten'}", at, build=build)
        refused[:] = [
            f"{one} ({' '.join(kiosks)})"
            for one, _, kiosks in builds.listed(connection)
            if kiosks and not builds.is_taken(connection, one)
        ]
        return True

    if not work(config, Mode.DECIDE, change):
        sys.stderr.write(f"city: {build} was not named\n")
        return 1
    sys.stdout.write(f"{build}\t{state or 'forgotten'}\n")
    sys.stderr.writelines(f"city: runs and is refused from here on: {one}\n" for one in refused)
    return 0
