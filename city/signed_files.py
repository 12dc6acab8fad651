"""Files with a detached Ed25519 signature beside them (`NAME.sig`, 64 bytes), which anybody can
check with OpenSSL alone. The first line of what is signed says what kind of file it is.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE: Final = ".sig"


def signature_of(path: Path) -> Path:
    return path.with_name(path.name + SIGNATURE)


def write(path: Path, content: bytes) -> None:
    """Whole or not at all, also through a power cut. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    settle(part, path)


def settle(part: Path, path: Path) -> None:
    """Give a file that is on the disk its name. Raises OSError."""
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sign(path: Path, key: Ed25519PrivateKey) -> None:
    """Raises OSError."""
    write(signature_of(path), key.sign(path.read_bytes()))


def holds(path: Path, key: Ed25519PublicKey) -> bool:
    """Whether this key signed the file as it is. Raises OSError."""
    try:
        key.verify(signature_of(path).read_bytes(), path.read_bytes())
    except (InvalidSignature, ValueError):
        return False
    return True


def sha256_of(path: Path) -> str:
    """Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
