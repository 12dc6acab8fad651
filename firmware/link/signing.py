"""The city's signatures, each in its own domain.

An issuing key signs manifests and the codes of sheets; a terms key signs the terms of the forms.

A kiosk pins several public keys of each, so that a key can change without a day on which nothing
verifies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from firmware.link import sheet_code
from firmware.link.messages import form_terms_signing_input, manifest_signing_input
from firmware.link.sheet_code import CodeError, SheetCode, key_reference


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


def sign_form_terms(key: Ed25519PrivateKey, terms: bytes) -> bytes:
    """64 bytes."""
    return key.sign(form_terms_signing_input(terms))


def verify_form_terms(pinned: Sequence[Ed25519PublicKey], terms: bytes, signature: bytes) -> None:
    """Raises SignatureError."""
    _verify(pinned, form_terms_signing_input(terms), signature)


def reference(key: Ed25519PublicKey) -> bytes:
    """How a sheet's code names the key that signed it."""
    return key_reference(key.public_bytes_raw())


def sign_code(key: Ed25519PrivateKey, code: SheetCode) -> bytes:
    """The payload of one sheet's code: header, message, signature. Raises CodeError when a value
    does not fit.
    """
    head = sheet_code.encode(code)
    return head + key.sign(sheet_code.signing_input(head))


def verify_code(pinned: Iterable[Ed25519PublicKey], payload: bytes) -> SheetCode:
    """What a sheet's code says. Raises SignatureError when the key it names is not pinned or did
    not sign it.
    """
    try:
        head, signature = sheet_code.split(payload)
        code = sheet_code.decode(head)
    except CodeError:
        raise SignatureError("not a code of a sheet") from None
    named = [key for key in pinned if reference(key) == code.key]
    _verify(named, sheet_code.signing_input(head), signature)
    return code


def _verify(pinned: Sequence[Ed25519PublicKey], message: bytes, signature: bytes) -> None:
    for key in pinned:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        return
    raise SignatureError("signed by none of the pinned keys")
