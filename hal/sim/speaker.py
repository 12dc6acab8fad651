"""The far end of `hal.speaker.network`: keeps what it gets to play, and passes it on.

It needs no time to play: a recording is heard the moment it is whole.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from hal.speaker.network import IN, LENGTH, OUT
from hal.speaker.wav import WavError, decode

LONGEST = 16 * 1024 * 1024  # bytes of a recording


class SpeakerFarEnd:
    """A TCP server. `last` holds (text, WAV) of the newest `keep` recordings, oldest first.

    `played(text, wav)` is called for each recording and `hushed()` for each "be quiet", both in the
    event loop. A peer that breaks the protocol is written into `violations` and cut off. `plugged`
    is whether headphones are in; None: it has no socket. While `deaf`, it takes nothing that it is
    sent.
    """

    def __init__(
        self,
        played: Callable[[str, bytes], None] = lambda _text, _wav: None,
        hushed: Callable[[], None] = lambda: None,
        host: str = "127.0.0.1",
        port: int = 0,
        keep: int = 20,
    ) -> None:
        self.last: deque[tuple[str, bytes]] = deque(maxlen=keep)
        self.violations: list[str] = []
        self.plugged: bool | None = None
        self._gone = False
        self._hears = asyncio.Event()
        self._hears.set()
        self.port = port
        self._played = played
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
        self.hang_up()
        await self._server.wait_closed()

    def hang_up(self) -> None:
        """Whoever is connected sees the end."""
        for writer in tuple(self._writers):
            writer.close()

    @property
    def gone(self) -> bool:
        """True: whoever is connected sees the end, and so does everybody who comes."""
        return self._gone

    @gone.setter
    def gone(self, gone: bool) -> None:
        self._gone = gone
        if gone:
            self.hang_up()

    @property
    def deaf(self) -> bool:
        return not self._hears.is_set()

    @deaf.setter
    def deaf(self, deaf: bool) -> None:
        if deaf:
            self._hears.clear()
        else:
            self._hears.set()

    def plug(self, plugged: bool) -> None:
        """Somebody puts headphones in, or takes them out."""
        self.plugged = plugged
        for writer in tuple(self._writers):
            writer.write(IN if plugged else OUT)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._gone:
            writer.close()
            return
        self._writers.add(writer)
        if self.plugged is not None:
            writer.write(IN if self.plugged else OUT)
        try:
            while True:
                await self._hears.wait()
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                self._take(await reader.readexactly(length)) if length <= LONGEST else self._reject(
                    length
                )
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
        self._played(text, recording)

    @staticmethod
    def _reject(length: int) -> None:
        raise WavError(f"a recording of {length} bytes")
