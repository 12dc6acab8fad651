"""The far end of the line, looked at step by step: name, connection, TLS, certificates, clock.

The line itself says only that TLS failed. Here the handshake judges nothing, so that what the far
end shows can be compared with what it should be. Nothing is asked but the time.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.parser import BytesHeaderParser
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from firmware.link.clock import clock_of
from firmware.link.tls import SO_BINDTODEVICE
from firmware.service.config import Config
from firmware.tools.diagnose.errors import of_network, reading
from firmware.tools.diagnose.finding import Wrong, wrong

CONNECT_S: Final = 5.0
ANSWER_S: Final = 4.0
HTTP: Final = b"HTTP/"
# OpenSSL's names of what went wrong, and which cause that is. An alert comes from the far end.
REASONS: Final[Mapping[str, str]] = {
    "WRONG_VERSION_NUMBER": "tls.not-tls",
    "HTTP_REQUEST": "tls.not-tls",
    "PACKET_LENGTH_TOO_LONG": "tls.not-tls",
    "RECORD_LAYER_FAILURE": "tls.not-tls",
    "UNEXPECTED_MESSAGE": "tls.not-tls",
    "UNSUPPORTED_PROTOCOL": "tls.version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "tls.version",
    "TLSV1_ALERT_UNKNOWN_CA": "tls.ours-unknown-ca",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "tls.ours-expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "tls.ours-revoked",
    "SSLV3_ALERT_BAD_CERTIFICATE": "tls.ours-refused",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "tls.ours-refused",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "tls.ours-refused",
    "TLSV1_ALERT_DECRYPT_ERROR": "tls.ours-refused",
    "TLSV1_ALERT_ACCESS_DENIED": "tls.ours-refused",
    "UNEXPECTED_EOF_WHILE_READING": "tls.closed",
}


@dataclass(frozen=True)
class Seen:
    """What the far end showed. `clock`: its time, None where it tells none. `refused`: it did not
    take our certificate, and how it said so.
    """

    certificate: x509.Certificate
    clock: datetime | None
    refused: Wrong | None = None


def address(config: Config) -> tuple[str, int]:
    """Host and port of line.city. Raises Wrong."""
    try:
        parts = urlsplit(config.line.city)
        port = parts.port or 443
    except ValueError:
        raise wrong("city.address", config.line.city) from None
    if parts.scheme != "https" or not parts.hostname:
        raise wrong("city.address", config.line.city)
    return parts.hostname, port


def look(config: Config) -> Seen:
    """Raises Wrong for everything before the certificates."""
    host, port = address(config)
    with _connected(config, host, port) as plain:
        plain.settimeout(ANSWER_S)
        try:
            wire = _context(config).wrap_socket(plain, server_hostname=host)
        except (OSError, ssl.SSLError) as error:
            found = _handshake(error)
            if found.code == "tls.closed" and _speaks_older(config, host, port):
                raise wrong("tls.version", "it speaks TLS 1.2 only") from None
            raise found from None
        with wire:
            shown = wire.getpeercert(True)
            if shown is None:
                raise wrong("tls.failed", "no certificate was shown")
            clock, refused = _ask_time(wire, host)
            return Seen(x509.load_der_x509_certificate(shown), clock, refused)


def _connected(config: Config, host: str, port: int) -> socket.socket:
    """The first of the host's addresses that takes a connection. Raises Wrong."""
    trouble: OSError = TimeoutError("timed out")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        if isinstance(error, UnicodeError):
            raise wrong("network.dns", f"{host}: no name") from None
        raise of_network(host, error) from None
    for family, kind, protocol, _, where in found:
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(CONNECT_S / len(found))
            if config.line.interface:
                name = config.line.interface.encode() + b"\0"
                made.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, name)
            made.connect(where)
        except OSError as error:
            made.close()
            trouble = error
        else:
            return made
    raise of_network(f"{host}:{port}", trouble)


