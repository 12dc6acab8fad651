"""What the city's database and a kiosk hold: `holdings.toml`, typed.

A test compares the tables and columns with the schema; `docs/retention.md` is written from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from city.entries import DatedData, Names

Kind = Literal["none", "id", "linked", "personal", "mynumber"]
# Kind, and what it holds in Japanese and English.
Column = tuple[Kind, str, str]
# Periods that no city decides.
OTHERS: Final[Mapping[str, tuple[str, str]]] = {
    "register": ("元の台帳と同じ", "as long as the register it was taken from keeps it"),
    "swept": ("期限まで（数分）", "until its time is over (minutes)"),
    "newest": ("最新の状態だけ", "the newest state only"),
    "public": ("公表した数、消去の証拠：消去しない", "published, or proof of a deletion: kept"),
}


class Holding(DatedData, frozen=True, kw_only=True):
    """One table."""

    what: Names
    purpose: Names
    basis: Names
    period: str
    columns: Annotated[dict[str, Column], Meta(min_length=1)]
    # period to columns that are emptied before the row goes
    earlier: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)

    def kinds(self) -> set[Kind]:
        return {kind for kind, _, _ in self.columns.values()}


class KioskHolding(DatedData, frozen=True, kw_only=True):
    """One file of a kiosk."""

    file: str
    what: Names
    kept: Names


class Holdings(DatedData, frozen=True, kw_only=True):
    tables: dict[str, Holding]
    kiosk: dict[str, KioskHolding]


@cache
def holdings() -> Holdings:
    text = resources.files("city.retention").joinpath("holdings.toml").read_bytes()
    return msgspec.toml.decode(text, type=Holdings)
