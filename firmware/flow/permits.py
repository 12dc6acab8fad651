"""Which device command this moment allows, whatever the machine believes.

The interlock. It keeps its own few facts, learnt from the events themselves and from the commands
already carried out, never from the machine's state or session; so a mistake in the table cannot
start the printer or open the coin slot. The idea is OpenSSH's monitor: the privileged side decides
what this phase allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from firmware.flow import commands, events
from firmware.flow.session import Presence
from firmware.flow.settlement import Order, Shares, shares


@dataclass
class Facts:
    """What certainly happened to this person's transaction. Amounts in yen."""

    presence: Presence = Presence.UNKNOWN
    stay: str = ""
    epoch: int = 0  # of the card read last
    begun: bool = False  # a card was read in this process
    read: bool = False
    authenticated: bool = False
    opened: bool = False
    document: events.DocumentChecked | None = None
    printers_ready: bool = False
    accepting: bool = False
    inserted: int = 0
    returned: int = 0
    paying_out: bool = False
    charging: int = 0  # asked of the terminal, and not answered yet
    charged: int = 0
    doubted: int = 0  # nobody can tell whether the terminal took it
    reversing: bool = False
    reversed: int = 0
    undecided: int = 0  # held until an operator has looked
    released: str = ""
    printing: int = 0  # sheet on its way; 0: none
    printed: int = 0
    doubtful: bool = False  # nobody can tell whether one more came out
    # whose the fee was when the order was given up
    given_up: Shares = field(default_factory=lambda: Shares(0, 0, 0))
    release_asked: bool = False
    ended: bool = False

    @property
    def absent(self) -> bool:
        return self.presence is Presence.ABSENT

    @property
    def complete(self) -> bool:
        return self.document is not None and self.printed == self.document.sheets

    @property
    def fee(self) -> Shares:
        """Whose the fee is now: the rest of it may still go out to this person."""
        if self.document is None:
            return self.given_up
        order = Order(self.document.sheets, self.document.copies, self.document.fee)
        return shares(order, self.printed, doubtful=self.doubtful or self.printing > 0)

    @property
    def held(self) -> int:
        """Money that may go out to this person. A charge that is not answered yet is neither here
        nor there.
        """
        unanswered = min(self.charging, self.undecided)
        return self.taken + unanswered - self.fee.kept - max(self.fee.held, self.undecided)

    @property
    def taken(self) -> int:
        """In coins and at the terminal, and not given back; what is in doubt too."""
        return self.inserted - self.returned + self.charged + self.doubted - self.reversed


Test = Callable[[Facts, Any], bool]


def _bound(
    facts: Facts, command: commands.ReleaseOrder | commands.PrintSheet | commands.Charge
) -> bool:
    document = facts.document
    return document is not None and (document.document, document.epoch) == (
        command.document,
        command.epoch,
    )


def _paid(facts: Facts, _: commands.Command) -> bool:
    return facts.document is not None and facts.taken - facts.doubted >= facts.document.fee


def _whole_fee(facts: Facts, command: commands.Charge) -> bool:
    return facts.document is not None and command.amount == facts.document.fee > 0


def _next_sheet(facts: Facts, command: commands.PrintSheet) -> bool:
    sheets = facts.document.sheets if facts.document else 0
    return facts.printing == 0 and command.sheet == facts.printed + 1 <= sheets


CARD_ABSENT = ("the card is not known to be absent", lambda f, _: f.absent)
SAME_STAY = (
    "not the card that lies there",
    lambda f, k: f.presence is Presence.PRESENT and f.stay == k.stay,
)
NO_CARD = ("a card lies there", lambda f, _: f.presence is not Presence.PRESENT)
NOT_BEGUN = ("somebody is, or was, served here", lambda f, _: not f.begun)
NO_MONEY = (
    "money is in the machine",
    lambda f, _: not (f.inserted or f.accepting or f.charging or f.paying_out),
)
NOT_ENDED = ("the session has ended", lambda f, _: not f.ended)

