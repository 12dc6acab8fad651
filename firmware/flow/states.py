"""The states by name, and what is declared of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from firmware.flow.screens import SETTINGS as SETTINGS
from firmware.flow.screens import View, nothing


class CardPolicy(StrEnum):
    """What must be true of the card while a state lasts. Unknown satisfies none but MAY_LEAVE."""

    MUST_STAY = "must stay"  # leaving ends the step
    MAY_LEAVE = "may leave"  # the card does not matter here
    MUST_LEAVE = "must leave"  # the state waits for the card to go, and for nothing else
    MUST_BE_ABSENT = "must be absent"  # a card, or not knowing, holds everything


class Phase(StrEnum):
    """The rooms of the journey; parents of the states."""

    OUT = "out"
    WELCOME = "welcome"
    CARD = "card"
    TAKE = "take"
    CHOOSE = "choose"
    ORDER = "order"
    PAY = "pay"
    ISSUE = "issue"
    UNWIND = "unwind"
    COLLECT = "collect"
    END = "end"


class State(StrEnum):
    """`phase/name`; no underscore, which a library below would take for nesting."""

    STARTING = "out/starting"
    FAULT = "out/fault"
    CLOSED = "out/closed"
    MENU = "welcome/menu"
    PLACE = "card/place"
    READING = "card/reading"
    PIN = "card/pin"
    LASTTRY = "card/lasttry"
    VERIFYING = "card/verifying"
    REMOVE = "take/remove"
    REMOVEALARM = "take/removealarm"
    OPENING = "choose/opening"
    CERTIFICATES = "choose/certificates"
    NOTOFFERED = "choose/notoffered"
    OPTIONS = "choose/options"
    CONFIRM = "choose/confirm"
    ORDERING = "order/ordering"
    READYING = "order/readying"
    PAYING = "pay/paying"
    SETTLING = "pay/settling"
    PAYWAY = "pay/payway"
    CHARGING = "pay/charging"
    RELEASING = "issue/releasing"
    PRINTING = "issue/printing"
    HOLD = "take/hold"
    STOPPING = "unwind/stopping"
    REFUNDING = "unwind/refunding"
    WITHDRAWING = "unwind/withdrawing"
    REVERSING = "unwind/reversing"
    CHANGE = "collect/change"
    RECEIPTING = "collect/receipting"
    SHEETS = "collect/sheets"
    UNCOLLECTED = "collect/uncollected"
    RECEIPT = "collect/receipt"
    THANKS = "end/thanks"
    REFUSED = "end/refused"
    TROUBLE = "end/trouble"
    TAKECARD = "take/takecard"
    CARDLEFT = "take/cardleft"
    ENDING = "end/ending"

    @property
    def phase(self) -> Phase:
        return Phase(self.value.split("/")[0])

    @property
    def screen(self) -> str:
        """The screen's name in templates and texts."""
        return self.value.split("/")[1]


@dataclass(frozen=True)
class Spec:
    """What holds in one state.

    `limit_s`: seconds without an act of the person, or of the device waited for, until `time-up`.
    `device`: the limit waits for a device, not for a person, whose pace may be stretched.
    `remind_s`: the words are said again, or the question asked again, this often.
    `patient`: the screen shows the countdown and a "more time" button.
    `runs_out`: what a person is told happens then: the key of the words after `time.up.`.
    `settings`: modes and language can be changed here.
    """

    card: CardPolicy
    view: View = nothing
    actions: tuple[str, ...] = ()
    limit_s: float | None = None
    device: bool = False
    remind_s: float | None = None
    patient: bool = False
    settings: bool = True
    runs_out: str = ""
    urgent: bool = False
    latches: frozenset[str] = frozenset()

    @property
    def offered(self) -> tuple[str, ...]:
        """What can be touched on its screen."""
        more_time = ("more-time",) if self.patient else ()
        return self.actions + more_time + (SETTINGS if self.settings else ())
