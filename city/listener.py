"""Where kiosks connect: TLS 1.3, client certificates, and every wait and every count with an end.

A peer that shakes hands slowly, sends its head byte by byte, never reads its answers, or opens
connections without number loses its connection; nobody else waits for it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import sslproto
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from city.config import Config, ConfigError
from city.kiosks import Shown, read

HANDSHAKE_S: Final = 10.0
HEAD_S: Final = 10.0  # from connection, or a request's first byte, to the end of its head
ANSWER_S: Final = 30.0  # for a peer that has stopped reading to go on
GOODBYE_S: Final = 2.0  # for TLS to be ended in order
IDLE_S: Final = 1800.0  # one resident's connection, and the hello every few seconds before
HANDSHAKES: Final = 1000  # at once
MAX_LINE: Final = 1024  # bytes of the request line, and of one header
MAX_HEADERS: Final = 32
BACKLOG: Final = 512

# asyncio sets aside a quarter of a MiB for what arrives on each connection; no request is that
# long.
sslproto.SSLProtocol.max_size = 32 * 1024

Refuse = Callable[[int], web.Response]


def tls_context(config: Config) -> ssl.SSLContext:
    """TLS 1.3 and nothing older; who shows no certificate of the kiosk CA gets nowhere. Raises
    ConfigError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 1  # a kiosk whose line was cut comes back without a full handshake
    context.verify_mode = ssl.CERT_REQUIRED
    tls = config.tls
    try:
        context.load_verify_locations(tls.kiosk_ca)
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        unfit = isinstance(error, ssl.SSLError)
        reason = "certificate and key do not fit, or are not PEM" if unfit else error.strerror
        raise ConfigError(f"tls ({tls.kiosk_ca}, {tls.certificate}, {tls.key}): {reason}") from None
    return context


class Connection(web.RequestHandler):
    """One kiosk's connection, with the certificate it showed and a deadline for whatever the peer
    must do next.
    """

    shown: Shown | None = None
    owner = ""  # whose connections are counted together
    _deadline: asyncio.TimerHandle | None = None
    _busy = False

    def __init__(self, manager: Gate, **kwargs: Any) -> None:
        super().__init__(manager, loop=manager.loop, **kwargs)
        self._gate = manager

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.shown, self.owner = self._gate.recognise(transport)
        if self._gate.enter(self):
            self._within(HEAD_S)
        else:
            self._abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._within(0)
        self._gate.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._busy and self._deadline is None:
            self._within(HEAD_S)
        super().data_received(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._within(ANSWER_S)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._within(0)

    def begin(self) -> None:
        """A whole head is here: from now on it is the handler's time."""
        self._busy = True
        self._within(0)

    def end(self) -> None:
        self._busy = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is not HTTP is refused like everything else, and ends the connection."""
        answer = self._gate.refuse(status)
        answer.force_close()
        return answer

    def _within(self, seconds: float) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self._gate.loop.call_later(seconds, self._abort) if seconds else None

    def _abort(self) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()


class Gate(web.Server):
    """Who is connected. `refuse` makes the answer to what is not even a request."""

    idle_s = IDLE_S
    max_line = MAX_LINE
    max_headers = MAX_HEADERS

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Any],
        refuse: Refuse,
        most: int,
        most_of_one: int,
        max_body: int,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        super().__init__(handler, request_factory=self._request)
        self.refuse = refuse
        self._most = most
        self._most_of_one = most_of_one
        self._max_body = max_body
        self._open: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        return self._open.total() >= self._most

    def recognise(self, transport: asyncio.BaseTransport) -> tuple[Shown | None, str]:
        """The certificate that was shown, and under which name this connection is counted."""
        shown = read(transport.get_extra_info("ssl_object").getpeercert(True))
        return shown, shown.kiosk if shown else ""

    def enter(self, connection: Connection) -> bool:
        self._open[connection.owner] += 1
        return self._open[connection.owner] <= self._most_of_one

    def leave(self, connection: Connection) -> None:
        self._open[connection.owner] -= 1
        if not self._open[connection.owner]:
            del self._open[connection.owner]

    def __call__(self) -> Connection:
        return Connection(
            self,
            keepalive_timeout=self.idle_s,
            access_log=None,
            auto_decompress=False,
            max_line_size=self.max_line,
            max_field_size=self.max_line,
            max_headers=self.max_headers,
            lingering_time=GOODBYE_S,
        )

    def _request(
        self, message: Any, payload: Any, protocol: web.RequestHandler, writer: Any, task: Any
    ) -> web.BaseRequest:
        return web.BaseRequest(
            message, payload, protocol, writer, task, self.loop, client_max_size=self._max_body
        )


class Listener:
    """Accepts for a gate. Handshakes that nobody finishes are counted, and cost nobody else a
    thing.
    """

    def __init__(self, gate: Gate, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Without `tls`, plain HTTP. Raises OSError when the port cannot be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self._socket.setblocking(False)
        self._gate = gate
        self._tls = tls
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept())

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    async def close(self) -> None:
        """No new connections, and those there are end within seconds."""
        for task in (self._accepting, *self._handshakes):
            task.cancel()
        await asyncio.gather(self._accepting, *self._handshakes, return_exceptions=True)
        self._socket.close()
        self._gate.pre_shutdown()
        await self._gate.shutdown(GOODBYE_S)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                peer, _ = await loop.sock_accept(self._socket)
            except OSError:  # no file descriptor left just now
                await asyncio.sleep(0.1)
                continue
            if self._gate.full or len(self._handshakes) >= HANDSHAKES:
                peer.close()
                continue
            task = asyncio.create_task(self._shake_hands(peer))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, peer: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._gate,
                peer,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_S if self._tls else None,
                ssl_shutdown_timeout=GOODBYE_S if self._tls else None,
            )
        except (OSError, ssl.SSLError):  # a stranger, an older TLS, silence
            peer.close()
