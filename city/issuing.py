"""The city's keys for signatures, from their files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from city.config import Config, ConfigError
from firmware.link import signing


def load_issuing_key(path: Path) -> Ed25519PrivateKey:
    """Raises ConfigError."""
    return load_private_key(path, "issuing key")


def load_private_key(path: Path, what: str) -> Ed25519PrivateKey:
    """`what` it is, for whoever reads the error. Raises ConfigError."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: not a private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: the {what} must be Ed25519")
    return key


def published_keys(config: Config) -> Collection[Ed25519PublicKey]:
    """The one that signs now, and those that the verification page names. Raises ConfigError."""
    named = config.verification.keys if config.verification else ()
    try:
        others = signing.load_public(each.key for each in named)
    except (signing.SignatureError, OSError) as error:
        raise ConfigError(str(error)) from None
    return (load_issuing_key(config.issuing.key).public_key(), *others)
