"""`kiosk city transparency`: the public figures of whole calendar months, with no person in them.

0 when they are written; 2 when not.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from city import audit, database, municipality
from city.clock import JST, starting
from city.config import ConfigError, load
from city.database import DatabaseError, Mode, Unavailable, transact
from city.municipality import Municipality
from city.retention.run import patient
from city.tables import fleet
from city.terms import load_terms_key
from city.transparency import inspections, page
from city.transparency.count import count
from city.transparency.figures import Month, kept, months, publish
from firmware.link import signing


def main(argv: Sequence[str]) -> int:
    """Raises ConfigError, DatabaseError, FiguresError, InspectionError, OSError."""
    parser = argparse.ArgumentParser(prog="kiosk city transparency", description=__doc__)
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="the gateway's TOML"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    for name, text in (("--from", "first month"), ("--until", "last month")):
        parser.add_argument(name, type=_month, metavar="YYYY-MM", help=text)
    parser.add_argument(
        "--inspection", action="append", default=[], type=Path, metavar="REPORT", help="signed"
    )
    parser.add_argument(
        "--inspection-key", action="append", default=[], type=Path, metavar="KEY", help="public"
    )
    given = parser.parse_args(argv)
    config = load(given.config)
    if config.records is None:
        raise ConfigError(
            f"{given.config}: no section [records]: what are the figures signed with?"
        )
    city = municipality.load(config.gateway.city)
    if city.transparency is None:
        raise ConfigError(f"{config.gateway.city}: no [transparency]: which numbers are small?")
    key = load_terms_key(config.records.key)
    trusted = signing.load_public(given.inspection_key)
    reports = [inspections.read(path, trusted) for path in given.inspection]
    now = starting(config.clock.start)()
    engine = database.connect(config.gateway.database, 2)
    try:
        found = _months(engine, city, now, getattr(given, "from"), given.until)
        builds = transact(engine, Mode.READ, _builds)
    except Unavailable:
        raise DatabaseError("the database does not answer") from None
    finally:
        engine.dispose()
    what = page.Publication(city, now.astimezone(JST).date(), found, builds, reports)
    for name in page.write(given.out, what, key):
        sys.stdout.write(f"{given.out / name}\n")
    return 0


def _month(text: str) -> str:
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", text):
        raise argparse.ArgumentTypeError("a calendar month, as 2026-10")
    return text


def _months(
    engine: Engine, city: Municipality, now: datetime, first: str | None, last: str | None
) -> list[Month]:
    """Counted where that is new, as they were published otherwise."""
    at = int(now.timestamp())
    below = city.transparency.hidden_below if city.transparency else 0

    def look(connection: Connection) -> tuple[Sequence[str], dict[str, Month]]:
        return months(patient(connection), at, first, last), kept(connection)

    asked, known = transact(engine, Mode.READ, look)
    new = [month for month in asked if month not in known]
    counted = transact(engine, Mode.READ, lambda connection: count(patient(connection), new, at))

    def write(connection: Connection) -> dict[str, Month]:
        made = {each.month: publish(connection, each, city, below) for each in counted.values()}
        for month in new:
            audit.append(connection, "published", at, month=month)
        return made

    if new:
        known |= transact(engine, Mode.DECIDE, write)
    return [known[month] for month in asked]


def _builds(connection: Connection) -> dict[str, int]:
    return dict(Counter(connection.execute(select(fleet.c.build)).scalars()))
