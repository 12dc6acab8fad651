"""A browser that draws nothing any more, under the display server of a board: the panel notices,
and the screen comes back. How many seconds that takes is printed (`-s`) and judged by nobody.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from board_browser import ENGINES, KEEPER, Engine, display, kiosk_config, running

from firmware.service.panel_key import require_folder

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

# The kiosk's own page with one screen on it; tells when a browser shows it, and when none does.
SHOWING = """
import asyncio, socket, sys
from pathlib import Path
from firmware.panel.render import page
from firmware.service.panel_key import hand_over
from hal.panel.watch import Stage
from hal.panel.web import WebPanel
async def serve():
    listener, key = socket.socket(fileno=int(sys.argv[1])), hand_over(Path(sys.argv[2]))
    panel = WebPanel(listener, *page(), key=key)
    await panel.start(lambda _: None)
    panel.show(7, '<main lang="ja" data-screen="menu" data-deadline="" data-limit="0">7</main>')
    shows = False
    while True:
        await asyncio.sleep(0.02)
        now = any(
            keeper.watch.stage is Stage.SHOWING and not keeper.ended.is_set()
            for keeper in panel._keepers
        )
        if now is not shows:
            shows = now
            print("shown" if now else "lost", flush=True)
asyncio.run(serve())
"""


def dies(engine: Engine, profile: str) -> None:
    _send(signal.SIGKILL, engine.drawing, profile)


def hangs(engine: Engine, profile: str) -> None:
    """Its browser goes on: it even answers on the page's wire."""
    _send(signal.SIGSTOP, engine.drawing, profile)


def has_no_display(engine: Engine, profile: str) -> None:
    """The display server takes no picture any more."""
    _send(signal.SIGSTOP, "cage", profile)


TROUBLE: tuple[Callable[[Engine, str], None], ...] = (dies, hangs, has_no_display)


def _send(number: signal.Signals, program: str, profile: str) -> None:
    found = running(profile, program)
    assert found
    for process in found:
        os.kill(process, number)


@pytest.fixture
def short() -> Iterator[Path]:
    """Wayland and Chromium keep sockets there, whose paths may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="p") as made:
        yield Path(made)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_the_screen_comes_back(engine: Engine, short: Path) -> None:
    engine.require()
    temporary = short / "t"
    temporary.mkdir()
    require_folder(short / "runtime")
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        fd = listener.fileno()
        kiosk = subprocess.Popen(
            [sys.executable, "-c", SHOWING, str(fd), str(short / "runtime")],
            pass_fds=[fd],
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(kiosk.wait)
        stack.callback(kiosk.kill)
        config = kiosk_config(short, listener)
        keeper = subprocess.Popen(
            [sys.executable, "-c", KEEPER, "--config", str(config), "--", *engine.command()],
            env=display(short) | {"TMPDIR": str(temporary)},
            stderr=subprocess.DEVNULL,
        )
        stack.callback(keeper.wait)
        stack.callback(keeper.terminate)
        assert kiosk.stdout is not None
        assert kiosk.stdout.readline() == "shown\n"
        for trouble in TROUBLE:
            (before,) = temporary.iterdir()
            began = time.monotonic()
            trouble(engine, before.name)
            assert kiosk.stdout.readline() == "lost\n"
            noticed = time.monotonic() - began
            assert kiosk.stdout.readline() == "shown\n"
            mended = time.monotonic() - began
            print(f"{engine.name} {trouble.__name__}: {noticed:.1f} s, {mended:.1f} s")
            assert not before.exists()
            assert not running(before.name)
