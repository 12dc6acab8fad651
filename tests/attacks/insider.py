"""Somebody between the kiosk and the city who holds both ends' certificates: every message passes
through these hands.

What the insider does with one call is a `Tamper`; without one, or for other calls, it is passed on
as it came.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

import aiohttp

from city.pki import Files
from firmware.link.messages import PROTOCOL
from firmware.link.tls import context

Answer = tuple[int, bytes]  # status, body
CUT: Answer = (0, b"")  # the connection ends without an answer


@dataclass
class Call:
    """One request of one kiosk, and the way on."""

    kiosk: str
    name: str  # hello, sessions, ...
    body: bytes
    go_on: Callable[[int, bytes], Awaitable[Answer]]  # which gateway, what it is asked

    async def ask(self, body: bytes | None = None, gateway: int = 0) -> Answer:
        return await self.go_on(gateway, self.body if body is None else body)


Tamper = Callable[[Call], Awaitable[Answer]]


@dataclass
class Insider:
    """An async context manager; `address` is where a kiosk finds its city. `tampers`: by kiosk."""

    pki: Files
    gateways: Sequence[str]
    tampers: dict[str, Tamper] = field(default_factory=dict)
    heard: list[tuple[str, str, bytes, Answer]] = field(
        default_factory=list
    )  # kiosk, name, request, answer
    address: str = ""

    async def __aenter__(self) -> Self:
        self._lines: dict[str, aiohttp.ClientSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._as_gateway()
        )
        self.address = f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in self._lines.values():
            await line.close()

    def _as_gateway(self) -> ssl.SSLContext:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.pki.gateway, self.pki.gateway_key)
        tls.load_verify_locations(self.pki.kiosk_ca)
        tls.verify_mode = ssl.CERT_REQUIRED
        return tls

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        kiosk = next(
            v for ((n, v),) in writer.get_extra_info("peercert")["subject"] if n == "commonName"
        )
        try:
            while True:
                name, body = await _request(reader)
                status, answer = await self._pass(kiosk, name, body)
                if (status, answer) == CUT:
                    return
                writer.write(
                    b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(answer), answer)
                )
                await writer.drain()
        except (OSError, EOFError, aiohttp.ClientError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pass(self, kiosk: str, name: str, body: bytes) -> Answer:
        async def go_on(gateway: int, asked: bytes) -> Answer:
            line = self._lines.get(kiosk) or self._lines.setdefault(kiosk, self._as_kiosk(kiosk))
            async with line.post(f"{self.gateways[gateway]}/v{PROTOCOL}/{name}", data=asked) as got:
                return got.status, await got.read()

        call = Call(kiosk, name, body, go_on)
        tamper = self.tampers.get(kiosk)
        answer = await (tamper(call) if tamper else call.ask())
        self.heard.append((kiosk, name, body, answer))
        return answer

    def _as_kiosk(self, kiosk: str) -> aiohttp.ClientSession:
        certificate, key = self.pki.kiosk(kiosk)
        connector = aiohttp.TCPConnector(ssl=context(certificate, key, self.pki.city_ca))
        return aiohttp.ClientSession(connector=connector, trust_env=False)


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """The name in the path, and the body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    path = head.split(" ", 2)[1]
    length = next(
        int(h.split(":")[1]) for h in head.split("\r\n") if h.lower().startswith("content-length")
    )
    return path.rpartition("/")[2], await reader.readexactly(length)
