"""The city's signatures: one issuing key signs manifests and sheet codes, each in its own domain.

A kiosk pins several public keys, so that the issuing key can change without a day on which nothing verifies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from firmware.link.messages import CODE_HEAD, CODE_SIZE, SheetCode, code_signing_input, manifest_signing_input


class SignatureError(Exception):
    """No pinned key made this signature, or the file is not such a key."""


def load_public(paths: Iterable[Path]) -> tuple[Ed25519PublicKey, ...]:
    """The pinned keys (PEM). Raises SignatureError for a file that holds anything else, OSError."""
    keys = []
    for path in paths:
        try:
            key = load_pem_public_key(path.read_bytes())
        except (ValueError, UnsupportedAlgorithm):
            raise SignatureError(f"{path}: not a public key") from None
        if not isinstance(key, Ed25519PublicKey):
            raise SignatureError(f"{path}: not an Ed25519 public key")
        keys.append(key)
    return tuple(keys)


def sign_manifest(key: Ed25519PrivateKey, manifest: bytes) -> bytes:
    """64 bytes."""
    return key.sign(manifest_signing_input(manifest))


def verify_manifest(pinned: Sequence[Ed25519PublicKey], manifest: bytes, signature: bytes) -> None:
    """Raises SignatureError."""
    _verify(pinned, manifest_signing_input(manifest), signature)


def sign_code(key: Ed25519PrivateKey, code: SheetCode) -> bytes:
    """The CODE_SIZE bytes one sheet's 2D code carries: head, then signature. Raises ValueError."""
    head = code.encode()
    return head + key.sign(code_signing_input(head))


def verify_code(pinned: Sequence[Ed25519PublicKey], payload: bytes) -> SheetCode:
    """What a sheet's 2D code says. Raises SignatureError when no pinned key signed it, or it is no code of ours."""
    if len(payload) != CODE_SIZE:
        raise SignatureError("not a sheet code")
    head = payload[:CODE_HEAD]
    _verify(pinned, code_signing_input(head), payload[CODE_HEAD:])
    try:
        return SheetCode.decode(head)
    except ValueError:
        raise SignatureError("not a sheet code") from None


def _verify(pinned: Sequence[Ed25519PublicKey], message: bytes, signature: bytes) -> None:
    for key in pinned:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        return
    raise SignatureError("signed by none of the pinned keys")
