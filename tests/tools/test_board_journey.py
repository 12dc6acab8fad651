"""Whole journeys in the browsers of a board: the page of the unit's own command under cage, touched
with a finger, the PIN typed on keys, and the process that draws killed in the middle.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest
from board_browser import ENGINES, KEEPER, Engine, Person, attach, display, free_port, running
from playwright.sync_api import Error

from hal.panel.web import PAGE
from testbed.customer import Errand, Journey, Watcher
from testbed.demo import FOLDER
from testbed.rehearsal import prepare
from testbed.screen import Seen, read
from testbed.system import System

pytestmark = [pytest.mark.wires, pytest.mark.browser, pytest.mark.timeout(400)]
ERRANDS = {"cog": ("taro", "juminhyo"), "chromium": ("hanako", "kazei")}
LOOK_S = 0.1
SECONDS = re.compile(r"(?<=<b data-seconds)[^<]*")  # that run down are no other screen
# A browser that ended is noticed, started and looked at again in this time.
STAGE_S = 180
Result = TypeVar("Result")


class Keeper:
    """`kiosk browser` with the unit's command, and where its browser lets itself be looked at."""

    def __init__(self, engine: Engine, config: Path, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.port = free_port()
        self.profiles = folder / engine.name
        self.profiles.mkdir()
        command = [sys.executable, "-c", KEEPER, "--config", str(config), "--"]
        self._process = subprocess.Popen(
            [*command, *engine.command(self.port)],
            env=display(folder, self.port) | {"TMPDIR": str(self.profiles)},
            stderr=subprocess.DEVNULL,
        )

    def kill_what_draws(self) -> None:
        """And come back when that browser is gone."""
        (profile,) = self.profiles.iterdir()
        for process in running(profile.name, self.engine.drawing):
            os.kill(process, signal.SIGKILL)
        while profile.exists():
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


class Eyes(Watcher):
    """Somebody who looks at the browser's page instead of the wire, and who comes back when the
    browser was started anew. Playwright stays in one thread.
    """

    def __init__(self, keeper: Keeper, address: str, key: Path) -> None:
        super().__init__(address, key)
        self._keeper = keeper
        self._url = f"{address}{PAGE}"
        self._thread = ThreadPoolExecutor(1)
        self._there = ExitStack()
        self._person: Person | None = None
        self._last = ""
        self.killed_on = ""

    async def next(self, timeout_s: float) -> Seen:
        async with asyncio.timeout(max(timeout_s, STAGE_S)):
            while True:
                html = await self._do(lambda person: person.read())
                screen = SECONDS.sub("", html or "")
                if html and screen != self._last:
                    self._last = screen
                    return read(0, html)
                await asyncio.sleep(LOOK_S)

    async def touch(self, seen: Seen, action: str, value: str = "") -> None:
        if seen.name == "certificates" and not self.killed_on:
            self.killed_on = seen.name
            await self._in_thread(self._keeper.kill_what_draws)
            self._last = ""
        elif action in ("digit", "enter"):
            await self._do(lambda person: person.press(value or "Enter"))
        else:
            await self._do(lambda person: person.touch(action, value))

    async def close(self) -> None:
        await self._in_thread(self._leave)
        self._thread.shutdown()

    async def _do(self, act: Callable[[Person], Result]) -> Result | None:
        return await self._in_thread(lambda: self._at_the_page(act))

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _at_the_page(self, act: Callable[[Person], Result]) -> Result | None:
        """None when the browser ended meanwhile."""
        try:
            if self._person is None:
                keeper = self._keeper
                self._person = self._there.enter_context(
                    attach(keeper.engine, keeper.port, self._keyed_url, keeper.folder)
                )
            return act(self._person)
        except (Error, OSError):
            self._leave()
            return None

    def _keyed_url(self) -> str:
        return f"{self._url}#{self._key.read_text() if self._key else ''}"

    def _leave(self) -> None:
        self._person = None
        self._last = ""  # the same screen comes back, and is touched then
        with contextlib.suppress(Error, OSError):
            self._there.close()


@pytest.fixture
def short() -> Iterator[Path]:
    """Wayland and Chromium keep sockets there, whose paths may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="p") as made:
        yield Path(made)


def test_a_journey_in_each_browser_goes_on_when_its_page_dies(tmp_path: Path, short: Path) -> None:
    for engine in ENGINES:
        engine.require()
    rehearsal = prepare(FOLDER, tmp_path / "run")

    async def play() -> None:
        async with System(rehearsal) as system:
            for engine in ENGINES:
                keeper = Keeper(engine, rehearsal.kiosk_toml, short)
                eyes = Eyes(keeper, rehearsal.panel, rehearsal.panel_key)
                try:
                    journey = Journey(system, Errand(*ERRANDS[engine.name], tmp_path), eyes)
                    await journey.run()
                finally:
                    await eyes.close()
                    await asyncio.to_thread(keeper.stop)
                assert eyes.killed_on
                assert journey.pages
                assert journey.due is not None and journey.paid >= journey.due

    asyncio.run(play())
