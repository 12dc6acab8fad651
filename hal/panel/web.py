"""The touch panel as a page on loopback: HTML fragments out, touches in, over one WebSocket.

One page shows at a time: a newer connection replaces the older. The listening socket is somebody else's; whoever
serves it now, closes only its own copy. Whatever else comes in on the wire ends that connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from aiohttp.typedefs import Handler
from msgspec import Meta

from hal.faults import DeviceFault, Reason
from hal.panel.contract import PanelTouch

PAGE, WIRE, ALIVE = "/panel", "/panel/wire", "/panel/alive"
MOST_BYTES = 1024  # of one message from the page
REPLACED = 4000  # close code: another page shows now; do not come back by yourself
HEARTBEAT_S = 10.0
CLOSING_S = 1.0
LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")

# Nothing but this page's own files; framed only by a page of this machine.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws://{host}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self' http://127.0.0.1:* http://localhost:*"
)
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-site",
}

Files = Mapping[str, tuple[bytes, str]]


class _Touched(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the page sends."""

    screen: Annotated[int, Meta(ge=0, lt=2**53)]
    action: Annotated[str, Meta(pattern=r"^[a-z][a-z-]{0,31}\Z")]
    value: Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9.-]{0,63})?\Z")] = ""

    def __repr__(self) -> str:  # a digit of the PIN is a value too
        return "_Touched()"


@dataclass(eq=False)
class _Page:
    """A connected page; `news` is set when something newer than it has been sent is to be shown."""

    wire: web.WebSocketResponse
    news: asyncio.Event = field(default_factory=asyncio.Event)


class WebPanel:
    """`page` is the shell's HTML, `files` what it loads: path to (content, content type)."""

    def __init__(self, listener: socket.socket, page: str, files: Files) -> None:
        self._listener = listener
        self._files = {PAGE: (page.encode(), "text/html"), **files}
        self._runner: web.AppRunner | None = None
        self._touched: Callable[[PanelTouch], None] = lambda _: None
        self._page: _Page | None = None
        self._screen = -1
        self._message = ""
        self._closing: set[asyncio.Task[bool]] = set()
        self._ended = asyncio.Event()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    async def start(self, touched: Callable[[PanelTouch], None]) -> None:
        """Serve. Raises DeviceFault CONFIGURATION when the socket can be reached from elsewhere."""
        self._touched = touched
        runner = web.AppRunner(self._application(), access_log=None, handle_signals=False, shutdown_timeout=CLOSING_S)
        try:
            if not ipaddress.ip_address(self._listener.getsockname()[0]).is_loopback:
                raise DeviceFault("panel", Reason.CONFIGURATION, "not on loopback")
            await runner.setup()
            await web.SockSite(runner, self._listener.dup()).start()
        except (OSError, ValueError) as error:
            await runner.cleanup()
            raise DeviceFault("panel", Reason.NOT_CONNECTED, type(error).__name__) from None
        self._runner = runner

    def show(self, screen: int, html: str) -> None:
        """Replace what is shown; a page that lags behind gets only the newest."""
        self._screen = screen
        self._message = msgspec.json.encode({"screen": screen, "html": html}).decode()
        if self._page:
            self._page.news.set()

    async def close(self) -> None:
        """Stop serving, end the page's connection. Never raises."""
        self._message, self._screen = "", -1
        self._ended.set()
        runner, self._runner = self._runner, None
        page, self._page = self._page, None
        with contextlib.suppress(Exception):
            if page:
                await page.wire.close(code=WSCloseCode.GOING_AWAY)
        with contextlib.suppress(Exception):
            if runner:
                await runner.cleanup()

    # -- serving

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[_own_pages_only], client_max_size=MOST_BYTES)
        application.router.add_get(WIRE, self._serve_wire)
        application.router.add_get(ALIVE, self._serve_alive)
        for path in self._files:
            application.router.add_get(path, self._serve_file)
        application.on_response_prepare.append(_harden)
        return application

    async def _serve_file(self, request: web.Request) -> web.Response:
        content, kind = self._files[request.path]
        return web.Response(body=content, content_type=kind, charset="utf-8")

    async def _serve_alive(self, request: web.Request) -> web.StreamResponse:
        """Headers, then nothing until this process ends: the browser ends with it, for it keeps what it showed."""
        answer = web.StreamResponse()
        await answer.prepare(request)
        await self._ended.wait()
        return answer

    async def _serve_wire(self, request: web.Request) -> web.WebSocketResponse:
        wire = web.WebSocketResponse(max_msg_size=MOST_BYTES, heartbeat=HEARTBEAT_S, timeout=CLOSING_S, compress=False)
        await wire.prepare(request)
        page = _Page(wire)
        self._replace(page)
        sending = asyncio.create_task(self._send(page))
        try:
            await self._receive(page)
        finally:
            sending.cancel()
            if self._page is page:
                self._page = None
        return wire

    def _replace(self, page: _Page) -> None:
        older, self._page = self._page, page
        if self._message:
            page.news.set()
        if older:
            closing = asyncio.create_task(older.wire.close(code=REPLACED))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _send(self, page: _Page) -> None:
        with contextlib.suppress(ConnectionError):
            while await page.news.wait():
                page.news.clear()
                await page.wire.send_str(self._message)

    async def _receive(self, page: _Page) -> None:
        async for message in page.wire:
            touch = _touch(message)
            if touch is None:
                await page.wire.close(code=WSCloseCode.POLICY_VIOLATION)
            elif page is self._page and touch.screen == self._screen:
                self._touched(touch)


def _touch(message: WSMessage) -> PanelTouch | None:
    """The touch in a message, or None when it is not one."""
    if message.type is not WSMsgType.TEXT:
        return None
    try:
        touched = msgspec.json.decode(message.data, type=_Touched)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    return PanelTouch(touched.screen, touched.action, touched.value)


# -- fences


def _from_loopback(request: web.Request) -> bool:
    """The name asked for is this machine's (no DNS rebinding), and no other site's page is asking."""
    own = LOOPBACK.fullmatch(request.host) is not None
    return own and request.headers.get("Origin") in (None, f"http://{request.host}")


@web.middleware
async def _own_pages_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not _from_loopback(request):
        raise web.HTTPForbidden
    return await handler(request)


async def _harden(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    if _from_loopback(request):  # else the name is a stranger's, and stays out of the header
        response.headers["Content-Security-Policy"] = POLICY.format(host=request.host)
