"""The kiosk's end of the line to the city.

One kept-alive connection, TLS 1.3 only, a certificate on both sides, one trusted CA, no proxy, no redirect, no
cookies, no compression, no repetition by itself. Every call has a deadline and every answer a size. What comes out is
a message, a `CityRefusal` or a `LineFault`; nothing else.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import aiohttp
import msgspec

from firmware.link import messages as m
from firmware.link.tls import LineSetupError as LineSetupError
from firmware.link.tls import bound_socket, context

CHUNK: Final = 64 * 1024
HEADERS: Final = {"Content-Type": "application/json", "Accept-Encoding": "identity"}

Answer = TypeVar("Answer", bound=m.Message)


class LineReason(StrEnum):
    """Why no usable answer came. What the city did is unknown in every case but UNREACHABLE and TLS."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS = "tls"
    TOO_BIG = "too-big"
    TRUNCATED = "truncated"  # the connection ended inside the answer
    MALFORMED = "malformed"  # not HTTP, or not the message that answers this call
    HTTP = "http"  # neither an answer nor a refusal
    VERSION = "version"  # terms of another version of the protocol
    OTHER_SESSION = "other-session"  # well-formed, and the answer to somebody else's question
    OTHER_ORDER = "other-order"
    OTHER_DOCUMENT = "other-document"


MIX_UPS: Final = frozenset({LineReason.OTHER_SESSION, LineReason.OTHER_ORDER, LineReason.OTHER_DOCUMENT})


class LineFault(Exception):
    def __init__(self, reason: LineReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class CityRefusal(Exception):
    """The city answered no, and says why."""

    def __init__(self, refusal: m.Refusal) -> None:
        super().__init__(refusal.code.value)
        self.refusal = refusal


@dataclass(frozen=True)
class LineConfig:
    url: str  # https://host:port, nothing behind it
    certificate: Path  # the kiosk's, PEM
    key: Path
    ca: Path  # the city's CA: the only one trusted
    interface: str = ""  # e.g. wg0: calls go through this interface or not at all
    deadline_s: float = 10.0  # for one call, from connect to the answer's last byte
    order_deadline_s: float = 30.0  # the same for an order, which is typeset meanwhile


class Line:
    """One resident's line. Create and use it inside one event loop; `async with` closes it."""

    def __init__(self, config: LineConfig) -> None:
        """Raises LineSetupError."""
        if not config.url.startswith("https://"):
            raise LineSetupError("the city's address must begin with https://")
        self._config = config
        self._tls = context(config.certificate, config.key, config.ca)
        self._http: aiohttp.ClientSession | None = None

    async def hello(self, hello: m.Hello) -> m.Terms:
        answer = await self._call("hello", hello, m.Terms)
        return await self._ours(answer, answer.protocol == m.PROTOCOL, LineReason.VERSION)

    async def open_session(self, request: m.SessionRequest) -> m.SessionAnswer:
        answer = await self._call("sessions", request, m.SessionAnswer)
        return await self._ours(answer, answer.session == request.session, LineReason.OTHER_SESSION)

    async def order(self, request: m.OrderRequest) -> m.OrderAnswer:
        answer = await self._call("orders", request, m.OrderAnswer, self._config.order_deadline_s)
        return await self._ours(answer, answer.order == request.order, LineReason.OTHER_ORDER)

    async def release(self, request: m.ReleaseRequest) -> m.ReleaseAnswer:
        answer = await self._call("release", request, m.ReleaseAnswer)
        await self._ours(answer, answer.order == request.order, LineReason.OTHER_ORDER)
        return await self._ours(answer, answer.document_sha256 == request.document_sha256, LineReason.OTHER_DOCUMENT)

    async def cancel(self, session: str, rejected: str = "") -> m.Done:
        return await self._call("cancel", m.CancelRequest(session=session, rejected=rejected), m.Done)

    async def outcome(self, outcome: m.Outcome) -> m.Done:
        return await self._call("outcome", outcome, m.Done)

    async def renew(self, request: m.RenewRequest) -> m.RenewAnswer:
        return await self._call("renew", request, m.RenewAnswer)

    async def close(self) -> None:
        """Cut the connection. Never raises; a later call opens a new one."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(
        self, name: str, request: m.Message, expected: type[Answer], deadline_s: float | None = None
    ) -> Answer:
        """One POST. Raises LineFault and CityRefusal, nothing else."""
        seconds = deadline_s or self._config.deadline_s
        try:
            status, body = await self._post(f"/v{m.PROTOCOL}/{name}", msgspec.json.encode(request), seconds)
            return _decode(status, body, expected)
        except CityRefusal:
            raise
        except BaseException:
            await self.close()  # what comes late on this connection must not meet the next call
            raise

    async def _ours(self, answer: Answer, ours: bool, reason: LineReason) -> Answer:
        """An answer to somebody else's question is no answer, and what follows it on that connection neither."""
        if not ours:
            await self.close()
            raise LineFault(reason)
        return answer

    async def _post(self, path: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        if self._http is None:
            self._http = self._connect()
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._http.post(path, data=body, headers=HEADERS, timeout=timeout, allow_redirects=False) as got:
                return got.status, await _read(got)
        except (aiohttp.ClientSSLError, ssl.SSLError):
            raise LineFault(LineReason.TLS) from None
        except TimeoutError:
            raise LineFault(LineReason.TIMEOUT) from None
        except (aiohttp.ClientConnectionError, OSError) as error:
            inside_tls = isinstance(error.__cause__, ssl.SSLError)
            raise LineFault(LineReason.TLS if inside_tls else LineReason.UNREACHABLE) from None
        except aiohttp.ClientPayloadError:
            raise LineFault(LineReason.TRUNCATED) from None
        except (aiohttp.ClientError, ValueError):
            raise LineFault(LineReason.MALFORMED) from None

    def _connect(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self._tls,
            limit=1,
            keepalive_timeout=3600,
            socket_factory=lambda address: bound_socket(address, self._config.interface),
            resolver=aiohttp.ThreadedResolver(),
        )
        return aiohttp.ClientSession(
            base_url=self._config.url,
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            raise_for_status=False,
        )


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """The body, never more of it in memory than MAX_ANSWER. Raises LineFault(TOO_BIG) while reading."""
    if (answer.content_length or 0) > m.MAX_ANSWER:
        raise LineFault(LineReason.TOO_BIG)
    body = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > m.MAX_ANSWER:
            raise LineFault(LineReason.TOO_BIG)
    return bytes(body)


def _decode(status: int, body: bytes, expected: type[Answer]) -> Answer:
    try:
        if status == 200:
            return msgspec.json.decode(body, type=expected)
        if 400 <= status < 600:
            raise CityRefusal(msgspec.json.decode(body, type=m.Refusal))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise LineFault(LineReason.MALFORMED if status == 200 else LineReason.HTTP) from None
    raise LineFault(LineReason.HTTP)
