"""A two-level test PKI for cards, and the folders that hold one card each.

A card folder: `certificate.der`, `ca.der`, `key.pem` (as on the card) and `card.toml` (PIN, tries,
options). Everything is issued by `O=JPKI-TEST`, which no kiosk in service accepts.
"""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from hal.sim.card.applet import Applet, PrivateKey
from hal.sim.card.options import Options

USER_AUTHENTICATION = x509.ObjectIdentifier("1.2.392.200149.8.5.1.3.30")
# Of certificates on phones. Theirs is not published: this one is from the arc for examples.
PHONE_AUTHENTICATION = x509.ObjectIdentifier("2.999.3.30")
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
OPTIONS = frozenset(option.name for option in fields(Options))
CA_FROM, CA_TO = datetime(2015, 9, 1, tzinfo=UTC), datetime(2055, 9, 1, tzinfo=UTC)


def _name(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


ISSUER = _name(
    (NameOID.COUNTRY_NAME, "JP"),
    (NameOID.ORGANIZATION_NAME, "JPKI-TEST"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "JPKI for user authentication"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "Japan Agency for Local Authority Information Systems"),
)


@dataclass(frozen=True)
class CardCa:
    """One generation of the card CA. All generations share the name `ISSUER`."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey


class CardFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`card.toml` beside the options. `certificate = false` is a card whose owner opted out."""

    pin: Annotated[str, msgspec.Meta(pattern="^[0-9]{4}$")]
    tries: Annotated[int, msgspec.Meta(ge=0, le=3)] = 3
    certificate: bool = True


def make_card_ca(folder: Path) -> CardCa:
    """Make a new CA in `folder`: `ca.der` is what a kiosk trusts, `ca-key.pem` issues cards."""
    ca = new_card_ca()
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "ca.der", _der(ca.certificate))
    _write(folder / "ca-key.pem", _pem(ca.key))
    return ca


def new_card_ca() -> CardCa:
    """One more generation, kept nowhere."""
    key = _new_key()
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        _builder(ISSUER, key.public_key(), CA_FROM, CA_TO)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return CardCa(certificate, key)


def load_card_ca(folder: Path) -> CardCa:
    certificate = x509.load_der_x509_certificate((folder / "ca.der").read_bytes())
    key = _load_key(folder / "ca-key.pem")
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("ca-key.pem is not an RSA key")
    return CardCa(certificate, key)


def find_ca(card: Path) -> Path:
    """The folder beside that of the card whose CA issued it; `ca` where none did."""
    issuer = (card / "ca.der").read_bytes()
    beside = (key.parent for key in sorted(card.parent.glob("*/ca-key.pem")))
    return next((ca for ca in beside if (ca / "ca.der").read_bytes() == issuer), card.parent / "ca")


def make_card(
    folder: Path,
    ca: CardCa,
    cn: str,
    pin: str,
    valid_from: datetime,
    valid_to: datetime,
    *,
    tries: int = 3,
    certificate: bool = True,
    options: Options | None = None,
    policy: x509.ObjectIdentifier = USER_AUTHENTICATION,
) -> x509.Certificate:
    """Make a card in `folder` and return its certificate.

    `cn` is the opaque identifier of the holder; `tries=0` makes a locked PIN, `valid_to` in the
    past an expired card, `certificate=False` a card without one.
    """
    key = _new_key()
    issued = card_certificate(ca, key.public_key(), cn, valid_from, valid_to, policy)
    card = CardFile(pin=pin, tries=tries, certificate=certificate)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "certificate.der", _der(issued))
    _write(folder / "ca.der", _der(ca.certificate))
    _write(folder / "key.pem", _pem(key))
    _write(folder / "card.toml", _toml(card, options or Options()).encode())
    return issued


