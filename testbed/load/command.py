"""`kiosk load`: many kiosks at once on the line; then whether anybody got what is another's, and
how long it took.
"""

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
from testbed.demo import FOLDER
from testbed.load import judge, typesetting
from testbed.load.crowd import Crowd, CrowdReport
from testbed.load.customers import Customer, register
from testbed.load.desk import Place
from testbed.load.figures import rung, table
from testbed.load.target import Gateways, Target, busy_cpu, cpu_of_tree, find_target, make_target

LADDER = (1, 10, 50, 100, 250, 500)
MOST_KIOSKS = 1000
MOST_S = 3600.0
MOST_JOURNEYS = 100_000
CARDS_A_KIOSK = 1.25  # cards for each kiosk, and a few more


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all that must be 0 is, and somebody was served."""
    given = _parser().parse_args(argv)
    logging.getLogger().addHandler(logging.NullHandler())
    # The servers started here are ended likewise.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        tempfile.TemporaryDirectory(prefix="madoguchi-load-") as folder,
        _target(given, Path(folder)) as target,
    ):
        rungs = asyncio.run(_climb(given, target))
    if given.json:
        gateways = len(given.city) or given.gateways
        print(json.dumps({"database": _database(given), "gateways": gateways, "rungs": rungs}))
    else:
        print(table(rungs))
    return 0 if all(_is_sound(figures) for figures in rungs) else 1


def _is_sound(figures: dict[str, Any]) -> bool:
    """Nothing is there that must be 0, and somebody was served."""
    return bool(figures["journeys"]) and not any(figures["must_be_zero"].values())


@contextmanager
def _target(given: argparse.Namespace, folder: Path) -> Iterator[Target]:
    if given.city:
        yield find_target(given.city, given.config, folder)
        return
    given_limits = {"workers": given.workers, "waiting": given.waiting}
    limits = {name: value for name, value in given_limits.items() if value}
    with make_target(folder, given.gateways, given.database, given.postgres, limits) as target:
        yield target


async def _climb(given: argparse.Namespace, target: Target) -> list[dict[str, Any]]:
    """One run for each number of kiosks, each with kiosks of its own."""
    numbers = given.ladder or (given.kiosks,)
    engine = target.engine()
    loop = asyncio.get_running_loop()
    try:
        _print_progress("registering residents")
        count = int(CARDS_A_KIOSK * max(numbers)) + 10
        customers = await loop.run_in_executor(
            None, register, engine, target.city(), target.cards, count, target.now()
        )
        with Crowd(min(given.clients, max(numbers))) as crowd:
            rungs = []
            for n, kiosks in enumerate(numbers):
                one = await _rung(given, target, crowd, customers, kiosks, given.seed + n)
                rungs.append(one)
                _print_progress(
                    f"{kiosks} kiosks: {one['journeys']} journeys, {one['journeys_per_s']} a second"
                )
            return rungs
    finally:
        engine.dispose()


async def _rung(
    given: argparse.Namespace,
    target: Target,
    crowd: Crowd,
    customers: Sequence[Customer],
    kiosks: int,
    seed: int,
) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    head = f"load-{secrets.token_hex(4)}"
    names = tuple(f"{head}-{n}" for n in range(kiosks))
    pki.make(target.keys.folder, names)
    server_before = cpu_of_tree(target.server)
    async with Gateways(target) as gateways:
        places = [
            Place(name, gateways.urls[n % len(gateways.urls)], target.keys, given.dots)
            for n, name in enumerate(names)
        ]
        busy_before = busy_cpu()
        done: CrowdReport = await loop.run_in_executor(
            None, crowd.run, places, customers, given.seconds, given.journeys or 0, seed
        )
        busy = busy_cpu() - busy_before
    used = cpu_of_tree(target.server) - server_before
    engine = target.engine()
    try:
        books = transact(
            engine, Mode.READ, lambda connection: judge.read(connection, frozenset(names))
        )
    finally:
        engine.dispose()
    verdict = judge.judge(done.visits, {customer.id: customer for customer in customers}, books)
    for fault, which in verdict.found.items():
        for one in which[:5]:
            _print_progress(f"{fault}: {one}")
    alone = None
    if given.typst and gateways.calls:
        threads = target.loaded().gateway.workers
        alone = await loop.run_in_executor(
            None, typesetting.measure, gateways.calls, len(gateways.reports), threads
        )
    return rung(kiosks, done, gateways.reports, used, busy, verdict, alone)


def _database(given: argparse.Namespace) -> str:
    if given.city:
        return "as found"
    return "postgresql" if given.postgres or given.database.startswith("postgresql") else "sqlite"


def _print_progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")


# -- the command line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiosk load", description=__doc__)
    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument(
        "--kiosks", type=_kiosks, default=10, metavar="N", help="at once (default: %(default)s)"
    )
    how_many.add_argument(
        "--ladder",
        type=_ladder,
        nargs="?",
        const=LADDER,
        metavar="N,N,…",
        help="one run for each number of kiosks",
    )
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument(
        "--journeys", type=_bounded(int, MOST_JOURNEYS), metavar="M", help="residents in each run"
    )
    how_long.add_argument(
        "--seconds",
        type=_bounded(float, MOST_S),
        default=20.0,
        metavar="S",
        help="for so long new residents come (default: %(default)s)",
    )
    running = parser.add_argument_group("gateways that run (a rehearsal's, on loopback)")
    running.add_argument("--city", type=_urls, action="extend", default=[], metavar="URL,URL,…")
    running.add_argument(
        "--config",
        type=Path,
        default=FOLDER / "run" / "city.toml",
        metavar="FILE",
        help="theirs: where their database and their authorities' keys are (default: %(default)s)",
    )
    own = parser.add_argument_group("otherwise gateways of its own")
    own.add_argument(
        "--gateways", type=_bounded(int, 16), default=1, metavar="N", help="default: %(default)s"
    )
    where = own.add_mutually_exclusive_group()
    where.add_argument(
        "--postgres",
        action="store_true",
        help="on a private PostgreSQL server in a temporary folder",
    )
    where.add_argument(
        "--database",
        default="",
        metavar="URL",
        help="on this database, which is migrated and filled",
    )
    own.add_argument("--workers", type=_bounded(int, 64), metavar="N", help="threads of a gateway")
    own.add_argument(
        "--waiting", type=_bounded(int, 10_000), metavar="N", help="requests that may wait for them"
    )
    parser.add_argument(
        "--clients",
        type=_bounded(int, 8),
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes full of kiosks (default: %(default)s)",
    )
    parser.add_argument(
        "--dots",
        action="store_true",
        help="rasterise every sheet and read its code back, as a board",
    )
    own.add_argument(
        "--typst",
        action="store_true",
        help="after each run the same typesetting alone, in as many processes and threads",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=int(time.time()),
        metavar="S",
        help="the same seed, the same chances",
    )
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