# Every command has its row; a command without one is refused.
RULES: dict[type[commands.Command], tuple[tuple[str, Test], ...]] = {
    commands.ReadCard: (NOT_ENDED, SAME_STAY),
    commands.Authenticate: (
        NOT_ENDED,
        SAME_STAY,
        ("the card was not read", lambda f, k: f.read and f.epoch == k.epoch),
        ("authenticated already", lambda f, _: not f.authenticated),
    ),
    commands.OpenSession: (
        NOT_ENDED,
        CARD_ABSENT,
        ("nobody is authenticated", lambda f, _: f.authenticated),
    ),
    commands.PlaceOrder: (
        NOT_ENDED,
        CARD_ABSENT,
        ("no session is open", lambda f, _: f.opened),
        ("a document is here already", lambda f, _: f.document is None),
    ),
    commands.AcceptCoins: (
        NOT_ENDED,
        CARD_ABSENT,
        ("no checked document", lambda f, _: f.document is not None),
        ("the printers are not ready", lambda f, _: f.printers_ready),
        ("released already", lambda f, _: not f.release_asked),
        ("nothing is due", lambda _, k: k.due > 0),
    ),
    commands.ReleaseOrder: (
        NOT_ENDED,
        CARD_ABSENT,
        ("not the checked document", _bound),
        ("not paid", _paid),
        ("coins can still come in", lambda f, _: not f.accepting),
        ("a charge is under way", lambda f, _: not f.charging),
        ("asked already", lambda f, _: not f.release_asked),
    ),
    commands.PrintSheet: (
        NOT_ENDED,
        CARD_ABSENT,
        ("not the checked document", _bound),
        ("not released by the city", lambda f, k: f.released == k.document),
        ("not paid", _paid),
        ("not the next sheet", _next_sheet),
    ),
    commands.PayOut: (
        NOT_ENDED,
        ("a payout is under way", lambda f, _: not f.paying_out),
        ("coins can still come in", lambda f, _: not f.accepting),
        ("more than is held", lambda f, k: 0 < k.amount <= f.held),
        ("more than is in the machine", lambda f, k: k.amount <= f.inserted - f.returned),
    ),
    commands.Charge: (
        NOT_ENDED,
        CARD_ABSENT,
        ("not the checked document", _bound),
        ("not the fee", _whole_fee),
        ("the printers are not ready", lambda f, _: f.printers_ready),
        ("coins can come in", lambda f, _: not f.accepting),
        ("a charge is under way", lambda f, _: not f.charging),
        ("charged already", lambda f, _: f.charged + f.doubted == f.reversed),
        ("released already", lambda f, _: not f.release_asked),
    ),
    commands.Reverse: (
        NOT_ENDED,
        ("a charge is under way", lambda f, _: not f.charging),
        ("a payout is under way", lambda f, _: not f.paying_out),
        ("a reversal is under way", lambda f, _: not f.reversing),
        ("more than is held", lambda f, k: 0 < k.amount <= f.held),
        ("more than was charged", lambda f, k: k.amount <= f.charged - f.reversed),
    ),
    commands.CancelCharge: (),
    commands.PrintReceipt: (NOT_ENDED, ("the sheets are not all out", lambda f, _: f.complete)),
    commands.PrintClaim: (NOT_ENDED, ("more than is held", lambda f, k: 0 < k.owed <= f.held)),
    commands.ReportOutcome: (("no release was asked for", lambda f, _: f.release_asked),),
    commands.CheckPrinters: (NOT_ENDED,),
    commands.CancelAtCity: (),
    commands.ForgetPin: (),
    commands.ReleaseCard: (),
    commands.StopCoins: (),
    commands.PurgePrinter: (),
    commands.WatchOutlet: (),
    commands.FetchTerms: (),
    commands.CheckHealth: (),
    commands.ShowScreen: (),
    commands.Announce: (),
    commands.StartTimer: (),
    commands.StopTimer: (),
    commands.CallStaff: (),
    commands.OpenCase: (("more than was inserted", lambda f, k: k.held <= f.taken + f.charging),),
    commands.Note: (),
    commands.OpenTechnician: (NOT_ENDED, NOT_BEGUN, NO_CARD, NO_MONEY),
    commands.EndSession: (),
}


