"""What is there around the journey, as small as the rules allow.

Everything asked of a device or of the city waits until it is answered: well, badly, late or never.
The world keeps its own account (money, document, sheets, PIN) and never reads the journey's.
Amounts in yen.

For the model check epochs, screens and timers are counted from the present
(testbed/model_check/kiosk.py), so that what can happen is a fixed set of events.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from firmware.flow import commands
from firmware.flow.session import Presence
from firmware.flow.states import Phase

# Epochs, counted from the present, whatever was counted until now. An epoch of the permits that is
# older than the flow's is LATE, any other one is DEAD.
NOW = 2
LATE = 1
DEAD = 0
# The screen that is shown, and the generations of the timers.
SCREEN = 100
LIMIT = 1
REMIND = 2
WARNING = 3
# Which card lies on the reader.
HERE = "here"
ANOTHER = "another"
IDLE = frozenset({Phase.OUT, Phase.WELCOME})

DOCUMENT = "d0c" * 21 + "1"
WRONG = "bad" * 21 + "1"


class Device(StrEnum):
    """Who answers, one question after the other."""

    CARD = "card"
    CASH = "cash"
    CASHLESS = "cashless"
    CITY = "city"
    HEALTH = "health"
    OUTLET = "outlet"
    RECEIPTS = "receipts"
    SHEETS = "sheets"
    TERMS = "terms"


class Ask(NamedTuple):
    """A command that waits for its answer. `number`: its sheet or amount."""

    device: Device
    kind: type[commands.Command]
    epoch: int
    number: int = 0


class Order(NamedTuple):
    """`sheets` and `fee` of all `copies` together."""

    sheets: int
    copies: int
    fee: int


NOTHING = Order(sheets=0, copies=1, fee=0)


class World(NamedTuple):
    card: Presence = Presence.UNKNOWN
    asks: tuple[Ask, ...] = ()
    # money
    slot: bool = False  # a coin can fall in
    # the one coin that falls in after the slot was asked to shut, or out of nowhere, has come
    extra: bool = False
    inserted: int = 0
    returned: int = 0
    charged: int = 0  # at the payment terminal
    doubted: int = 0  # there too, and nobody can tell whether it was taken
    reversed: int = 0
    case_held: bool = False  # the case of the terminal's money is open
    # this customer
    pin: bool = False  # digits are in the buffer
    verified: bool = False
    opened: bool = False
    # the city holds something of this customer's that must be cancelled or reported
    at_city: bool = False
    # the document
    sheets: int = 0  # of the one that is held; 0: none
    fee: int = 0
    release_asked: bool = False
    released: str = ""
    printed: int = 0
    kept: int | None = None  # by the outcome reported; None: none was
    # what is really so, whether or not anybody knows
    # the document that was checked, and is not forgotten when the journey forgets it
    bought: Order = NOTHING
    out: int = 0  # sheets that really came out
    # the most that hoppers paid, and the terminal gave back, beyond what they reported
    unreported: int = 0
    # anomalies
    case_due: bool = False  # one happened and no case was opened yet
    paused: bool = False

    def waiting(self, *kinds: type[commands.Command]) -> bool:
        return any(ask.kind in kinds for ask in self.asks)

    @property
    def taken(self) -> int:
        """Not given back, in coins and at the terminal; what is or may be taken there counts."""
        return self.inserted - self.returned + self.charged + self.doubted - self.reversed

    @property
    def charging(self) -> int:
        return sum(ask.number for ask in self.asks if ask.kind is commands.Charge)

    @property
    def complete(self) -> bool:
        return 0 < self.sheets == self.printed

    @property
    def sold(self) -> int:
        """The fee of every copy of which something is out, or may still come out. Never to be given
        back.
        """
        sheets = self.out
        if self.waiting(commands.PrintSheet):
            sheets += 1
        if not sheets:
            return 0
        copies = _divided_rounded_up(sheets * self.bought.copies, self.bought.sheets)
        return copies * self.bought.fee // self.bought.copies

    @property
    def gone(self) -> int:
        """The most that hoppers have paid, or may still pay; and that the terminal may yet give
        back.
        """
        under_way = sum(
            ask.number for ask in self.asks if ask.kind in (commands.PayOut, commands.Reverse)
        )
        return self.returned + self.unreported + under_way


def _divided_rounded_up(number: int, by: int) -> int:
    return -(-number // by)
