"""The kiosk's end of the line to the city.

One kept-alive connection, TLS 1.3 only, a certificate on both sides, one trusted CA, no proxy, no
redirect, no cookies, no compression, no repetition by itself. Every call has a deadline and every
answer a size. What comes out is a message, a `CityRefusal` or a `LineFault`; nothing else.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import aiohttp
import msgspec

from firmware.link import messages
from firmware.link.clock import CityClock, clock_of
from firmware.link.tls import UNTIMELY, DatedContext, bound_socket, context, dated_context
from firmware.link.tls import LineSetupError as LineSetupError

CHUNK: Final = 64 * 1024
HEADERS: Final = {"Content-Type": "application/json", "Accept-Encoding": "identity"}

Answer = TypeVar("Answer", bound=messages.Message)


class LineReason(StrEnum):
    """Why no usable answer came. What the city did is unknown in every case but UNREACHABLE and
    TLS.
    """

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS = "tls"
    TOO_BIG = "too-big"
    TRUNCATED = "truncated"  # the connection ended inside the answer
    MALFORMED = "malformed"  # not HTTP, or not the message that answers this call
    HTTP = "http"  # neither an answer nor a refusal
    VERSION = "version"  # terms of another version of the protocol
    # the form terms are signed by no terms key, or not what the terms beside them say
    TERMS = "terms"
    CLOCK = "clock"  # the city's clock is not this kiosk's
    OTHER_SESSION = "other-session"  # well-formed, and the answer to somebody else's question
    OTHER_ORDER = "other-order"
    OTHER_DOCUMENT = "other-document"


# The kiosk as it is cannot work with this city: out of service until somebody has looked.
UNUSABLE: Final = frozenset({LineReason.VERSION, LineReason.TERMS})
MIX_UPS: Final = frozenset(
    {LineReason.OTHER_SESSION, LineReason.OTHER_ORDER, LineReason.OTHER_DOCUMENT}
)


class Untimely(Exception):
    """By this board's clock the city's certificate is not valid. Either may be wrong."""


class LineFault(Exception):
    def __init__(self, reason: LineReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class CityRefusal(Exception):
    """The city answered no, and says why."""

    def __init__(self, refusal: messages.Refusal) -> None:
        super().__init__(refusal.code.value)
        self.refusal = refusal


@dataclass(frozen=True)
class LineConfig:
    url: str  # https://host:port, nothing behind it
    certificate: Path  # the kiosk's, PEM
    key: Path
    ca: Path  # the city's CA: the only one trusted
    interface: str = ""  # e.g. wg0: calls go through this interface or not at all
    clock_s: float = 0.0  # so far the city's clock and the board's may be apart; 0: not compared
    deadline_s: float = 10.0  # for one call, from connect to the answer's last byte
    order_deadline_s: float = 30.0  # the same for an order, which is typeset meanwhile


class Line:
    """One resident's line. Create and use it inside one event loop; `async with` closes it.

    `clock` learns the city's time from every answer, and judges the city's certificate where this
    board's own clock would refuse it.
    """

    def __init__(self, config: LineConfig) -> None:
        """Raises LineSetupError."""
        if not config.url.startswith("https://"):
            raise LineSetupError("the city's address must begin with https://")
        self.clock = CityClock(config.clock_s)
        self._config = config
        self._tls = context(config.certificate, config.key, config.ca)
        self._http: aiohttp.ClientSession | None = None

    async def hello(self, hello: messages.Hello) -> messages.Terms:
        answer = await self._call("hello", hello, messages.Terms)
        await self._ours(answer, answer.protocol == messages.PROTOCOL, LineReason.VERSION)
        now = _moment(answer.now)
        await self._ours(answer, now is not None, LineReason.MALFORMED)
        if now is not None:
            await self._ours(answer, self._believes(now), LineReason.TLS)
            self.clock.set_time(now)
        return answer

    async def open_session(self, request: messages.SessionRequest) -> messages.SessionAnswer:
        answer = await self._call("sessions", request, messages.SessionAnswer)
        return await self._ours(answer, answer.session == request.session, LineReason.OTHER_SESSION)

    async def order(self, request: messages.OrderRequest) -> messages.OrderAnswer:
        answer = await self._call(
            "orders", request, messages.OrderAnswer, self._config.order_deadline_s
        )
        return await self._ours(answer, answer.order == request.order, LineReason.OTHER_ORDER)

    async def release(self, request: messages.ReleaseRequest) -> messages.ReleaseAnswer:
        answer = await self._call("release", request, messages.ReleaseAnswer)
        await self._ours(answer, answer.order == request.order, LineReason.OTHER_ORDER)
        return await self._ours(
            answer, answer.document_sha256 == request.document_sha256, LineReason.OTHER_DOCUMENT
        )

    async def cancel(self, session: str, rejected: str = "") -> messages.Done:
        return await self._call(
            "cancel", messages.CancelRequest(session=session, rejected=rejected), messages.Done
        )

    async def outcome(self, outcome: messages.Outcome) -> messages.Done:
        return await self._call("outcome", outcome, messages.Done)

    async def renew(self, request: messages.RenewRequest) -> messages.RenewAnswer:
        return await self._call("renew", request, messages.RenewAnswer)

    async def close(self) -> None:
        """Cut the connection. Never raises; a later call opens a new one."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _call(
        self,
        name: str,
        request: messages.Message,
        expected: type[Answer],
        deadline_s: float | None = None,
    ) -> Answer:
        """One POST. Raises LineFault and CityRefusal, nothing else."""
        seconds = deadline_s or self._config.deadline_s
        path, asked = f"/v{messages.PROTOCOL}/{name}", msgspec.json.encode(request)
        if isinstance(self._tls, DatedContext) and not self._can_judge(name):
            raise LineFault(LineReason.TLS)
        try:
            try:
                status, body = await self._post(path, asked, seconds)
            except Untimely:
                await self._judge_by_the_city(name)
                status, body = await self._post(path, asked, seconds)
            return _decode(status, body, expected)
        except CityRefusal:
            raise
        except BaseException:
            await self.close()  # what comes late on this connection must not meet the next call
            raise

    async def _judge_by_the_city(self, name: str) -> None:
        """From here on the city's time judges dates. Nothing was sent yet. Raises LineFault."""
        await self.close()
        if isinstance(self._tls, DatedContext) or not self._can_judge(name):
            raise LineFault(LineReason.TLS)
        config = self._config
        try:
            self._tls = dated_context(config.certificate, config.key, config.ca, self.clock.now)
        except (LineSetupError, OSError, ValueError):  # the files are not what they were
            raise LineFault(LineReason.TLS) from None

    def _can_judge(self, name: str) -> bool:
        """The city has told its time, or the answer to this call will."""
        return bool(self.clock.limit_s) and (name == "hello" or self.clock.now() is not None)

    def _believes(self, now: datetime) -> bool:
        """Whether the city's certificate, where nothing has judged its dates yet, is valid then."""
        return not isinstance(self._tls, DatedContext) or self._tls.holds_at(now)

    async def _ours(self, answer: Answer, ours: bool, reason: LineReason) -> Answer:
        """An answer to somebody else's question is no answer, and what follows it on that
        connection neither.
        """
        if not ours:
            await self.close()
            raise LineFault(reason)
        return answer

    async def _post(self, path: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        if self._http is None:
            self._http = self._connect()
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._http.post(
                path, data=body, headers=HEADERS, timeout=timeout, allow_redirects=False
            ) as got:
                body = await _read(got)
                city_time = clock_of(got.headers.get("Date", ""))
                if city_time and self.clock.is_set and self._believes(city_time):
                    self.clock.set_time(city_time)
                return got.status, body
        except aiohttp.ClientConnectorCertificateError as error:
            if getattr(error.certificate_error, "verify_code", 0) in UNTIMELY:
                raise Untimely from None
            raise LineFault(LineReason.TLS) from None
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


def _moment(text: str) -> datetime | None:
    """The city's time, with its zone. None: it gave no such time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """The body, never more of it in memory than MAX_ANSWER. Raises LineFault(TOO_BIG) while
    reading.
    """
    if (answer.content_length or 0) > messages.MAX_ANSWER:
        raise LineFault(LineReason.TOO_BIG)
    body = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > messages.MAX_ANSWER:
            raise LineFault(LineReason.TOO_BIG)
    return bytes(body)


def _decode(status: int, body: bytes, expected: type[Answer]) -> Answer:
    try:
        if status == 200:
            return msgspec.json.decode(body, type=expected)
        if 400 <= status < 600:
            raise CityRefusal(msgspec.json.decode(body, type=messages.Refusal))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise LineFault(LineReason.MALFORMED if status == 200 else LineReason.HTTP) from None
    raise LineFault(LineReason.HTTP)
