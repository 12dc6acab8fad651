"""IPP over HTTP or HTTPS: one request at a time, and one deadline for all of it.

Whatever goes wrong leaves as an `IppTrouble`: `NotReached` (the printer has got nothing),
`OtherPrinter` (it is not the one whose certificate is pinned), `TurnedAway` (its HTTP server
refused the request), `Lost` (it may have got something) or `GarbledResponse` (what came back is no
IPP).
"""

from __future__ import annotations

import hashlib
import io
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hal.faults import Reason
from hal.printer.ipp_message import GarbledResponse, IppResponse, IppTrouble, decode

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PORT: Final = 631
# bytes, head and all; all attributes of a large printer are some 100 kB
LARGEST_ANSWER: Final = 1 << 20
HEADERS: Final = {"Content-Type": "application/ipp", "Accept-Encoding": "identity"}
ELSEWHERE: Final = "it wants to be asked at another address: configure that address"
# What the HTTP server says when it has handed nothing on to the printer behind it.
TURNED_AWAY: Final = {
    **dict.fromkeys((301, 302, 303, 307, 308), ELSEWHERE),
    401: "it wants a user name and a password: switch that off for this kiosk's address",
    403: "it forbids this kiosk to print: allow the kiosk's address",
    404: "no printer at this path",
    405: "no printer at this path",
    426: "it wants encryption: configure ipps:// and its certificate",
}

# Many printers know no key exchange but plain RSA. Their own certificate is pinned, so this is far
# better than no encryption. Keys below 2048 bits stay refused.
CIPHERS: Final = "@SECLEVEL=2:ECDHE+AES:ECDHE+CHACHA20:DHE+AES:RSA+AES:!aNULL:!eNULL:!SHA1:!aDSS"
NOT_ACCEPTED: Final = "its certificate is not accepted"
OVERLOADED: Final = frozenset({429, 503})
# seconds; whoever closes a connection so soon behind an answer does so behind every answer
SOON_S: Final = 2.0


class NotReached(IppTrouble):
    """No connection."""

    reason = Reason.NOT_CONNECTED


class OtherPrinter(NotReached):
    """Not the printer whose certificate is pinned. It was told nothing."""

    reason = Reason.CONFIGURATION


class TurnedAway(IppTrouble):
    """The HTTP server refused the request, whatever it holds."""

    reason = Reason.CONFIGURATION


class Lost(IppTrouble):
    """The request went out, at least in part, and no whole answer came back in time."""

    reason = Reason.SILENT


class Overloaded(Lost):
    """Its HTTP server has no time now."""

    reason = Reason.BUSY


