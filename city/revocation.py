"""Is this card's certificate revoked? Asked of its authority's OCSP responder (RFC 6960) for every
session, never kept.

Only a fresh, signed "good" about this very certificate lets a card pass. A responder that is
silent, late, or answers anything else than what it was asked has said nothing: the card is refused
as unconfirmed, neither good nor revoked.
"""

from __future__ import annotations

import hashlib
import io
import logging
import secrets
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from http.client import HTTPException, HTTPResponse
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from city.cards import CardCertificate, CardRefused, fingerprint, issued_by, read_certificates
from city.config import CardResponder, ConfigError
from firmware.link.messages import RefusalCode

log = logging.getLogger("city.ocsp")

MAX_ANSWER: Final = 64 * 1024  # bytes, head included; an answer has one or two kilobytes
NONCE_BYTES: Final = 32  # RFC 8954
SKEW: Final = timedelta(seconds=60)  # between the responder's clock and ours
PAUSE_S: Final = (
    5.0  # after a silence nobody waits for the next one: the threads belong to those who have paid
)
STRONG: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
RSA_PKCS1V15: Final = (
    SignatureAlgorithmOID.RSA_WITH_SHA256,
    SignatureAlgorithmOID.RSA_WITH_SHA384,
    SignatureAlgorithmOID.RSA_WITH_SHA512,
)


class Trouble(StrEnum):
    """Why an answer is none; for the log."""

    SILENT = "silent"  # no connection, or nothing whole before the deadline
    PAUSED = "paused"  # it was silent a moment ago
    NOT_HTTP = "not-http"  # or not status 200, or a redirection, or too long
    NOT_OCSP = "not-ocsp"
    NOT_SUCCESSFUL = "not-successful"  # tryLater, internalError, unauthorized...
    OTHER_CERTIFICATE = "other-certificate"
    NONCE = "nonce"
    STALE = "stale"  # outside thisUpdate..nextUpdate
    SIGNER = "signer"  # neither the authority nor its delegate
    SIGNATURE = "signature"


class Unanswered(Exception):
    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble


@dataclass
class Responder:
    """One authority's. `nonce`: an answer without ours is refused (some responders sign ahead and
    cannot have it).
    """

    authority: x509.Certificate
    host: str
    port: int
    path: str
    deadline_s: float
    nonce: bool
    max_age_s: int  # of an answer that names no next update
    _paused_until: float = field(default=0.0, init=False)  # by the monotonic clock

    def status(self, serial: int, now: datetime) -> ocsp.OCSPCertStatus:
        """What the authority says about its certificate of this number at `now`. Raises
        Unanswered.
        """
        if time.monotonic() < self._paused_until:
            raise Unanswered(Trouble.PAUSED)
        nonce = secrets.token_bytes(NONCE_BYTES)
        builder = ocsp.OCSPRequestBuilder().add_extension(x509.OCSPNonce(nonce), critical=False)
        # SHA-1 names the certificate, it proves nothing: RFC 5019 2.1.1, and not every responder
        # knows another
        request = builder.add_certificate_by_hash(
            hashlib.sha1(self.authority.subject.public_bytes()).digest(),  # noqa: S324
            x509.SubjectKeyIdentifier.from_public_key(self.authority.public_key()).digest,
            serial,
            hashes.SHA1(),  # noqa: S303
        ).build()
        try:
            body = post(self, request.public_bytes(Encoding.DER))
        except OSError:
            self._paused_until = time.monotonic() + PAUSE_S
            raise Unanswered(Trouble.SILENT) from None
        return judge(self, request, nonce, body, now)


# -- the wire --------------------------------------------------------------------------------------


