"""Whom the kiosk believes: the authorities of the cards, and the city's public keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firmware.link.signing import SignatureError, load_public
from firmware.service.card_desk import load_trust
from firmware.service.config import Config
from firmware.tools.diagnose import moment
from firmware.tools.diagnose.errors import reading
from firmware.tools.diagnose.finding import wrong


def card_ca(config: Config) -> str:
    found = [each for path in _some(config.trust.card_ca) for each in _authorities(path)]
    tests = "; TEST CARDS ARE ALLOWED" if config.trust.allow_test_cards else ""
    policies = config.trust.phone_policies
    phones = f"; phones by {len(policies)} policies" if policies else "; no phones"
    return f"{len(found)} authorities{phones}{tests}"


def _authorities(path: Path) -> Sequence[x509.Certificate]:
    """Those of one file, each of them valid today. Raises Wrong."""
    reading(path, path.read_bytes)
    try:
        found = load_trust((path,))
    except ValueError:
        raise wrong("trust.not-a-certificate", str(path)) from None
    now = moment.now()
    for each in found:
        if not is_authority(each):
            raise wrong("trust.not-an-authority", f"{path}: {each.subject.rfc4514_string()}")
        if now > each.not_valid_after_utc:
            raise wrong("trust.expired", f"{path}: until {each.not_valid_after_utc:%Y-%m-%d}")
        if now < each.not_valid_before_utc:
            begins = f"{each.not_valid_before_utc:%Y-%m-%d}"
            detail = f"{path}: from {begins}; this board says {now:%Y-%m-%d}"
            raise wrong("trust.not-yet-valid", detail)
    return found


def is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound):
        return False


def issuing_keys(config: Config) -> str:
    """Whether they are the city's is seen on the line (`city`)."""
    return f"{len(pinned(config.trust.issuing_keys))} keys"


def terms_keys(config: Config) -> str:
    """Whether the city's terms are signed by one of them, and new enough, is seen on the line
    (`city`).
    """
    keys, edition = pinned(config.trust.terms_keys), config.trust.terms_edition
    return f"{len(keys)} keys, terms of edition {edition} or later"


def pinned(paths: tuple[Path, ...]) -> tuple[Ed25519PublicKey, ...]:
    """The city's public keys. Raises Wrong."""
    for path in _some(paths):
        reading(path, path.read_bytes)
    try:
        return load_public(paths)
    except SignatureError as error:
        raise wrong("trust.not-a-key", str(error)) from None


def _some(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    if not paths:
        raise wrong("trust.none", "none is configured")
    return paths
