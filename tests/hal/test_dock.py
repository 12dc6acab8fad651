"""The dock over real sockets, around a bench, with a stand-in for the kiosk's panel."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, web
from dock_bench import free_port, make_cards, with_bench
from PIL import Image

from hal.sim.bench import Bench, PrintedSheet, Spoken
from hal.sim.breakage import DOCKED
from hal.sim.dock import CardLabel, Dock
from hal.sim.dock.app import PAGE

REPLACED = 4000
KEY = "the-key-of-now"


class StandIn:
    """A panel that shows its page, answers a touch in capitals, and closes as the real one does."""

    def __init__(self, port: int) -> None:
        self.asked: list[Mapping[str, str]] = []
        self.keys: list[str] = []
        self.port = port
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/panel", self._page)
        app.router.add_get("/panel/wire", self._wire)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _page(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.headers))
        return web.Response(
            text="<p>panel",
            content_type="text/html",
            headers={"Content-Security-Policy": "x 'self'"},
        )

    async def _wire(self, request: web.Request) -> web.WebSocketResponse:
        self.keys.append(request.query["key"])
        self.asked.append(dict(request.headers))
        wire = web.WebSocketResponse()
        await wire.prepare(request)
        await wire.send_str("hello")
        async for message in wire:
            if message.data == "replace":
                await wire.close(code=REPLACED)
            await wire.send_str(message.data.upper()) if not wire.closed else None
        return wire


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_cards(tmp_path_factory.mktemp("cards"))


@pytest.fixture
def with_dock(cards: dict[str, Path], tmp_path: Path) -> Callable[..., None]:
    """Runs test(dock, client, stand_in) with everything started but the stand-in."""

    def run(
        test: Callable[[Dock, ClientSession, StandIn], Awaitable[None]],
        reconcile: tuple[str, ...] = (),
    ) -> None:
        async def on_bench(bench: Bench) -> None:
            panel = StandIn(free_port())
            labels = (CardLabel("taro", "明石　太郎", "父", "1234"),)
            key = tmp_path / "key"
            key.write_text(KEY)
            dock = Dock(bench, f"http://127.0.0.1:{panel.port}", key, labels, reconcile)
            await dock.start(0)
            try:
                async with ClientSession(dock.address) as client:
                    await test(dock, client, panel)
            finally:
                await dock.stop()
                await panel.stop()

        with_bench(cards, tmp_path / "coins", on_bench)

    return run


async def post(client: ClientSession, action: str, **body: Any) -> tuple[int, Any]:
    async with client.post(f"/api/{action}", json=body) as answer:
        return answer.status, await answer.json()


def test_page_and_setup(with_dock: Callable[..., None]) -> None:
    async def test(dock: Dock, client: ClientSession, _: StandIn) -> None:
        for path in ("/", "/dock.css", "/dock.js"):
            async with client.get(path) as answer:
                assert answer.status == 200
                assert not re.search(r"https?://", await answer.text()), "nothing from elsewhere"
        async with client.get("/api/setup") as answer:
            setup = await answer.json()
        assert setup["cards"] == [
            {"name": "taro", "holder": "明石　太郎", "note": "父", "pin": "1234", "kind": "card"}
        ]

    with_dock(test)


def test_every_hand_and_its_refusals(with_dock: Callable[..., None]) -> None:
    async def test(dock: Dock, client: ClientSession, _: StandIn) -> None:
        assert (await post(client, "card", name="taro"))[0] == 200
        assert dock.bench.on_reader == "taro"
        assert await post(client, "card", name="taro") == (
            409,
            {"error": "a card lies on the reader already"},
        )
        assert (await post(client, "card-off"))[0] == 200
        assert await post(client, "coin", value=0) == (200, {"answer": False})
        assert await post(client, "take-coins") == (200, {"answer": [0]})
        assert await post(client, "present") == (200, {"answer": False})
        assert await post(client, "take-sheets") == (200, {"answer": 0})
        assert await post(client, "take-receipt") == (200, {"answer": 0})
        assert (await post(client, "fault", name="paper-out", on=True))[0] == 200
        assert dock.bench.state()["faults"]["paper-out"]
        assert (await post(client, "load-paper"))[0] == 200
        assert (await post(client, "fault", name="earthquake", on=True))[0] == 409
        assert (await post(client, "mend"))[0] == 200
        assert (await post(client, "coin", value="ten"))[0] == 400
        assert (await post(client, "coin", worth=10))[0] == 400
        async with client.post("/api/explode", json={}) as answer:
            assert answer.status == 404
        async with client.post("/api/mend", data="{}") as answer:
            assert answer.status == 415

    with_dock(test)


def test_changes_are_pushed(with_dock: Callable[..., None]) -> None:
    async def test(dock: Dock, client: ClientSession, _: StandIn) -> None:
        async with client.ws_connect("/api/wire") as wire:
            assert (await wire.receive_json())["card"]["on_reader"] is None
            dock.bench.insert_card("hanako")
            assert (await wire.receive_json())["card"]["on_reader"] == "hanako"

    with_dock(test)


def test_paper_and_voice_can_be_fetched(with_dock: Callable[..., None]) -> None:
    async def test(dock: Dock, client: ClientSession, _: StandIn) -> None:
        dock.bench.waiting.append(PrintedSheet(901, "sheets", Image.new("1", (8, 8))))
        dock.bench.spoken.append(Spoken(902, "はい", b"RIFF"))
        async with client.get("/api/sheets/901.png") as answer:
            assert answer.content_type == "image/png" and (await answer.read()).startswith(
                b"\x89PNG"
            )
        async with client.get("/api/spoken/902.wav") as answer:
            assert await answer.read() == b"RIFF"
        for path in ("/api/sheets/7.png", "/api/spoken/7.wav", "/api/sheets/x.png"):
            async with client.get(path) as answer:
                assert answer.status == 404

    with_dock(test)


def test_other_names_and_other_pages_are_refused(with_dock: Callable[..., None]) -> None:
    async def test(dock: Dock, client: ClientSession, _: StandIn) -> None:
        for headers in (
            {"Host": "kiosk.example"},
            {"Origin": "http://kiosk.example"},
            {"Origin": "null"},
        ):
            for path in ("/", "/api/state", "/api/wire", "/panel"):
                async with client.get(path, headers=headers) as answer:
                    assert answer.status == 403
            async with client.post("/api/mend", json={}, headers=headers) as answer:
                assert answer.status == 403

    with_dock(test)


def test_the_panel_passes_through_and_comes_back(with_dock: Callable[..., None]) -> None:
    async def test(dock: Dock, client: ClientSession, panel: StandIn) -> None:
        async with client.get("/panel") as answer:
            assert answer.status == 503 and "待っています" in await answer.text()
        async with client.get("/panel/wire") as answer:
            assert answer.status == 503
        await panel.start()
        async with client.get("/panel") as answer:
            assert (answer.status, await answer.text()) == (200, "<p>panel")
            assert answer.headers["Content-Security-Policy"] == "x 'self'"
        async with client.ws_connect("/panel/wire", origin=dock.address.rstrip("/")) as wire:
            assert panel.keys == [KEY]
            assert await wire.receive_str() == "hello"
            await wire.send_str("touch")
            assert await wire.receive_str() == "TOUCH"
            own = dock.address.removeprefix("http://").rstrip("/")
            assert panel.asked[-1]["Host"] == own and panel.asked[-1]["Origin"] == f"http://{own}"
            await panel.stop()
            assert (await wire.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSING)
        await panel.start()
        async with client.ws_connect("/panel/wire") as wire:
            assert await wire.receive_str() == "hello"

    with_dock(test)


def test_why_the_panel_closed_is_handed_on(with_dock: Callable[..., None]) -> None:
    async def test(dock: Dock, client: ClientSession, panel: StandIn) -> None:
        await panel.start()
        async with client.ws_connect("/panel/wire") as wire:
            await wire.receive_str()
            await wire.send_str("replace")
            await wire.receive()
            assert wire.close_code == REPLACED

    with_dock(test)


SAYS = (sys.executable, "-c", "print('1 closed')")
FAILS = (sys.executable, "-c", "import sys; print('no such case'); sys.exit(2)")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (SAYS, (200, {"answer": "1 closed"})),
        (FAILS, (409, {"error": "no such case"})),
        (("/nowhere/kiosk",), (409, {"error": "/nowhere/kiosk: No such file or directory"})),
        ((), (409, {"error": "no command for it in the dock's configuration"})),
    ],
)
def test_reconcile_runs_the_operators_command(
    with_dock: Callable[..., None], command: tuple[str, ...], answer: tuple[int, Any]
) -> None:
    async def test(dock: Dock, client: ClientSession, _: StandIn) -> None:
        assert await post(client, "reconcile") == answer

    with_dock(test, command)


def test_a_port_in_use_is_told(with_dock: Callable[..., None]) -> None:
    async def test(dock: Dock, client: ClientSession, _: StandIn) -> None:
        second = Dock(dock.bench, "http://127.0.0.1:1", Path("none"))
        with pytest.raises(OSError, match="in use"):
            await second.start(int(dock.address.rstrip("/").rpartition(":")[2]))

    with_dock(test)


def test_the_page_has_a_switch_for_every_fault() -> None:
    named = re.findall(
        r'^  \["([a-z-]+)", "[^"]+", "[^"]+"\],$',
        (PAGE / "dock.js").read_text("utf-8"),
        re.MULTILINE,
    )
    assert named == list(DOCKED)


def test_nothing_is_left_running(with_dock: Callable[..., None]) -> None:
    async def test(dock: Dock, client: ClientSession, panel: StandIn) -> None:
        await panel.start()
        async with (
            client.ws_connect("/panel/wire") as wire,
            client.ws_connect("/api/wire") as state,
        ):
            await wire.receive()
            await state.receive()
            async with asyncio.timeout(5):
                await dock.stop()
                await dock.stop()

    with_dock(test)
