"""A kiosk's new certificate, on the strength of its old one: nobody has to go there.

The gateway renews only where it has the kiosk CA's key; a city that keeps that key elsewhere has
`no-renewal` answered.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sqlalchemy import Connection

from city import kiosks
from city.config import ConfigError, Tls
from city.handlers import City, Refused
from city.pki import Authority, leaf, load_authority
from firmware.link import messages
from firmware.link.messages import RefusalCode

MOST_LIVE: Final = 4  # certificates of one kiosk, so that asking again and again fills nothing


@dataclass(frozen=True)
class Renewal:
    """What a gateway needs to give certificates."""

    authority: Authority
    days: int


def load(tls: Tls) -> Renewal | None:
    """None where the authority's key is kept elsewhere. Raises ConfigError."""
    if tls.kiosk_ca_key is None:
        return None
    try:
        return Renewal(load_authority(tls.kiosk_ca, tls.kiosk_ca_key), tls.renewed_days)
    except OSError as error:
        raise ConfigError(f"{tls.kiosk_ca_key}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{tls.kiosk_ca_key}: {error}") from None


def renew(city: City, shown: kiosks.Shown, message: messages.RenewRequest) -> messages.RenewAnswer:
    """A certificate for the key of the request; the same key again has the same one. Raises
    Refused.

    Not on the strength of one that was revoked a moment ago: what it gave would be good for a year.
    """
    kiosk = shown.kiosk
    renewal = city.renewal
    key = key_of(message.csr, kiosk)
    if key is None:
        raise Refused(RefusalCode.MALFORMED)
    if renewal is None:
        raise Refused(RefusalCode.NO_RENEWAL)
    mark = hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()

    def give(connection: Connection) -> bytes:
        if not kiosks.good(connection, shown):
            raise Refused(RefusalCode.KIOSK_REVOKED)
        known = kiosks.issued_for(connection, kiosk, mark)
        # One that ends later than what was shown: the answer was lost. Else the same key goes on,
        # where it cannot be exchanged: in a TPM, or in systemd's credentials.
        if known is not None and hashlib.sha256(known).hexdigest() != shown.fingerprint:
            return known
        if known is None and kiosks.live(connection, kiosk) >= MOST_LIVE:
            raise Refused(RefusalCode.NO_RENEWAL)
        der = issue(renewal, kiosk, key)
        made = kiosks.read(der)
        if made is None:
            raise Refused(RefusalCode.KIOSK_UNKNOWN)
        kiosks.admit(connection, made)
        city.log(connection, "renewed", kiosk=kiosk, certificate=made.fingerprint)
        return der

    return messages.RenewAnswer(certificate=city.decide(give))


def key_of(csr: bytes, kiosk: str) -> ec.EllipticCurvePublicKey | None:
    """The key of a request that is in this kiosk's name alone and signed by that key; None for any
    other.
    """
    try:
        request = x509.load_der_x509_csr(csr)
        names = [(attribute.oid, attribute.value) for attribute in request.subject]
        key = request.public_key()
        signed = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        return None
    if (
        not signed
        or names != [(NameOID.COMMON_NAME, kiosk)]
        or not isinstance(key, ec.EllipticCurvePublicKey)
    ):
        return None
    return key if isinstance(key.curve, ec.SECP256R1) else None


def issue(renewal: Renewal, kiosk: str, key: ec.EllipticCurvePublicKey) -> bytes:
    """A kiosk's certificate, DER."""
    life = timedelta(days=renewal.days)
    made = leaf(renewal.authority, kiosk, key, ExtendedKeyUsageOID.CLIENT_AUTH, (kiosk,), life)
    return made.public_bytes(Encoding.DER)
