"""Bad input and broken wires, on the running kiosk: one clear line, or a screen that says what to
do. Never a hang.

Each wire in turn ends at something that talks nonsense, or nothing; all others are as they should
be.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import subprocess
import sys
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from city import pki
from testbed.customer import Watcher
from testbed.demo import FOLDER
from testbed.rehearsal import prepare
from testbed.screen import Seen
from testbed.system import System

pytestmark = pytest.mark.wires

SEE_S = 30.0
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
NONSENSE = random.Random(7).randbytes(4096)


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1 << 16):
        writer.write(NONSENSE)
        await writer.drain()
    writer.close()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1 << 16):
        pass
    writer.close()


@asynccontextmanager
async def serving(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await talk(reader, writer)
        except (ConnectionError, ssl.SSLError):
            pass

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for task in tasks:
        task.cancel()


async def seen(watcher: Watcher, there: Callable[[Seen], bool]) -> Seen:
    async with asyncio.timeout(SEE_S):
        while not there(found := await watcher.next(SEE_S)):
            pass
    return found


async def fault_of(tmp_path: Path, problem: str, **over: Any) -> None:
    """The kiosk with this configuration shows that it is out of service, and why."""
    over.setdefault("line", {}).setdefault("deadline_s", 1.0)
    async with System(prepare(FOLDER, tmp_path, kiosk=over)) as system:
        async with Watcher(
            system.rehearsal.panel, system.rehearsal.panel_key
        ).watching() as watcher:
            found = await seen(watcher, lambda s: s.name == "fault")
            assert found.facts["problem"] == problem
            assert found.text


# -- wires that talk nonsense, or nothing


@pytest.mark.parametrize(
    ("talk", "section", "problem"),
    [
        (garbage, "sheets", "printer"),
        (garbage, "receipts", "receipt-printer"),
        (silence, "sheets", "printer-busy"),
        (silence, "receipts", "receipt-printer-busy"),
    ],
)
def test_printers(tmp_path: Path, talk: Talk, section: str, problem: str) -> None:
    async def play() -> None:
        async with serving(talk) as port:
            await fault_of(tmp_path, problem, **{section: {"address": f"127.0.0.1:{port}"}})

    asyncio.run(play())


@pytest.mark.parametrize("chatty", [True, False])
def test_coin_unit(tmp_path: Path, chatty: bool) -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)

    async def play() -> None:
        loop = asyncio.get_running_loop()

        def answer() -> None:
            os.read(ours, 4096)
            if chatty:
                os.write(ours, NONSENSE[:200])

        loop.add_reader(ours, answer)
        await fault_of(tmp_path, "coins", cash={"port": os.ttyname(theirs)})
        loop.remove_reader(ours)

    asyncio.run(play())
    os.close(ours)
    os.close(theirs)


def as_gateway(keys: Path) -> ssl.SSLContext:
    files = pki.make(keys)  # what is there already stays
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files.gateway, files.gateway_key)
    return tls


def answering(body: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        await writer.drain()
        await reader.read()

    return talk


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
CITIES = {
    "silent": silence,
    "nonsense": answering(NONSENSE),
    "malformed": answering(HEAD + b"14\r\n\r\n" + b'{"protocol":1}'),
    "too big": answering(HEAD + b"99999999999\r\n\r\n" + b" " * 100_000),
    "never ends": answering(HEAD + b"5000\r\n\r\n{"),
    "redirects": answering(
        b"HTTP/1.1 302 Found\r\nLocation: /v1/hello\r\nContent-Length: 0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("talk", CITIES.values(), ids=CITIES.keys())
def test_city(tmp_path: Path, talk: Talk) -> None:
    prepare(FOLDER, tmp_path / "keys")  # the city's own keys: only what it says is wrong
    tls = as_gateway(FOLDER / "pki")

    async def play() -> None:
        async with serving(talk, tls) as port:
            await fault_of(tmp_path, "line-down", line={"city": f"https://127.0.0.1:{port}"})

    asyncio.run(play())


def test_city_of_another_ca(tmp_path: Path) -> None:
    """A server with a good certificate of somebody else's is not the city."""
    tls = as_gateway(tmp_path / "stranger")

    async def play() -> None:
        async with serving(answering(HEAD + b"2\r\n\r\n{}"), tls) as port:
            await fault_of(
                tmp_path / "run", "line-down", line={"city": f"https://127.0.0.1:{port}"}
            )

    asyncio.run(play())


def test_a_card_that_talks_nonsense(tmp_path: Path) -> None:
    """Refused as unreadable; the kiosk goes on."""

    async def play() -> None:
        async with System(prepare(FOLDER, tmp_path)) as system:
            async with Watcher(
                system.rehearsal.panel, system.rehearsal.panel_key
            ).watching() as watcher:
                await seen(watcher, lambda s: s.name == "menu")
                reader, writer = await asyncio.open_connection(*system.rehearsal.wiring.reader)
                talking = asyncio.create_task(garbage(reader, writer))
                refused = await seen(watcher, lambda s: s.name == "refused")
                assert refused.facts["code"] == "not-mynumber"
                talking.cancel()
                writer.close()
                await watcher.touch(refused, "ok")
                await seen(watcher, lambda s: s.name == "menu")

    asyncio.run(play())


# -- what keeps it from starting: one line, exit code 2


def start(config: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "firmware.tools", "run", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"kiosk": {"colour": "red"}}, "colour"),
        ({"panel": {"listen": 8080}}, "$.panel.listen"),
        ({"fonts": {"mincho": "/nowhere/ipamjm.ttf"}}, "fonts-ipamj-mincho"),
        ({"fonts": {"gothic": "/nowhere/noto.ttc"}}, "fonts-noto-cjk"),
        ({"line": {"key": "/nowhere/key.pem"}}, "/nowhere/key.pem"),
        ({"trust": {"issuing_keys": ["/nowhere/issuing.pem"]}}, "/nowhere/issuing.pem"),
        ({"voice": {"recordings": "/nowhere"}}, "recordings"),
    ],
)
def test_does_not_start(tmp_path: Path, over: dict[str, Any], said: str) -> None:
    code, line = start(prepare(FOLDER, tmp_path, kiosk=over).kiosk_toml)
    assert code == 2
    assert said in line
    assert len(line.splitlines()) == 1


def test_port_in_use(tmp_path: Path) -> None:
    async def play() -> None:
        async with serving(silence) as port:
            made = prepare(FOLDER, tmp_path, ports={"panel": port})
            code, line = await asyncio.to_thread(start, made.kiosk_toml)
            assert code == 2
            assert str(port) in line
            assert len(line.splitlines()) == 1

    asyncio.run(play())


def test_two_kiosks_on_one_state(tmp_path: Path) -> None:
    async def play() -> None:
        async with System(prepare(FOLDER, tmp_path)) as system:
            code, line = await asyncio.to_thread(start, system.rehearsal.kiosk_toml)
            assert code == 2
            assert "another kiosk" in line

    asyncio.run(play())
