"""Is this a card of the state's, now, and did it sign just this? By signature, not by name: several generations of the
authority share one distinguished name. Whether it is revoked is asked in `city.revocation`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

from city.config import ConfigError
from firmware.link.messages import RefusalCode

TEST_AUTHORITY: Final = "JPKI-TEST"
MIN_RSA_BITS: Final = 2048


class CardRefused(Exception):
    def __init__(self, code: RefusalCode) -> None:
        super().__init__(code.value)
        self.code = code


@dataclass(frozen=True)
class CardCertificate:
    fingerprint: str  # SHA-256 of the DER, hex
    key: RSAPublicKey = field(repr=False)
    expires_in_days: int
    certificate: x509.Certificate = field(repr=False)
    authority: x509.Certificate = field(repr=False)  # whose signature it bears


def load_authorities(paths: Iterable[Path], allow_test: bool) -> tuple[x509.Certificate, ...]:
    """Raises ConfigError for a file that is no CA certificate, or is the test authority's where that is not allowed."""
    found: list[x509.Certificate] = []
    for path in paths:
        found += read_certificates(path)
    for authority in found:
        if not _is_ca(authority):
            raise ConfigError("cards.ca: holds a certificate that is not an authority's")
        if not allow_test and TEST_AUTHORITY in _organisation(authority):
            raise ConfigError("cards.ca: holds the test authority; only a rehearsal may set cards.allow_test")
    if not found:
        raise ConfigError("cards.ca: no authority, so no card could ever be accepted")
    return tuple(found)


def read_certificates(path: Path) -> list[x509.Certificate]:
    """All of a PEM file, or the one of a DER file. Raises ConfigError."""
    try:
        content = path.read_bytes()
        if content.startswith(b"-----"):
            return x509.load_pem_x509_certificates(content)
        return [x509.load_der_x509_certificate(content)]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{path}: not a certificate") from None


def check_certificate(authorities: Sequence[x509.Certificate], der: bytes, now: datetime) -> CardCertificate:
    """Raises CardRefused: CARD_INVALID, CARD_EXPIRED, or CARD_TOO_NEW before its first moment."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        authority = next((authority for authority in authorities if issued_by(authority, certificate, now)), None)
    except (ValueError, UnsupportedAlgorithm):
        raise CardRefused(RefusalCode.CARD_INVALID) from None
    if authority is None or not isinstance(key, RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise CardRefused(RefusalCode.CARD_INVALID)
    if now < certificate.not_valid_before_utc:
        raise CardRefused(RefusalCode.CARD_TOO_NEW)
    if now > certificate.not_valid_after_utc:
        raise CardRefused(RefusalCode.CARD_EXPIRED)
    days = (certificate.not_valid_after_utc - now).days
    return CardCertificate(fingerprint(der), key, days, certificate, authority)


def check_signature(card: CardCertificate, digest: bytes, signature: bytes) -> None:
    """`digest` is the SHA-256 the card was given. Raises CardRefused(CARD_INVALID)."""
    try:
        card.key.verify(signature, digest, PKCS1v15(), Prehashed(hashes.SHA256()))
    except InvalidSignature:
        raise CardRefused(RefusalCode.CARD_INVALID) from None


def fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


def issued_by(authority: x509.Certificate, certificate: x509.Certificate, now: datetime) -> bool:
    """Whether this authority, valid now, has signed that certificate."""
    if not authority.not_valid_before_utc <= now <= authority.not_valid_after_utc:
        return False
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _organisation(certificate: x509.Certificate) -> str:
    return " ".join(str(a.value) for a in certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
