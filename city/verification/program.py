"""`kiosk city verification --config city.toml`: serve the page until SIGTERM.

The process holds public keys and a database that it opens read-only; `[issuing]` in the same file
is not read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from city import database, municipality
from city.clock import JST
from city.config import ConfigError, Verification, load_verification
from city.kiosks import Shown
from city.listener import Gate, Listener
from city.verification import published
from city.verification.limits import subscriber
from city.verification.site import MAX_BODY, Site
from city.verification.standings import Standings

COUNTS_S: Final = 3600.0
IDLE_S: Final = 15.0


class PublicGate(Gate):
    """For everybody: no certificates, short connections, and headers as long as browsers
    make them.
    """

    idle_s = IDLE_S
    max_line = 8190
    max_headers = 64

    def recognise(self, transport: asyncio.BaseTransport) -> tuple[Shown | None, str]:
        peer = transport.get_extra_info("peername")
        return None, subscriber(peer[0]) if peer else ""


class Server:
    """A listening page; `start` tells its address. Raises ConfigError, DatabaseError."""

    def __init__(self, config: Verification) -> None:
        self._config = config
        self._tls = _tls(config)
        keys = published.document(
            config.keys, municipality.load(_city(config)), datetime.now(JST).date()
        )
        self._standings = Standings(config.database or "")
        self.site = Site(keys, self._standings, self._tls is not None, config.proxy)
        self._listener: Listener | None = None

    async def start(self) -> str:
        """http(s)://host:port/v. Raises OSError when the port cannot be had."""
        host, _, port = self._config.listen.rpartition(":")
        most = self._config.connections
        of_one = most if self._config.proxy else self._config.per_address
        gate = PublicGate(self.site, self.site.refusal, most, of_one, MAX_BODY)
        self._listener = Listener(gate, host.strip("[]"), int(port), self._tls)
        return f"{'https' if self._tls else 'http'}://{host}:{self._listener.port}/v"

    async def stop(self) -> None:
        if self._listener is not None:
            await self._listener.close()
        self._standings.close()


def _city(config: Verification) -> Path:
    if config.city is None:
        raise ConfigError("[verification] wants city")
    return config.city


def _tls(config: Verification) -> ssl.SSLContext | None:
    if config.certificate is None and config.key is None:
        return None
    if config.certificate is None or config.key is None:
        raise ConfigError("[verification] wants certificate and key, or neither")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.certificate, config.key)
    except ssl.SSLError:
        raise ConfigError(
            f"{config.certificate}, {config.key}: do not fit, or are not PEM"
        ) from None
    except OSError as error:
        raise ConfigError(f"{config.certificate}, {config.key}: {error.strerror}") from None
    return context


async def _run(config: Verification) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(config)
    try:
        _print(f"verification ready {await server.start()}")
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), COUNTS_S)
            _print(f"verification {json.dumps(dict(sorted(server.site.counts.items())))}")
            server.site.counts.clear()
    finally:
        await server.stop()


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(argv: Sequence[str]) -> int:
    """0 after a signal, 1 with one line on stderr when it cannot run."""
    parser = argparse.ArgumentParser(
        prog="kiosk city verification", description="the page on which anybody checks a sheet"
    )
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="TOML with [verification]"
    )
    given = parser.parse_args(argv)
    try:
        config = load_verification(given.config)
    except ConfigError as error:
        return _failed(str(error))
    try:
        asyncio.run(_run(config))
    except (ConfigError, database.DatabaseError) as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(f"{error.strerror or error} ({config.listen})")
    return 0


def _failed(why: str) -> int:
    sys.stderr.write(f"verification: {why}\n")
    return 1
