"""The far end of `hal.speaker.network`: keeps what it is told to play, and tells who wants to know.

It needs no time to play: a recording is heard the moment it is whole.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from hal.speaker.network import LENGTH
from hal.speaker.wav import WavError, decode

LONGEST = 16 * 1024 * 1024  # bytes of a recording


class SpeakerFarEnd:
    """A TCP server. `last` holds (text, WAV) of the newest `keep` recordings, oldest first.

    `heard(text, wav)` is called for each recording and `hushed()` for each "be quiet", both in the event loop.
    A peer that breaks the protocol is written into `violations` and cut off.
    """

    def __init__(
        self,
        heard: Callable[[str, bytes], None] = lambda _text, _wav: None,
        hushed: Callable[[], None] = lambda: None,
        host: str = "127.0.0.1",
        port: int = 0,
        keep: int = 20,
    ) -> None:
        self.last: deque[tuple[str, bytes]] = deque(maxlen=keep)
        self.violations: list[str] = []
        self.port = port
        self._heard = heard
        self._hushed = hushed
        self._host = host
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    async def start(self) -> None:
        """Listen; `port` is the real one afterwards. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in tuple(self._writers):
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                self._take(await reader.readexactly(length)) if length <= LONGEST else self._reject(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except WavError as error:
            self.violations.append(str(error))
        finally:
            self._writers.discard(writer)
            writer.close()

    def _take(self, recording: bytes) -> None:
        if not recording:
            self._hushed()
            return
        text = decode(recording).text
        self.last.append((text, recording))
        self._heard(text, recording)

    @staticmethod
    def _reject(length: int) -> None:
        raise WavError(f"a recording of {length} bytes")
