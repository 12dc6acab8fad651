"""Coins counted by hand and typed on the panel: which act, which place, how many of each value.

The act itself is `till.act`, as `kiosk cash` does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from firmware.ledger.accounts import BOX, VALUES, place_name
from firmware.service import till
from firmware.service.config import CashSection
from firmware.service.technician.counters import Row
from firmware.service.technician.pages import Button, Touched, Words

ACTS: Final[Mapping[str, Words]] = {
    till.COUNT: Words("実査", "Count"),
    till.REFILL: Words("補充", "Refill"),
    till.EMPTIED: Words("回収", "Emptied"),
}
MOST_DIGITS: Final = 4  # more coins than any place holds
DIGITS: Final = "1234567890"


@dataclass
class TillForm:
    """`kind`, then `place`, then a number for each of `values` in turn."""

    section: CashSection
    kind: str = ""
    place: str = ""
    coins: dict[int, int] = field(default_factory=dict)
    typed: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        """The cash box is not refilled."""
        known = till.places(self.section)
        return tuple(place for place in known if self.kind != till.REFILL or place != BOX)

    @property
    def values(self) -> tuple[int, ...]:
        of_place = till.places(self.section)[self.place]
        return (of_place,) if of_place else VALUES

    @property
    def asked(self) -> int | None:
        """The value whose coins are to be typed; None when all are."""
        return next((value for value in self.values if value not in self.coins), None)

    def choose(self, value: str) -> bool:
        """An act begins the form anew, a place belongs to it. False for neither."""
        if value in ACTS:
            self.kind, self.place, self.coins, self.typed = value, "", {}, ""
        elif value in self.places and self.kind:
            self.place, self.coins, self.typed = value, {}, ""
        else:
            return False
        return True

    def digit(self, value: str) -> None:
        if value in DIGITS and len(self.typed) < MOST_DIGITS:
            self.typed = (self.typed + value).lstrip("0") or "0"

    def clear(self) -> None:
        self.typed = ""

    def enter(self) -> None:
        if self.asked is not None:
            self.coins[self.asked] = int(self.typed or "0")
            self.typed = ""

    def place_buttons(self) -> tuple[Button, ...]:
        return tuple(
            Button(Touched.CHOOSE, place, Words(place_name(place), place)) for place in self.places
        )

    def keys(self) -> tuple[Button, ...]:
        """As they stand on the panel, row by row."""
        *digits, zero = (Button(Touched.DIGIT, each, Words(each, "")) for each in DIGITS)
        clear = Button(Touched.CLEAR, "", Words("訂正", "Clear"))
        return (*digits, clear, zero, Button(Touched.ENTER, "", Words("次へ", "Next")))

    def rows(self) -> list[Row]:
        """The coins that are asked for now; behind the last of them, what will be booked."""
        now = self.asked
        if now is not None:
            where = Words(f"{place_name(self.place)}　{now}円", f"{self.place}: {now} yen")
            return [Row(where, f"{self.typed or 0}枚")]
        head = Row(ACTS[self.kind], place_name(self.place))
        coins = (
            Row(Words(f"{value}円", f"{value} yen"), f"{number:,}枚")
            for value, number in self.coins.items()
        )
        return [head, *coins]
