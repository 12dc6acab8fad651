"""What can happen to the journey.

`epoch` ties an answer to the transaction that asked: after a timeout or a cancel the epoch has
moved on and what comes late is destroyed. Personal data are in `SessionOpened` only, and stay out
of every repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from firmware.flow.offers import Holder, Offer, Terms
from firmware.flow.session import Token
from firmware.flow.timers import Timer


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, kw_only=True)
class Answer(Event):
    """An answer to something asked in `epoch`."""

    epoch: int


# -- card


@dataclass(frozen=True, kw_only=True)
class CardPresent(Event):
    """A card lies on the reader; `stay` names this one stay of it. Also when it is mute
    or taken.
    """

    stay: str


@dataclass(frozen=True, kw_only=True)
class CardAbsent(Event):
    """The reader says that no card is there."""


@dataclass(frozen=True, kw_only=True)
class CardUnknown(Event):
    """Nobody can say whether a card is there."""


@dataclass(frozen=True, kw_only=True)
class CardRead(Answer):
    """The applet answered; `tries` left on the user-authentication PIN of a card or a phone."""

    tries: int
    token: Token = Token.CARD


@dataclass(frozen=True, kw_only=True)
class CardFailed(Answer):
    """The card cannot be used; `cause` is a refusal code, or "removed"."""

    cause: str


@dataclass(frozen=True, kw_only=True)
class CardAuthenticated(Answer):
    """PIN right, certificate read and checked, transcript signed and verified. `card` is the
    certificate's hash.
    """

    card: str


@dataclass(frozen=True, kw_only=True)
class PinWrong(Answer):
    tries: int


# -- person


@dataclass(frozen=True, kw_only=True)
class Touch(Event):
    """A touch on `action` of screen number `screen`."""

    screen: int
    action: str
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class PinDigit(Event):
    """A digit went into the PIN buffer, which the journey never sees; `count` digits are in
    it now.
    """

    screen: int
    count: int


@dataclass(frozen=True, kw_only=True)
class HeadphonesChanged(Event):
    """Headphones were plugged in, or pulled out. Until it is told, nobody listens in private."""

    plugged: bool


# -- time


@dataclass(frozen=True, kw_only=True)
class TimerFired(Event):
    """The timer `name`, armed with `generation`, has run out."""

    name: Timer
    generation: int


# -- city


@dataclass(frozen=True, kw_only=True)
class TermsReceived(Event):
    terms: Terms


@dataclass(frozen=True, kw_only=True)
class LineLost(Event):
    """The city could not be reached for terms."""


@dataclass(frozen=True, kw_only=True)
class SessionOpened(Answer):
    offers: tuple[Offer, ...] = field(repr=False)
    expires_in_days: int
    holder: Holder = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class CityRefused(Answer):
    """The city said no, with one code; or the line failed: code "line-down"."""

    code: str
    opens_at: str = ""


@dataclass(frozen=True, kw_only=True)
class DocumentChecked(Answer):
    """The document is here, opened, bound, read, rasterised and verified. `fee` in yen, `sheets`:
    of all copies.
    """

    document: str  # SHA-256
    unique_number: str
    sheets: int
    fee: int
    copies: int = 1


@dataclass(frozen=True, kw_only=True)
class DocumentRejected(Answer):
    """The document is not what it must be; `reason` names the check."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Released(Answer):
    document: str


# -- money


@dataclass(frozen=True, kw_only=True)
class CoinInserted(Event):
    """`counter`: the acceptor's event counter with this coin, for the journal."""

    value: int
    counter: int = 0


@dataclass(frozen=True, kw_only=True)
class CoinReturned(Event):
    """A coin was not accepted and lies in the return cup."""