def card_certificate(
    ca: CardCa,
    key: PublicKey,
    cn: str,
    valid_from: datetime,
    valid_to: datetime,
    policy: x509.ObjectIdentifier = USER_AUTHENTICATION,
) -> x509.Certificate:
    """Issue a certificate with the extensions, and so about the size, of a real one."""
    subject = _name((NameOID.COUNTRY_NAME, "JP"), (NameOID.COMMON_NAME, cn))
    issuer_id = x509.SubjectKeyIdentifier.from_public_key(ca.key.public_key())
    crl = _name(
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.ORGANIZATION_NAME, "JPKI-TEST"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "JPKI for user authentication"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "CRL Distribution Points"),
        (NameOID.COMMON_NAME, "Test-ku CRLDP"),
    )
    policy_text: list[str | x509.UserNotice] = ["http://www.jpki.invalid/cps.html"]
    responder = x509.UniformResourceIdentifier("http://ocspauthnorm.jpki.invalid")
    return (
        _builder(subject, key, valid_from, valid_to)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.CertificatePolicies([x509.PolicyInformation(policy, policy_text)]),
            critical=True,
        )
        .add_extension(
            x509.CRLDistributionPoints(
                [x509.DistributionPoint([x509.DirectoryName(crl)], None, None, None)]
            ),
            critical=False,
        )
        .add_extension(
            x509.AuthorityInformationAccess(
                [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, responder)]
            ),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier(
                issuer_id.digest, [x509.DirectoryName(ISSUER)], ca.certificate.serial_number
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .sign(ca.key, hashes.SHA256())
    )


def revoke(folder: Path, certificate: bytes, now: datetime) -> None:
    """Put a certificate (DER) on the revocation list of the CA in `folder`: `ca.crl`, in DER."""
    ca, path = load_card_ca(folder), folder / "ca.crl"
    listed = list(x509.load_der_x509_crl(path.read_bytes())) if path.exists() else []
    serial = x509.load_der_x509_certificate(certificate).serial_number
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
    builder = x509.CertificateRevocationListBuilder().issuer_name(ISSUER).last_update(now)
    builder = builder.next_update(now + timedelta(days=1))
    for revoked in (*(old for old in listed if old.serial_number != serial), entry):
        builder = builder.add_revoked_certificate(revoked)
    _write(path, builder.sign(ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))


@dataclass(frozen=True)
class Chip:
    """What is burnt into a card: certificates in DER, `certificate` None when it has none."""

    certificate: bytes | None
    ca: bytes
    key: PrivateKey


def load_card(
    folder: Path,
    remember: bool = False,
    options: Mapping[str, Any] | None = None,
    change: Callable[[Chip], Chip] | None = None,
    tries: int | None = None,
) -> Applet:
    """Read a card folder. With `remember` the PIN counter is written back, as on a real card.

    `options` and `tries` go over the folder's own; `change` exchanges what is burnt in. The folder
    stays as it is. Raises OSError, ValueError (msgspec.ValidationError and tomllib.TOMLDecodeError
    are among them), TypeError.
    """
    values = tomllib.loads((folder / "card.toml").read_text("utf-8"))
    own = {name: values.pop(name) for name in OPTIONS if name in values}
    card, ways = msgspec.convert(values, CardFile), msgspec.convert(own, Options)
    if tries is not None:
        card = msgspec.convert({**msgspec.structs.asdict(card), "tries": tries}, CardFile)

    def write_back(tries: int) -> None:
        _write(
            folder / "card.toml", _toml(msgspec.structs.replace(card, tries=tries), ways).encode()
        )

    certificate = (folder / "certificate.der").read_bytes() if card.certificate else None
    chip = Chip(certificate, (folder / "ca.der").read_bytes(), _load_key(folder / "key.pem"))
    chip = change(chip) if change else chip
    return Applet(
        certificate=chip.certificate,
        ca=chip.ca,
        key=chip.key,
        pin=card.pin,
        tries=card.tries,
        options=msgspec.convert({**own, **(options or {})}, Options),
        on_tries=write_back if remember else None,
    )


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _builder(
    subject: x509.Name, key: PublicKey, valid_from: datetime, valid_to: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ISSUER)
        .public_key(key)
        .serial_number(secrets.randbits(62) + 1)
        .not_valid_before(valid_from)
        .not_valid_after(valid_to)
    )


def _key_usage(
    digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _load_key(path: Path) -> PrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, PrivateKey):
        raise TypeError(f"{path.name} is not a key of a card")
    return key


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _toml(card: CardFile, options: Options) -> str:
    """TOML and JSON write these strings, numbers and truth values alike."""
    values = {**msgspec.to_builtins(card), **asdict(options)}
    return "".join(
        f"{key} = {msgspec.json.encode(value).decode()}\n" for key, value in values.items()
    )


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, readable by the owner only."""
    draft = path.with_name(path.name + ".new")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)
