"""What can be wrong with the certificate or the key on a card, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hal.sim.card.odd_der import defaults_written_out, unusual_strings
from hal.sim.card.pki import CardCa, Chip, card_certificate, new_card_ca

SIGNING_POLICY = x509.ObjectIdentifier("1.2.392.200149.8.5.1.1.10")
DAY, YEAR = timedelta(days=1), timedelta(days=365)


@dataclass(frozen=True)
class Flaw:
    """`change` makes the flawed chip of a sound one; `ca` is the one that issues, `now` the
    present.
    """

    words: str
    change: Callable[[Chip, CardCa, datetime], Chip]


def flawed(name: str, ca: CardCa, now: datetime | None = None) -> Callable[[Chip], Chip]:
    """What `load_card` takes as `change`. Raises KeyError for a name that is not in `FLAWS`."""
    flaw = FLAWS[name]
    return lambda chip: flaw.change(chip, ca, (now or datetime.now(UTC)).replace(microsecond=0))


def _reissued(chip: Chip, ca: CardCa, **changes: Any) -> Chip:
    """The holder's certificate anew, as `ca` issues it, for the chip's own key."""
    if chip.certificate is None:
        raise ValueError("this card has no certificate to issue anew")
    old = x509.load_der_x509_certificate(chip.certificate)
    terms: dict[str, Any] = {
        "key": chip.key.public_key(),
        "cn": str(old.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value),
        "valid_from": old.not_valid_before_utc,
        "valid_to": old.not_valid_after_utc,
        "policy": old.extensions.get_extension_for_class(x509.CertificatePolicies)
        .value[0]
        .policy_identifier,
    }
    new = card_certificate(ca, **{**terms, **changes})
    return replace(
        chip,
        certificate=new.public_bytes(Encoding.DER),
        ca=ca.certificate.public_bytes(Encoding.DER),
    )


def _with_key(chip: Chip, ca: CardCa, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> Chip:
    return _reissued(replace(chip, key=key), ca)


def _rsa(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _written(chip: Chip, ca: CardCa, write: Callable[[bytes, CardCa], bytes]) -> Chip:
    new = _reissued(chip, ca)
    return replace(new, certificate=write(new.certificate or b"", ca))


def _tampered(chip: Chip, ca: CardCa, now: datetime) -> Chip:
    """One letter of the holder's identifier is another."""
    sound = x509.load_der_x509_certificate(_reissued(chip, ca).certificate or b"")
    der = bytearray(sound.public_bytes(Encoding.DER))
    holder = str(sound.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value).encode()
    der[der.index(holder)] ^= 1
    return replace(chip, certificate=bytes(der))


FLAWS: Mapping[str, Flaw] = {
    "reissued": Flaw(
        "none: issued anew by the CA, which may be another generation",
        lambda c, ca, _: _reissued(c, ca),
    ),
    "defaults-written-out": Flaw(
        "none: sound, with `critical FALSE` written out",
        lambda c, ca, _: _written(c, ca, defaults_written_out),
    ),
    "unusual-strings": Flaw(
        "none: sound, with names in unusual types of string",
        lambda c, ca, _: _written(c, ca, unusual_strings),
    ),
    "expired": Flaw(
        "its time is over",
        lambda c, ca, now: _reissued(c, ca, valid_from=now - 5 * YEAR, valid_to=now - DAY),
    ),
    "not-yet-valid": Flaw(
        "its time has not come",
        lambda c, ca, now: _reissued(c, ca, valid_from=now + DAY, valid_to=now + 5 * YEAR),
    ),
    "wrong-ca": Flaw(
        "issued by a stranger of the CA's name", lambda c, _, __: _reissued(c, new_card_ca())
    ),
    "wrong-policy": Flaw(
        "issued for signing documents, not for authentication",
        lambda c, ca, _: _reissued(c, ca, policy=SIGNING_POLICY),
    ),
    "tampered": Flaw("one letter changed after it was issued", _tampered),
    "weak-key": Flaw("a key of 1,024 bits", lambda c, ca, _: _with_key(c, ca, _rsa(1024))),
    "p384-key": Flaw(
        "the next generation's key: ECDSA P-384",
        lambda c, ca, _: _with_key(c, ca, ec.generate_private_key(ec.SECP384R1())),
    ),
    "other-key": Flaw(
        "signs with a key that is not the certificate's",
        lambda c, _, __: replace(c, key=_rsa(2048)),
    ),
    "no-certificate": Flaw("the owner opted out", lambda c, _, __: replace(c, certificate=None)),
    "rubbish": Flaw(
        "the certificate's file holds no certificate",
        lambda c, _, __: replace(c, certificate=b"\x30\x82\x01\x00" + bytes(256)),
    ),
}
