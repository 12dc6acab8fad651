"""Who comes to which kiosk, and for what: every errand comes before any comes again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from testbed.inspection.errand import Errand

JAPANESE: Final = ("relationship", "domicile", "mynumber")
ERRANDS: Final[tuple[Errand, ...]] = (
    Errand("taro", "juminhyo"),
    Errand("hanako", "inkan", copies=2),
    Errand("yoshiko", "kazei"),
    Errand("mai", "juminhyo"),
    Errand("taro", "juminhyo", {"scope": ("household",), "fields": JAPANESE}),
    Errand("hanako", "kazei"),
    Errand("yoshiko", "inkan"),
    Errand("hitokoto", "juminhyo", {"fields": ("domicile",)}),
    Errand("taro", "kazei", {"year": ("y2025",)}),
    Errand("hanako", "juminhyo"),
    Errand("taro", "inkan"),
    Errand("genzo", "juminhyo", {"scope": ("household",)}),
    Errand(
        "taro", "juminhyo", {"scope": ("some",), "members": ("m2",), "fields": ("relationship",)}
    ),
    Errand("yoshiko", "juminhyo"),
    Errand("taro", "kazei"),
)


def choose(seed: int, kiosk: int, number: int, errands: Sequence[Errand] = ERRANDS) -> Errand:
    """The errand of one journey (from 0) at one kiosk (from 0); the same for the same seed."""
    turn, at = divmod(number, len(errands))
    order = list(range(len(errands)))
    random.Random(f"{seed} {kiosk} {turn}").shuffle(order)  # noqa: S311 - no secret
    return errands[order[at]]


def described(errand: Errand) -> str:
    """What is asked for, without the person."""
    return errand.name.partition(": ")[2]
