"""Passes the kiosk's panel through, so that dock and panel are one page of one address."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    WSCloseCode,
    WSMsgType,
    web,
)

CONNECT_S, ANSWER_S = 2.0, 10.0
KEPT_HEADERS = (
    "Content-Type",
    "Cache-Control",
    "Content-Security-Policy",
    "X-Content-Type-Options",
)
AWAY = Path(__file__).parent / "page" / "away.html"


class PanelProxy:
    """`panel` is the kiosk's address, http://host:port; `key` the file of the key to its wire."""

    def __init__(self, panel: str, key: Path) -> None:
        self._panel = panel.rstrip("/")
        self._key = key
        self._session: ClientSession | None = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The panel's page and files; a page that waits for it while there is none."""
        try:
            url, host = self._panel + request.path_qs, {"Host": request.host}
            async with self._client().get(url, headers=host, allow_redirects=False) as answer:
                headers = {
                    name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers
                }
                return web.Response(status=answer.status, body=await answer.read(), headers=headers)
        except (ClientError, TimeoutError, OSError):
            headers = {"Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8"}
            return web.Response(status=503, body=AWAY.read_bytes(), headers=headers)

    async def wire(self, request: web.Request) -> web.StreamResponse:
        """Touches in, screens out. When one side ends the other is ended too: the panel's page
        knows how to return.
        """
        try:
            url = f"{self._panel}{request.path}?key={self._key.read_text()}"
            host = {"Host": request.host}
            kiosk = await self._client().ws_connect(
                url, headers=host, origin=f"http://{request.host}"
            )
        except (ClientError, TimeoutError, OSError):
            raise web.HTTPServiceUnavailable(text="the kiosk is not there\n") from None
        browser = web.WebSocketResponse()
        try:
            await browser.prepare(request)
            ways = [
                asyncio.create_task(_pass(browser, kiosk)),
                asyncio.create_task(_pass(kiosk, browser)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            await kiosk.close()
            with contextlib.suppress(ConnectionError):
                await browser.close(code=_sendable_code(kiosk.close_code))
        return browser

    def _client(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                timeout=ClientTimeout(total=ANSWER_S, connect=CONNECT_S),
                auto_decompress=True,
                trust_env=False,
            )
        return self._session


def _sendable_code(code: int | None) -> int:
    """The close code to hand on; the reserved ones say that there was none, and may not be sent."""
    return (
        code
        if code is not None and (code in (1000, 1001, 1008) or 3000 <= code < 5000)
        else WSCloseCode.GOING_AWAY
    )


Wire = web.WebSocketResponse | ClientWebSocketResponse


async def _pass(source: Wire, target: Wire) -> None:
    with contextlib.suppress(ConnectionError):
        async for message in source:
            if message.type is WSMsgType.TEXT:
                await target.send_str(message.data)