def post(responder: Responder, body: bytes) -> bytes:
    """One request on one connection: no proxy, no redirection, one deadline for all of it.

    Raises OSError (silence, TimeoutError included) and Unanswered.
    """
    head = (
        f"POST {responder.path} HTTP/1.1\r\n"
        f"Host: {responder.host}:{responder.port}\r\n"
        "Connection: close\r\n"
        "Content-Type: application/ocsp-request\r\n"
        "Accept: application/ocsp-response\r\n"
        f"Content-Length: {len(body)}\r\n"
        "\r\n"
    )
    ends = time.monotonic() + responder.deadline_s
    with socket.create_connection((responder.host, responder.port), responder.deadline_s) as wire:
        wire.settimeout(_left(ends))
        wire.sendall(head.encode("ascii") + body)
        answer = b"".join(_received(wire, ends))
    if not answer:
        raise ConnectionError
    return _body(answer)


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _received(wire: socket.socket, ends: float) -> Iterator[bytes]:
    """Until the other end closes. Raises OSError, Unanswered when there is too much."""
    size = 0
    while True:
        wire.settimeout(_left(ends))
        part = wire.recv(16 * 1024)
        if not part:
            return
        size += len(part)
        if size > MAX_ANSWER:
            raise Unanswered(Trouble.NOT_HTTP)
        yield part


class _Recorded:
    """A socket whose other end has said all it had to."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._answer)


def _body(answer: bytes) -> bytes:
    try:
        response = HTTPResponse(_Recorded(answer), method="POST")  # type: ignore[arg-type]
        response.begin()
        body = response.read()
    except (HTTPException, ValueError, OSError):
        raise Unanswered(Trouble.NOT_HTTP) from None
    if (
        response.status != 200
        or response.getheader("Content-Type", "").lower() != "application/ocsp-response"
    ):
        raise Unanswered(Trouble.NOT_HTTP)
    return body


# -- what it says ----------------------------------------------------------------------------------


@contextmanager
def _parsing() -> Iterator[None]:
    """The library reads lazily: any field may turn out not to be there, or not what it should."""
    try:
        yield
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise Unanswered(Trouble.NOT_OCSP) from None


def judge(
    responder: Responder, request: ocsp.OCSPRequest, nonce: bytes, body: bytes, now: datetime
) -> ocsp.OCSPCertStatus:
    """The status in an answer that holds in every respect. Raises Unanswered."""
    with _parsing():
        response = ocsp.load_der_ocsp_response(body)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise Unanswered(Trouble.NOT_SUCCESSFUL)
        _check_signature(responder.authority, response, now)
        _check_nonce(response, nonce, responder.nonce)
        single = _about(response, request)
        _check_time(single, now, responder.max_age_s)
        return single.certificate_status


def _check_signature(
    authority: x509.Certificate, response: ocsp.OCSPResponse, now: datetime
) -> None:
    """By the authority itself, or by whom it has delegated to by a certificate for this purpose
    (RFC 6960 4.2.2.2).
    """
    candidates = [c for c in response.certificates if _delegated(authority, c, now)]
    signer = next((c for c in (authority, *candidates) if _names(response, c)), None)
    if signer is None:
        raise Unanswered(Trouble.SIGNER)
    if not isinstance(response.signature_hash_algorithm, STRONG):
        raise Unanswered(Trouble.SIGNATURE)
    try:
        _verify(signer, response, response.signature_hash_algorithm)
    except InvalidSignature:
        raise Unanswered(Trouble.SIGNATURE) from None


def _verify(
    signer: x509.Certificate, response: ocsp.OCSPResponse, algorithm: hashes.HashAlgorithm
) -> None:
    """Raises InvalidSignature, also for a kind of key or signature that no authority of
    cards has.
    """
    key = signer.public_key()
    if isinstance(key, RSAPublicKey) and response.signature_algorithm_oid in RSA_PKCS1V15:
        key.verify(response.signature, response.tbs_response_bytes, PKCS1v15(), algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
    else:
        raise InvalidSignature


def _delegated(authority: x509.Certificate, certificate: x509.Certificate, now: datetime) -> bool:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return False
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in uses and issued_by(authority, certificate, now)


def _names(response: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    """Whether the answer's responder id means this certificate."""
    if response.responder_name is not None:
        return response.responder_name == certificate.subject
    return (
        response.responder_key_hash
        == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    )


