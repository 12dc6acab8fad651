"""Documents sealed to a key that lives as long as one resident's session (HPKE, RFC 9180, base
mode).

KEM is X-Wing (ML-KEM-768 with X25519): what is recorded on the line today stays closed to a quantum
computer of tomorrow. The sender is anonymous in base mode, so every sealed document comes with a
signed manifest (`firmware.link.signing`); what the document was sealed for is bound through `info`
(`messages.seal_info`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
MLKEM_SIZE: Final = 1184
PUBLIC_SIZE: Final = MLKEM_SIZE + 32  # X-Wing's encoding: ML-KEM-768 key, then X25519 key


class SealError(Exception):
    """Not a key of ours, or not sealed to this key for this purpose. Never says which, nor holds
    content.
    """


@dataclass(frozen=True)
class KeyPair:
    """Made for one session, never stored: dropping it makes everything sealed to it unreadable."""

    private: MLKEM768X25519PrivateKey = field(repr=False)
    public: bytes = field(repr=False)


def generate() -> KeyPair:
    """A fresh one-time key pair; `public` is what travels, PUBLIC_SIZE bytes."""
    lattice, curve = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
    public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    return KeyPair(MLKEM768X25519PrivateKey(lattice, curve), public)


def seal(public: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Encrypt for the holder of the key pair. Raises SealError when `public` is not such a key."""
    if len(public) != PUBLIC_SIZE:
        raise SealError("not a public key")
    try:
        key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public[:MLKEM_SIZE]),
            X25519PublicKey.from_public_bytes(public[MLKEM_SIZE:]),
        )
        return SUITE.encrypt(plaintext, key, info)
    except ValueError:
        raise SealError("not a public key") from None


def open(private: MLKEM768X25519PrivateKey, info: bytes, sealed: bytes) -> bytes:
    """Decrypt. Raises SealError when it was altered, sealed to another key, or for
    another purpose.
    """
    try:
        return SUITE.decrypt(sealed, private, info)
    except (InvalidTag, ValueError):
        raise SealError("does not open") from None
