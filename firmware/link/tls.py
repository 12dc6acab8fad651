"""The kiosk's end of TLS: 1.3 only, one trusted CA, a certificate of its own, one network interface.

asyncio has no way to resume a session; the context here hands the last one's ticket to the next connection, so that a
line that was cut comes back without certificates being sent and proven again. What the city refuses, it refuses at
each request, resumed or not.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, Final, Self

SO_BINDTODEVICE: Final = 25  # Linux; works unprivileged and fails closed when the interface is gone


class LineSetupError(Exception):
    """A certificate, key or CA file that cannot be used: a configuration error, found before any call."""


class ResumingContext(ssl.SSLContext):
    """A client's context that remembers its last connection. One line, one city: there is nothing to confuse."""

    _last: ssl.SSLObject | None = None
    _ticket: ssl.SSLSession | None = None

    def __new__(cls) -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)  # checks chain and host name

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        self._ticket = _ticket(self._last) or self._ticket
        self._last = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session or self._ticket)
        return self._last


def _ticket(connection: ssl.SSLObject | None) -> ssl.SSLSession | None:
    """The city's ticket on that connection. In TLS 1.3 it comes after the handshake, with the first answer."""
    try:
        found = connection.session if connection else None
    except ValueError:  # the handshake came to nothing
        return None
    return found if found and found.has_ticket else None


def context(certificate: Path, key: Path, ca: Path) -> ssl.SSLContext:
    """Raises LineSetupError."""
    made = ResumingContext()
    made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1_3
    try:
        made.load_verify_locations(ca)
        made.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise LineSetupError(f"line certificates not usable ({ca}, {certificate}, {key}): {error}") from None
    return made


def bound_socket(address: Any, interface: str) -> socket.socket:
    """For one connection, through `interface` or not at all; "" leaves the way to the system. Raises OSError."""
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    if interface:
        try:
            made.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, interface.encode() + b"\0")
        except OSError:
            made.close()
            raise
    return made
