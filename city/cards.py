"""Is this a card of the state's, now, and did it sign just this? By signature, not by name: several
generations of the authority share one distinguished name. Whether it is revoked is asked in
`city.revocation`.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Collection, Iterable, Sequence
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
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import NameOID

from city.card_parts import CardParts, read
from city.config import ConfigError
from firmware.link.messages import RefusalCode

TEST_AUTHORITY: Final = "JPKI-TEST"
MIN_RSA_BITS: Final = 2048
USER_AUTHENTICATION: Final = "1.2.392.200149.8.5.1.3.30"  # the policy of cards' certificates


class CardRefused(Exception):
    def __init__(self, code: RefusalCode) -> None:
        super().__init__(code.value)
        self.code = code


@dataclass(frozen=True)
class CardCertificate:
    fingerprint: str  # SHA-256 of the DER, hex
    key: RSAPublicKey = field(repr=False)
    expires_in_days: int
    on_phone: bool  # by its policy
    serial: int = field(repr=False)
    authority: x509.Certificate = field(repr=False)  # whose signature it bears


def load_authorities(paths: Iterable[Path], allow_test: bool) -> tuple[x509.Certificate, ...]:
    """Raises ConfigError for a file that is no CA certificate, or is the test authority's where
    that is not allowed.
    """
    found: list[x509.Certificate] = []
    for path in paths:
        found += read_certificates(path)
    for authority in found:
        if not _is_ca(authority):
            raise ConfigError("cards.ca: holds a certificate that is not an authority's")
        if not allow_test and TEST_AUTHORITY in _organisation(authority):
            raise ConfigError(
                "cards.ca: holds the test authority; only a rehearsal may set cards.allow_test"
            )
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


def check_certificate(
    authorities: Sequence[x509.Certificate],
    der: bytes,
    now: datetime,
    phone_policies: Collection[str] = (),
) -> CardCertificate:
    """A card's, or a phone's where there are policies of phones. Raises CardRefused: CARD_INVALID,
    CARD_EXPIRED, or CARD_TOO_NEW before its first moment.
    """
    try:
        certificate = read(der)
        key = load_der_public_key(certificate.key)
    except (ValueError, UnsupportedAlgorithm):
        raise CardRefused(RefusalCode.CARD_INVALID) from None
    authority = next(
        (a for a in authorities if _in_time(a, now) and certificate.is_signed_by(a)), None
    )
    if authority is None or not isinstance(key, RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise CardRefused(RefusalCode.CARD_INVALID)
    on_phone = not certificate.policies.isdisjoint(phone_policies)
    if not on_phone and USER_AUTHENTICATION not in certificate.policies:
        raise CardRefused(RefusalCode.CARD_INVALID)
    if now < certificate.not_before:
        raise CardRefused(RefusalCode.CARD_TOO_NEW)
    if now > certificate.not_after:
        raise CardRefused(RefusalCode.CARD_EXPIRED)
    days = (certificate.not_after - now).days
    return CardCertificate(fingerprint(der), key, days, on_phone, certificate.serial, authority)


def read_card(path: Path) -> tuple[str, CardParts]:
    """A card's certificate from a PEM or DER file, and its fingerprint. Raises ConfigError."""
    der = read_der(path)
    try:
        return fingerprint(der), read(der)
    except ValueError:
        raise ConfigError(f"{path}: not a certificate") from None


def read_der(path: Path) -> bytes:
    """The one certificate of a PEM or DER file, as it is. Raises ConfigError."""
    try:
        der = path.read_bytes()
        pem = der.startswith(b"-----")
        return ssl.PEM_cert_to_DER_cert(der.decode("ascii").strip()) if pem else der
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{path}: not a certificate") from None


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
    if not _in_time(authority, now):
        return False
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _in_time(authority: x509.Certificate, now: datetime) -> bool:
    return authority.not_valid_before_utc <= now <= authority.not_valid_after_utc


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _organisation(certificate: x509.Certificate) -> str:
    return " ".join(
        str(a.value) for a in certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    )
