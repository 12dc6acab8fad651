"""The relay between kiosk and city, and the reader's cable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hal.sim.line import Address, Cable, LineRelay

LOCAL = ("127.0.0.1", 0)
SOON_S = 2.0


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data.upper())
    writer.close()


def with_relay(test: Callable[[LineRelay], Awaitable[None]]) -> None:
    async def run() -> None:
        server = await asyncio.start_server(_echo, *LOCAL)
        relay = LineRelay(LOCAL, server.sockets[0].getsockname())
        await relay.start()
        try:
            async with asyncio.timeout(10):
                await test(relay)
        finally:
            await relay.stop()
            server.close()

    asyncio.run(run())


async def ask(address: Address, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.readexactly(len(data)), SOON_S)
    finally:
        writer.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), SOON_S) == b""
    except ConnectionError:
        return True


def test_carries_bytes_both_ways() -> None:
    async def test(relay: LineRelay) -> None:
        assert await ask(relay.address, b"abc") == b"ABC"

    with_relay(test)


def test_cut_ends_what_is_there_refuses_what_comes_and_keeps_its_port() -> None:
    async def test(relay: LineRelay) -> None:
        reader, writer = await asyncio.open_connection(*relay.address)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"X"
        await relay.cut()
        assert relay.cut_off
        assert await ended(reader)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*relay.address)
        await relay.restore()
        assert not relay.cut_off
        assert await ask(relay.address, b"back") == b"BACK"

    with_relay(test)


def test_stalled_it_accepts_and_moves_nothing_until_it_flows() -> None:
    async def test(relay: LineRelay) -> None:
        relay.stall()
        reader, writer = await asyncio.open_connection(*relay.address)
        writer.write(b"held")
        answer = asyncio.create_task(reader.readexactly(4))
        assert not (await asyncio.wait({answer}, timeout=0.1))[0]
        relay.flow()
        assert await asyncio.wait_for(answer, SOON_S) == b"HELD"
        writer.close()

    with_relay(test)


def test_an_open_connection_stalls_too_and_cutting_frees_it() -> None:
    async def test(relay: LineRelay) -> None:
        reader, writer = await asyncio.open_connection(*relay.address)
        writer.write(b"a")
        await reader.readexactly(1)
        relay.stall()
        writer.write(b"b")
        answer = asyncio.create_task(reader.readexactly(1))
        assert not (await asyncio.wait({answer}, timeout=0.1))[0]
        await relay.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(answer, SOON_S)

    with_relay(test)


def test_without_a_city_the_line_ends_at_once() -> None:
    async def run() -> None:
        spare = await asyncio.start_server(_echo, *LOCAL)
        nobody = spare.sockets[0].getsockname()
        spare.close()
        relay = LineRelay(LOCAL, nobody)
        await relay.start()
        reader, writer = await asyncio.open_connection(*relay.address)
        assert await asyncio.wait_for(reader.read(), SOON_S) == b""
        writer.close()
        await relay.stop()

    asyncio.run(run())


def test_a_cable_holds_connections_until_it_is_pulled() -> None:
    async def run() -> None:
        cable = Cable(LOCAL)
        await cable.start()
        reader, writer = await asyncio.open_connection(*cable.address)
        end = asyncio.create_task(ended(reader))
        assert not (await asyncio.wait({end}, timeout=0.1))[0]
        await cable.cut()
        assert await end
        writer.close()
        await cable.restore()
        _, writer = await asyncio.open_connection(*cable.address)
        writer.close()
        await cable.stop()

    asyncio.run(run())