class _Bounded(io.RawIOBase):
    """What comes through the socket, up to the size of the largest answer: the HTTP library itself
    reads heads, trailers and a chunk of negative size without any bound.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw, self._left = raw, LARGEST_ANSWER

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if not self._left:
            raise OSError("an answer without end")
        got = self._raw.readinto(memoryview(buffer)[: self._left])
        self._left -= got or 0
        return got

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Reply(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: object, **options: object) -> None:
        super().__init__(sock, *args, **options)  # type: ignore[arg-type]
        self.fp = io.BufferedReader(_Bounded(self.fp.detach()))


@dataclass(frozen=True)
class _Line:
    """An open connection, and another descriptor of it, so that no other thread touches its
    TLS.
    """

    http: HTTPConnection
    handle: socket.socket

    @property
    def is_open(self) -> bool:
        """The far end has neither closed it nor sent anything that nobody asked for."""
        news = select.poll()
        news.register(self.handle, select.POLLIN)
        return not news.poll(0)

    def close(self) -> None:
        with suppress(OSError):
            self.http.close()
        self.handle.close()


class IppWire:
    """The printer at `address`, ipp://host:port/path, or ipps:// with its certificate: in the file
    `ca`, or by the SHA-256 `fingerprint` (hexadecimal digits).

    A connection is kept as long as the printer keeps it: some printers hold a port for half
    a minute after it was closed. Raises ValueError for an address that cannot be read, and for
    a certificate that cannot.
    """

    def __init__(
        self, address: str, connect_s: float, ca: Path | None = None, fingerprint: str = ""
    ) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("ipp", "ipps") or not parts.hostname or parts.port == 0:
            raise ValueError("a printer's address is ipp://HOST:PORT/PATH or ipps://HOST:PORT/PATH")
        if (parts.scheme == "ipps") != (ca is not None or fingerprint != ""):
            raise ValueError("a certificate belongs to ipps://, and ipps:// needs it")
        self.uri = address
        self._host = parts.hostname
        self._port = parts.port or PORT
        self._path = parts.path or "/"
        self._connect_s = connect_s
        self._fingerprint = fingerprint.replace(":", "").lower()
        self._tls = _pinned(ca) if parts.scheme == "ipps" else None
        self._kept: _Line | None = None
        self._kept_at = 0.0
        self._hangs_up = False  # it closed the last connection right behind an answer
        self.sent = 0  # bytes handed to the kernel, whole requests
        self.received = 0

    def ask(self, request: bytes, deadline: float, *, repeatable: bool) -> IppResponse:
        """Raises IppTrouble. `deadline`: monotonic.

        `repeatable`: asking twice does no harm. A kept connection that the printer closes at this
        very moment is then opened again. What is not repeatable is not sent over a kept connection
        to a printer that closed the last one.
        """
        line, self._kept = self._kept, None
        if line is not None and not line.is_open:
            self._note_closed()
            line.close()
            line = None
        elif line is not None and self._hangs_up and not repeatable:
            line.close()
            line = None
        if line is not None:
            try:
                answer = self._exchange(line, request, deadline)
            except Lost:
                self._note_closed()
                if not repeatable or time.monotonic() >= deadline:
                    raise
            else:
                self._hangs_up = False
                return answer
        return self._exchange(self._connect(deadline), request, deadline)

    def close(self) -> None:
        line, self._kept = self._kept, None
        if line is not None:
            line.close()

    def _note_closed(self) -> None:
        self._hangs_up = self._hangs_up or time.monotonic() - self._kept_at < SOON_S

    def _exchange(self, line: _Line, request: bytes, deadline: float) -> IppResponse:
        keep = False
        try:
            with _cut_at(deadline, line.handle):
                line.http.sock.settimeout(_left(deadline))
                with suppress(BrokenPipeError, ConnectionResetError):
                    # A printer that turns a request away may answer before it has read it.
                    line.http.request("POST", self._path, request, HEADERS)
                    self.sent += len(request)
                reply = line.http.getresponse()
                data = reply.read(LARGEST_ANSWER)
                self.received += len(data)
            if reply.status in TURNED_AWAY:
                raise TurnedAway(f"HTTP {reply.status}: {TURNED_AWAY[reply.status]}")
            if reply.status in OVERLOADED:
                raise Overloaded(f"HTTP {reply.status}: busy")
            if reply.status != 200:
                raise Lost(f"HTTP {reply.status}")
            answer = decode(data)
            if answer.request != int.from_bytes(request[4:8], "big"):
                raise GarbledResponse("the answer to another request")
            keep = reply.isclosed() and line.http.sock is not None
        except (OSError, HTTPException, ValueError) as error:
            raise Lost(_named(error)) from error
        finally:
            if keep:
                self._kept, self._kept_at = line, time.monotonic()
            else:
                line.close()
        return answer

    def _connect(self, deadline: float) -> _Line:
        connected_by = min(deadline, time.monotonic() + self._connect_s)
        try:
            line = socket.create_connection((self._host, self._port), timeout=_left(connected_by))
        except (OSError, ValueError) as error:
            raise NotReached(_named(error)) from error
        try:
            # Head and body of a request are written apart; neither waits for an acknowledgement.
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handle = line.dup()
        except OSError as error:
            line.close()
            raise NotReached(_named(error)) from error
        http = HTTPConnection(self._host, self._port)
        http.response_class = _Reply
        http.auto_open = 0  # never a second connection behind our back
        http.sock = line
        opened = _Line(http, handle)
        try:
            if self._tls is not None:
                with _cut_at(connected_by, handle):
                    http.sock = secured = self._tls.wrap_socket(line)
                    self._require_pinned(secured)
        except ssl.SSLCertVerificationError as error:
            opened.close()
            raise OtherPrinter(f"{NOT_ACCEPTED}: {error.verify_message}") from error
        except (OSError, ValueError) as error:
            opened.close()
            raise NotReached(_named(error)) from error
        except OtherPrinter:
            opened.close()
            raise
        return opened

    def _require_pinned(self, secured: ssl.SSLSocket) -> None:
        if self._fingerprint:
            shown = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
            if shown != self._fingerprint:
                raise OtherPrinter(f"{NOT_ACCEPTED}: its fingerprint is {shown}")


def _named(error: Exception) -> str:
    """What happened, in the operating system's or OpenSSL's own words, which hold no content."""
    words = getattr(error, "reason", None) or getattr(error, "strerror", None)
    return f"{type(error).__name__}: {words}" if isinstance(words, str) else type(error).__name__


def _left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


@contextmanager
def _cut_at(deadline: float, handle: socket.socket) -> Iterator[None]:
    """A far end that sends a byte now and then outlives every timeout of a socket: its line is
    cut.
    """

    def cut() -> None:
        with suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(_left(deadline), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # before the descriptor is closed


def _pinned(certificate: Path | None) -> ssl.SSLContext:
    """Trusts this one certificate and nothing else; a printer's name is in no certificate one can
    rely on. Without a certificate the fingerprint decides, and nothing is sent before it has.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.set_ciphers(CIPHERS)
    if certificate is None:
        context.verify_mode = ssl.CERT_NONE
        return context
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cafile=certificate)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"{certificate}: not a certificate") from error
    return context
