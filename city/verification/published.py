"""What the page must know to check a code: the city's public keys, the titles of its certificates,
where to ask.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from city.config import ConfigError, PublishedKey
from city.municipality import Municipality
from firmware.link import signing

CONTACT: Final = "resident"  # of the city's contacts: where questions about a certificate go


def document(keys: tuple[PublishedKey, ...], city: Municipality, today: date) -> bytes:
    """keys.json. Raises ConfigError."""
    contact = city.contacts_on(today).get(CONTACT)
    found = {
        "code": city.code,
        "name": city.name,
        "kinds": [
            {"kind": kind.kind, "from": kind.since, "until": kind.until, "title": kind.title}
            for kind in city.certificates
        ],
        "keys": [_key(key) for key in keys],
        "contact": contact,
    }
    return msgspec.json.encode(found)


def _key(published: PublishedKey) -> dict[str, Any]:
    if published.until is not None and published.until < published.since:
        raise ConfigError(f"{published.key}: its last day is before its first")
    public = _read(published)
    return {
        "reference": signing.reference(public).hex(),
        "key": public.public_bytes_raw().hex(),
        "from": published.since,
        "until": published.until,
        "revoked": published.revoked,
    }


def _read(published: PublishedKey) -> Ed25519PublicKey:
    try:
        (public,) = signing.load_public((published.key,))
    except OSError as error:
        raise ConfigError(f"{published.key}: {error.strerror}") from None
    except signing.SignatureError as error:
        raise ConfigError(str(error)) from None
    return public
