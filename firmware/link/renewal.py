"""The kiosk's own certificate, exchanged for a new one in steps of which each can be the last.

Beside `x.key` and `x.pem`: `x.key.next` is the new key, made before anything is asked;
`x.pem.trial` the city's answer; `x.pem.next` the same once it has been seen to work. From then on
the next process puts both in place: the key first, and a certificate that finds its key in place
already is put beside it. A power cut between any two steps costs nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


class RenewalError(Exception):
    """One word for the log: which step cannot be done."""


@dataclass(frozen=True)
class Papers:
    """Where certificate and key of the line are (PEM)."""

    certificate: Path
    key: Path

    @property
    def next_key(self) -> Path:
        """The key itself where its service cannot replace it: a credential of systemd."""
        if str(self.key.parent) == os.environ.get("CREDENTIALS_DIRECTORY"):
            return self.key
        return self.key.with_name(self.key.name + ".next")

    @property
    def trial(self) -> Path:
        return self.certificate.with_name(self.certificate.name + ".trial")

    @property
    def next_certificate(self) -> Path:
        return self.certificate.with_name(self.certificate.name + ".next")


def due(papers: Papers, days: int, now: datetime) -> bool:
    """Less than `days` are left, and no new certificate waits for the next process. Raises
    RenewalError.
    """
    return not papers.next_certificate.exists() and _certificate(
        papers.certificate
    ).not_valid_after_utc - now < timedelta(days=days)


def request(papers: Papers) -> bytes:
    """A signed request (PKCS #10, DER) for the next key, which is made if there is none. Raises
    RenewalError.
    """
    name = _certificate(papers.certificate).subject
    if not papers.next_key.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        _write(
            papers.next_key,
            made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            0o600,
        )
    key = _key(papers.next_key)
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(_common_name(name)))
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def try_out(papers: Papers, der: bytes) -> None:
    """Put the city's answer where it can be tried: this kiosk's, from the same CA, for the key
    asked with, and longer.

    Raises RenewalError.
    """
    old = _certificate(papers.certificate)
    try:
        new = x509.load_der_x509_certificate(der)
        fits = new.public_key() == _key(papers.next_key).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise RenewalError("not-a-certificate") from None
    same = (_common_name(new.subject), new.issuer) == (_common_name(old.subject), old.issuer)
    if not fits or not same or new.not_valid_after_utc <= old.not_valid_after_utc:
        raise RenewalError("not-ours")
    _write(papers.trial, new.public_bytes(Encoding.PEM), 0o644)


def adopt(papers: Papers) -> None:
    """It works: the next process is to use it. Raises RenewalError."""
    try:
        papers.trial.replace(papers.next_certificate)
        _sync(papers.certificate.parent)
    except OSError:
        raise RenewalError("not-writable") from None


def settle(papers: Papers) -> bool:
    """Put an adopted pair in place, or finish what a power cut interrupted. True when something was
    done.

    Before the line is opened, in the only process that does it. Raises RenewalError.
    """
    if not papers.next_certificate.exists():
        return False
    wanted = _certificate(papers.next_certificate).public_key()
    try:
        exchanged = papers.next_key != papers.key and papers.next_key.exists()
        if exchanged and _key(papers.next_key).public_key() == wanted:
            papers.next_key.replace(papers.key)
            _sync(papers.key.parent)
        if _key(papers.key).public_key() != wanted:
            papers.next_certificate.unlink()  # its key is gone: the old pair stays in use
            raise RenewalError("key-missing")
        papers.next_certificate.replace(papers.certificate)
        _sync(papers.certificate.parent)
    except OSError:
        raise RenewalError("not-writable") from None
    return True


def _common_name(name: x509.Name) -> list[x509.NameAttribute[str | bytes]]:
    return name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        raise RenewalError("certificate-unreadable") from None


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        raise RenewalError("key-unreadable") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise RenewalError("key-unreadable")
    return key


def _write(path: Path, content: bytes, mode: int) -> None:
    """All of it or nothing, kept through a power cut, and never readable by others in between."""
    part = path.with_name(path.name + ".part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync(path.parent)
    except OSError:
        raise RenewalError("not-writable") from None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