def _context(config: Config, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version = made.maximum_version = version
    made.load_cert_chain(config.line.certificate, config.line.key)
    return made


def _speaks_older(config: Config, host: str, port: int) -> bool:
    """Whether it would go on with TLS 1.2: some hang up without saying why."""
    made = _context(config, ssl.TLSVersion.TLSv1_2)
    with contextlib.suppress(Wrong, OSError), _connected(config, host, port) as plain:
        plain.settimeout(ANSWER_S)
        made.wrap_socket(plain, server_hostname=host).close()
        return True
    return False


def _handshake(error: OSError) -> Wrong:
    if isinstance(error, TimeoutError):
        return wrong("tls.silent", f"no answer to the handshake within {ANSWER_S:.0f} s")
    reason = getattr(error, "reason", "") or ""
    detail = reason or str(error)
    if isinstance(error, ssl.SSLError):
        code = REASONS.get(reason, "tls.closed" if "EOF" in str(error) else "tls.failed")
        return wrong(code, detail)
    return wrong("tls.closed", detail)


def _ask_time(wire: ssl.SSLSocket, host: str) -> tuple[datetime | None, Wrong | None]:
    """The `Date` of an answer. In TLS 1.3 the far end judges our certificate behind the handshake:
    it refuses here.
    """
    received = bytearray()
    until = time.monotonic() + ANSWER_S
    try:
        wire.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        while b"\r\n\r\n" not in received and len(received) < 1 << 16:
            if time.monotonic() > until:
                return None, None
            piece = wire.recv(4096)
            if not piece:
                break
            received += piece
    except TimeoutError:
        return None, None
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", "") or type(error).__name__
        return None, _refusal(REASONS.get(reason, ""), reason)
    if not received:
        return None, _refusal("", "it ends the connection behind our certificate")
    _, _, head = bytes(received).partition(b"\r\n")
    with contextlib.suppress(ValueError):
        return clock_of(str(BytesHeaderParser().parsebytes(head).get("Date", ""))), None
    return None, None


def _refusal(code: str, detail: str) -> Wrong:
    return wrong(code if code.startswith("tls.ours-") else "tls.ours-refused", detail)


def judge(config: Config, seen: Seen, now: datetime) -> None:
    """The far end's certificate against city_ca, the host and `now`. Raises Wrong."""
    shown = seen.certificate
    authorities = _authorities(config)
    issuers = [each for each in authorities if _has_issued(each, shown)]
    names = "; ".join(each.subject.rfc4514_string() for each in authorities)
    if not issuers:
        issuer = shown.issuer.rfc4514_string()
        raise wrong("tls.other-ca", f"issued by {issuer}, or a CA of that name", names)
    host, _ = address(config)
    told = _names(shown)
    if host not in told:
        raise wrong("tls.other-host", f"a certificate for {', '.join(told) or 'nobody'}", host)
    dated("tls.city", shown, seen.clock, now, "the city's certificate")
    for each in issuers:
        dated("tls.city-ca", each, seen.clock, now, "city_ca")


def dated(
    area: str, paper: x509.Certificate, clock: datetime | None, now: datetime, name: str
) -> None:
    """Whether it is valid now. When it is valid by the city's clock and not by ours, the clocks are
    what is wrong. Raises Wrong.
    """
    begins, ends = paper.not_valid_before_utc, paper.not_valid_after_utc
    if begins <= now <= ends:
        return
    detail = f"{name}: {begins:%Y-%m-%d} to {ends:%Y-%m-%d}; this board says {now:%Y-%m-%d %H:%M}"
    if clock is not None and begins <= clock <= ends:
        side = "behind" if now < clock else "ahead"
        raise wrong(f"clock.{side}", f"{detail}, the city {clock:%Y-%m-%d %H:%M}")
    if now > ends:
        raise wrong(f"{area}-expired" if area != "certificate" else "certificate.expired", detail)
    code = "certificate.not-yet-valid" if area == "certificate" else "tls.city-not-yet-valid"
    raise wrong(code, detail)


def _authorities(config: Config) -> Sequence[x509.Certificate]:
    path = config.line.city_ca
    try:
        return x509.load_pem_x509_certificates(reading(path, path.read_bytes))
    except ValueError:
        raise wrong("certificate.city-ca", str(path)) from None


def _has_issued(authority: x509.Certificate, paper: x509.Certificate) -> bool:
    try:
        paper.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(paper: x509.Certificate) -> list[str]:
    try:
        names = paper.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return []
    return [
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    ]
