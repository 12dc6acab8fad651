"""Who comes on a simulated day: whose card, for what, and what may be said about it."""

from __future__ import annotations

import random
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware.service import toml
from testbed.rehearsal import Rehearsal

ALL: Final = ("juminhyo", "inkan", "kazei")
# Residents with a card that is good, and what they can have.
GOOD: Final[Mapping[str, tuple[str, ...]]] = {
    "taro": ALL,
    "hanako": ALL,
    "yoshiko": ALL,
    "chie": ("juminhyo",),
    "mai": ("juminhyo",),
    "koichi": ("juminhyo",),
    "anna": ("juminhyo",),
    "naoki": ("juminhyo",),
    "eri": ("juminhyo",),
    "maria": ("juminhyo",),
    "isamu": ("juminhyo",),
}
# Cards that are no use here, and the one thing that is right to say about each.
OTHERS: Final[Mapping[str, str]] = {
    "transit": "not-mynumber",
    "staff": "not-mynumber",
    "kiyoshi": "card-expired",
    "sachiko": "pin-locked",
    "kaori": "card-revoked",
}
SHARE_OF_OTHERS: Final = 0.15
SHARE_CASHLESS: Final = 0.2
# Cards of other issuers: a sample card without the applet, and its ways.
FOREIGN: Final[Mapping[str, Mapping[str, bool]]] = {
    "transit": {"applet": False},
    "staff": {"applet": False, "first_6f00": True},
}


@dataclass(frozen=True)
class Visitor:
    """`right`: the code that is right to say about this card; "" for a good one."""

    card: str
    certificate: str
    right: str = ""
    cashless: bool = False
    coins: tuple[int, ...] = (100, 500, 50, 10)  # which are tried first


def choose_visitor(seed: int, number: int) -> Visitor:
    """The same one for the same seed and number."""
    chance = random.Random(f"{seed} visitor {number}")  # noqa: S311 - no secret
    if chance.random() < SHARE_OF_OTHERS:
        card = chance.choice(sorted(OTHERS))
        return Visitor(card, "juminhyo", OTHERS[card])
    card = chance.choice(sorted(GOOD))
    return Visitor(
        card=card,
        certificate=chance.choice(GOOD[card]),
        cashless=chance.random() < SHARE_CASHLESS,
        coins=chance.choice(((100, 500, 50, 10), (100, 500, 50, 10), (500, 100, 50, 10))),
    )


def make_foreign_cards(rehearsal: Rehearsal) -> dict[str, Path]:
    """Cards of other issuers, beside the residents'."""
    made: dict[str, Path] = {}
    for name, ways in FOREIGN.items():
        folder = rehearsal.run / "foreign-cards" / name
        shutil.copytree(rehearsal.cards["taro"], folder, dirs_exist_ok=True)
        values = tomllib.loads((folder / "card.toml").read_text("utf-8"))
        (folder / "card.toml").write_text(toml.dumps({**values, **ways}), "utf-8")
        made[name] = folder
    return made
