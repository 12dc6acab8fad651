"""What the journey can ask of the world. The executor checks each against the permits, then carries
it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from firmware.flow.offers import Answers
from firmware.flow.screens import Screen
from firmware.flow.timers import Timer


@dataclass(frozen=True, kw_only=True)
class Command:
    """Base of all commands."""


# -- panel and time


@dataclass(frozen=True, kw_only=True)
class ShowScreen(Command):
    """Show, and speak when `speak`."""

    screen: Screen
    speak: bool = True


@dataclass(frozen=True, kw_only=True)
class Announce(Command):
    """Say the current screen's words again."""

    screen: Screen


@dataclass(frozen=True, kw_only=True)
class StartTimer(Command):
    """Send TimerFired(name, generation) after `seconds`. Starting a name again replaces it."""

    name: Timer
    generation: int
    seconds: float
    device: bool = False  # waits for a device: not stretched for a person who needs more time


@dataclass(frozen=True, kw_only=True)
class StopTimer(Command):
    name: Timer


@dataclass(frozen=True, kw_only=True)
class CallStaff(Command):
    """Light, bell, message to the operator: a person is needed here. No money or document is at
    risk.
    """

    reason: str


# -- card


@dataclass(frozen=True, kw_only=True)
class ReadCard(Command):
    """Select the applet of the card of this stay and ask for the tries left."""

    epoch: int
    stay: str


@dataclass(frozen=True, kw_only=True)
class Authenticate(Command):
    """VERIFY once with the PIN buffer (wiped by it), read the certificate, sign the transcript."""

    epoch: int
    stay: str


@dataclass(frozen=True, kw_only=True)
class ForgetPin(Command):
    """Wipe the PIN buffer."""


@dataclass(frozen=True, kw_only=True)
class ReleaseCard(Command):
    """Cut the card's power: nothing more is asked of it."""


# -- city


@dataclass(frozen=True, kw_only=True)
class FetchTerms(Command):
    pass


@dataclass(frozen=True, kw_only=True)
class OpenSession(Command):
    epoch: int


@dataclass(frozen=True, kw_only=True)
class PlaceOrder(Command):
    """Order, fetch, open, check, rasterise, verify. Answered by DocumentChecked or a refusal."""

    epoch: int
    kind: str
    choices: Answers = field(repr=False)
    copies: int


@dataclass(frozen=True, kw_only=True)
class ReleaseOrder(Command):
    epoch: int
    document: str
    paid: int


@dataclass(frozen=True, kw_only=True)
class CancelAtCity(Command):
    """The transaction is over; nothing of it may be answered any more. Documents held here are
    destroyed.
    """


@dataclass(frozen=True, kw_only=True)
class ReportOutcome(Command):
    """Into the outbox: what became of a released order. `result` is a messages.Result value;
    amounts in yen.
    """

    result: str
    sheets: int
    kept: int
    returned: int
    owed: int
    held: int = 0


# -- money


@dataclass(frozen=True, kw_only=True)
class AcceptCoins(Command):
    """Let coins in until stopped. `due` is what is still missing."""

    due: int


@dataclass(frozen=True, kw_only=True)
class StopCoins(Command):
    """Answered by CoinsStopped."""


@dataclass(frozen=True, kw_only=True)
class PayOut(Command):
    """Answered by PaidOut or PayoutFailed."""

    amount: int


@dataclass(frozen=True, kw_only=True)
class Charge(Command):
    """Present the amount at the payment terminal. Answered by Charged, ChargeDeclined or
    ChargeUnknown.
    """

    epoch: int
    document: str
    amount: int


@dataclass(frozen=True, kw_only=True)
class CancelCharge(Command):
    """End the charge that is under way, unless somebody has presented by now. It is answered all
    the same.
    """


@dataclass(frozen=True, kw_only=True)
class Reverse(Command):
    """Give the charge, or a part of it, back at the terminal. Answered by Reversed or
    ReverseFailed.
    """

    transaction: str
    amount: int


# -- paper


@dataclass(frozen=True, kw_only=True)
class CheckPrinters(Command):
    epoch: int


@dataclass(frozen=True, kw_only=True)
class PrintSheet(Command):
    """Sheet 1..n of the checked document, bound to it by its hash."""

    epoch: int
    document: str
    sheet: int


@dataclass(frozen=True, kw_only=True)
class PurgePrinter(Command):
    """Throw away what the printer still holds: it must not come out for the next person."""


@dataclass(frozen=True, kw_only=True)
class WatchOutlet(Command):
    """Tell by PaperTaken when the sheets have been taken."""


@dataclass(frozen=True, kw_only=True)
class PrintReceipt(Command):
    epoch: int
    copies: int
    fee: int
    inserted: int
    change: int
    charged: int = 0  # at the payment terminal


@dataclass(frozen=True, kw_only=True)
class PrintClaim(Command):
    """A slip for money that could not be given back. `owed` in yen."""

    epoch: int
    owed: int


# -- the kiosk itself


@dataclass(frozen=True, kw_only=True)
class CheckHealth(Command):
    """Answered by Health."""


@dataclass(frozen=True, kw_only=True)
class OpenCase(Command):
    """An anomaly for the operator. `pauses` keeps the kiosk out of service until it is reconciled.

    `held`: yen that nobody may have before the operator has looked; negative when so much is not in
    doubt any more.
    """

    code: str
    pauses: bool
    held: int = 0


@dataclass(frozen=True, kw_only=True)
class OpenTechnician(Command):
    """The next process is the technician's; nobody is served until it has ended."""


@dataclass(frozen=True, kw_only=True)
class EndSession(Command):
    """Destroy everything of this person: this process ends."""


@dataclass(frozen=True, kw_only=True)
class Note(Command):
    """For the log only: an event that changed nothing, and why."""

    what: str
    event: str


Commands = tuple[Command, ...]
