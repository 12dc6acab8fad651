"""The board that is attested: what differs from what was signed, and a build that the city does not
know, are out of service, named, and back by themselves when they are put right.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fleet_judge as judge
from container import Board, until

CONFIG = "/etc/madoguchi/kiosk.toml"
FONT = "/usr/share/fonts/truetype/ipamj/ipamjm.ttf"
VOICE = "/usr/share/madoguchi/voice/ja"


@dataclass(frozen=True)
class Change:
    """`item`: of docs/deployment.md. Commands of root's on the board."""

    item: str
    make: str
    undo: str


def laid_over(path: str, made: str) -> tuple[str, str]:
    """The root cannot be written: another file lies on this one. What makes it so, and what undoes
    it. `made` makes /run/other.
    """
    return f"path={path}; {made} && mount --bind /run/other $path", f"umount -l {path}"


CHANGES = (
    Change("settings", f"cp {CONFIG} /run/whole && echo '# mended' >>{CONFIG}",
           f"cp /run/whole {CONFIG}"),
    Change("fonts", *laid_over(FONT, "cp $path /run/other && printf x >>/run/other")),
    # another's words: it can be played
    Change("recordings", *laid_over(f"$(ls {VOICE}/*.wav | head -1)",
                                    f"cp $(ls {VOICE}/*.wav | tail -1) /run/other")),
)  # fmt: skip


def told(board: Board) -> dict[str, Any]:
    said = board.run(f"kiosk status --config {CONFIG} --json || true")
    return dict(json.loads(said))


def closed_for(board: Board, item: str) -> bool:
    """It is out of service, and the status names it."""
    now = told(board)
    return bool(now["state"] == "out-of-service" and now.get("case") == item)


async def change(board: Board, one: Change, city: Path) -> dict[str, Any]:
    """Seconds until the kiosk says so, the city knows, and it serves again by itself."""
    began = time.monotonic()
    board.run(one.make)
    # as after a power cut: nothing looks at a running kiosk's files
    board.run("systemctl restart madoguchi-kiosk")
    what = f"{board.name}: it does not say {one.item}"
    await asyncio.to_thread(until, lambda: closed_for(board, one.item), what, 300)
    closed = time.monotonic()
    shown = f"{board.name}: the city does not know of {one.item}"
    await asyncio.to_thread(until, lambda: city_knows(city, board.name), shown, 300)
    board.run(one.undo)
    back = f"{board.name}: {one.item} was put right, and it does not come back"
    await asyncio.to_thread(until, lambda: told(board)["state"] == "ready", back, 300)
    board.run(f"kiosk cases close --config {CONFIG} --all --note rehearsal --fee returned")
    return {
        "closed_s": round(closed - began, 1),
        "back_s": round(time.monotonic() - closed, 1),
    }


def city_knows(city: Path, kiosk: str) -> bool:
    seen = judge.fleet(city)[kiosk]
    return seen["availability"] == "out-of-service" and bool(seen["cases"])
