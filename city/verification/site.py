"""What the page's listener answers: the page's files, the public keys, and the standing of one
number.

Nothing that a request holds is written down anywhere; what is reported are counts.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from city.listener import Connection
from city.verification.limits import Limit, Limiter, subscriber
from city.verification.standings import NotAsked, Standings
from firmware.link.base import Message, UniqueNumber

log = logging.getLogger("verification")

FOLDER: Final = Path(__file__).parent / "page"
FILES: Final[Mapping[str, tuple[str, str]]] = {
    "/v": ("page.html", "text/html"),
    "/v/page.css": ("page.css", "text/css"),
    "/v/page.js": ("page.js", "text/javascript"),
    "/v/dates.js": ("dates.js", "text/javascript"),
    "/v/words.js": ("words.js", "text/javascript"),
    "/v/verdict.js": ("verdict.js", "text/javascript"),
    "/v/sheet_code.js": ("sheet_code.js", "text/javascript"),
    "/v/noble-ed25519.js": ("noble-ed25519.js", "text/javascript"),
    "/v/noble-ed25519.LICENSE.txt": ("noble-ed25519.LICENSE.txt", "text/plain"),
}
KEYS: Final = "/v/keys.json"
STATUS: Final = "/v/status"

MAX_BODY: Final = 256  # bytes of a question
BODY_S: Final = 5.0
# a phone asks one standing and eight files a sheet; a bank's counters share one address
LIMITS: Final = {
    "status": (Limit(60, 1), Limit(600, 100)),
    "files": (Limit(600, 10), Limit(6000, 1000)),
}

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Server": "madoguchi",
}
HSTS: Final = {"Strict-Transport-Security": "max-age=31536000"}

ERRORS: Final = {
    400: "この質問は読み取れません。 Not a question this page knows.",
    404: "このページはありません。 There is no such page.",
    405: "この方法では使えません。 Not in this way.",
    413: "長すぎます。 Too long.",
    415: "JSON ではありません。 Not JSON.",
    429: "しばらくしてから、もう一度お試しください。 Too often; please try again later.",
    500: "エラーが起きました。 An error occurred.",
    503: "いまは確認できません。 Cannot be checked just now.",
}


class Question(Message, frozen=True):
    """The only thing anybody can ask."""

    number: UniqueNumber


@dataclass(frozen=True)
class File:
    content_type: str
    body: bytes
    packed: bytes  # gzip
    etag: str

    @classmethod
    def of(cls, content_type: str, body: bytes) -> File:
        digest = hashlib.sha256(body).hexdigest()[:16]
        return cls(content_type, body, gzip.compress(body, mtime=0), f'"{digest}"')


class Refused(Exception):
    """Answered with a short text."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers or {}


class Site:
    """One request in, one answer out. `keys`: keys.json. `proxy`: the address whose X-Forwarded-For
    is believed.
    """

    def __init__(
        self,
        keys: bytes,
        standings: Standings,
        secure: bool = False,
        proxy: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._standings = standings
        self._proxy = proxy
        self._headers = {**HEADERS, **(HSTS if secure else {})}
        self._files = {
            path: File.of(kind, (FOLDER / name).read_bytes())
            for path, (name, kind) in FILES.items()
        }
        self._files[KEYS] = File.of("application/json", keys)
        self._limits = {
            name: Limiter(each, everybody, clock) for name, (each, everybody) in LIMITS.items()
        }

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Whatever happens, a plain answer."""
        connection = request.protocol
        if not isinstance(connection, Connection):
            raise TypeError("requests come over our own connections")
        connection.begin()
        try:
            return await self._answer(request)
        except Refused as refused:
            return self.refusal(refused.status, refused.headers)
        except Exception as error:
            log.error(
                "internal error: %s", type(error).__name__
            )  # its text could hold what was asked
            return self.refusal(500)
        finally:
            connection.end()

    def refusal(self, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
        """For what is not HTTP at all, too."""
        self.counts[f"refused-{status}"] += 1
        words = ERRORS.get(status, ERRORS[500 if status >= 500 else 400])
        answer = self._response(status, headers, text=f"{words}\n")
        if status in (400, 413):
            answer.force_close()  # what else this connection holds is of no interest
        return answer

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.path == STATUS:
            return await self._status(request)
        file = self._files.get(request.path)
        if file is None:
            raise Refused(404)
        self._admit("files", request)
        if request.method not in ("GET", "HEAD"):
            raise Refused(405, {"Allow": "GET, HEAD"})
        self.counts["pages"] += request.path == "/v"
        return self._file(request, file)

    def _file(self, request: web.BaseRequest, file: File) -> web.Response:
        headers = {"Cache-Control": "no-cache", "ETag": file.etag, "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == file.etag:
            return self._response(304, headers)
        body = file.body
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = file.packed
        charset = None if file.content_type == "application/json" else "utf-8"
        return self._response(
            200, headers, body=body, content_type=file.content_type, charset=charset
        )

    async def _status(self, request: web.BaseRequest) -> web.Response:
        self._admit("status", request)
        if request.method != "POST":
            raise Refused(405, {"Allow": "POST"})
        if request.content_type != "application/json":  # so that no other site's form can ask
            raise Refused(415)
        question = await _question(request)
        try:
            standing = await self._standings.of(question.number)
        except NotAsked:
            raise Refused(503, {"Retry-After": "10"}) from None
        self.counts[standing] += 1
        body = msgspec.json.encode({"standing": standing})
        return self._response(200, body=body, content_type="application/json")

    def _admit(self, kind: str, request: web.BaseRequest) -> None:
        """Raises Refused."""
        if seconds := self._limits[kind].refused_s(self._address(request)):
            raise Refused(429, {"Retry-After": str(seconds)})

    def _address(self, request: web.BaseRequest) -> str:
        peer = request.remote or ""
        if self._proxy is not None and peer == self._proxy:
            peer = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        return subscriber(peer)

    def _response(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        text: str | None = None,
        content_type: str | None = None,
        charset: str | None = None,
    ) -> web.Response:
        every = {"Cache-Control": "no-store", **self._headers, **(headers or {})}
        return web.Response(
            status=status,
            headers=every,
            body=body,
            text=text,
            content_type=content_type,
            charset=charset,
        )


async def _question(request: web.BaseRequest) -> Question:
    """Raises Refused."""
    if (request.content_length or 0) > MAX_BODY:
        raise Refused(413)
    try:
        async with asyncio.timeout(BODY_S):
            return msgspec.json.decode(await request.read(), type=Question)
    except web.HTTPRequestEntityTooLarge:
        raise Refused(413) from None
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
        TimeoutError,
        web.RequestPayloadError,
    ):
        raise Refused(400) from None
