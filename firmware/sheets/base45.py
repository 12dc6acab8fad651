"""Base45 (RFC 9285): bytes in the alphabet that a QR code packs densest after digits."""

from __future__ import annotations

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUE = {character: value for value, character in enumerate(_ALPHABET)}


def encode(data: bytes) -> str:
    out = []
    for at in range(0, len(data), 2):
        chunk = data[at : at + 2]
        value = int.from_bytes(chunk, "big")
        for _ in range(len(chunk) + 1):
            value, digit = divmod(value, 45)
            out.append(_ALPHABET[digit])
    return "".join(out)


def decode(text: str) -> bytes:
    """Raises ValueError for anything `encode` cannot have made."""
    out = bytearray()
    for at in range(0, len(text), 3):
        chunk = text[at : at + 3]
        if len(chunk) == 1 or any(character not in _VALUE for character in chunk):
            raise ValueError("not base45")
        value = sum(_VALUE[character] * 45**place for place, character in enumerate(chunk))
        if value >= 1 << 8 * (len(chunk) - 1):
            raise ValueError("not base45")
        out += value.to_bytes(len(chunk) - 1, "big")
    return bytes(out)
