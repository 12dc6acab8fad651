"""`kiosk city kiosks sign|renew`: papers that a technician takes to a board.

`kiosk provision request` on the board wrote a folder of requests: `ID.csr`, and `ID.measured` with
what the board consists of. The answers are `ID.pem`, the certificate, and `ID.signed`, the same
measurement with the city's signature.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from msgspec.structs import replace
from sqlalchemy import Connection

from city import audit, builds, kiosks, renewal
from city.clock import starting
from city.config import Config, ConfigError
from city.database import Mode
from city.handlers import seconds
from city.renewal import Renewal
from city.work import work
from firmware.link import attestation


class PapersError(Exception):
    """One line: which paper is not signed, and why. Nothing of it was written."""


@dataclass(frozen=True)
class Request:
    """`measured`: None where the board is not attested."""

    kiosk: str
    key: ec.EllipticCurvePublicKey
    measured: attestation.Measured | None

    @property
    def mark(self) -> str:
        shown = self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(shown).hexdigest()


def add_sign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="with ID.csr and ID.measured; answers go there")
    _add_authority(parser)
    parser.add_argument("--fleet", type=Path, metavar="FILE", help="sign for its kiosks only")
    parser.add_argument(
        "--attest", type=Path, metavar="KEY", help="private Ed25519 key that signs measurements"
    )
    parser.add_argument(
        "--another",
        action="store_true",
        help="although the kiosk has a good certificate for another key: its board was replaced",
    )


def add_renew(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kiosks", nargs="+", metavar="KIOSK")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for KIOSK.pem")
    _add_authority(parser)


def _add_authority(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ca-key",
        type=Path,
        metavar="FILE",
        help="the kiosk CA's private key, where the gateway's configuration names none",
    )


def sign(config: Config, given: argparse.Namespace) -> int:
    """All of the folder's requests, or none. The same request again has the same certificate. 0.
    Raises PapersError, ConfigError, DatabaseError.
    """
    authority = _authority(config, given.ca_key)
    requests = [read(path) for path in sorted(given.folder.glob("*.csr"))]
    if not requests:
        raise PapersError(f"{given.folder}: no request (*.csr) is there")
    if given.fleet:
        _require_known(requests, given.fleet)
    signer = _signer(given.attest) if given.attest else None
    at = seconds(starting(config.clock.start)())

    def give(connection: Connection) -> list[bytes]:
        return [_give(connection, authority, each, at, given.another) for each in requests]

    for request, der in zip(requests, work(config, Mode.DECIDE, give), strict=True):
        _write(given.folder / f"{request.kiosk}.pem", der)
        if signer and request.measured:
            signed = attestation.sign(signer, request.measured)
            (given.folder / f"{request.kiosk}.signed").write_bytes(signed)
        attested = ", attested" if signer and request.measured else ""
        sys.stdout.write(f"{request.kiosk}\tsigned{attested}\n")
    return 0


def renew(config: Config, given: argparse.Namespace) -> int:
    """Certificates for the keys that the kiosks have. 0. Raises PapersError, ConfigError,
    DatabaseError.
    """
    authority = _authority(config, given.ca_key)
    at = seconds(starting(config.clock.start)())

    def give(connection: Connection) -> list[bytes]:
        return [_renewed(connection, authority, kiosk, at) for kiosk in given.kiosks]

    given.out.mkdir(parents=True, exist_ok=True)
    for kiosk, der in zip(given.kiosks, work(config, Mode.DECIDE, give), strict=True):
        _write(given.out / f"{kiosk}.pem", der)
        sys.stdout.write(f"{kiosk}\trenewed\n")
    return 0


def read(path: Path) -> Request:
    """A request, and the measurement beside it. Raises PapersError."""
    try:
        csr = x509.load_pem_x509_csr(path.read_bytes()).public_bytes(Encoding.DER)
        beside = path.with_suffix(".measured")
        measured = attestation.read_measured(beside.read_bytes()) if beside.exists() else None
    except (OSError, ValueError) as error:
        raise PapersError(f"{path}: {error}") from None
    except attestation.AttestationError as error:
        raise PapersError(f"{path.with_suffix('.measured')}: {error}") from None
    key = renewal.key_of(csr, path.stem)
    if key is None:
        raise PapersError(f"{path}: not a request of {path.stem} for a P-256 key of its own")
    if measured and measured.kiosk != path.stem:
        raise PapersError(f"{path.stem}: was measured on {measured.kiosk}")
    return Request(path.stem, key, measured)


def _require_known(requests: Iterable[Request], fleet: Path) -> None:
    try:
        known = tomllib.loads(fleet.read_text("utf-8")).get("kiosks", {})
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PapersError(f"{fleet}: {error}") from None
    for request in requests:
        if request.kiosk not in known:
            raise PapersError(f"{request.kiosk}: {fleet} has no such kiosk")


def _give(
    connection: Connection, authority: Renewal, request: Request, at: int, another: bool
) -> bytes:
    kiosk = request.kiosk
    if request.measured and not builds.is_taken(connection, request.measured.build):
        raise PapersError(f"{kiosk}: its build {request.measured.build} is not accepted here")
    if known := kiosks.issued_for(connection, kiosk, request.mark):
        return known
    if kiosks.live(connection, kiosk) and not another:
        raise PapersError(
            f"{kiosk}: has a good certificate for another key: revoke it, or --another"
        )
    return _admitted(connection, authority, kiosk, request.key, "kiosk-signed", at)


def _renewed(connection: Connection, authority: Renewal, kiosk: str, at: int) -> bytes:
    newest = kiosks.newest(connection, kiosk)
    if newest is None:
        raise PapersError(f"{kiosk}: has no good certificate to renew")
    key = x509.load_der_x509_certificate(newest).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise PapersError(f"{kiosk}: has no P-256 key")
    return _admitted(connection, authority, kiosk, key, "kiosk-renewed", at)


def _admitted(
    connection: Connection,
    authority: Renewal,
    kiosk: str,
    key: ec.EllipticCurvePublicKey,
    event: str,
    at: int,
) -> bytes:
    der = renewal.issue(authority, kiosk, key)
    made = kiosks.read(der)
    if made is None:
        raise PapersError(f"{kiosk}: is no name for a kiosk")
    kiosks.admit(connection, made)
    if not kiosks.good(connection, made):
        raise PapersError(f"{kiosk}: this key was revoked: the board needs another one")
    audit.append(connection, event, at, kiosk=kiosk, certificate=made.fingerprint)
    return der


def _authority(config: Config, key: Path | None) -> Renewal:
    found = renewal.load(replace(config.tls, kiosk_ca_key=key) if key else config.tls)
    if found is None:
        raise ConfigError("--ca-key: tls.kiosk_ca_key is not configured")
    return found


def _signer(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise PapersError(f"{path}: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise PapersError(f"{path}: not an Ed25519 key")
    return key


def _write(path: Path, der: bytes) -> None:
    path.write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
