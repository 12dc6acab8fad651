"""The signed code on each sheet: a visible digital seal that any phone reads.

Built like 2D-Doc, ISO 22376 and BSI TR-03137: a header that names the issuer and the key, a message
of tagged fields, a signature. The fields are those that a reader compares with the paper; 個人番号,
address and amounts are never among them. The QR code holds a web address of the city: the payload
stands behind `#`, so that it reaches no server.

- header: "MG" 2 · version 1 · key 4 · city 3 (six digits as a number) · day 2 (days since
  2000-01-01)
- message: fields, each tag 1 · length 1 · value, in the order of their tags
- signature: Ed25519, 64

Numbers are big-endian.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import date, timedelta
from typing import Final

import msgspec

from firmware.link.base import frame
from firmware.link.content import DIGEST_SIZE

MAGIC: Final = b"MG"
VERSION: Final = 2
HEADER_SIZE: Final = 12
SIGNATURE_SIZE: Final = 64
KEY_SIZE: Final = 4
MAX_PAYLOAD: Final = 236  # bytes: more does not fit into AREA_MM at 203 dpi
EPOCH: Final = date(2000, 1, 1)
AREA_MM: Final = (
    156.0,
    243.0,
    42.0,
    42.0,
)  # left, top, width, height on A4 portrait: the city leaves it blank

KIND, NUMBER, PAGE, HOLDER, YEAR, PEOPLE, DIGEST = range(1, 8)  # tags
REQUIRED: Final = frozenset({KIND, NUMBER, PAGE, HOLDER, DIGEST})
SIZES: Final = {
    PAGE: 2,
    YEAR: 2,
    PEOPLE: 2,
    DIGEST: DIGEST_SIZE,
}  # bytes of the fields of fixed length


class CodeError(Exception):
    """These bytes, or this text, are no code of a sheet."""


class SheetCode(msgspec.Struct, frozen=True, kw_only=True):
    """What one code says. `holder` as printed, variation selectors included."""

    key: bytes  # `key_reference` of the issuing key
    city: str
    day: date
    kind: str
    unique_number: str
    page: int
    pages: int
    holder: str
    year: int | None = None  # the fiscal year of a tax certificate
    people: int | None = None  # on a certificate of residence: how many are certified
    whole: bool = False  # ... and whether they are the whole household
    digest: bytes  # `content.sheet_digest`

    def __repr__(self) -> str:
        return f"SheetCode({self.unique_number}, {self.page}/{self.pages})"


def key_reference(public: bytes) -> bytes:
    """The KEY_SIZE bytes by which a reader finds the key. `public`: the 32 bytes of an
    Ed25519 key.
    """
    return hashlib.sha256(public).digest()[:KEY_SIZE]


def signing_input(head: bytes) -> bytes:
    """What the issuing key signs for one sheet: all bytes before the signature."""
    return frame(b"madoguchi code v2", head)


def encode(code: SheetCode) -> bytes:
    """Header and message. Raises CodeError when a value does not fit."""
    try:
        day = (code.day - EPOCH).days.to_bytes(2, "big")
        header = MAGIC + bytes((VERSION,)) + code.key + int(code.city).to_bytes(3, "big") + day
        fields = {
            KIND: code.kind.encode("ascii"),
            NUMBER: code.unique_number.encode("ascii"),
            PAGE: bytes((code.page, code.pages)),
            HOLDER: code.holder.encode(),
            YEAR: b"" if code.year is None else code.year.to_bytes(2, "big"),
            PEOPLE: b"" if code.people is None else bytes((code.people, code.whole)),
            DIGEST: code.digest,
        }
        message = b"".join(
            bytes((tag, len(value))) + value for tag, value in fields.items() if value
        )
    except (OverflowError, ValueError):
        raise CodeError("a value does not fit") from None
    if decode(header + message) != code:
        raise CodeError("a value does not fit")
    return header + message


def decode(head: bytes) -> SheetCode:
    """Strict: what `encode` makes and nothing else. Raises CodeError."""
    if len(head) < HEADER_SIZE or head[:3] != MAGIC + bytes((VERSION,)):
        raise CodeError("not a code of a sheet")
    fields = _fields(head[HEADER_SIZE:])
    page, people = fields[PAGE], fields.get(PEOPLE)
    try:
        code = SheetCode(
            key=head[3:7],
            city=f"{int.from_bytes(head[7:10], 'big'):06}",
            day=EPOCH + timedelta(days=int.from_bytes(head[10:12], "big")),
            kind=fields[KIND].decode("ascii"),
            unique_number=fields[NUMBER].decode("ascii"),
            page=page[0],
            pages=page[1],
            holder=fields[HOLDER].decode(),
            year=int.from_bytes(fields[YEAR], "big") if YEAR in fields else None,
            people=people[0] if people else None,
            whole=bool(people and people[1]),
            digest=fields[DIGEST],
        )
    except UnicodeDecodeError:
        raise CodeError("not text") from None
    if (
        len(code.city) != 6
        or not 1 <= code.page <= code.pages
        or (people is not None and people[1] > 1)
    ):
        raise CodeError("not a code of a sheet")
    return code


def _fields(message: bytes) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    at, last = 0, 0
    while at < len(message):
        if at + 2 > len(message):
            raise CodeError("cut short")
        tag, size = message[at], message[at + 1]
        value = message[at + 2 : at + 2 + size]
        if (
            not last < tag <= DIGEST
            or len(value) != size
            or not size
            or size != SIZES.get(tag, size)
        ):
            raise CodeError("not a field of a code")
        fields[tag] = value
        at, last = at + 2 + size, tag
    if not fields.keys() >= REQUIRED:
        raise CodeError("a field is missing")
    return fields


def address(page: str, payload: bytes) -> str:
    """What the QR code says: the verification page, `#`, the payload in base32 (RFC 4648) without
    padding.
    """
    return f"{page}#{base64.b32encode(payload).decode().rstrip('=')}"


def payload_of(text: str) -> bytes:
    """The payload in an address, or in the part behind its `#`. Raises CodeError."""
    body = text.rpartition("#")[2]
    try:
        payload = base64.b32decode(body + "=" * (-len(body) % 8))
    except ValueError:
        raise CodeError("not base32") from None
    if base64.b32encode(payload).decode().rstrip("=") != body:
        raise CodeError("not base32")  # stray bits at the end
    return payload


def split(payload: bytes) -> tuple[bytes, bytes]:
    """Head and signature. Raises CodeError."""
    if len(payload) <= HEADER_SIZE + SIGNATURE_SIZE:
        raise CodeError("cut short")
    return payload[:-SIGNATURE_SIZE], payload[-SIGNATURE_SIZE:]
