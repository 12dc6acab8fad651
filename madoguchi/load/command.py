"""`kiosk load`: many kiosks at once on the line; then whether anybody got what is another's, and how long it took."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from city import pki
from city.database import Mode, transact
from madoguchi.demo import FOLDER
from madoguchi.load import judge
from madoguchi.load.crowd import Crowd, Told
from madoguchi.load.figures import rung, table
from madoguchi.load.ground import Gateways, Ground, cpu_of_tree, found, machine, made
from madoguchi.load.people import Person, register
from madoguchi.load.visit import Place

LADDER = (1, 10, 50, 100, 250, 500)
MOST_KIOSKS, MOST_S, MOST_JOURNEYS = 1000, 3600.0, 100_000
PEOPLE = 1.25  # cards for each kiosk, and a few more


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all that must be 0 is, and somebody was served."""
    given = _parser().parse_args(argv)
    logging.getLogger().addHandler(logging.NullHandler())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers started here are ended likewise
    with tempfile.TemporaryDirectory(prefix="madoguchi-load-") as folder, _ground(given, Path(folder)) as ground:
        rungs = asyncio.run(_climb(given, ground))
    if given.json:
        print(json.dumps({"database": _database(given), "gateways": len(given.city) or given.gateways, "rungs": rungs}))
    else:
        print(table(rungs))
    return 1 if any(any(one["must_be_zero"].values()) or not one["journeys"] for one in rungs) else 0


@contextmanager
def _ground(given: argparse.Namespace, folder: Path) -> Iterator[Ground]:
    if given.city:
        yield found(given.city, given.config, folder)
        return
    limits = {name: value for name in ("workers", "waiting") if (value := getattr(given, name))}
    with made(folder, given.gateways, given.database, given.postgres, limits) as ground:
        yield ground


async def _climb(given: argparse.Namespace, ground: Ground) -> list[dict[str, Any]]:
    """One run for each number of kiosks, each with kiosks of its own."""
    numbers = given.ladder or (given.kiosks,)
    engine, loop = ground.engine(), asyncio.get_running_loop()
    try:
        _tell("registering residents")
        count = int(PEOPLE * max(numbers)) + 10
        people = await loop.run_in_executor(None, register, engine, ground.city(), ground.cards, count, ground.now())
        with Crowd(min(given.clients, max(numbers))) as crowd:
            rungs = []
            for n, kiosks in enumerate(numbers):
                one = await _rung(given, ground, crowd, people, kiosks, given.seed + n)
                rungs.append(one)
                _tell(f"{kiosks} kiosks: {one['journeys']} journeys, {one['journeys_per_s']} a second")
            return rungs
    finally:
        engine.dispose()


async def _rung(
    given: argparse.Namespace, ground: Ground, crowd: Crowd, people: Sequence[Person], kiosks: int, seed: int
) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    head = f"load-{secrets.token_hex(4)}"
    names = tuple(f"{head}-{n}" for n in range(kiosks))
    pki.make(ground.keys.folder, names)
    server = cpu_of_tree(ground.server)
    async with Gateways(ground) as gateways:
        places = [
            Place(name, gateways.urls[n % len(gateways.urls)], ground.keys, given.dots) for n, name in enumerate(names)
        ]
        busy = machine()
        told: Told = await loop.run_in_executor(
            None, crowd.run, places, people, given.seconds, given.journeys or 0, seed
        )
        busy = machine() - busy
    used = cpu_of_tree(ground.server) - server
    engine = ground.engine()
    try:
        books = transact(engine, Mode.READ, lambda connection: judge.read(connection, frozenset(names)))
    finally:
        engine.dispose()
    verdict = judge.judge(told.visits, {person.id: person for person in people}, books)
    for fault, which in verdict.found.items():
        for one in which[:5]:
            _tell(f"{fault}: {one}")
    return rung(kiosks, told, gateways.reports, used, busy, verdict)


def _database(given: argparse.Namespace) -> str:
    if given.city:
        return "as found"
    return "postgresql" if given.postgres or given.database.startswith("postgresql") else "sqlite"


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


# -- the command line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiosk load", description=__doc__)
    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument("--kiosks", type=_kiosks, default=10, metavar="N", help="at once (default: %(default)s)")
    how_many.add_argument(
        "--ladder", type=_ladder, nargs="?", const=LADDER, metavar="N,N,…", help="one run for each number of kiosks"
    )
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--journeys", type=_bounded(int, MOST_JOURNEYS), metavar="M", help="residents in each run")
    how_long.add_argument(
        "--seconds", type=_bounded(float, MOST_S), default=20.0, metavar="S",
        help="for so long new residents come (default: %(default)s)",
    )  # fmt: skip
    running = parser.add_argument_group("gateways that run (a rehearsal's, on loopback)")
    running.add_argument("--city", type=_urls, action="extend", default=[], metavar="URL,URL,…")
    running.add_argument(
        "--config", type=Path, default=FOLDER / "run" / "city.toml", metavar="FILE",
        help="theirs: where their database and their authorities' keys are (default: %(default)s)",
    )  # fmt: skip
    own = parser.add_argument_group("otherwise gateways of its own")
    own.add_argument("--gateways", type=_bounded(int, 16), default=1, metavar="N", help="default: %(default)s")
    where = own.add_mutually_exclusive_group()
    where.add_argument("--postgres", action="store_true", help="on a private PostgreSQL server in a temporary folder")
    where.add_argument("--database", default="", metavar="URL", help="on this database, which is migrated and filled")
    own.add_argument("--workers", type=_bounded(int, 64), metavar="N", help="threads of a gateway")
    own.add_argument("--waiting", type=_bounded(int, 10_000), metavar="N", help="requests that may wait for them")
    parser.add_argument(
        "--clients", type=_bounded(int, 8), default=os.cpu_count() or 1, metavar="N",
        help="processes full of kiosks (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--dots", action="store_true", help="rasterise every sheet and read its code back, as a board")
    parser.add_argument("--seed", type=int, default=int(time.time()), metavar="S", help="the same seed, the same luck")
    parser.add_argument("--json", action="store_true")
    return parser


def _bounded(kind: type, most: float) -> Any:
    def convert(text: str) -> Any:
        value = kind(text)
        if not 0 < value <= most:
            raise argparse.ArgumentTypeError(f"more than 0, at most {most:g}")
        return value

    return convert


_kiosks = _bounded(int, MOST_KIOSKS)


def _ladder(text: str) -> tuple[int, ...]:
    return tuple(_kiosks(number) for number in text.split(","))


def _urls(text: str) -> list[str]:
    return text.split(",")
