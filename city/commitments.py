"""What the city commits to with each session, and how a manifest opens it. The salts come from the
session's seed.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

from city.composition import Values
from firmware.link.base import frame
from firmware.link.commitments import Field, Opening, commitment, field_hash

SEED_SIZE: Final = 32  # bytes, random for each session
SALT_SIZE: Final = 16


def commit(
    session: str, version: int, seed: bytes, records: Mapping[str, Values]
) -> dict[str, str]:
    """The hash of each record, for `SessionAnswer.records`. `version`: of the city's file."""
    closed: frozenset[str] = frozenset()
    return {
        name: commitment(session, name, version, _opening(seed, name, values, closed))
        for name, values in records.items()
    }


def openings(
    seed: bytes, records: Mapping[str, Values], shown: Mapping[str, frozenset[str]]
) -> dict[str, Opening]:
    """For `Manifest.openings`. `shown`: record to the labels that are opened in it."""
    return {name: _opening(seed, name, records[name], labels) for name, labels in shown.items()}


def pseudonym(seed: bytes, card: str) -> str:
    """What the log calls a card, another one in every session. Whoever has the session's row can
    compare it with the card; when the row has been deleted, nobody can.
    """
    return hmac.digest(seed, frame(b"madoguchi log card v1", card.encode()), "sha256").hex()


def _opening(seed: bytes, name: str, values: Values, labels: frozenset[str]) -> Opening:
    fields = _fields(seed, name, values)
    return Opening(
        labels=tuple(values),
        fields=tuple(f if f.label in labels else field_hash(f) for f in fields),
    )


def _fields(seed: bytes, name: str, values: Values) -> tuple[Field, ...]:
    return tuple(
        Field(label=label, value=value, salt=_salt(seed, name, label))
        for label, value in values.items()
    )


def _salt(seed: bytes, name: str, label: str) -> bytes:
    """Another for every value: who knows one learns nothing of the others."""
    return hmac.digest(seed, frame(b"madoguchi salt v2", name.encode(), label.encode()), "sha256")[
        :SALT_SIZE
    ]