@dataclass(frozen=True, kw_only=True)
class CoinsFailed(Event):
    """The coin unit cannot be trusted any more."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class CoinsStopped(Event):
    """No coin can come in; every coin swallowed has been counted. `counter` is the acceptor's, for
    the journal.
    """

    counter: int = 0


@dataclass(frozen=True, kw_only=True)
class PaidOut(Event):
    amount: int


# Reasons that the unit itself gives for paying less than it was asked. After any other nobody can
# tell.
CERTAINLY_SHORT = frozenset({"hopper-empty", "coin-jam", "refused", "configuration"})


@dataclass(frozen=True, kw_only=True)
class PayoutFailed(Event):
    """`paid` yen of `amount` certainly came out, and nothing more when `certain`: then the unit
    itself says why.
    """

    amount: int
    paid: int
    reason: str

    @property
    def certain(self) -> bool:
        return self.reason in CERTAINLY_SHORT


@dataclass(frozen=True, kw_only=True)
class Charged(Event):
    """The terminal took the money; `transaction` is its own number for it."""

    amount: int
    transaction: str


@dataclass(frozen=True, kw_only=True)
class ChargeDeclined(Event):
    """Certainly nothing was taken."""

    amount: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class ChargeUnknown(Event):
    """Nobody can tell whether the money was taken."""

    amount: int


@dataclass(frozen=True, kw_only=True)
class Reversed(Event):
    """The terminal has given the money back."""

    amount: int


@dataclass(frozen=True, kw_only=True)
class ReverseFailed(Event):
    """`certain`: it was certainly not given back; else nobody can tell."""

    amount: int
    certain: bool


# -- paper


@dataclass(frozen=True, kw_only=True)
class PrintersReady(Answer):
    """`exact_only`: the hoppers do not certainly hold all the change that a payment may need.

    `cashless`: a payment terminal is there and ready for a charge.
    """

    outlet_sensor: bool
    exact_only: bool = False
    cashless: bool = False


@dataclass(frozen=True, kw_only=True)
class PrintersNotReady(Answer):
    reason: str


@dataclass(frozen=True, kw_only=True)
class SheetPrinted(Answer):
    """Sheet 1..n came out: the printer's fence said so."""

    sheet: int


@dataclass(frozen=True, kw_only=True)
class SheetFailed(Answer):
    """`certain` is False when nobody can tell whether the sheet came out."""

    sheet: int
    reason: str
    certain: bool


@dataclass(frozen=True, kw_only=True)
class PaperTaken(Event):
    """XFS MediaTaken: the outlet is clear."""


@dataclass(frozen=True, kw_only=True)
class ReceiptDone(Answer):
    printed: bool


# -- the kiosk itself


@dataclass(frozen=True, kw_only=True)
class Health(Event):
    """What keeps the kiosk from serving: "" for nothing, else a problem code of the texts.

    `number`: by which people can ask about the case that keeps it out of service.
    `exact_only`: as in PrintersReady; None when nobody asked.
    """

    problem: str
    number: str = ""
    exact_only: bool | None = None


@dataclass(frozen=True, kw_only=True)
class ServiceKeyTurned(Event):
    """The technician's key is turned to open the technician's screens, or back. A contact of which
    nobody can say how it stands counts as turned back.
    """

    on: bool


@dataclass(frozen=True, kw_only=True)
class Shutdown(Event):
    """The service is asked to end: finish or unwind, do not start anything new."""


# Trigger names used in the table. A touch is "touch.<action>", a timer "time-up",
# "remind" or "warn".
TRIGGERS: dict[type[Event], str] = {
    CardPresent: "card-present",
    CardAbsent: "card-absent",
    CardUnknown: "card-unknown",
    CardRead: "card-read",
    CardFailed: "card-failed",
    CardAuthenticated: "card-authenticated",
    PinWrong: "pin-wrong",
    PinDigit: "pin-digit",
    HeadphonesChanged: "headphones",
    TermsReceived: "terms",
    LineLost: "line-lost",
    SessionOpened: "session-opened",
    CityRefused: "city-refused",
    DocumentChecked: "document-checked",
    DocumentRejected: "document-rejected",
    Released: "released",
    CoinInserted: "coin-inserted",
    CoinReturned: "coin-returned",
    CoinsFailed: "coins-failed",
    CoinsStopped: "coins-stopped",
    PaidOut: "paid-out",
    PayoutFailed: "payout-failed",
    Charged: "charged",
    ChargeDeclined: "charge-declined",
    ChargeUnknown: "charge-unknown",
    Reversed: "reversed",
    ReverseFailed: "reverse-failed",
    PrintersReady: "printers-ready",
    PrintersNotReady: "printers-not-ready",
    SheetPrinted: "sheet-printed",
    SheetFailed: "sheet-failed",
    PaperTaken: "paper-taken",
    ReceiptDone: "receipt-done",
    Health: "health",
    ServiceKeyTurned: "service-key",
    Shutdown: "shutdown",
}
TIMERS = {Timer.LIMIT: "time-up", Timer.REMIND: "remind", Timer.WARNING: "warn"}


def trigger(event: Event) -> str:
    """The event's name in the table."""
    if isinstance(event, Touch):
        return f"touch.{event.action}"
    if isinstance(event, TimerFired):
        return TIMERS[event.name]
    return TRIGGERS[type(event)]


E = TypeVar("E", bound=Event)


def expect(event: Event, kind: type[E]) -> E:
    """The table ties actions and guards to triggers; this says so to the type checker, and stops if
    it ever lies.
    """
    if not isinstance(event, kind):
        raise TypeError(f"{kind.__name__} expected, got {type(event).__name__}")
    return event
