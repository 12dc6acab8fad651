"""What kind of certificate a card has, without saying whose it is.

The last day of validity is the holder's birthday, so only its year is shown. Subject and number do
not leave this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from hal.card.check import TEST_ORGANIZATION, USER_AUTHENTICATION
from hal.card.jpki import CardCause, CardRefused

T = TypeVar("T")


@dataclass(frozen=True)
class Profile:
    """`generation` and `trusted` tell which of the given CAs issued it: its first year, none, or
    not asked (None).
    """

    key: str  # RSA-2048
    signed_with: str  # SHA256
    validity: str  # valid, expired, not-yet-valid
    until_year: int
    policies: tuple[str, ...]
    for_authentication: bool
    test: bool  # issued by JPKI-TEST
    ca_key: str  # key identifier of the CA, as the certificate names it
    trusted: bool | None
    generation: int | None


def profile(der: bytes, trusted: Sequence[x509.Certificate], now: datetime) -> Profile:
    """Raises CardRefused UNREADABLE."""
    try:
        return _profile(x509.load_der_x509_certificate(der), trusted, now)
    except Exception:  # the parser's are a dozen, some of them late
        raise CardRefused(CardCause.UNREADABLE) from None


def _profile(
    certificate: x509.Certificate, trusted: Sequence[x509.Certificate], now: datetime
) -> Profile:
    policies = _extension(certificate, x509.CertificatePolicies)
    oids = tuple(policy.policy_identifier.dotted_string for policy in policies or ())
    authority = _extension(certificate, x509.AuthorityKeyIdentifier)
    issuer = next((ca for ca in trusted if _issued_by(certificate, ca)), None)
    organizations = certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return Profile(
        key=_key(certificate),
        signed_with=certificate.signature_hash_algorithm.name.upper()
        if certificate.signature_hash_algorithm
        else "",
        validity=_validity(certificate, now),
        until_year=certificate.not_valid_after_utc.year,
        policies=oids,
        for_authentication=USER_AUTHENTICATION.dotted_string in oids,
        test=any(organization.value == TEST_ORGANIZATION for organization in organizations),
        ca_key=(authority.key_identifier or b"").hex() if authority else "",
        trusted=issuer is not None if trusted else None,
        generation=issuer.not_valid_before_utc.year if issuer else None,
    )


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA-{key.curve.name}"
    return type(key).__name__


def _validity(certificate: x509.Certificate, now: datetime) -> str:
    if now < certificate.not_valid_before_utc:
        return "not-yet-valid"
    return "valid" if now <= certificate.not_valid_after_utc else "expired"


def _extension(certificate: x509.Certificate, kind: type[T]) -> T | None:
    return next((e.value for e in certificate.extensions if isinstance(e.value, kind)), None)


def _issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except Exception:  # another CA, or one it cannot be
        return False
    return True
