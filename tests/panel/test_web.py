"""The panel's wire over real sockets: one page, its touches, and nobody else's anything."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.faults import DeviceFault, Reason
from hal.panel import web
from hal.panel.contract import PanelTouch

KEY = "k" * 43
FILES = {"/panel/styles.css": (b"p{}", "text/css")}
Case = Callable[[], Coroutine[Any, Any, None]]


class Rig:
    """A panel on a free port, a client, and the touches that came through."""

    def __init__(self, panel: web.WebPanel, client: aiohttp.ClientSession) -> None:
        self.panel, self.client = panel, client
        self.touches: list[PanelTouch] = []
        self.url = f"http://127.0.0.1:{panel.port}/panel"

    async def page(self, **headers: str) -> aiohttp.ClientWebSocketResponse:
        given = {"Origin": f"http://127.0.0.1:{self.panel.port}", **headers}
        return await self.client.ws_connect(f"{self.url}/wire?key={KEY}", headers=given)

    async def touched(self, count: int) -> list[PanelTouch]:
        async with asyncio.timeout(5):
            while len(self.touches) < count:
                await asyncio.sleep(0.005)
        return self.touches


def listening(host: str = "127.0.0.1") -> socket.socket:
    return socket.create_server((host, 0))


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    with listening() as listener:
        panel = web.WebPanel(listener, "<p>shell</p>", FILES, key=KEY)
        async with aiohttp.ClientSession() as client:
            it = Rig(panel, client)
            await panel.start(it.touches.append)
            try:
                yield it
            finally:
                await panel.close()


async def shown(page: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    return dict(json.loads(await page.receive_str(timeout=5)))


async def closed(page: aiohttp.ClientWebSocketResponse) -> int | None:
    message = await page.receive(timeout=5)
    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    return page.close_code


def test_the_page_and_its_files_are_served_and_never_kept() -> None:
    async def case() -> None:
        async with rig() as it:
            for path, body, kind in (
                ("", "<p>shell</p>", "text/html"),
                ("/styles.css", "p{}", "text/css"),
            ):
                async with it.client.get(it.url + path) as answer:
                    assert (answer.status, answer.content_type, await answer.text()) == (
                        200,
                        kind,
                        body,
                    )
                    assert answer.headers["Cache-Control"] == "no-store"
                    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                    assert "unsafe" not in answer.headers["Content-Security-Policy"]
            async with it.client.get(it.url + "/../secret") as answer:
                assert answer.status == 404
                assert answer.headers["Cache-Control"] == "no-store"
            async with it.client.post(it.url, data=b"x") as answer:
                assert answer.status == 405

    asyncio.run(case())


def test_a_page_gets_the_current_screen_at_once_and_then_each_newer() -> None:
    async def case() -> None:
        async with rig() as it:
            it.panel.show(7, "<b>seven</b>")
            page = await it.page()
            assert await shown(page) == {"screen": 7, "html": "<b>seven</b>", "left": None}
            it.panel.show(8, "8")
            assert await shown(page) == {"screen": 8, "html": "8", "left": None}

    asyncio.run(case())


def test_a_page_loaded_anew_is_told_the_time_that_is_really_left() -> None:
    async def case() -> None:
        async with rig() as it:
            it.panel.show(7, "x", ends=asyncio.get_running_loop().time() + 60)
            first = await shown(await it.page())
            await asyncio.sleep(0.2)
            again = await shown(await it.page())
            assert again["screen"] == first["screen"] == 7
            assert again["left"] <= first["left"] - 0.2 < 60
            it.panel.show(8, "x", ends=asyncio.get_running_loop().time() - 1)
            assert (await shown(await it.page()))["left"] == 0

    asyncio.run(case())


def test_a_flood_ends_its_connection_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async def case() -> None:
        async with rig() as it:
            it.panel.show(1, "x")
            page = await it.page()
            await shown(page)
            for _ in range(5 * web.MOST_AT_ONCE):
                await page.send_str('{"screen":1,"action":"repeat"}')
            assert await closed(page) == aiohttp.WSCloseCode.POLICY_VIOLATION
            assert len(it.touches) < 2 * web.MOST_AT_ONCE
            page = await it.page()
            assert (await shown(page))["screen"] == 1
            it.touches.clear()
            await page.send_str('{"screen":1,"action":"ok"}')
            assert await it.touched(1) == [PanelTouch(1, "ok")]

    asyncio.run(case())
    assert "more messages than a hand can send" in caplog.text


def test_a_page_that_lags_gets_the_newest_only() -> None:
    async def case() -> None:
        async with rig() as it:
            page = await it.page()
            it.panel.show(0, "first")
            assert (await shown(page))["screen"] == 0
            for number in range(1, 50):
                it.panel.show(number, "x")
            assert (await shown(page))["screen"] == 49

    asyncio.run(case())


def test_touches_come_through_with_their_values() -> None:
    async def case() -> None:
        async with rig() as it:
            it.panel.show(3, "")
            page = await it.page()
            await page.send_str('{"screen":3,"action":"digit","value":"4"}')
            await page.send_str('{"screen":3,"action":"more-time"}')
            assert await it.touched(2) == [PanelTouch(3, "digit", "4"), PanelTouch(3, "more-time")]
            assert "4" not in repr(it.touches[0])

    asyncio.run(case())


def test_a_touch_on_another_screen_does_nothing() -> None:
    async def case() -> None:
        async with rig() as it:
            page = await it.page()
            await page.send_str('{"screen":0,"action":"ok"}')  # nothing is shown yet
            it.panel.show(5, "")
            await shown(page)
            for stale in (4, 6):
                await page.send_str(json.dumps({"screen": stale, "action": "confirm"}))
            await page.send_str('{"screen":5,"action":"ok"}')
            assert await it.touched(1) == [PanelTouch(5, "ok")]

    asyncio.run(case())


GARBAGE = [
    "",
    "x",
    "[]",
    "null",
    "1",
    '{"screen":1}',
    '{"action":"ok"}',
    '{"screen":"1","action":"ok"}',
    '{"screen":-1,"action":"ok"}',
    '{"screen":1.5,"action":"ok"}',
    '{"screen":1e30,"action":"ok"}',
    '{"screen":1,"action":"OK"}',
    '{"screen":1,"action":""}',
    '{"screen":1,"action":"ok","more":1}',
    '{"screen":1,"action":"ok","value":"<b>"}',
    '{"screen":1,"action":"ok","value":"a b"}',
    '{"screen":1,"action":"ok\\n"}',
    '{"screen":1,"action":"' + "a" * 33 + '"}',
    '{"screen":1,"action":"ok","value":"' + "a" * 65 + '"}',
    '{"screen":1,"action":"ok","value":null}',
    "[" * 500,
    "x" * 5000,
]


def test_garbage_ends_the_connection_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async def case() -> None:
        async with rig() as it:
            for garbage in GARBAGE:
                page = await it.page()
                await page.send_str(garbage)
                code = await closed(page)
                assert code in (
                    aiohttp.WSCloseCode.POLICY_VIOLATION,
                    aiohttp.WSCloseCode.MESSAGE_TOO_BIG,
                ), garbage
            page = await it.page()
            await page.send_bytes(b'{"screen":1,"action":"ok"}')
            assert await closed(page) == aiohttp.WSCloseCode.POLICY_VIOLATION
            assert "not a touch: text" in caplog.text
            assert "not a touch: binary" in caplog.text
            it.panel.show(1, "")
            page = await it.page()
            assert (await shown(page))["screen"] == 1
            await page.send_str('{"screen":1,"action":"ok"}')
            assert await it.touched(1) == [PanelTouch(1, "ok")]

    asyncio.run(case())


KEYS = st.sampled_from(["screen", "action", "value", "x"])
ANY_JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(st.text() | ANY_JSON.map(json.dumps))
def test_any_text_is_a_touch_or_nothing(data: str) -> None:
    touch = web._touch(aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, data, None))
    assert touch is None or (touch.screen >= 0 and touch.action and len(touch.value) <= 64)


def test_a_newer_page_replaces_the_older(caplog: pytest.LogCaptureFixture) -> None:
    async def case() -> None:
        async with rig() as it:
            it.panel.show(1, "one")
            older = await it.page()
            await shown(older)
            newer = await it.page()
            assert (await shown(newer))["screen"] == 1
            assert await closed(older) == web.REPLACED
            assert "another page shows now" in caplog.text
            it.panel.show(2, "two")
            assert (await shown(newer))["screen"] == 2
            await newer.send_str('{"screen":2,"action":"ok"}')
            assert await it.touched(1) == [PanelTouch(2, "ok")]

    asyncio.run(case())


@pytest.mark.parametrize(
    "headers",
    [{"Host": "kiosk.example"}, {"Host": "127.0.0.1.example"}, {"Host": "x@127.0.0.1"}, {"Origin": "http://evil.example"},
     {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}, {"Host": "localhost;default-src *"}],
)  # fmt: skip
def test_other_sites_are_refused(headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    async def case() -> None:
        async with rig() as it:
            it.panel.show(1, "secret")
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await it.page(**headers)
            assert refused.value.status in (400, 403)
            async with it.client.get(it.url, headers=headers) as answer:
                assert answer.status in (400, 403)
                assert "example" not in str(answer.headers)

    asyncio.run(case())
    assert "in another site's name" in caplog.text
    assert "example" not in caplog.text


def test_its_own_page_is_let_in() -> None:
    async def case() -> None:
        async with rig() as it:
            it.panel.show(1, "x")
            for name in ("127.0.0.1", "localhost", "[::1]"):
                host = f"{name}:{it.panel.port}"
                page = await it.page(Host=host, Origin=f"http://{host}")
                assert (await shown(page))["screen"] == 1

    asyncio.run(case())


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/wire", {"Origin": "own"}),
        ("/wire?key=", {"Origin": "own"}),
        (f"/wire?key={KEY[:-1]}", {"Origin": "own"}),
        (f"/wire?key={KEY}é", {"Origin": "own"}),
        (f"/wire?key={KEY}", {}),
        (f"/wire?key={KEY}", {"Origin": "http://evil.example"}),
        (f"/wire?key={KEY}", {"Origin": "null"}),
        ("/alive", {}),
        ("/alive?key=other", {}),
    ],
)
def test_who_has_not_the_key_or_is_no_page_of_ours_gets_nothing(
    path: str, headers: dict[str, str]
) -> None:
    """Any user of the machine can reach the port, and can write whatever headers they like."""

    async def case() -> None:
        async with rig() as it:
            it.panel.show(1, "a person's confirmation")
            page = await it.page()
            await shown(page)
            own = {"Origin": f"http://127.0.0.1:{it.panel.port}"}
            given = own if headers.get("Origin") == "own" else headers
            upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
            wire = {**upgrade, "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "a" * 22 + "=="}
            more = wire if path.startswith("/wire") else {}
            async with it.client.get(it.url + path, headers=given | more) as answer:
                assert answer.status == 403
                assert "confirmation" not in await answer.text()
            it.panel.show(2, "still there")  # nobody was pushed aside
            assert (await shown(page))["screen"] == 2

    asyncio.run(case())


def test_closing_ends_the_page_and_leaves_the_owners_socket() -> None:
    async def case() -> None:
        with listening() as listener:
            first = web.WebPanel(listener, "", FILES, key=KEY)
            await first.start(lambda _: None)
            first.show(1, "someone's")
            async with aiohttp.ClientSession() as client:
                origin = f"http://127.0.0.1:{first.port}"
                url = f"{origin}/panel/wire?key={KEY}"
                page = await client.ws_connect(url, origin=origin)
                await shown(page)
                await first.close()
                await first.close()
                assert await closed(page) == aiohttp.WSCloseCode.GOING_AWAY
                second = web.WebPanel(listener, "", FILES, key=KEY)
                await second.start(lambda _: None)
                second.show(9, "next")
                assert await shown(await client.ws_connect(url, origin=origin)) == {
                    "screen": 9,
                    "html": "next",
                    "left": None,
                }
                await second.close()

    asyncio.run(case())


def test_a_socket_that_others_can_reach_is_refused() -> None:
    async def case() -> None:
        with listening("0.0.0.0") as listener:
            with pytest.raises(DeviceFault) as fault:
                await web.WebPanel(listener, "", FILES, key=KEY).start(lambda _: None)
            assert fault.value.reason is Reason.CONFIGURATION

    asyncio.run(case())


def test_a_dead_socket_is_a_device_fault() -> None:
    async def case() -> None:
        listener = listening()
        panel = web.WebPanel(listener, "", FILES, key=KEY)
        listener.close()
        with pytest.raises(DeviceFault):
            await panel.start(lambda _: None)
        await panel.close()

    asyncio.run(case())
