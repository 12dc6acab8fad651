"""The city's server: TLS 1.3, client certificates, six paths, one bounded queue. `main` runs it until SIGTERM.

Everything that goes wrong is answered as a `Refusal`; nothing of an error's inside reaches the wire. All work is done
in worker threads: when as many requests wait as the configuration allows, the next is refused as busy, uncharged.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from city import cards, handlers, municipality, rules, tables
from city.clock import starting
from city.config import Config, ConfigError
from city.config import load as load_config
from city.document import Typesetter
from city.handlers import City, Refused
from firmware.link import messages as m
from firmware.link.messages import RefusalCode
from firmware.link.refusals import STATUS

log = logging.getLogger("city")

Work = Callable[[City, str, Any], m.Message]
PATHS: Final[dict[str, tuple[type[m.Message], Work]]] = {
    "hello": (m.Hello, handlers.hello),
    "sessions": (m.SessionRequest, handlers.open_session),
    "orders": (m.OrderRequest, handlers.order),
    "release": (m.ReleaseRequest, handlers.release),
    "cancel": (m.CancelRequest, handlers.cancel),
    "outcome": (m.Outcome, handlers.outcome),
}
BODY_S: Final = 10.0  # for a request to arrive
HANDSHAKE_S: Final = 10.0
KEEP_ALIVE_S: Final = 1800.0  # one resident's connection
T = TypeVar("T")


class Workers:
    """Threads behind one bounded queue."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="city")
        self._free = threads + waiting

    async def run(self, work: Callable[[], T]) -> T:
        """Raises Refused(BUSY) at once when the queue is full. Work that has begun is never abandoned half-way."""
        if self._free == 0:
            raise Refused(RefusalCode.BUSY)
        self._free -= 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._release)
        return await asyncio.shield(future)

    def _release(self, future: asyncio.Future[Any]) -> None:
        self._free += 1
        if not future.cancelled():
            future.exception()  # seen, even when the caller has gone

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


# -- the application ----------------------------------------------------------------------------------------------


def application(city: City, workers: Workers) -> web.Application:
    """The six paths. `city` and `workers` belong to the caller."""
    app = web.Application(client_max_size=m.MAX_REQUEST, middlewares=[_always_a_message(city)])
    for name, (kind, work) in PATHS.items():
        app.router.add_post(f"/v{m.PROTOCOL}/{name}", partial(_serve, city, workers, name, kind, work))
    return app


def _always_a_message(city: City) -> Any:
    """Whatever happens, the answer is a message."""

    @web.middleware
    async def answer(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        try:
            return await handler(request)
        except Refused as refused:
            return _refusal(city, refused.code, opens_at=refused.opens_at)
        except web.HTTPException as error:
            return _refusal(city, _http_code(request, error.status), error.status)
        except Exception as error:
            log.error("internal error in %s: %s", request.path, _where(error))
            return _refusal(city, RefusalCode.INTERNAL)

    return answer


def _http_code(request: web.Request, status: int) -> RefusalCode:
    if status == 413:
        return RefusalCode.TOO_BIG
    version = re.match(r"/v(\d{1,3})/", request.path)
    other = version is not None and int(version[1]) != m.PROTOCOL
    return RefusalCode.VERSION if other else RefusalCode.PROTOCOL_ERROR


async def _serve(
    city: City, workers: Workers, name: str, kind: type[m.Message], work: Work, request: web.Request
) -> web.Response:
    kiosk = kiosk_of(request)
    try:
        async with asyncio.timeout(BODY_S):
            message = msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TimeoutError):
        raise Refused(RefusalCode.MALFORMED) from None
    return _json(await workers.run(partial(_work, city, kiosk, name, work, message)))


def _work(city: City, kiosk: str, name: str, work: Work, message: m.Message) -> m.Message:
    try:
        return work(city, kiosk, message)
    except Refused as refused:
        handlers.note_refusal(city, kiosk, name, message, refused.code)
        raise


def _json(message: m.Message, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(message), status=status, content_type="application/json")


def _refusal(city: City, code: RefusalCode, status: int = 0, opens_at: datetime | None = None) -> web.Response:
    return _json(rules.refusal(city.data, code, city.clock(), opens_at), status or STATUS[code])


def _where(error: BaseException) -> str:
    """The error's type and place: its text could hold a resident's data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__} at {place}"


def kiosk_of(request: web.Request) -> str:
    """Which kiosk this is: the common name of the certificate that TLS has checked. Raises Refused."""
    tls = request.transport.get_extra_info("ssl_object") if request.transport else None
    der = tls.getpeercert(True) if tls else None
    kiosk = _common_name(der) if der else None
    if kiosk is None:
        raise Refused(RefusalCode.KIOSK_UNKNOWN)
    return kiosk


@lru_cache(maxsize=4096)
def _common_name(der: bytes) -> str | None:
    try:
        names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return msgspec.convert(names[0].value if len(names) == 1 else None, m.Key)
    except (ValueError, msgspec.ValidationError):
        return None


# -- running ------------------------------------------------------------------------------------------------------


def build(config: Config, typeset: Typesetter) -> City:
    """Everything the handlers need, read and checked. Raises ConfigError, tables.DatabaseError."""
    return City(
        data=municipality.load(config.gateway.city),
        authorities=cards.load_authorities(config.cards.ca, config.cards.allow_test),
        issuing=_issuing_key(config.issuing.key),
        engine=tables.connect(config.gateway.database),
        clock=starting(config.clock.start),
        typeset=typeset,
    )


def _issuing_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: not a private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: the issuing key must be Ed25519")
    return key


def tls_context(config: Config) -> ssl.SSLContext:
    """TLS 1.3 and nothing older; who shows no certificate of the kiosk CA gets nowhere. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # asyncio cannot resume; the connection is kept instead
    context.verify_mode = ssl.CERT_REQUIRED
    tls = config.tls
    try:
        context.load_verify_locations(tls.kiosk_ca)
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        unfit = isinstance(error, ssl.SSLError)
        reason = "certificate and key do not fit, or are not PEM" if unfit else error.strerror
        raise ConfigError(f"tls ({tls.kiosk_ca}, {tls.certificate}, {tls.key}): {reason}") from None
    return context


class Server:
    """A listening gateway; `start` tells its address."""

    def __init__(self, config: Config, city: City) -> None:
        """Raises ConfigError."""
        self._host, _, port = config.gateway.listen.rpartition(":")
        self._port, self._tls = int(port), tls_context(config)
        self._workers = Workers(config.gateway.workers, config.gateway.waiting)
        self._runner = web.AppRunner(
            application(city, self._workers),
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_S,
            auto_decompress=False,
            shutdown_timeout=2.0,
        )

    async def start(self) -> str:
        """https://host:port. Raises OSError when the port cannot be had."""
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner has no server")
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(
            server, self._host.strip("[]"), self._port, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_S
        )
        return f"https://{self._host}:{self._listening.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        if hasattr(self, "_listening"):
            self._listening.close()
        await self._runner.cleanup()
        self._workers.close()


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
    from city.typesetting import FONT, FontUnusable, load_font, typeset  # late: fonts and typst are heavy

    try:
        config = load_config(Path(config_path))
        font = config.typesetting.font or FONT
        load_font(font)
        asyncio.run(run(config, build(config, partial(typeset, font=font))))
    except (ConfigError, tables.DatabaseError, FontUnusable, OSError) as error:
        listen = f" ({config.gateway.listen})" if isinstance(error, OSError) else ""
        sys.stderr.write(f"city: {error}{listen}\n")
        return 1
    return 0
