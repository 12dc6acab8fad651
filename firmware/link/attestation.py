"""What a kiosk consists of, measured and signed (I7).

A measurement names items and their hashes. Whoever answers for a kiosk signs it, and the kiosk
compares itself with that at each start. One measurement may hold the items of a build, which are
the same on every board, and another those of one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from firmware.link.base import Hash, Key, Message, Text, frame

DOMAIN: Final = b"madoguchi attestation v1"


class AttestationError(Exception):
    """One line: what is wrong with a measurement or its signature."""


class Measured(Message, frozen=True, omit_defaults=True):
    """`kiosk`: None when it holds on every board."""

    build: Text
    items: Annotated[dict[Key, Hash], Meta(max_length=32)]
    kiosk: Key | None = None


class Signed(Message, frozen=True):
    """`measured` is a `Measured` as JSON; the signature is over these very bytes."""

    measured: Annotated[bytes, Meta(max_length=64 * 1024)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


def written(measured: Measured) -> bytes:
    return msgspec.json.format(msgspec.json.encode(measured, order="deterministic"))


def read_measured(data: bytes) -> Measured:
    """Raises AttestationError."""
    try:
        return msgspec.json.decode(data, type=Measured)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise AttestationError("not a measurement") from None


def sign(key: Ed25519PrivateKey, measured: Measured) -> bytes:
    """A file for the kiosk."""
    body = msgspec.json.encode(measured, order="deterministic")
    return msgspec.json.encode(Signed(measured=body, signature=key.sign(frame(DOMAIN, body))))


def read_signed(pinned: Iterable[Ed25519PublicKey], data: bytes) -> Measured:
    """Raises AttestationError when none of the keys signed it."""
    try:
        signed = msgspec.json.decode(data, type=Signed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise AttestationError("not a signed measurement") from None
    for key in pinned:
        try:
            key.verify(signed.signature, frame(DOMAIN, signed.measured))
        except InvalidSignature:
            continue
        return read_measured(signed.measured)
    raise AttestationError("signed by none of the pinned keys")


def compare(signed: Sequence[Measured], found: Measured) -> dict[str, bool]:
    """Each item that was found: whether somebody signed it so, for this kiosk or for every one."""
    ours = [each.items for each in signed if each.kiosk in (None, found.kiosk)]
    return {
        item: any(items.get(item) == digest for items in ours)
        for item, digest in found.items.items()
    }
