"""The city's server: typed requests, typed answers. `main` runs it until SIGTERM.

Everything that goes wrong is answered as a `Refusal`; nothing of an error's inside reaches the
wire. All work is done in worker threads: when as many requests wait as the configuration allows, or
one more would wait too long, the next is refused as busy, uncharged.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from city import (
    cards,
    database,
    handlers,
    municipality,
    openapi,
    outlook,
    renewal,
    revocation,
    rules,
    terms,
)
from city.clock import starting
from city.config import Config, ConfigError
from city.config import load as load_config
from city.document import Paginator, Typesetter
from city.handlers import City, Refused
from city.issuing import load_issuing_key
from city.keeper import Keeper
from city.kiosks import Roll, Shown
from city.listener import Connection, Gate, Listener, tls_context
from city.paths import PATHS
from city.paths import Path as Call
from city.workers import PATIENCE_S, Workers
from firmware.link import messages
from firmware.link.messages import RefusalCode
from firmware.link.refusals import STATUS, UNFIT

log = logging.getLogger("city")

HEAD: Final = f"/v{messages.PROTOCOL}/"
VERSIONED: Final = re.compile(r"/v(\d{1,3})/")
KEEPERS: Final = 1  # beside the workers, who has a connection to the database
BODY_S: Final = 10.0  # for a request to arrive
ENTRANCE_S: Final = {
    "hello": 2.0,
    "sessions": 2.0,
}  # who has not begun is sent away before those who have

# -- answers ---------------------------------------------------------------------------------------


class Gateway:
    """One request in, one message out. `city` and `workers` belong to the caller."""

    def __init__(self, city: City, workers: Workers) -> None:
        self._city = city
        self._workers = workers
        self._roll = Roll(city.read, city.decide)
        self._described = msgspec.json.encode(openapi.document())

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Whatever happens, the answer is a message, and its Date is the city's time."""
        answer = await self._serve(request)
        answer.headers["Date"] = format_datetime(self._city.clock().astimezone(UTC), usegmt=True)
        return answer

    async def _serve(self, request: web.BaseRequest) -> web.Response:
        connection = request.protocol
        if not isinstance(connection, Connection):
            raise TypeError("requests come over our own connections")
        connection.begin()
        try:
            return await self._answer(request, connection.shown)
        except Refused as refused:
            kiosk = connection.shown.kiosk if connection.shown else ""
            answer = self._refusal(refused.code, opens_at=refused.opens_at, kiosk=kiosk)
            if refused.code in UNFIT:
                answer.force_close()
            return answer
        except web.HTTPRequestEntityTooLarge:
            return self._refusal(RefusalCode.TOO_BIG)
        except Exception as error:
            log.error("internal error in %s: %s", request.path, _where(error))
            return _json(messages.Refusal(code=RefusalCode.INTERNAL), STATUS[RefusalCode.INTERNAL])
        finally:
            connection.end()

    def unreadable(self, status: int) -> web.Response:
        """For what is not HTTP at all, or failed below everything here."""
        code = RefusalCode.INTERNAL if status >= 500 else RefusalCode.PROTOCOL_ERROR
        return _json(messages.Refusal(code=code), status)

    async def _answer(self, request: web.BaseRequest, shown: Shown | None) -> web.Response:
        name = request.path.removeprefix(HEAD)
        if (name, request.method) == ("openapi.json", "GET"):
            return web.Response(body=self._described, content_type="application/json")
        path = PATHS.get(name)
        if path is None:
            other = VERSIONED.match(request.path)
            newer = other is not None and int(other[1]) != messages.PROTOCOL
            return self._refusal(RefusalCode.VERSION if newer else RefusalCode.PROTOCOL_ERROR, 404)
        if request.method != "POST":
            return self._refusal(RefusalCode.PROTOCOL_ERROR, 405, {"Allow": "POST"})
        message = await _message(request, path.request)
        work = partial(self._work, shown, name, path, message)
        owner = shown.kiosk if shown else ""
        return _json(await self._workers.run(work, ENTRANCE_S.get(name, PATIENCE_S), owner))

    def _work(
        self, shown: Shown | None, name: str, path: Call, message: messages.Message
    ) -> messages.Message:
        """In a worker's thread: first whether this kiosk is one of ours still."""
        refusal = self._roll.refusal(shown)
        if refusal is not None or shown is None:
            raise Refused(refusal or RefusalCode.KIOSK_UNKNOWN)
        try:
            return path.work(self._city, shown if path.certificate else shown.kiosk, message)
        except Refused as refused:
            handlers.note_refusal(self._city, shown.kiosk, name, message, refused.code)
            raise Refused(handlers.told(refused.code, message), refused.opens_at) from None
        except Exception:
            with suppress(
                Exception
            ):  # what failed may be the database's end too; the first error is the one told
                handlers.note_refusal(self._city, shown.kiosk, name, message, RefusalCode.INTERNAL)
            raise

    def _refusal(
        self,
        code: RefusalCode,
        status: int = 0,
        headers: Mapping[str, str] | None = None,
        opens_at: datetime | None = None,
        kiosk: str = "",
    ) -> web.Response:
        """With the places to go of the kiosk's site."""
        now = self._city.clock()
        data = self._city.data.seen_by(kiosk) or self._city.data
        return _json(rules.refusal(data, code, now, opens_at), status or STATUS[code], headers)


