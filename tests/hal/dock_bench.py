"""A bench with one card, its kiosk's end left to the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hal.sim.bench import Bench, Wiring
from hal.sim.card.pki import make_card, make_card_ca

LOCAL = ("127.0.0.1", 0)


def free_port() -> int:
    with socket.create_server(LOCAL) as sock:
        return int(sock.getsockname()[1])


def make_cards(home: Path) -> dict[str, Path]:
    ca, now = make_card_ca(home / "ca"), datetime.now(UTC)
    for name in ("taro", "hanako"):
        make_card(home / name, ca, name, "1234", now - timedelta(days=1), now + timedelta(days=1))
    return {name: home / name for name in ("taro", "hanako")}


def with_bench(
    cards: dict[str, Path], coins: Path, test: Callable[[Bench], Awaitable[None]]
) -> None:
    async def run() -> None:
        nowhere = ("127.0.0.1", free_port())
        async with (
            Bench(Wiring(reader=nowhere, city=nowhere, coins=coins), cards) as bench,
            asyncio.timeout(20),
        ):
            await test(bench)

    asyncio.run(run())
