"""The rehearsal's keys and certificates, made at first start.

Both authorities of the line, the gateway's and the kiosk's certificates, the issuing key and the
terms key. (A real city brings its own; the cards' authority is not the city's.)

Keys are written 0600 and never twice: a folder that has them is left as it is.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

LIFE: Final = timedelta(days=3650)
SKEW: Final = timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | Ed25519PrivateKey


@dataclass(frozen=True)
class Files:
    """Where everything is, in one folder; all of it PEM."""

    folder: Path

    city_ca: Path = field(init=False)  # what a kiosk trusts
    city_ca_key: Path = field(init=False)
    gateway: Path = field(init=False)
    gateway_key: Path = field(init=False)
    kiosk_ca: Path = field(init=False)  # what the gateway trusts
    kiosk_ca_key: Path = field(init=False)
    issuing: Path = field(init=False)  # the public key that kiosks pin
    issuing_key: Path = field(init=False)
    terms: Path = field(init=False)  # the public key that kiosks pin for the terms of the forms
    terms_key: Path = field(init=False)
    records: Path = field(init=False)  # for archives of the log, and the public figures
    records_key: Path = field(init=False)

    def __post_init__(self) -> None:
        for stem in ("city-ca", "gateway", "kiosk-ca", "issuing", "terms", "records"):
            name = stem.replace("-", "_")
            object.__setattr__(self, name, self.folder / f"{stem}.pem")
            object.__setattr__(self, f"{name}_key", self.folder / f"{stem}.key")

    def kiosk(self, kiosk: str) -> tuple[Path, Path]:
        """Certificate and key of one kiosk."""
        return self.folder / f"kiosk-{kiosk}.pem", self.folder / f"kiosk-{kiosk}.key"


def make(
    folder: Path,
    kiosks: tuple[str, ...] = ("kiosk-1",),
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost"),
) -> Files:
    """All files of the line, and a certificate for each kiosk id; what is there already stays.
    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(folder)
    for side in ("city", "kiosk"):
        if not (folder / f"{side}-ca.pem").exists():
            _authority(folder, f"{side}-ca")
    if not files.gateway.exists():
        _leaf(folder, "city-ca", "gateway", "gateway", ExtendedKeyUsageOID.SERVER_AUTH, hosts)
    for kiosk in kiosks:
        if not files.kiosk(kiosk)[0].exists():
            _leaf(
                folder,
                "kiosk-ca",
                f"kiosk-{kiosk}",
                kiosk,
                ExtendedKeyUsageOID.CLIENT_AUTH,
                (kiosk,),
            )
    for public in (files.issuing, files.terms, files.records):
        if not public.exists():
            _signing_key(public, public.with_suffix(".key"))
    return files


def _signing_key(public: Path, private: Path) -> None:
    key = Ed25519PrivateKey.generate()
    _write(private, _private(key), 0o600)
    _write(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _authority(folder: Path, stem: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"rehearsal {stem}")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(name, name, key.public_key(), datetime.now(UTC) + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _save(folder, stem, key, certificate)


def _leaf(
    folder: Path,
    issuer: str,
    stem: str,
    name: str,
    purpose: ObjectIdentifier,
    hosts: tuple[str, ...],
) -> None:
    authority = load_authority(folder / f"{issuer}.pem", folder / f"{issuer}.key")
    key = ec.generate_private_key(ec.SECP256R1())
    _save(folder, stem, key, leaf(authority, name, key.public_key(), purpose, hosts))


@dataclass(frozen=True)
class Authority:
    """One of the line's CAs, with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def load_authority(certificate: Path, key: Path) -> Authority:
    """Raises OSError, ValueError for what is not one CA's certificate and EC key in PEM."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    try:
        signer = load_pem_private_key(key.read_bytes(), None)
    except (TypeError, UnsupportedAlgorithm):
        raise ValueError("not a private key without a password") from None
    if (
        not isinstance(signer, ec.EllipticCurvePrivateKey)
        or signer.public_key() != found.public_key()
    ):
        raise ValueError("not this authority's EC key")
    return Authority(found, signer)


def leaf(
    authority: Authority,
    name: str,
    key: ec.EllipticCurvePublicKey,
    purpose: ObjectIdentifier,
    hosts: tuple[str, ...],
    life: timedelta = LIFE,
) -> x509.Certificate:
    """A certificate for one end of the line; never valid longer than its authority."""
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    end = min(datetime.now(UTC) + life, authority.certificate.not_valid_after_utc)
    return (
        _builder(_name(name), authority.certificate.subject, key, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(datetime.now(UTC), end) - SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _save(
    folder: Path, stem: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    """The key first: a certificate that is there has its key."""
    _write(folder / f"{stem}.key", _private(key), 0o600)
    _write(folder / f"{stem}.pem", certificate.public_bytes(Encoding.PEM))


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """All of it or nothing, and never readable by others in between."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    part.replace(path)
