"""`kiosk city check FILE`: what a city's data file says, before any gateway reads it.

It says what holds now and what changes in the next 400 days, draws the days and one specimen of
each certificate, and lists what is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from city import municipality, outlook
from city.clock import JST
from city.config import ConfigError
from city.municipality import Municipality
from city.specimens import NoSpecimen, calendars, marked, sheets
from city.terms import check_line
from city.typesetting import check_texts


def main(argv: Sequence[str]) -> int:
    """0; 1 when something is missing. Raises ConfigError for a file that cannot be used."""
    parser = argparse.ArgumentParser(prog="kiosk city check", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="the city's data")
    parser.add_argument(
        "--at", type=_moment, metavar="TIME", help="as if it were then (2027-04-01T12:00), in Japan"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the pictures go (default: FILE's name-check)",
    )
    given = parser.parse_args(argv)
    now = given.at or datetime.now(JST)
    city = municipality.load(given.file)
    check_texts(city, given.file)
    check_line(city, given.file)
    out = given.out or Path(f"{given.file.stem}-check")
    _print(f"holds at {now:%Y-%m-%d %H:%M}", outlook.holding(city, now))
    _print(
        f"changes in {outlook.AHEAD_DAYS} days",
        (f"{day}  {what}" for day, what in sorted(outlook.changes(city, now.date()))),
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        no_pictures = list(_draw(city, now, out))
    except OSError as error:
        raise ConfigError(f"{error.filename or out}: {error.strerror}") from None
    missing = [*outlook.missing(city, now.date()), *no_pictures]
    _print("missing", missing)
    sys.stdout.write(f"pictures: {out}\n")
    return 1 if missing else 0


def _draw(city: Municipality, now: datetime, out: Path) -> Iterable[str]:
    """Writes the pictures; says which there are not."""
    for name, png in calendars(city, now.date()):
        (out / f"{name}.png").write_bytes(png)
    for name, found in sheets(city, now):
        if isinstance(found, NoSpecimen):
            yield f"specimen of {name}: {found}"
        else:
            marked(found, out / f"sheet-{name}.png")


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.astimezone(JST) if at.tzinfo else at.replace(tzinfo=JST)


def _print(title: str, lines: Iterable[str]) -> None:
    sys.stdout.write(f"{title}:\n")
    sys.stdout.writelines(f"  {line}\n" for line in list(lines) or ["nothing"])
