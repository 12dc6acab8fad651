"""Does the panel show every colour, and feel a touch where the finger is?

The pages are served where the kiosk serves its own, with a key of their own, so that the browser of
the board shows them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware.service.config import Config
from firmware.service.panel_key import hand_over, require_folder
from firmware.tools.diagnose.errors import said
from firmware.tools.diagnose.finding import wrong
from firmware.tools.diagnose.guided.human import Answer, Asking, Request
from hal.panel.contract import PanelTouch
from hal.panel.web import PAGE, WebPanel

FOLDER: Final = Path(__file__).parent
COLOURS: Final = ("red", "green", "blue", "white", "black")
PLACES: Final = tuple(
    f"{row}-{column}"
    for row in ("top", "middle", "bottom")
    for column in ("left", "centre", "right")
)
MOST_BESIDE: Final = 3  # touches beside one point: a finger slips, a panel that is off does not
TOUCH_S: Final = 60.0  # a browser needs its time to come up
READY: Final = Request(
    "画面の前に立ってください。Enter のあと、画面の案内に従ってください。",
    "Stand in front of the panel. After Enter, do what the panel says.",
)
EVEN: Final = Request(
    "赤・緑・青・白・黒がむらなく表示され、点の欠けがありませんでしたか。",
    "Were red, green, blue, white and black even, without dead points?",
)


def colours(config: Config, asking: Asking) -> str:
    """Each colour over the whole panel, until it is touched. Raises Wrong, DeviceFault, Gone."""
    key = _ready(config, asking)
    asyncio.run(_show_colours(config, key))
    if not asking.ask(EVEN):
        raise wrong("guided.colours", "not even, or dead points")
    return ", ".join(COLOURS)


def touch(config: Config, asking: Asking) -> str:
    """A point in each corner, at each edge and in the middle, of the size of a button. Raises
    Wrong, DeviceFault, Gone.
    """
    key = _ready(config, asking)
    beside = asyncio.run(_feel_points(config, key, asking))
    return f"{len(PLACES)} points touched, {beside} touches beside them"


def _ready(config: Config, asking: Asking) -> str:
    """The key of the pages, when the person stands there. Raises Wrong, Gone."""
    try:
        require_folder(config.kiosk.runtime)
        key = hand_over(config.kiosk.runtime)
    except OSError as error:
        raise wrong("guided.panel", f"{config.kiosk.runtime}: {said(error)}") from None
    hint = f"画面が変わらないとき / where nothing appears: http://{config.panel.listen}{PAGE}#{key}"
    if not asking.ask(Request(READY.ja, READY.en, hint)):
        raise wrong("guided.panel", "nobody can stand there")
    return key


async def _show_colours(config: Config, key: str) -> None:
    async with _opened(config, key) as screens:
        for colour in COLOURS:
            await screens.touched(f'<div class="all {colour}" data-action="seen">{_NEXT}</div>')


async def _feel_points(config: Config, key: str, asking: Asking) -> int:
    """How many touches were beside a point. Raises Wrong."""
    beside = 0
    async with _opened(config, key) as screens:
        for place in PLACES:
            began, missed = time.monotonic(), 0
            while (await screens.touched(_point(place))).action == "beside":
                missed += 1
                if missed > MOST_BESIDE:
                    _note(asking, place, Answer.FAILED, began)
                    raise wrong("guided.touch", f"{place}: {missed} touches beside the point")
            _note(asking, place, Answer.DONE, began)
            beside += missed
    return beside


def _note(asking: Asking, place: str, answer: Answer, began: float) -> None:
    asked = Request(f"点に触れてください: {place}", f"Touch the point: {place}")
    asking.note(asked, answer, "panel", time.monotonic() - began)


_NEXT: Final = '<p lang="ja">画面に触れると次へ進みます</p><p lang="en">Touch to go on</p>'


def _point(place: str) -> str:
    return (
        '<div class="all white" data-action="beside">'
        '<p lang="ja">点に触れてください</p><p lang="en">Touch the point</p>'
        f'<i class="point {place}" data-action="point"></i></div>'
    )


@dataclass
class _Screens:
    panel: WebPanel
    touches: asyncio.Queue[PanelTouch]
    number: int = 0

    async def touched(self, html: str) -> PanelTouch:
        """Show this until it is touched. Raises Wrong when nobody does."""
        self.number += 1
        self.panel.show(self.number, html)
        try:
            async with asyncio.timeout(TOUCH_S):
                return await self.touches.get()
        except TimeoutError:
            raise wrong("guided.panel", f"no touch within {TOUCH_S:g} s") from None


@contextlib.asynccontextmanager
async def _opened(config: Config, key: str) -> AsyncIterator[_Screens]:
    """Raises Wrong, DeviceFault."""
    host, _, port = config.panel.listen.rpartition(":")
    try:
        listener = socket.create_server((host, int(port)))
    except OSError as error:
        raise wrong("guided.panel", f"{config.panel.listen}: {said(error)}") from None
    with listener:
        listener.setblocking(False)
        touches: asyncio.Queue[PanelTouch] = asyncio.Queue()
        panel = WebPanel(
            listener,
            (FOLDER / "guided.html").read_text("utf-8"),
            _files(config),
            key=key,
            limits=config.panel.limits,
        )
        await panel.start(touches.put_nowait)
        try:
            yield _Screens(panel, touches)
        finally:
            await panel.close()


def _files(config: Config) -> dict[str, tuple[bytes, str]]:
    return {
        "/panel/size.css": (config.panel.size.style_sheet(), "text/css"),
        "/panel/guided.css": ((FOLDER / "guided.css").read_bytes(), "text/css"),
        "/panel/guided.js": ((FOLDER / "guided.js").read_bytes(), "text/javascript"),
    }
