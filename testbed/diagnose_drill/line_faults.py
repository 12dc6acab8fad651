"""The kiosk's certificate, the line, the city's end of it, and the clock."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from city import pki
from testbed.diagnose_drill import far_ends
from testbed.diagnose_drill.fault import Change, Fault, Put, bench, made, needs_root, says
from testbed.diagnose_drill.file_faults import NOWHERE, certificate, take_away
from testbed.diagnose_drill.site import Site
from testbed.rehearsal import KIOSK

YEAR_S: Final = 365 * 86400.0
MINUTES_S: Final = 600.0
SECRET: Final = (PrivateFormat.PKCS8, NoEncryption())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, *SECRET)


def paper(
    site: Site,
    authority: str,
    name: str,
    *,
    host: str = "127.0.0.1",
    begins_days: float = -1,
    ends_days: float = 400,
) -> tuple[Path, Path]:
    """A certificate by one of the site's CAs ("city-ca", "kiosk-ca"), valid between those days from
    now, and its key.
    """
    folder = site.keys.folder
    signer = pki.load_authority(folder / f"{authority}.pem", folder / f"{authority}.key")
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    issued = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(signer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins_days))
        .not_valid_after(now + timedelta(days=ends_days))
        .add_extension(x509.SubjectAlternativeName([_host(host)]), critical=False)
        .sign(signer.key, hashes.SHA256())
    )
    return (
        site.write("paper.pem", issued.public_bytes(Encoding.PEM)),
        site.write("paper.key", _pem(key)),
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


# -- the kiosk's own certificate


def _ours(name: str = KIOSK, authority: str = "kiosk-ca", **dates: float) -> Change:
    def build(site: Site) -> Put:
        found, key = paper(site, authority, name, **dates)  # type: ignore[arg-type]
        key.chmod(0o600)
        return Put({"line": {"certificate": found, "key": key}})

    return made(build)


def _spoilt(key: str, content: bytes) -> Change:
    return made(lambda site: Put({"line": {key: site.write(key, content)}}))


def _other_key(site: Site) -> Put:
    _, key = paper(site, "kiosk-ca", KIOSK)
    key.chmod(0o600)
    return Put({"line": {"key": key}})


def _open_key(site: Site) -> Put:
    key = site.copy(site.config.line.key)
    key.chmod(0o644)
    return Put({"line": {"key": key}})


def _hidden_key(site: Site) -> Put:
    key = site.copy(site.config.line.key)
    take_away(key)
    return Put({"line": {"key": key}})


def _clock(seconds: float, **over: Any) -> Change:
    return made(lambda _: Put(over, ahead_s=seconds))


# -- somebody else's end of the line


def answer(status: str = "200 OK", body: bytes = b"", length: int | None = None) -> far_ends.Reply:
    """HTTP that tells the time, and says so to a POST."""

    def reply(data: bytes) -> bytes:
        date = format_datetime(datetime.now(UTC), usegmt=True)
        said, content = (status, body) if data.startswith(b"POST") else ("200 OK", b"")
        size = len(content) if length is None or content is not body else length
        head = f"HTTP/1.1 {said}\r\nDate: {date}\r\nContent-Length: {size}\r\n\r\n"
        return head.encode() + content

    return reply


def time_then(reply: far_ends.Reply) -> far_ends.Reply:
    """Tells the time to a GET, and answers a POST so."""
    well = answer()
    return lambda data: well(data) if data.startswith(b"GET") else reply(data)


def _gateway(
    reply: far_ends.Reply,
    *,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    stranger: bool = False,
    **how: Any,
) -> Change:
    """Another server with a certificate, at the city's address."""

    @asynccontextmanager
    async def put(site: Site) -> AsyncIterator[Put]:
        if stranger:
            found, key = certificate("stranger")
            shown = site.write("stranger.pem", found.public_bytes(Encoding.PEM))
            secret = site.write("stranger.key", _pem(key))
        else:
            shown, secret = paper(site, "city-ca", "gateway", **how)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = tls.maximum_version = version
        tls.load_cert_chain(shown, secret)
        async with far_ends.on_port(reply, tls) as address:
            yield Put({"line": {"city": f"https://{address}"}})

    return put


def _plain(reply: far_ends.Reply) -> Change:
    """A server without TLS at the city's address."""

    @asynccontextmanager
    async def put(_: Site) -> AsyncIterator[Put]:
        async with far_ends.on_port(reply) as address:
            yield Put({"line": {"city": f"https://{address}"}})

    return put


