"""The panel's browser, kept by `kiosk browser` as on a board, and somebody who looks at its page.

The page is read and touched through the browser's own door, which no board opens.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse

from testbed.customer import Watcher
from testbed.process import WITH_US
from testbed.rehearsal import Rehearsal
from testbed.rehearsal_error import RehearsalError
from testbed.screen import Seen, read

OPTIONS: Final = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-quic --remote-allow-origins=*"
).split()
LOOK_S: Final = 0.1
AGAIN_S: Final = 3.0
ANSWER_S: Final = 20.0
READ: Final = "document.getElementById('stage')?.innerHTML ?? ''"
PLACE: Final = (
    "(() => { const found = document.querySelector('#stage button[data-action=\"%s\"]%s');"
    " if (!found) return null; found.scrollIntoView(); const box = found.getBoundingClientRect();"
    " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
)


@asynccontextmanager
async def keep_browser(made: Rehearsal, port: int) -> AsyncIterator[int]:
    """Its process. Raises RehearsalError where there is no Chromium."""
    chromium = shutil.which("chromium")
    if not chromium:
        raise RehearsalError("chromium is not installed")
    home = made.run / "browser"
    home.mkdir(exist_ok=True)
    door = f"--remote-debugging-port={port}"
    words = [*OPTIONS, "--user-data-dir={profile}", door, "{url}"]
    process = await asyncio.create_subprocess_exec(
        *WITH_US,
        *(sys.executable, "-m", "firmware.tools", "browser"),
        *("--config", str(made.kiosk_toml), "--", chromium, *words),
        env=os.environ | {"TMPDIR": str(home)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


class BrowserWatcher(Watcher):
    """Sees and touches the browser's page, and comes back when the browser was started anew.

    `on_screen` is called with each new screen before anybody touches it.
    """

    def __init__(self, port: int, on_screen: Callable[[Seen], Awaitable[None]]) -> None:
        super().__init__("")
        self._door = f"http://127.0.0.1:{port}"
        self._on_screen = on_screen
        self._client: ClientSession | None = None
        self._page: ClientWebSocketResponse | None = None
        self._last = ""
        self._asked = 0
        self._touched: tuple[str, str] | None = None  # on the screen that stands there

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[BrowserWatcher]:
        async with ClientSession(trust_env=False) as self._client:
            try:
                yield self
            finally:
                if self._page:
                    await self._page.close()

    async def next(self, timeout_s: float) -> Seen:
        loop = asyncio.get_running_loop()
        touched_at = loop.time()
        async with asyncio.timeout(timeout_s):
            while True:
                html = await self._ask("Runtime.evaluate", expression=READ)
                if html and html != self._last:
                    self._last, self._touched = html, None
                    break
                await asyncio.sleep(LOOK_S)
                # the screen changed under the finger: people touch again
                if self._touched and loop.time() - touched_at > AGAIN_S:
                    touched_at = loop.time()
                    await self._press(*self._touched)
        seen = read(0, html)
        await self._on_screen(seen)
        return seen

    async def touch(self, seen: Seen, action: str, value: str = "") -> None:
        if action in ("digit", "enter"):
            key = value or "Enter"
            text = value or "\r"
            await self._ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
            await self._ask("Input.dispatchKeyEvent", type="keyUp", key=key)
            return
        self._touched = (action, value)
        await self._press(action, value)

    async def _press(self, action: str, value: str) -> None:
        which = f'[data-value="{value}"]' if value else ""
        place = await self._ask("Runtime.evaluate", expression=PLACE % (action, which))
        if place:
            at = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
            await self._ask("Input.dispatchMouseEvent", type="mousePressed", **at)
            await self._ask("Input.dispatchMouseEvent", type="mouseReleased", **at)

    async def _ask(self, method: str, **parameters: Any) -> Any:
        """None while there is no page, or when it ended meanwhile."""
        try:
            async with asyncio.timeout(ANSWER_S):
                page = self._page or await self._attach()
                self._asked += 1
                if method == "Runtime.evaluate":
                    parameters["returnByValue"] = True
                await page.send_json({"id": self._asked, "method": method, "params": parameters})
                while True:
                    answer = json.loads(await page.receive_str())
                    if answer.get("id") == self._asked:
                        return answer.get("result", {}).get("result", {}).get("value")
        except (ClientError, OSError, TypeError, ValueError, LookupError):
            self._page, self._last = None, ""
            return None

    async def _attach(self) -> ClientWebSocketResponse:
        assert self._client  # noqa: S101 - within `watching`
        async with self._client.get(f"{self._door}/json") as answer:
            pages = [one for one in await answer.json() if "/panel" in one["url"]]
        self._page = await self._client.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)
        return self._page
