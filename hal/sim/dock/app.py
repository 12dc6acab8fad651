"""The dock's web application: a page, the bench as JSON, and the kiosk's panel passed through.
Loopback only.

Anybody who can reach it can press its buttons, so it listens on loopback, and answers neither
another host's name nor another page's script.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import WSCloseCode, web

from hal.sim.bench import Bench, BenchError
from hal.sim.dock.proxy import PanelProxy

PAGE = Path(__file__).parent / "page"
FILES: Mapping[str, str] = {"/": "index.html", "/dock.css": "dock.css", "/dock.js": "dock.js"}
COINS = (10, 50, 100, 500, 0)
PUSH_S = 0.05  # changes closer together than this are shown at once
RECONCILE_S = 30.0
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class CardLabel:
    """What is written beside a card on the tray."""

    name: str  # as in `Bench.cards`
    holder: str
    note: str
    pin: str
    kind: str = "card"


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No arguments."""


class Card(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class Coin(msgspec.Struct, forbid_unknown_fields=True):
    value: int


class Switch(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    on: bool


class Dock:
    """`panel` is the kiosk's address, `key` the file of the key to its wire, `reconcile` the
    operator's command after a case was looked into.
    """

    def __init__(
        self,
        bench: Bench,
        panel: str,
        key: Path,
        cards: tuple[CardLabel, ...] = (),
        reconcile: tuple[str, ...] = (),
    ) -> None:
        self.bench = bench
        self.cards = cards
        self.reconcile = reconcile
        self.address = ""
        self._proxy = PanelProxy(panel, key)
        self._runner: web.AppRunner | None = None
        self._wires: set[web.WebSocketResponse] = set()

    async def start(self, port: int, host: str = "127.0.0.1") -> None:
        """Serve at `address`. Raises OSError when the port is in use."""
        self._runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, reuse_address=True)
        try:
            await site.start()
        except OSError:
            await self.stop()
            raise
        self.address = f"http://{host}:{self._runner.addresses[0][1]}/"

    async def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            for wire in tuple(self._wires):
                await wire.close(code=WSCloseCode.GOING_AWAY)
            await self._proxy.close()
            await runner.cleanup()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=4096, middlewares=[own_page_only])
        for path in FILES:
            app.router.add_get(path, _file)
        app.router.add_get("/api/setup", self._setup)
        app.router.add_get("/api/state", self._state)
        app.router.add_get("/api/wire", self._wire)
        app.router.add_get(r"/api/sheets/{id:\d+}.png", self._sheet)
        app.router.add_get(r"/api/spoken/{id:\d+}.wav", self._spoken)
        app.router.add_post("/api/{action}", self._act)
        app.router.add_get("/panel", self._proxy.page)
        app.router.add_get("/panel/wire", self._proxy.wire)
        app.router.add_get("/panel/{tail:.+}", self._proxy.page)
        return app

    # --- what can be seen

    async def _setup(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "cards": [asdict(card) for card in self.cards],
                "coins": COINS,
                "reconcile": bool(self.reconcile),
            }
        )

    async def _state(self, _: web.Request) -> web.Response:
        return web.json_response(self.bench.state())

    async def _wire(self, request: web.Request) -> web.WebSocketResponse:
        """Push the bench's state, first at once and then after each change."""
        wire = web.WebSocketResponse(heartbeat=20)
        await wire.prepare(request)
        self._wires.add(wire)
        news = asyncio.Event()
        news.set()
        end = self.bench.subscribe(news.set)
        pushing = asyncio.create_task(self._push(wire, news))
        try:
            async for _ in wire:
                pass  # it has nothing to say
        finally:
            end()
            pushing.cancel()
            self._wires.discard(wire)
        return wire

    async def _push(self, wire: web.WebSocketResponse, news: asyncio.Event) -> None:
        with contextlib.suppress(ConnectionError):
            while await news.wait():
                news.clear()
                await wire.send_json(self.bench.state())
                await asyncio.sleep(PUSH_S)

    async def _sheet(self, request: web.Request) -> web.Response:
        sheet = self.bench.sheet(int(request.match_info["id"]))
        if sheet is None:
            raise web.HTTPNotFound
        return web.Response(
            body=sheet.png(), content_type="image/png", headers={"Cache-Control": "no-store"}
        )

    async def _spoken(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        recording = next((s for s in self.bench.spoken if s.id == number and s.wav), None)
        if recording is None:
            raise web.HTTPNotFound
        return web.Response(
            body=recording.wav, content_type="audio/wav", headers={"Cache-Control": "no-store"}
        )

    # --- what can be done

    async def _act(self, request: web.Request) -> web.Response:
        if request.match_info["action"] not in ACTIONS:
            raise web.HTTPNotFound
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        kind, act = ACTIONS[request.match_info["action"]]
        try:
            done = act(self, msgspec.json.decode(await request.read(), type=kind))
            answer = await done if isinstance(done, Awaitable) else done
        except (BenchError, msgspec.DecodeError) as error:
            return web.json_response(
                {"error": str(error)}, status=409 if isinstance(error, BenchError) else 400
            )
        return web.json_response({"answer": answer})

    async def run_reconcile(self) -> str:
        """Run the operator's command; what it says. Raises BenchError."""
        if not self.reconcile:
            raise BenchError("no command for it in the dock's configuration")
        try:
            process = await asyncio.create_subprocess_exec(
                *self.reconcile,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except OSError as error:
            raise BenchError(f"{self.reconcile[0]}: {error.strerror}") from None
        try:
            async with asyncio.timeout(RECONCILE_S):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise BenchError(f"no answer within {RECONCILE_S:.0f} s") from None
        text = output.decode("utf-8", "replace").strip()
        if process.returncode:
            raise BenchError(text or f"ended with {process.returncode}")
        return text


Action = tuple[type[msgspec.Struct], Callable[[Dock, Any], Any]]
ACTIONS: Mapping[str, Action] = {
    "card": (Card, lambda dock, asked: dock.bench.insert_card(asked.name)),
    "card-off": (Nothing, lambda dock, _: dock.bench.remove_card()),
    "coin": (Coin, lambda dock, asked: dock.bench.coin(asked.value)),
    "present": (Nothing, lambda dock, _: dock.bench.present()),
    "take-sheets": (Nothing, lambda dock, _: len(dock.bench.take_sheets())),
    "take-receipt": (Nothing, lambda dock, _: len(dock.bench.take_receipt())),
    "take-coins": (Nothing, lambda dock, _: dock.bench.take_coins()),
    "fault": (Switch, lambda dock, asked: dock.bench.switch(asked.name, asked.on)),
    "mend": (Nothing, lambda dock, _: dock.bench.mend()),
    "load-paper": (Nothing, lambda dock, _: dock.bench.load_paper()),
    "reconcile": (Nothing, lambda dock, _: dock.run_reconcile()),
}


@web.middleware
async def own_page_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse other names for this host (DNS rebinding) and other pages' scripts (cross-site
    requests).
    """
    name = request.host.rpartition(":")[0] or request.host
    origin = request.headers.get("Origin")
    if name not in LOOPBACK or (origin is not None and origin != f"http://{request.host}"):
        raise web.HTTPForbidden(text="this page answers to itself only\n")
    return await handler(request)


async def _file(request: web.Request) -> web.FileResponse:
    return web.FileResponse(PAGE / FILES[request.path], headers={"Cache-Control": "no-store"})
