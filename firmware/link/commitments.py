"""What the city binds itself to before anything is ordered: one commitment for each record of a
session.

A record is a list of labelled values: a member of the household, the registered seal, one fiscal
year's tax. In `sessions` the city names only a salted hash of it. The manifest opens the values
that are printed and shows the hash of each other one, so that the kiosk can repeat the sum: what is
printed of a person is what the city had in its hands when that person's card was checked, and
nothing that is not printed is told to the kiosk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta

from firmware.link.base import Hash, Message, Salt, Text, frame

SEAL_RECORD: Final = "seal"
FAMILY_RECORD: Final = "family"  # what all of a family register have in common
MAX_FIELDS: Final = 96  # of one record


class Field(Message, frozen=True):
    """One value of a record, opened. An empty value says that the record has none."""

    label: Text
    value: Text
    salt: Salt

    def __repr__(self) -> str:
        return f"Field({self.label!r})"


class Opening(Message, frozen=True):
    """All fields of one record in their order: opened, or the hash of one that is not printed.

    `labels` names each of them, the closed ones too: a record that has one label twice could be
    opened in two ways.
    """

    labels: Annotated[tuple[Text, ...], Meta(max_length=MAX_FIELDS)]
    fields: Annotated[tuple[Field | Hash, ...], Meta(max_length=MAX_FIELDS)]

    def __repr__(self) -> str:
        return f"Opening({len(self.fields)})"


def field_hash(field: Field) -> str:
    """The salt has 128 random bits: a value with few possibilities cannot be found by trying."""
    parts = (b"madoguchi field v2", field.label.encode(), field.value.encode(), field.salt)
    return hashlib.sha256(frame(*parts)).hexdigest()


def commitment(session: str, record: str, version: int, opening: Opening) -> str:
    """The hash named in `SessionAnswer.records`, whichever fields are open. `version`: of the
    city's file.

    Raises ValueError when labels and fields do not fit, or a label stands there twice.
    """
    labels, fields = opening.labels, opening.fields
    named = [field.label for field in fields if isinstance(field, Field)]
    disclosed = [
        label for label, field in zip(labels, fields, strict=True) if isinstance(field, Field)
    ]
    if named != disclosed or len(set(labels)) != len(labels):
        raise ValueError("labels and fields do not fit")
    hashes = (bytes.fromhex(f if isinstance(f, str) else field_hash(f)) for f in fields)
    pairs = (
        part
        for label, hashed in zip(labels, hashes, strict=True)
        for part in (label.encode(), hashed)
    )
    head = (
        b"madoguchi record v2",
        bytes.fromhex(session),
        record.encode(),
        version.to_bytes(8, "big"),
    )
    return hashlib.sha256(frame(*head, *pairs)).hexdigest()


def opened(opening: Opening) -> Mapping[str, str]:
    """Label to value of what was opened."""
    return {field.label: field.value for field in opening.fields if isinstance(field, Field)}
