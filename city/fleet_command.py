"""`kiosk city fleet` shows how the kiosks are; with --listen, as a page that renews itself.

0 when every kiosk was heard and can serve; 1 when one needs somebody.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web
from jinja2 import Environment, PackageLoader, select_autoescape
from sqlalchemy import Engine

from city import database, fleet
from city.clock import JST, Clock, starting
from city.config import Config, ConfigError, load
from city.database import DatabaseError, Mode
from city.fleet import Seen
from city.handlers import seconds
from firmware.link.case_guide import guide
from firmware.link.messages import CaseCount, UpdateReport

WELL: Final = frozenset({"ready", "serving", "off-hours", "starting"})
PAGE, DATA = "/", "/fleet.json"
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Refresh": "10",  # seconds; also of a page that says that the database is away
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
COLUMNS: Final = ("kiosk", "state", "paper", "cases", "build", "update", "last seen")
Look = Callable[[], Sequence[Seen]]


def main(argv: Sequence[str]) -> int:
    """Raises ConfigError, DatabaseError, OSError."""
    parser = argparse.ArgumentParser(prog="kiosk city fleet", description=__doc__)
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="the gateway's TOML"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="serve the page there; who may see it is for a proxy in front to say, so loopback",
    )
    given = parser.parse_args(argv)
    config = load(given.config)
    engine = database.connect(config.gateway.database, 1)
    try:
        look = _look(config, engine)
        if given.listen:
            asyncio.run(_serve(look, *_loopback(given.listen)))
            return 0
        found = look()
        sys.stdout.write(as_json(found).decode() + "\n" if given.json else as_text(found))
        return 0 if all(needs_nobody(one) for one in found) else 1
    finally:
        engine.dispose()


def needs_nobody(one: Seen) -> bool:
    fell_back = one.update is not None and one.update.fell_back
    return one.availability in WELL and not (one.cases or one.city_cases or fell_back)


def as_json(found: Sequence[Seen]) -> bytes:
    return msgspec.json.encode([asdict(one) for one in found])


def as_text(found: Sequence[Seen]) -> str:
    """Tab-separated, with a heading: a line for each, and below it one for each code of a case."""
    lines: list[tuple[str, ...]] = [COLUMNS] if found else [("no kiosk said hello yet",)]
    for one in found:
        lines += [cells(one), *(("", *case_cells(each)) for each in one.case_codes)]
    return "".join("\t".join(line) + "\n" for line in lines)


def cells(one: Seen) -> tuple[str, ...]:
    """One for each of `COLUMNS`."""
    state = f"{one.availability} ({one.problem})" if one.problem else one.availability
    paper = ", ".join(f"{printer} {supply}" for printer, supply in sorted(one.paper.items()))
    change = ["exact amounts only"] if one.exact_only else []
    cases = f"{one.cases} at the kiosk, {one.city_cases} here"
    at = _moment(one.seen)
    seen = f"{at} ({one.silent_s} s ago)"
    supplies = "; ".join([*([paper] if paper else []), *change]) or "-"
    return (
        one.kiosk,
        state,
        supplies,
        cases,
        one.build,
        update(one.update),
        seen,
    )


def case_cells(one: CaseCount) -> tuple[str, str, str]:
    """The code and how often, since when, and what to do about it."""
    known = guide(one.code)
    at = _moment(one.oldest)
    what_to_do = f"{known.happened}: {known.en}" if known else "a code of another build"
    return f"{one.code} ({one.number})", f"since {at}", what_to_do


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, JST).isoformat(timespec="seconds")


def update(told: UpdateReport | None) -> str:
    """Which image runs, and what there is to say of another one."""
    return ", ".join(told.words()) if told else "-"


def as_page(found: Sequence[Seen]) -> str:
    environment = Environment(loader=PackageLoader("city"), autoescape=select_autoescape())
    rows = [
        (cells(one), needs_nobody(one), [case_cells(each) for each in one.case_codes])
        for one in found
    ]
    counts = sum(not well for _, well, _ in rows)
    page = environment.get_template("fleet.html")
    return page.render(columns=COLUMNS, rows=rows, need=counts)


def _look(config: Config, engine: Engine) -> Look:
    clock: Clock = starting(config.clock.start)

    def look() -> Sequence[Seen]:
        try:
            return database.transact(
                engine, Mode.READ, lambda connection: fleet.view(connection, seconds(clock()))
            )
        except database.Unavailable:
            raise DatabaseError("the database does not answer") from None

    return look


def _loopback(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    try:
        if ipaddress.ip_address(host.strip("[]")).is_loopback and 0 <= int(port) < 65_536:
            return host.strip("[]"), int(port)
    except ValueError:
        pass
    raise ConfigError(f"--listen: {listen} is no address of this machine alone")


def application(look: Look) -> web.Application:
    """The page, and its data. 503 while the database does not answer."""

    async def seen() -> Sequence[Seen]:
        try:
            return await asyncio.to_thread(look)
        except DatabaseError as error:
            raise web.HTTPServiceUnavailable(text=f"{error}\n", headers=HEADERS) from None

    async def page(_: web.Request) -> web.Response:
        text = as_page(await seen())
        return web.Response(text=text, content_type="text/html", headers=HEADERS)

    async def data(_: web.Request) -> web.Response:
        body = as_json(await seen())
        return web.Response(body=body, content_type="application/json", headers=HEADERS)

    app = web.Application()
    app.router.add_get(PAGE, page)
    app.router.add_get(DATA, data)
    return app


async def _serve(look: Look, host: str, port: int) -> None:
    runner = web.AppRunner(application(look), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        sys.stdout.write(f"fleet ready http://{host}:{runner.addresses[0][1]}/\n")
        sys.stdout.flush()
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await ended.wait()
    finally:
        await runner.cleanup()
