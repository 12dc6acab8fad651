"""The touch panel as a page on loopback: HTML fragments out, touches in, over one WebSocket.

One page shows at a time: a newer connection replaces the older. The listening socket is somebody
else's; whoever serves it now, closes only its own copy. Whatever else comes in on the wire, or more
than a hand can send, ends that connection and is named in the log; the screen stays.

Only who has the key of this process gets a wire, whatever user of this machine asks: what is shown
there is a person's. The key goes another way to the panel's browser (`kiosk browser`).

The page reports twice a second which screen was drawn (`SHOWN`). When the reports of a browser that
`kiosk browser` keeps stay away, the connection that says that the resident is alive is ended, and
with it the browser; the next one shows the same screen.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import re
import secrets
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
from hal.panel.watch import LIMITS, NOTHING, ROUND_S, PageWatch, Stage

PAGE, WIRE, ALIVE = "/panel", "/panel/wire", "/panel/alive"
MOST_BYTES = 1024  # of one message from the page
REPLACED = 4000  # close code: another page shows now; do not come back by yourself
SHOWN = "shown"  # what the page says by itself: the picture of this screen was drawn
MOST_AT_ONCE = 60  # messages that a page may send at once
MOST_A_SECOND = 30  # and from then on; a hand makes about ten touches a second
HEARTBEAT_S = 10.0
CLOSING_S = 1.0
LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")

log = logging.getLogger(__name__)

# Nothing but this page's own files; framed only by a page of this machine.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self' ws://{host}; "
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
class _Keeper:
    """A connection of `kiosk browser`, one for each browser that it starts."""

    request: web.Request
    watch: PageWatch
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class _Page:
    """A connected page; `news` is set when something newer than it has been sent is to be shown."""

    wire: web.WebSocketResponse
    news: asyncio.Event = field(default_factory=asyncio.Event)
    allowed: float = MOST_AT_ONCE  # messages that it may send now
    heard_at: float = field(default_factory=lambda: _now())

    def floods(self) -> bool:
        """One more message came: whether that is more than a hand can make."""
        now = _now()
        self.allowed += (now - self.heard_at) * MOST_A_SECOND
        self.allowed = min(self.allowed, MOST_AT_ONCE) - 1
        self.heard_at = now
        return self.allowed < 0


class WebPanel:
    """`page` is the shell's HTML, `files` what it loads: path to (content, content type).

    `key`: whoever opens a wire must have it. `limits`: see `hal.panel.watch`.
    """

    def __init__(
        self,
        listener: socket.socket,
        page: str,
        files: Files,
        *,
        key: str,
        limits: Mapping[Stage, float] = LIMITS,
    ) -> None:
        self._listener = listener
        self._files = {PAGE: (page.encode(), "text/html"), **files}
        self._key = key.encode()
        self._runner: web.AppRunner | None = None
        self._touched: Callable[[PanelTouch], None] = lambda _: None
        self._page: _Page | None = None
        self._screen = NOTHING
        self._html = ""
        self._ends: float | None = None
        self._closing: set[asyncio.Task[bool]] = set()
        self._limits = limits
        self._keepers: set[_Keeper] = set()
        self._watching: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    async def start(self, touched: Callable[[PanelTouch], None]) -> None:
        """Serve. Raises DeviceFault CONFIGURATION when the socket can be reached from elsewhere."""
        self._touched = touched
        runner = web.AppRunner(
            self._application(), access_log=None, handle_signals=False, shutdown_timeout=CLOSING_S
        )
        try:
            if not ipaddress.ip_address(self._listener.getsockname()[0]).is_loopback:
                raise DeviceFault("panel", Reason.CONFIGURATION, "not on loopback")
            await runner.setup()
            await web.SockSite(runner, self._listener.dup()).start()
        except (OSError, ValueError) as error:
            await runner.cleanup()
            raise DeviceFault("panel", Reason.NOT_CONNECTED, type(error).__name__) from None
        self._runner = runner
        self._watching = asyncio.create_task(self._watch())

    def show(self, screen: int, html: str, ends: float | None = None) -> None:
        """Replace what is shown; a page that lags behind gets only the newest."""
        self._screen, self._html, self._ends = screen, html, ends
        if self._page:
            self._page.news.set()

    async def close(self) -> None:
        """Stop serving, end the page's connection. Never raises."""
        self._html, self._screen = "", NOTHING
        if self._watching:
            self._watching.cancel()
        for keeper in self._keepers:
            keeper.ended.set()
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
        """Headers, then nothing until this process ends: the browser ends with it, for it keeps
        what it showed. A browser that shows nothing is ended in the same way.
        """
        self._require_key(request)
        answer = web.StreamResponse()
        await answer.prepare(request)
        keeper = _Keeper(request, PageWatch(_now(), self._limits))
        self._keepers.add(keeper)
        try:
            await keeper.ended.wait()
        finally:
            self._keepers.discard(keeper)
        return answer

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(ROUND_S)
            for keeper in self._keepers:
                if keeper.request.transport is None:  # that browser has ended by itself
                    keeper.ended.set()
                elif self._lost(keeper):
                    log.warning("panel: the page shows nothing, its browser is started anew")
                    keeper.ended.set()

    def _lost(self, keeper: _Keeper) -> bool:
        shows = self._screen != NOTHING
        return shows and not keeper.ended.is_set() and keeper.watch.is_lost(_now())

    def _require_key(self, request: web.Request) -> None:
        """Raises HTTPForbidden. An older process's page still has the key of that one."""
        if not secrets.compare_digest(request.query.get("key", "").encode(), self._key):
            log.warning("panel: a request without the key of this process is refused")
            raise web.HTTPForbidden

    async def _serve_wire(self, request: web.Request) -> web.WebSocketResponse:
        self._require_key(request)
        if "Origin" not in request.headers:  # every browser says whose page opens a wire
            log.warning("panel: a wire that no page opens is refused")
            raise web.HTTPForbidden
        wire = web.WebSocketResponse(
            max_msg_size=MOST_BYTES, heartbeat=HEARTBEAT_S, timeout=CLOSING_S, compress=False
        )
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
                for keeper in self._keepers:
                    keeper.watch.cut()
        return wire

    def _replace(self, page: _Page) -> None:
        older, self._page = self._page, page
        for keeper in self._keepers:
            keeper.watch.connect()
        if self._screen != NOTHING:
            page.news.set()
        if older:
            log.warning("panel: another page shows now, the older one is ended")
            closing = asyncio.create_task(older.wire.close(code=REPLACED))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _send(self, page: _Page) -> None:
        with contextlib.suppress(ConnectionError):
            while await page.news.wait():
                page.news.clear()
                await page.wire.send_str(self._message())

    def _message(self) -> str:
        """`left`: seconds until the screen's time is over, as of now; a page that was loaded anew
        must not promise more.
        """
        left = None if self._ends is None else max(round(self._ends - _now(), 3), 0.0)
        sent = {"screen": self._screen, "html": self._html, "left": left}
        return msgspec.json.encode(sent).decode()

    async def _receive(self, page: _Page) -> None:
        async for message in page.wire:
            touch = _touch(message)
            if page.floods():
                await self._end(page, "more messages than a hand can send")
            elif touch is None:
                await self._end(page, f"not a touch: {message.type.name.lower()}")
            elif touch.action == SHOWN:
                if page is self._page:
                    for keeper in self._keepers:
                        keeper.watch.report(touch.screen, self._screen)
            elif page is self._page and touch.screen == self._screen:
                self._touched(touch)

    async def _end(self, page: _Page, why: str) -> None:
        log.warning("panel: %s; the connection is ended", why)
        await page.wire.close(code=WSCloseCode.POLICY_VIOLATION)


def _now() -> float:
    return asyncio.get_running_loop().time()


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
    """The name asked for is this machine's (no DNS rebinding), and no other site's page
    is asking.
    """
    own = LOOPBACK.fullmatch(request.host) is not None
    return own and request.headers.get("Origin") in (None, f"http://{request.host}")


@web.middleware
async def _own_pages_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not _from_loopback(request):
        log.warning("panel: a request in another site's name is refused")
        raise web.HTTPForbidden
    return await handler(request)


async def _harden(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    if _from_loopback(request):  # else the name is a stranger's, and stays out of the header
        response.headers["Content-Security-Policy"] = POLICY.format(host=request.host)
