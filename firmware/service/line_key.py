"""The key of the line on a board: made once, and handed to the service by systemd alone.

A key in a folder `credstore.encrypted` is sealed by `systemd-creds`: with the TPM where the board
has one, otherwise with a secret of this installation. It never lies on the disk in the clear, and
another board cannot open it. Anywhere else it is a PEM file that only its owner can read.

docs/decisions.md says why the key is sealed by the TPM and not made in it.
"""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path
from typing import Final

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
from cryptography.x509.oid import NameOID

SEALED: Final = "credstore.encrypted"
CREDS: Final = "systemd-creds"
TOOL_S: Final = 60.0  # a TPM may take seconds
TPM: Final = Path("/dev/tpmrm0")
# The first 16 bytes of what systemd-creds has sealed with the TPM alone (systemd's creds-util.h,
# CRED_AES256_GCM_BY_TPM2_HMAC).
BY_TPM: Final = bytes.fromhex("0c7cc07b117645919c4b0bea08bc20fe")


class ProvisionError(Exception):
    """One line: which step cannot be done, and why."""


def make_or_find(path: Path, *, tpm: bool = False) -> ec.EllipticCurvePrivateKey:
    """The key that is there, or a new one. `tpm`: one that only this board's TPM can open, or none.
    Raises ProvisionError, OSError.
    """
    if tpm and not _is_sealed(path):
        raise ProvisionError(f"line.key: {path} is not in a folder {SEALED}: it cannot be sealed")
    if path.exists():
        if tpm and not is_sealed_by_tpm(path):
            raise ProvisionError(f"{path}: is there, and was not sealed by the TPM: put it away")
        return _read(path)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(path, _creds("encrypt", path.name, pem, *_seal(tpm)) if _is_sealed(path) else pem)
    return key


def is_sealed_by_tpm(path: Path) -> bool:
    """Raises OSError."""
    head = b"".join(path.read_bytes().split())[: 4 * -(-len(BY_TPM) // 3)]
    try:
        return base64.b64decode(head)[: len(BY_TPM)] == BY_TPM
    except ValueError:
        return False


def _seal(tpm: bool) -> tuple[str, ...]:
    """With what: left to itself, systemd-creds passes over a TPM that the firmware has not used."""
    return ("--with-key=tpm2",) if tpm or TPM.exists() else ()


def request(kiosk: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS #10, PEM: the kiosk's id as its only name."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, kiosk)])
    built = x509.CertificateSigningRequestBuilder().subject_name(name)
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def fitting(certificate: bytes, kiosk: str, key: Path) -> bytes:
    """The certificate, when it is this kiosk's and for this key. Raises ProvisionError, OSError."""
    try:
        found = x509.load_pem_x509_certificate(certificate)
        ours = found.public_key() == _read(key).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise ProvisionError("the answer is not a certificate") from None
    names = [name.value for name in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [kiosk]:
        raise ProvisionError(f"the certificate is of {names}, this is {kiosk}")
    if not ours:
        raise ProvisionError("the certificate is for another key than this board's")
    return certificate


def _is_sealed(path: Path) -> bool:
    return path.parent.name == SEALED


def _read(path: Path) -> ec.EllipticCurvePrivateKey:
    content = path.read_bytes()
    pem = _creds("decrypt", path.name, content) if _is_sealed(path) else content
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ProvisionError(f"{path}: not a key without a password") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ProvisionError(f"{path}: not a P-256 key")
    return key


def _creds(action: str, name: str, content: bytes, *options: str) -> bytes:
    """What systemd-creds makes of it."""
    try:
        done = subprocess.run(
            [CREDS, action, f"--name={name}", *options, "-", "-"],
            input=content,
            capture_output=True,
            timeout=TOOL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        raise ProvisionError(f"{CREDS} cannot be run: install the package systemd") from None
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ProvisionError(f"{CREDS} {action}: {told[-1] if told else done.returncode}")
    return done.stdout


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing, and never readable by others in between."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
