"""Far ends that are not what the configuration says: silent, echoing, talking nonsense, or a
printer that says chosen status bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import tty
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

Reply = Callable[[bytes], bytes | None]  # None: hang up
HOST: Final = "127.0.0.1"
CHUNK: Final = 4096
QUESTION: Final = b"\x10\x04"
WELL: Final[Mapping[int, int]] = {1: 0x12, 2: 0x12, 3: 0x12, 4: 0x12}


def silent(_: bytes) -> bytes:
    return b""


def echo(data: bytes) -> bytes:
    return data


def hang_up(_: bytes) -> None:
    return None


def printer(**bytes_of: int) -> Reply:
    """An ESC/POS printer whose answer to DLE EOT n is `qN`, well where it is not given."""
    answers = {**WELL, **{int(key[1:]): value for key, value in bytes_of.items()}}

    def reply(data: bytes) -> bytes:
        asked = [data[at + 2] for at in range(len(data) - 2) if data[at : at + 2] == QUESTION]
        cleared = b"\x37\x25\x00" * data.count(b"\x10\x14\x08")
        return cleared + bytes(answers[n] for n in asked if n in answers)

    return reply


@asynccontextmanager
async def on_port(reply: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """`host:port` of a server that answers so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                answer = reply(data)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0, ssl=tls)
    try:
        yield f"{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@asynccontextmanager
async def on_socket(path: Path, reply: Reply) -> AsyncIterator[Path]:
    """A Unix socket, as pcscd has one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                answer = reply(data)
                if answer is None:
                    break
                writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    path.chmod(0o666)
    try:
        yield path
    finally:
        server.close()
        path.unlink(missing_ok=True)


@contextmanager
def on_line(reply: Reply) -> Iterator[str]:
    """The path of a serial line at whose other end somebody answers so."""
    far, near = os.openpty()
    tty.setraw(near)
    os.set_blocking(far, False)
    path = os.ttyname(near)
    Path(path).chmod(0o666)
    loop = asyncio.get_running_loop()

    def came() -> None:
        with contextlib.suppress(OSError):
            os.write(far, reply(os.read(far, CHUNK)) or b"")

    loop.add_reader(far, came)
    try:
        yield path
    finally:
        loop.remove_reader(far)
        os.close(far)
        os.close(near)