@asynccontextmanager
async def _dropped(_: Site) -> AsyncIterator[Put]:
    """A host that takes no more connections: nobody answers, as behind a firewall that drops."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _number in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        host, port = full.getsockname()
        yield Put({"line": {"city": f"https://{host}:{port}"}})


def _other_ca(site: Site) -> Put:
    found, _ = certificate("another city's CA")
    return Put({"line": {"city_ca": site.write("ca.pem", found.public_bytes(Encoding.PEM))}})


def _other_issuing_key(site: Site) -> Put:
    other = pki.make(site.scratch("other-city"))
    return Put({"trust": {"issuing_keys": [site.give(other.issuing)]}})


def _other_terms_key(site: Site) -> Put:
    other = pki.make(site.scratch("other-city"))
    return Put({"trust": {"terms_keys": [site.give(other.terms)]}})


def _refuses(code: str) -> Change:
    """A gateway that says no."""
    return _gateway(answer("403 Forbidden", f'{{"code":"{code}"}}'.encode()))


def _nonsense_key(site: Site) -> Put:
    key = site.write("nonsense.key", b"nonsense")
    key.chmod(0o600)
    return Put({"line": {"key": key}})


def _certificate(
    name: str, code: str, put: Change, lacking: Callable[[Site], str] = lambda _: ""
) -> Fault:
    return Fault(f"certificate: {name}", "certificate", code, put, lacking)


def _city(name: str, code: str, put: Change) -> Fault:
    return Fault(f"city: {name}", "city", code, put)


FAULTS: Final = (
    _certificate("gone", "file.missing", says("line", certificate=NOWHERE)),
    _certificate("key gone", "file.missing", says("line", key=NOWHERE)),
    _certificate("key not readable", "file.unreadable", made(_hidden_key), needs_root),
    _certificate("key open to all", "certificate.open", made(_open_key)),
    _certificate("nonsense", "certificate.not-a-certificate", _spoilt("certificate", b"nonsense")),
    _certificate("key is nonsense", "certificate.not-a-key", made(_nonsense_key)),
    _certificate("another's key", "certificate.other-key", made(_other_key)),
    _certificate("of another kiosk", "certificate.other-kiosk", _ours("kiosk-7")),
    _certificate("over", "certificate.expired", _ours(begins_days=-50, ends_days=-1)),
    _certificate("ends soon", "certificate.ends-soon", _ours(ends_days=5)),
    _certificate("not valid yet", "certificate.not-yet-valid", _ours(begins_days=3)),
    _certificate("clock in 2040", "clock.ahead", _clock(14 * YEAR_S)),
    _certificate("clock in 2000", "clock.behind", _clock(-26 * YEAR_S)),
    _city("clock in 2040", "clock.ahead", _clock(14 * YEAR_S)),
    _city("clock in 2000", "clock.behind", _clock(-26 * YEAR_S)),
    _city("clock ten minutes ahead", "clock.ahead", _clock(MINUTES_S)),
    _city("clock ten minutes behind", "clock.behind", _clock(-MINUTES_S)),
    _city("no https", "city.address", says("line", city="http://127.0.0.1:1")),
    _city("no interface", "network.interface", says("line", interface="nowhere0")),
    _city("no name", "network.dns", says("line", city="https://city.invalid")),
    _city("line cut", "network.refused", bench("line-cut")),
    _city("no route", "network.no-route", says("line", city="https://255.255.255.255")),
    _city("packets are dropped", "network.timeout", _dropped),
    _city("line stalled", "tls.silent", bench("line-stall")),
    _city("hangs up", "tls.closed", _plain(far_ends.hang_up)),
    _city("plain HTTP", "tls.not-tls", _plain(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    _city("an echo server", "tls.not-tls", _plain(far_ends.echo)),
    _city("TLS 1.2", "tls.version", _gateway(answer(), version=ssl.TLSVersion.TLSv1_2)),
    _city("another CA", "tls.other-ca", _gateway(answer(), stranger=True)),
    _city("wrong city_ca", "tls.other-ca", made(_other_ca)),
    _city("city_ca is nonsense", "certificate.city-ca", _spoilt("city_ca", b"nonsense")),
    _city("city_ca is gone", "file.missing", says("line", city_ca=NOWHERE)),
    _city("another host", "tls.other-host", _gateway(answer(), host="other.example")),
    _city(
        "the city's certificate is over",
        "tls.city-expired",
        _gateway(answer(), begins_days=-90, ends_days=-2),
    ),
    _city(
        "the city's certificate is not valid yet",
        "tls.city-not-yet-valid",
        _gateway(answer(), begins_days=2),
    ),
    _city("our certificate of another CA", "tls.ours-refused", _ours(authority="city-ca")),
    _city("our certificate is over", "tls.ours-expired", _ours(begins_days=-50, ends_days=-1)),
    _city("the city does not know us", "city.unknown-kiosk", _refuses("kiosk-unknown")),
    _city("the city has revoked us", "tls.ours-revoked", _refuses("kiosk-revoked")),
    _city("the city speaks another version", "city.version", _refuses("version")),
    _city("the city is busy", "city.refused", _refuses("busy")),
    _city("silent behind TLS", "city.timeout", _gateway(time_then(far_ends.silent))),
    _city("cut behind TLS", "city.unreachable", _gateway(time_then(far_ends.hang_up))),
    _city("another web server", "city.http", _gateway(answer("404 Not Found", b"<html>"))),
    _city("an answer of another kind", "city.malformed", _gateway(answer(body=b"{}"))),
    _city("too much", "city.not-a-gateway", _gateway(answer(body=b"{", length=1 << 30))),
    _city("another terms key", "city.terms-unsigned", made(_other_terms_key)),
    _city("an older edition", "city.terms-old", says("trust", terms_edition=9)),
    _city("another issuing key", "trust.not-the-citys", made(_other_issuing_key)),
)