def _check_nonce(response: ocsp.OCSPResponse, nonce: bytes, required: bool) -> None:
    try:
        theirs = response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        if required:
            raise Unanswered(Trouble.NONCE) from None
        return
    if theirs != nonce:
        raise Unanswered(Trouble.NONCE)


def _about(response: ocsp.OCSPResponse, request: ocsp.OCSPRequest) -> ocsp.OCSPSingleResponse:
    """The one statement about the certificate that was asked for."""
    about = [
        single
        for single in response.responses
        if (
            single.serial_number,
            single.issuer_key_hash,
            single.issuer_name_hash,
            single.hash_algorithm.name,
        )
        == (
            request.serial_number,
            request.issuer_key_hash,
            request.issuer_name_hash,
            request.hash_algorithm.name,
        )
    ]
    if len(about) != 1:
        raise Unanswered(Trouble.OTHER_CERTIFICATE)
    return about[0]


def _check_time(single: ocsp.OCSPSingleResponse, now: datetime, max_age_s: int) -> None:
    ends = single.next_update_utc or single.this_update_utc + timedelta(seconds=max_age_s)
    if not single.this_update_utc - SKEW <= now <= ends + SKEW:
        raise Unanswered(Trouble.STALE)


# -- a card ----------------------------------------------------------------------------------------

VERDICT: Final = {
    ocsp.OCSPCertStatus.GOOD: None,
    ocsp.OCSPCertStatus.REVOKED: RefusalCode.CARD_REVOKED,
    # the authority does not know it: it is none of its cards
    ocsp.OCSPCertStatus.UNKNOWN: RefusalCode.CARD_INVALID,
}


@dataclass(frozen=True)
class Revocation:
    """The responders by their authority's fingerprint."""

    responders: Mapping[str, Responder]

    def check(self, card: CardCertificate, now: datetime) -> None:
        """Raises CardRefused: CARD_REVOKED, CARD_INVALID, CARD_UNCONFIRMED.

        The test authority may have no responder (`load` sees to it): then the registry's own mark
        is all there is.
        """
        responder = self.responders.get(fingerprint(card.authority.public_bytes(Encoding.DER)))
        if responder is None:
            return
        try:
            code = VERDICT[responder.status(card.serial, now)]
        except Unanswered as error:
            log.warning("no answer of the card authority: %s", error.trouble)
            raise CardRefused(RefusalCode.CARD_UNCONFIRMED) from None
        if code:
            raise CardRefused(code)


def load(
    sections: Iterable[CardResponder], authorities: Iterable[x509.Certificate], allow_test: bool
) -> Revocation:
    """Raises ConfigError when a responder has no authority, or a real authority no responder."""
    known = {
        fingerprint(authority.public_bytes(Encoding.DER)): authority for authority in authorities
    }
    found: dict[str, Responder] = {}
    for section in sections:
        for certificate in read_certificates(section.ca):
            mark = fingerprint(certificate.public_bytes(Encoding.DER))
            if mark not in known:
                raise ConfigError(f"cards.responders: {section.ca} is not in cards.ca")
            found[mark] = _responder(section, certificate)
    if not allow_test and (silent := known.keys() - found.keys()):
        raise ConfigError(
            f"cards.responders: none for {len(silent)} of cards.ca: revoked cards would pass"
        )
    return Revocation(found)


def _responder(section: CardResponder, authority: x509.Certificate) -> Responder:
    at = urlsplit(section.url)
    try:
        port = at.port or 80
    except ValueError:
        raise ConfigError("cards.responders: url has no such port") from None
    path = (at.path or "/") + (f"?{at.query}" if at.query else "")
    return Responder(
        authority,
        at.hostname or "",
        port,
        path,
        section.deadline_s,
        section.nonce,
        section.max_age_s,
    )
