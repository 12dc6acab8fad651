"""The kiosk's end of TLS: 1.3 only, one trusted CA, a certificate of its own, one network
interface.

asyncio has no way to resume a session; the context here hands the last one's ticket to the next
connection, so that a line that was cut comes back without certificates being sent and proven again.
What the city refuses, it refuses at each request, resumed or not.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from cryptography import x509

SO_BINDTODEVICE: Final = 25  # Linux; works unprivileged and fails closed when the interface is gone
NO_CHECK_TIME: Final = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME
UNTIMELY: Final = frozenset({9, 10})  # OpenSSL's codes for a certificate too new, and too old


class LineSetupError(Exception):
    """A certificate, key or CA file that cannot be used: a configuration error, found before any
    call.
    """


class ResumingContext(ssl.SSLContext):
    """A client's context that remembers its last connection. One line, one city: there is nothing
    to confuse.
    """

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
        self._last = super().wrap_bio(
            incoming, outgoing, server_side, server_hostname, session or self._ticket
        )
        return self._last


class DatedConnection(ssl.SSLObject):
    """A connection whose far end is judged by the city's time: OpenSSL would ask this board's
    clock.
    """

    def do_handshake(self) -> None:
        super().do_handshake()
        ours = self.context
        if isinstance(ours, DatedContext):
            ours.judge(self.getpeercert(True))


class DatedContext(ResumingContext):
    """`moment` is the city's time. While it is not known, the handshake decides nothing, and
    `holds_at` must be asked with the time that the city tells.
    """

    sslobject_class = DatedConnection
    moment: Callable[[], datetime | None] = staticmethod(lambda: None)
    papers: Sequence[x509.Certificate] = ()  # the CA's, and this kiosk's own
    _shown: x509.Certificate | None = None

    def judge(self, shown: bytes | None) -> None:
        """Raises ssl.SSLCertVerificationError."""
        self._shown = x509.load_der_x509_certificate(shown) if shown else None
        now = self.moment()
        if now is not None and not self.holds_at(now):
            raise ssl.SSLCertVerificationError("not valid at the city's time")

    def holds_at(self, now: datetime) -> bool:
        """Whether the city's certificate, its CA's and this kiosk's own are valid then. The time
        that a city tells is believed between those bounds only.
        """
        return self._shown is not None and all(
            each.not_valid_before_utc <= now <= each.not_valid_after_utc
            for each in (self._shown, *self.papers)
        )


def dated_context(
    certificate: Path, key: Path, ca: Path, moment: Callable[[], datetime | None]
) -> DatedContext:
    """For a board whose clock is wrong: all is checked but the dates, which `moment` judges. Raises
    LineSetupError.
    """
    made = DatedContext()
    _load(made, certificate, key, ca)
    made.verify_flags |= NO_CHECK_TIME
    made.moment = moment
    own = x509.load_pem_x509_certificate(certificate.read_bytes())
    made.papers = (*x509.load_pem_x509_certificates(ca.read_bytes()), own)
    return made


def _ticket(connection: ssl.SSLObject | None) -> ssl.SSLSession | None:
    """The city's ticket on that connection. In TLS 1.3 it comes after the handshake, with the first
    answer.
    """
    try:
        found = connection.session if connection else None
    except ValueError:  # the handshake came to nothing
        return None
    return found if found and found.has_ticket else None


def context(certificate: Path, key: Path, ca: Path) -> ssl.SSLContext:
    """Raises LineSetupError."""
    made = ResumingContext()
    _load(made, certificate, key, ca)
    return made


def _load(made: ssl.SSLContext, certificate: Path, key: Path, ca: Path) -> None:
    """OpenSSL does not say which of the files it means."""
    made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1_3
    for path in (ca, certificate, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise LineSetupError(f"{path}: {error.strerror}") from None
    try:
        made.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise LineSetupError(f"{ca}: not a certificate: {error}") from None
    try:
        x509.load_pem_x509_certificates(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise LineSetupError(f"{certificate}: not a certificate: {error}") from None
    try:
        made.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise LineSetupError(f"{key}: not the key of {certificate}: {error}") from None


def bound_socket(address: Any, interface: str) -> socket.socket:
    """For one connection, through `interface` or not at all; "" leaves the way to the system.
    Raises OSError.
    """
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
