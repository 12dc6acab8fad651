"""The journeys that are cut: who wants what, which coins fall in, and what the customer does
then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from power_cut.judge import Order


class Then(StrEnum):
    """What the customer does when these coins are in."""

    WAIT = "wait"  # for the sheets; or until the time is up
    CANCEL = "cancel"


@dataclass(frozen=True)
class Journey:
    """`coins`: what falls in together, group by group; `by_card`: none, the payment terminal takes
    the fee.

    `picks`: what is touched at a question before "next". `phases`: of what it goes through, where
    it is cut (points.py). `hoppers`: coins in each, where they are few. `tears`: the paper ends
    after so many lines.
    """

    resident: str
    order: Order
    phases: tuple[str, ...]
    certificate: str = "juminhyo"
    picks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    coins: tuple[tuple[int, ...], ...] = ()
    by_card: bool = False
    then: Then = Then.WAIT
    hoppers: int | None = None
    tears: int | None = None

    @property
    def sheets(self) -> int:
        return self.order.copies * self.order.pages

    @property
    def pieces(self) -> int:
        """Coins."""
        return sum(len(group) for group in self.coins)


FEE = 100
ONE = Order(FEE)
PAID = ("card", "slot", "coins", "release", "print", "receipt", "end")
BACK = ("card", "slot", "coins", "pay-out", "end-unprinted")
BY_CARD = ("card", "charge", "release", "print", "receipt", "end")
FAMILY = {"scope": ("household",), "fields": ("relationship", "domicile")}

JOURNEYS: Mapping[str, Journey] = {
    "exact money": Journey("taro", ONE, PAID, coins=((100,),)),
    "small coins": Journey("taro", ONE, PAID, coins=((50,), (10,), (10,), (10,), (10,), (10,))),
    "change": Journey("taro", ONE, (*PAID, "pay-out"), coins=((500,),)),
    "three copies": Journey(
        "taro",
        Order(FEE, copies=3),
        PAID,
        picks={"copies": ("more", "more")},
        coins=((100,), (100,), (100,)),
    ),
    "two copies with change": Journey(
        "hanako",
        Order(FEE, copies=2),
        (*PAID, "pay-out"),
        "inkan",
        picks={"copies": ("more",)},
        coins=((500,),),
    ),
    "three sheets with change": Journey(
        "genzo", Order(FEE, pages=3), (*PAID, "pay-out"), picks=FAMILY, coins=((500,),)
    ),
    "the last coin too many": Journey("taro", ONE, (*PAID, "pay-out"), coins=((50,), (50, 100))),
    "cancelled": Journey("taro", ONE, BACK, coins=((10,), (50,)), then=Then.CANCEL),
    "too slow": Journey("taro", ONE, BACK, coins=((50,), (10,))),
    "free": Journey("taro", Order(0), ("card", "release", "print", "receipt", "end"), "kazei"),
    "refused": Journey("makoto", ONE, ("refused",)),
    "too little change": Journey("taro", ONE, ("pay-out", "owed"), coins=((500,),), hoppers=1),
    "by card": Journey("taro", ONE, BY_CARD, by_card=True),
    "two copies by card": Journey(
        "hanako", Order(FEE, copies=2), BY_CARD, "inkan", picks={"copies": ("more",)}, by_card=True
    ),
    "by card, cancelled": Journey(
        "taro", ONE, ("card", "declined", "end-unprinted"), by_card=True, then=Then.CANCEL
    ),
    "by card, torn in the second sheet": Journey(
        "genzo",
        Order(FEE, pages=3),
        ("print", "torn"),
        picks=FAMILY,
        by_card=True,
        tears=2339 + 800,
    ),
    "by card, torn in the first sheet": Journey(
        "taro", ONE, ("charge", "reverse"), by_card=True, tears=800
    ),
    "torn in the second sheet": Journey(
        "genzo",
        Order(FEE, pages=3),
        ("print", "torn"),
        picks=FAMILY,
        coins=((500,),),
        tears=2339 + 800,
    ),
}
