"""What the kiosk itself checks of a card's certificate and signature.

Revocation is the city's part: its services are open to certified verifiers only. Nothing of the certificate's
subject or number leaves this file, not even in an exception. The parser raises a dozen unrelated exceptions, some
of them late and derived from Exception alone: all mean that the card cannot be read.

The kind of key is the certificate's to say. Both kinds are verified here; a card is refused all the same while
`jpki.SIGN_COMMANDS` has no command for its kind, and before its holder spends a PIN on it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hal.card.jpki import SIGN_COMMANDS, CardCause, CardRefused, KeyKind

USER_AUTHENTICATION = x509.ObjectIdentifier("1.2.392.200149.8.5.1.3.30")
TEST_ORGANIZATION = "JPKI-TEST"
SHORTEST_KEY_BITS = 2048
SOUND_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
KNOWN_CRITICAL = (x509.CertificatePolicies, x509.KeyUsage, x509.BasicConstraints, x509.ExtendedKeyUsage)


@dataclass(frozen=True)
class CardProfile:
    """What the session may keep: `fingerprint` is the SHA-256 of the DER in hexadecimal."""

    fingerprint: str
    not_after: datetime
    key_bits: int
    kind: KeyKind


def check_card_certificate(
    der: bytes, trusted: Sequence[x509.Certificate], now: datetime, allow_test: bool
) -> CardProfile:
    """Check issuer, purpose, key and validity. `trusted` holds all CA generations; `now` knows its time zone.

    Raises CardRefused UNREADABLE, WRONG_ISSUER, NOT_YET_VALID, EXPIRED, UNKNOWN_KEY.
    """
    with _unreadable():
        certificate = x509.load_der_x509_certificate(der)
        issuers = _issuers(certificate, trusted)
        _demand(bool(issuers) and _fit(certificate), CardCause.WRONG_ISSUER)
        _demand(allow_test or not _for_tests(certificate), CardCause.WRONG_ISSUER)
        key = certificate.public_key()
        _demand(not isinstance(key, rsa.RSAPublicKey) or key.key_size >= SHORTEST_KEY_BITS, CardCause.WRONG_ISSUER)
        _demand(now >= certificate.not_valid_before_utc, CardCause.NOT_YET_VALID)
        _demand(now <= certificate.not_valid_after_utc, CardCause.EXPIRED)
        # After the card's own time: with a CA of an earlier generation its last cards are expired, not strange.
        _demand(any(_in_time(ca, now) for ca in issuers), CardCause.WRONG_ISSUER)
        kind, known = _known(key)
        _demand(kind in SIGN_COMMANDS, CardCause.UNKNOWN_KEY)
        return CardProfile(hashlib.sha256(der).hexdigest(), certificate.not_valid_after_utc, known.key_size, kind)


def key_kind(der: bytes) -> KeyKind:
    """What signs with this certificate's key. Raises CardRefused UNKNOWN_KEY (no command does), UNREADABLE."""
    with _unreadable():
        kind, _ = _known(x509.load_der_x509_certificate(der).public_key())
        _demand(kind in SIGN_COMMANDS, CardCause.UNKNOWN_KEY)
        return kind


def check_signature(der: bytes, digest: bytes, signature: bytes) -> None:
    """Check that the key of this certificate signed this SHA-256 digest: PKCS#1 v1.5, or ECDSA as r and s of 48 bytes.

    Not a formality: a middleware can return 256 zero bytes and call it success.
    Raises CardRefused BAD_SIGNATURE, UNREADABLE, UNKNOWN_KEY.
    """
    with _unreadable():
        _, key = _known(x509.load_der_x509_certificate(der).public_key())
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
            else:
                key.verify(_dss(signature, key.key_size // 8), digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        except InvalidSignature:
            raise CardRefused(CardCause.BAD_SIGNATURE) from None


@contextlib.contextmanager
def _unreadable() -> Iterator[None]:
    try:
        yield
    except CardRefused:
        raise
    except Exception:
        raise CardRefused(CardCause.UNREADABLE) from None


def _demand(met: bool, otherwise: CardCause) -> None:
    if not met:
        raise CardRefused(otherwise)


def _known(key: object) -> tuple[KeyKind, rsa.RSAPublicKey | ec.EllipticCurvePublicKey]:
    if isinstance(key, rsa.RSAPublicKey):
        return KeyKind.RSA, key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1):
        return KeyKind.P384, key
    raise CardRefused(CardCause.UNKNOWN_KEY)


def _dss(plain: bytes, size: int) -> bytes:
    """The DER form of r and s, `size` bytes each as cards give them (BSI TR-03111, 5.2.1)."""
    if len(plain) != 2 * size:
        raise CardRefused(CardCause.BAD_SIGNATURE)
    return utils.encode_dss_signature(int.from_bytes(plain[:size], "big"), int.from_bytes(plain[size:], "big"))


def _issuers(certificate: x509.Certificate, trusted: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Which of the CAs signed it. Several generations share one name: only the signature tells."""
    if not isinstance(certificate.signature_hash_algorithm, SOUND_HASHES):
        return []
    return [ca for ca in trusted if _signed_by(certificate, ca)]


def _in_time(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _signed_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except Exception:  # no signature of this CA, or one it cannot be
        return False
    return True


def _fit(certificate: x509.Certificate) -> bool:
    """Whether it is an end certificate for user authentication with no critical demand unknown to us."""
    if any(e.critical and not isinstance(e.value, KNOWN_CRITICAL) for e in certificate.extensions):
        return False
    extensions = {type(extension.value): extension for extension in certificate.extensions}
    policies = extensions.get(x509.CertificatePolicies)
    constraints = extensions.get(x509.BasicConstraints)
    usage = extensions.get(x509.KeyUsage)
    purposes = extensions.get(x509.ExtendedKeyUsage)
    return (
        policies is not None
        and any(policy.policy_identifier == USER_AUTHENTICATION for policy in policies.value)
        and not (constraints and constraints.value.ca)
        and not (usage and not usage.value.digital_signature)
        and not (purposes and ExtendedKeyUsageOID.CLIENT_AUTH not in purposes.value)
    )


def _for_tests(certificate: x509.Certificate) -> bool:
    organizations = certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return any(organization.value == TEST_ORGANIZATION for organization in organizations)
