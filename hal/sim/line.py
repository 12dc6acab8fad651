"""Ports that can be pulled out and put back: the reader's cable, and the line between kiosk and
city.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

Address = tuple[str, int]
CHUNK = 1 << 16


class Cable:
    """A TCP port that takes connections and holds them, silently. Cut, it ends them all and refuses
    new ones.

    Lives in one event loop. Port 0 takes any free one; `address` tells which.
    """

    def __init__(self, listen: Address) -> None:
        self.address = listen
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.WriteTransport] = set()

    @property
    def cut_off(self) -> bool:
        return self._server is None

    async def start(self) -> None:
        """Raises OSError when the port is in use."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accepted, *self.address)
            self.address = self.address[0], self._server.sockets[0].getsockname()[1]

    restore = start

    async def cut(self) -> None:
        """From now on: connection refused. Whoever is connected sees the end."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for transport in tuple(self._transports):
            transport.abort()

    stop = cut

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # was in the queue when the cut came
            writer.transport.abort()
            return
        self._transports.add(writer.transport)
        try:
            with suppress(OSError):
                await self._serve(reader, writer)
        finally:
            self._transports.discard(writer.transport)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(CHUNK):
            pass


class LineRelay(Cable):
    """Carries bytes between whoever connects and `target`; reads nothing, so TLS passes untouched.

    `delay_s` holds back each piece of data, in both directions. `on_question` is called before each
    piece that goes to `target`.
    """

    def __init__(self, listen: Address, target: Address, delay_s: float = 0.0) -> None:
        super().__init__(listen)
        self.target = target
        self.delay_s = delay_s
        self.on_question: Callable[[], None] = lambda: None
        self._flowing = asyncio.Event()
        self._flowing.set()

    @property
    def stalled(self) -> bool:
        return not self._flowing.is_set()

    def stall(self) -> None:
        """Connections are taken and kept; nothing moves."""
        self._flowing.clear()

    def flow(self) -> None:
        """What was held back moves on."""
        self._flowing.set()

    async def cut(self) -> None:
        await super().cut()
        self._flowing.set()  # what was held back is lost, and its pumps end

    stop = cut

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        far_reader, far_writer = await asyncio.open_connection(*self.target)
        self._transports.add(far_writer.transport)
        ways = [
            asyncio.create_task(self._pump(reader, far_writer, lambda: self.on_question())),
            asyncio.create_task(self._pump(far_reader, writer, lambda: None)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._transports.discard(far_writer.transport)
            far_writer.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        tell: Callable[[], None],
    ) -> None:
        while data := await reader.read(CHUNK):
            tell()
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