@dataclass
class Permits:
    """Ask `refuse` before carrying a command out, tell `issued` after; tell every event to
    `observe` first.
    """

    facts: Facts = field(default_factory=Facts)

    def refuse(self, command: commands.Command) -> str:
        """Why this command is not allowed now, or ""."""
        rules = RULES.get(type(command))
        if rules is None:
            return "no rule for this command"
        return next((reason for reason, test in rules if not test(self.facts, command)), "")

    def issued(self, command: commands.Command) -> None:
        """The command goes out now."""
        facts = self.facts
        match command:
            case commands.ReadCard(epoch=epoch):
                facts.begun = True
                # A new reading begins a new identity: nothing of an earlier one counts any more.
                facts.epoch, facts.read, facts.authenticated, facts.opened, facts.document = (
                    epoch,
                    False,
                    False,
                    False,
                    None,
                )
            case commands.AcceptCoins():
                facts.accepting = True
            case commands.ReleaseOrder():
                facts.release_asked = True
            case commands.PrintSheet(sheet=sheet):
                facts.printing = sheet
            case commands.PayOut():
                facts.paying_out = True
            case commands.Charge(amount=amount):
                facts.charging = amount
            case commands.Reverse():
                facts.reversing = True
            case commands.ReleaseCard():
                facts.read = False  # an authentication still under way counts no more
            case commands.PurgePrinter():
                # The order is given up. What is or may be out is still not given back.
                facts.given_up, facts.document, facts.released = facts.fee, None, ""
            case commands.OpenCase(held=held):
                facts.undecided += held
            case commands.CancelAtCity():
                facts.authenticated = facts.opened = False
                facts.document = None if not facts.complete else facts.document
            case commands.EndSession():
                facts.ended = True

    def observe(self, event: events.Event) -> None:
        """Learn from an event, before the machine sees it. Answers of an older epoch
        teach nothing.
        """
        facts = self.facts
        if isinstance(event, events.Answer) and event.epoch != facts.epoch:
            return
        match event:
            # What was read is of one stay of a card: a PIN typed for it is never checked by
            # another.
            case events.CardPresent(stay=stay):
                facts.read = facts.read and stay == facts.stay
                facts.presence, facts.stay = Presence.PRESENT, stay
            case events.CardAbsent():
                facts.presence, facts.stay, facts.read = Presence.ABSENT, "", False
            case events.CardUnknown():
                facts.presence, facts.stay, facts.read = Presence.UNKNOWN, "", False
            case events.CardRead():
                facts.read = True
            case events.CardAuthenticated():
                facts.authenticated = facts.read
            case events.SessionOpened():
                facts.opened = facts.authenticated
            case events.DocumentChecked():
                facts.document = event if facts.opened else None
            case events.PrintersReady():
                facts.printers_ready = True
            case events.PrintersNotReady():
                facts.printers_ready = False
            case events.CoinsStopped():
                facts.accepting = False
            case events.CoinInserted(value=value):
                facts.inserted += value
            case events.PaidOut(amount=amount):
                facts.returned, facts.paying_out = facts.returned + amount, False
            case events.PayoutFailed(paid=paid):
                facts.returned, facts.paying_out = facts.returned + paid, False
            case events.Charged(amount=amount):
                facts.charged, facts.charging = facts.charged + amount, 0
            case events.ChargeDeclined():
                facts.charging = 0
            case events.ChargeUnknown(amount=amount):
                facts.doubted, facts.charging = facts.doubted + amount, 0
            case events.Reversed(amount=amount):
                facts.reversed, facts.reversing = facts.reversed + amount, False
            case events.ReverseFailed():
                facts.reversing = False
            case events.Released(document=document):
                facts.released = document if facts.release_asked else ""
            case events.SheetPrinted(sheet=sheet):
                facts.printed, facts.printing = sheet, 0
            case events.SheetFailed(certain=certain):
                facts.printing, facts.doubtful = 0, facts.doubtful or not certain
