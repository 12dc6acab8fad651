from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from card_bench import NOW
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hal.card.check import USER_AUTHENTICATION, check_card_certificate, check_signature
from hal.card.contract import TokenKind
from hal.card.jpki import CardCause, CardRefused
from hal.sim.card import pki
from hal.sim.card.pki import PHONE_AUTHENTICATION, CardCa, card_certificate, make_card_ca

DAY = timedelta(days=1)


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> CardCa:
    """The next generation: same name, another key."""
    return make_card_ca(tmp_path_factory.mktemp("other"))


def cause(
    der: bytes, trusted: list[x509.Certificate], now: datetime = NOW, allow_test: bool = True
) -> CardCause:
    with pytest.raises(CardRefused) as refused:
        check_card_certificate(der, trusted, now, allow_test)
    assert refused.value.__context__ is None or refused.value.__suppress_context__
    return refused.value.cause


def test_a_sound_certificate_whichever_generation_signed_it(
    folder: Path, ca: CardCa, other: CardCa
) -> None:
    der = (folder / "certificate.der").read_bytes()
    for trusted in ([ca.certificate, other.certificate], [other.certificate, ca.certificate]):
        profile = check_card_certificate(der, trusted, NOW, allow_test=True)
        assert profile.fingerprint == hashlib.sha256(der).hexdigest()
        assert profile.key_bits == 2048
        assert profile.not_after == NOW + 1400 * DAY


def test_each_flaw_has_its_cause(folder: Path, ca: CardCa, other: CardCa) -> None:
    der = (folder / "certificate.der").read_bytes()
    trusted = [ca.certificate]
    assert cause(der, [other.certificate]) is CardCause.WRONG_ISSUER  # same name, another key
    assert cause(der, []) is CardCause.WRONG_ISSUER
    assert cause(der, trusted, allow_test=False) is CardCause.WRONG_ISSUER
    assert cause(der, trusted, NOW + 1401 * DAY) is CardCause.EXPIRED
    assert cause(der, trusted, NOW - 401 * DAY) is CardCause.NOT_YET_VALID
    assert (
        cause(der, trusted, pki.CA_TO + DAY) is CardCause.EXPIRED
    )  # and not strange, though its CA's is over too
    assert cause(der[:-1], trusted) is CardCause.BAD_CERTIFICATE
    # while nobody knows the time, validity is not judged, and all the rest is
    assert check_card_certificate(der, trusted, None, allow_test=True).key_bits == 2048
    with pytest.raises(CardRefused, match="wrong-issuer"):
        check_card_certificate(der, [other.certificate], None, allow_test=True)
    assert cause(ca.certificate.public_bytes(Encoding.DER), trusted) is CardCause.WRONG_ISSUER


def test_a_card_does_not_outlive_its_ca(ca: CardCa, other: CardCa) -> None:
    issued = card_certificate(ca, other.key.public_key(), "T1", pki.CA_FROM - DAY, pki.CA_TO + DAY)
    for now in (pki.CA_FROM - DAY / 2, pki.CA_TO + DAY / 2):
        assert (
            cause(issued.public_bytes(Encoding.DER), [ca.certificate], now)
            is CardCause.WRONG_ISSUER
        )


def test_another_purpose_or_a_short_key_is_refused(ca: CardCa, other: CardCa) -> None:
    long, short = other.key.public_key(), rsa.generate_private_key(65537, 1024).public_key()
    signing = x509.ObjectIdentifier("1.2.392.200149.8.5.1.1.10")
    for issued in (
        card_certificate(ca, long, "T1", NOW - DAY, NOW + DAY, policy=signing),
        card_certificate(ca, short, "T1", NOW - DAY, NOW + DAY),
    ):
        assert cause(issued.public_bytes(Encoding.DER), [ca.certificate]) is CardCause.WRONG_ISSUER


def test_a_signature_is_checked(folder: Path) -> None:
    der = (folder / "certificate.der").read_bytes()
    digest = hashlib.sha256(b"x").digest()
    for signature in (bytes(256), b"", bytes(10)):
        with pytest.raises(CardRefused) as refused:
            check_signature(der, digest, signature)
        assert refused.value.cause is CardCause.BAD_SIGNATURE


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 1400), flip=st.integers(1, 255))
def test_a_changed_byte_never_passes_and_never_tells_the_subject(
    folder: Path, ca: CardCa, place: int, flip: int
) -> None:
    der = bytearray((folder / "certificate.der").read_bytes())
    der[place % len(der)] ^= flip
    with pytest.raises(CardRefused) as refused:
        check_card_certificate(bytes(der), [ca.certificate], NOW, allow_test=True)
    assert "T0001234567890A" not in str(refused.value)


@pytest.mark.parametrize("kind", list(TokenKind))
@pytest.mark.parametrize("policy", [USER_AUTHENTICATION, PHONE_AUTHENTICATION])
@pytest.mark.parametrize("takes_phones", [True, False])
def test_a_phone_has_a_policy_of_phones_and_a_card_none(
    ca: CardCa, kind: TokenKind, policy: x509.ObjectIdentifier, takes_phones: bool
) -> None:
    """Its label is a claim: what it signs with says what it is."""
    key = ca.key.public_key()
    issued = card_certificate(ca, key, "T1", NOW - DAY, NOW + DAY, policy)
    der = issued.public_bytes(Encoding.DER)
    known = (PHONE_AUTHENTICATION.dotted_string,) if takes_phones else ()
    of_phones = policy == PHONE_AUTHENTICATION
    fits = {
        TokenKind.CARD: not of_phones,
        TokenKind.UNKNOWN: takes_phones or not of_phones,
    }.get(kind, takes_phones and of_phones)
    if fits:
        assert check_card_certificate(der, [ca.certificate], NOW, True, kind, known)
        return
    with pytest.raises(CardRefused) as refused:
        check_card_certificate(der, [ca.certificate], NOW, True, kind, known)
    assert refused.value.cause is CardCause.WRONG_ISSUER
