"""What every message is made of: bounded types, one base class, and the framing of what is hashed
or signed.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(pattern="^[0-9a-f]{32}\\Z")]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}\\Z")]  # SHA-256
Key = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-z0-9][a-z0-9.-]*\\Z")]
Text = Annotated[str, Meta(max_length=400)]
Language = Annotated[
    str, Meta(max_length=16, pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*\\Z")
]  # BCP 47
Localized = Annotated[dict[Language, Text], Meta(max_length=16)]
Moment = Annotated[
    str, Meta(max_length=35, pattern="^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}")
]  # ISO 8601 with zone
Yen = Annotated[int, Meta(ge=0, le=100_000)]
# what coins can pay: the smallest one that a kiosk takes has 10 yen
Price = Annotated[int, Meta(ge=0, le=100_000, multiple_of=10)]
Seconds = Annotated[int, Meta(ge=0, le=40_000_000)]
Small = Annotated[int, Meta(ge=0, le=99)]
Version = Annotated[int, Meta(ge=0, le=2**53 - 1)]  # what every JSON reader holds exactly
Salt = Annotated[bytes, Meta(min_length=16, max_length=16)]
UniqueNumber = Annotated[str, Meta(pattern="^[0-9A-Z]{8,16}\\Z")]
CityCode = Annotated[str, Meta(pattern="^\\d{6}\\Z")]  # 全国地方公共団体コード


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything on the line."""


def frame(*parts: bytes) -> bytes:
    """Length-prefixed concatenation: no two different lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