async def _message(request: web.BaseRequest, kind: type[messages.Message]) -> messages.Message:
    """Raises Refused, HTTPRequestEntityTooLarge."""
    if (request.content_length or 0) > messages.MAX_REQUEST:
        raise Refused(RefusalCode.TOO_BIG)
    try:
        async with asyncio.timeout(BODY_S):
            return msgspec.json.decode(await request.read(), type=kind)
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
        TimeoutError,
        web.RequestPayloadError,
    ):
        raise Refused(RefusalCode.MALFORMED) from None


def _json(
    message: messages.Message, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    body = msgspec.json.encode(message)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def _where(error: BaseException) -> str:
    """The error's type and place: its text could hold a resident's data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__} at {place}"


# -- running ---------------------------------------------------------------------------------------


def build(config: Config, typeset: Typesetter, paginate: Paginator) -> City:
    """Everything the handlers need, read and checked. Raises
    ConfigError, database.DatabaseError.
    """
    authorities = cards.load_authorities(config.cards.ca, config.cards.allow_test)
    data = municipality.load(config.gateway.city)
    return City(
        data=data,
        authorities=authorities,
        revocation=revocation.load(config.cards.responders, authorities, config.cards.allow_test),
        issuing=load_issuing_key(config.issuing.key),
        engine=database.connect(
            config.gateway.database, config.gateway.workers + 1
        ),  # the keeper's
        clock=starting(config.clock.start),
        typeset=typeset,
        paginate=paginate,
        terms=terms.load_signed(config, data),
        renewal=renewal.load(config.tls),
        phone_policies=config.cards.phone_policies,
    )


def warn(path: Path, city: City) -> None:
    """What the city's file lacks still goes into the log, as `kiosk city check` says it."""
    for line in outlook.missing(city.data, handlers.day_of(city.clock())):
        log.warning("%s: %s", path, line)


class Server:
    """A listening gateway; `start` tells its address."""

    def __init__(self, config: Config, city: City) -> None:
        """Raises ConfigError."""
        self._config = config.gateway
        self._tls = tls_context(config)
        self._workers = Workers(config.gateway.workers, config.gateway.waiting)
        self._gateway = Gateway(city, self._workers)
        self._keeper = Keeper(city)
        self._listener: Listener | None = None

    async def start(self) -> str:
        """https://host:port. Raises OSError when the port cannot be had."""
        host, _, port = self._config.listen.rpartition(":")
        most = self._config.connections
        of_one = self._config.per_kiosk
        gate = Gate(self._gateway, self._gateway.unreadable, most, of_one, messages.MAX_REQUEST)
        self._listener = Listener(gate, host.strip("[]"), int(port), self._tls)
        self._keeper.start()
        return f"https://{host}:{self._listener.port}"

    async def stop(self) -> None:
        if self._listener is not None:
            await self._listener.close()
        self._workers.close()
        if self._listener is not None:
            await asyncio.to_thread(self._keeper.stop)


async def run(config: Config, city: City) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigError, OSError."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(config, city)
    try:
        address = await server.start()
        sys.stdout.write(f"city ready {address}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await server.stop()


def main(config_path: str | Path) -> int:
    """The gateway as a program: 0 after a signal, 1 with one line on stderr when it cannot run."""
    from city.typesetting import (
        FONT,
        FontUnusable,
        check_texts,
        people_on_sheets,
        typeset,
    )  # late: typst is heavy

    try:
        config = load_config(Path(config_path))
        font = config.typesetting.font or FONT
        city = build(config, partial(typeset, font=font), partial(people_on_sheets, font=font))
        check_texts(city.data, config.gateway.city, font)
        warn(config.gateway.city, city)
        asyncio.run(run(config, city))
    except (ConfigError, database.DatabaseError, FontUnusable, OSError) as error:
        listen = f" ({config.gateway.listen})" if isinstance(error, OSError) else ""
        sys.stderr.write(f"city: {error}{listen}\n")
        return 1
    return 0
