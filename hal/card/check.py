"""What the kiosk itself checks of a card's certificate and signature.

Revocation is the city's part: its services are open to certified verifiers only. Nothing of the
certificate's subject or number leaves this file, not even in an exception. What cannot be read as a
certificate is BAD_CERTIFICATE, whatever the parser raises: starting again would not change it.

The kind of key is the certificate's to say. Both kinds are verified here; a card is refused all the
same while `jpki.SIGN_COMMANDS` has no command for its kind, and before its holder spends a PIN on
it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import NameOID

from hal.card.certificate import (
    BIT_STRING,
    BOOLEAN,
    OID,
    SEQUENCE,
    Parts,
    elements,
    oid,
    only,
    parts,
)
from hal.card.contract import TokenKind
from hal.card.jpki import SIGN_COMMANDS, CardCause, CardRefused, KeyKind

USER_AUTHENTICATION = x509.ObjectIdentifier("1.2.392.200149.8.5.1.3.30")
TEST_ORGANIZATION = "JPKI-TEST"
SHORTEST_KEY_BITS = 2048
# The bytes of the OIDs.
POLICY: Final = oid(USER_AUTHENTICATION.dotted_string)
CLIENT_AUTH: Final = bytes.fromhex("2B06010505070302")
KEY_USAGE, CONSTRAINTS = bytes.fromhex("551D0F"), bytes.fromhex("551D13")
POLICIES, PURPOSES = bytes.fromhex("551D20"), bytes.fromhex("551D25")
KNOWN_CRITICAL = frozenset({KEY_USAGE, CONSTRAINTS, POLICIES, PURPOSES})
DIGITAL_SIGNATURE: Final = 0x80


@dataclass(frozen=True)
class CardProfile:
    """What the session may keep: `fingerprint` is the SHA-256 of the DER in hexadecimal."""

    fingerprint: str
    not_after: datetime
    key_bits: int
    kind: KeyKind


def check_card_certificate(
    der: bytes,
    trusted: Sequence[x509.Certificate],
    now: datetime | None,
    allow_test: bool,
    token: TokenKind = TokenKind.CARD,
    phone_policies: Collection[str] = (),
) -> CardProfile:
    """Check issuer, purpose, key and validity. `trusted` holds all CA generations; `now` knows its
    time zone. None: the time is not known, and validity is for somebody else to judge.
    Certificates of phones have policies of their own, `phone_policies`: a card has
    none of them and a phone no other; what does not say what it is may have either.

    Raises CardRefused BAD_CERTIFICATE, WRONG_ISSUER, NOT_YET_VALID, EXPIRED, UNKNOWN_KEY.
    """
    with _bad_certificate():
        certificate = parts(der)
        issuers = [ca for ca in trusted if certificate.is_signed_by(ca)]
        policies = _policies(token, phone_policies)
        _demand(bool(issuers) and _fit(certificate, policies), CardCause.WRONG_ISSUER)
        _demand(allow_test or not _for_tests(certificate, issuers), CardCause.WRONG_ISSUER)
        key = load_der_public_key(certificate.key)
        _demand(
            not isinstance(key, rsa.RSAPublicKey) or key.key_size >= SHORTEST_KEY_BITS,
            CardCause.WRONG_ISSUER,
        )
        if now is not None:
            _demand(now >= certificate.not_before, CardCause.NOT_YET_VALID)
            _demand(now <= certificate.not_after, CardCause.EXPIRED)
            # After the card's own time: with a CA of an earlier generation its last cards are
            # expired, not strange.
            _demand(any(_in_time(ca, now) for ca in issuers), CardCause.WRONG_ISSUER)
        kind, known = _known(key)
        _demand(kind in SIGN_COMMANDS, CardCause.UNKNOWN_KEY)
        return CardProfile(
            hashlib.sha256(der).hexdigest(), certificate.not_after, known.key_size, kind
        )


def key_kind(der: bytes) -> KeyKind:
    """What signs with this certificate's key. Raises CardRefused UNKNOWN_KEY (no command does),
    BAD_CERTIFICATE.
    """
    with _bad_certificate():
        kind, _ = _known(load_der_public_key(parts(der).key))
        _demand(kind in SIGN_COMMANDS, CardCause.UNKNOWN_KEY)
        return kind


def check_signature(der: bytes, digest: bytes, signature: bytes) -> None:
    """Check that the key of this certificate signed this SHA-256 digest: PKCS#1 v1.5, or ECDSA as r
    and s of 48 bytes.

    Not a formality: a middleware can return 256 zero bytes and call it success.
    Raises CardRefused BAD_SIGNATURE, BAD_CERTIFICATE, UNKNOWN_KEY.
    """
    with _bad_certificate():
        _, key = _known(load_der_public_key(parts(der).key))
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
            else:
                key.verify(
                    _dss(signature, key.key_size // 8),
                    digest,
                    ec.ECDSA(utils.Prehashed(hashes.SHA256())),
                )
        except InvalidSignature:
            raise CardRefused(CardCause.BAD_SIGNATURE) from None


@contextlib.contextmanager
def _bad_certificate() -> Iterator[None]:
    try:
        yield
    except CardRefused:
        raise
    except Exception:
        raise CardRefused(CardCause.BAD_CERTIFICATE) from None


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
    return utils.encode_dss_signature(
        int.from_bytes(plain[:size], "big"), int.from_bytes(plain[size:], "big")
    )


def _in_time(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _policies(token: TokenKind, of_phones: Collection[str]) -> set[bytes]:
    of_cards, others = {POLICY}, set(map(oid, of_phones))
    match token:
        case TokenKind.CARD:
            return of_cards
        case TokenKind.UNKNOWN:
            return of_cards | others
        case _:
            return others


def _fit(certificate: Parts, allowed: Collection[bytes]) -> bool:
    """Whether it is an end certificate for user authentication, by one of these policies, with no
    critical demand unknown to us.
    """
    found = certificate.extensions
    if any(e.critical and kind not in KNOWN_CRITICAL for kind, e in found.items()):
        return False
    return (
        POLICIES in found
        and any(policy in allowed for policy in _first_oids(found[POLICIES].value))
        and not (CONSTRAINTS in found and _is_ca(found[CONSTRAINTS].value))
        and not (KEY_USAGE in found and not _signs(found[KEY_USAGE].value))
        and not (PURPOSES in found and CLIENT_AUTH not in _oids(found[PURPOSES].value))
    )


def _first_oids(value: bytes) -> list[bytes]:
    """The policies; what a policy is qualified with is words for people."""
    return [
        next(elements(policy.expect(SEQUENCE).content)).expect(OID).content
        for policy in only(value, SEQUENCE).children()
    ]


def _oids(value: bytes) -> list[bytes]:
    return [element.expect(OID).content for element in only(value, SEQUENCE).children()]


def _is_ca(value: bytes) -> bool:
    first = next(elements(only(value, SEQUENCE).content), None)
    return first is not None and first.tag == BOOLEAN and first.content != b"\0"


def _signs(value: bytes) -> bool:
    bits = only(value, BIT_STRING).content
    return len(bits) > 1 and bool(bits[1] & DIGITAL_SIGNATURE)


def _for_tests(certificate: Parts, issuers: Sequence[x509.Certificate]) -> bool:
    """By the card's own words, or by those of the CA that really signed it."""
    signers = (
        attribute.value
        for ca in issuers
        for attribute in ca.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    )
    return TEST_ORGANIZATION in certificate.organizations or TEST_ORGANIZATION in signers
