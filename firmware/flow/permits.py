"""Which device command this moment allows, whatever the machine believes.

The interlock. It keeps its own few facts, learnt from the events themselves and from the commands already carried
out, never from the machine's state or session; so a mistake in the table cannot start the printer or open the coin
slot. The idea is OpenSSH's monitor: the privileged side decides what this phase allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.session import Presence


@dataclass
class Facts:
    """What certainly happened to this person's transaction. Amounts in yen."""

    presence: Presence = Presence.UNKNOWN
    stay: str = ""
    epoch: int = 0  # of the card read last
    read: bool = False
    authenticated: bool = False
    opened: bool = False
    document: e.DocumentChecked | None = None
    printers_ready: bool = False
    accepting: bool = False
    inserted: int = 0
    returned: int = 0
    paying_out: bool = False
    released: str = ""
    printing: int = 0  # sheet on its way; 0: none
    printed: int = 0
    release_asked: bool = False
    ended: bool = False

    @property
    def absent(self) -> bool:
        return self.presence is Presence.ABSENT

    @property
    def complete(self) -> bool:
        return self.document is not None and self.printed == self.document.sheets

    @property
    def held(self) -> int:
        """Money that is this person's: the fee stops being so only when every sheet is out."""
        kept = self.document.fee if self.complete and self.document else 0
        return self.inserted - self.returned - kept


Test = Callable[[Facts, Any], bool]


def _bound(facts: Facts, command: c.ReleaseOrder | c.PrintSheet) -> bool:
    document = facts.document
    return document is not None and (document.document, document.epoch) == (command.document, command.epoch)


def _paid(facts: Facts, _: c.Command) -> bool:
    return facts.document is not None and facts.inserted - facts.returned >= facts.document.fee


def _next_sheet(facts: Facts, command: c.PrintSheet) -> bool:
    sheets = facts.document.sheets if facts.document else 0
    return facts.printing == 0 and command.sheet == facts.printed + 1 <= sheets


CARD_ABSENT = ("the card is not known to be absent", lambda f, _: f.absent)
SAME_STAY = ("not the card that lies there", lambda f, k: f.presence is Presence.PRESENT and f.stay == k.stay)
NOT_ENDED = ("the session has ended", lambda f, _: not f.ended)

# Every command has its row; a command without one is refused.
RULES: dict[type[c.Command], tuple[tuple[str, Test], ...]] = {
    c.ReadCard: (NOT_ENDED, SAME_STAY),
    c.Authenticate: (
        NOT_ENDED,
        SAME_STAY,
        ("the card was not read", lambda f, k: f.read and f.epoch == k.epoch),
        ("authenticated already", lambda f, _: not f.authenticated),
    ),
    c.OpenSession: (NOT_ENDED, CARD_ABSENT, ("nobody is authenticated", lambda f, _: f.authenticated)),
    c.PlaceOrder: (
        NOT_ENDED,
        CARD_ABSENT,
        ("no session is open", lambda f, _: f.opened),
        ("a document is here already", lambda f, _: f.document is None),
    ),
    c.AcceptCoins: (
        NOT_ENDED,
        CARD_ABSENT,
        ("no checked document", lambda f, _: f.document is not None),
        ("the printers are not ready", lambda f, _: f.printers_ready),
        ("released already", lambda f, _: not f.release_asked),
        ("nothing is due", lambda _, k: k.due > 0),
    ),
    c.ReleaseOrder: (
        NOT_ENDED,
        CARD_ABSENT,
        ("not the checked document", _bound),
        ("not paid", _paid),
        ("coins can still come in", lambda f, _: not f.accepting),
        ("asked already", lambda f, _: not f.release_asked),
    ),
    c.PrintSheet: (
        NOT_ENDED,
        CARD_ABSENT,
        ("not the checked document", _bound),
        ("not released by the city", lambda f, k: f.released == k.document),
        ("not paid", _paid),
        ("not the next sheet", _next_sheet),
    ),
    c.PayOut: (
        NOT_ENDED,
        ("a payout is under way", lambda f, _: not f.paying_out),
        ("coins can still come in", lambda f, _: not f.accepting),
        ("more than is held", lambda f, k: 0 < k.amount <= f.held),
    ),
    c.PrintReceipt: (NOT_ENDED, ("the sheets are not all out", lambda f, _: f.complete)),
    c.PrintClaim: (NOT_ENDED, ("more than is held", lambda f, k: 0 < k.owed <= f.held)),
    c.ReportOutcome: (("no release was asked for", lambda f, _: f.release_asked),),
    c.CheckPrinters: (NOT_ENDED,),
    c.CancelAtCity: (),
    c.ForgetPin: (),
    c.ReleaseCard: (),
    c.StopCoins: (),
    c.PurgePrinter: (),
    c.WatchOutlet: (),
    c.FetchTerms: (),
    c.CheckHealth: (),
    c.ShowScreen: (),
    c.Announce: (),
    c.StartTimer: (),
    c.StopTimer: (),
    c.CallStaff: (),
    c.OpenCase: (),
    c.Note: (),
    c.EndSession: (),
}


@dataclass
class Permits:
    """Ask `refuse` before carrying a command out, tell `issued` after; tell every event to `observe` first."""

    facts: Facts = field(default_factory=Facts)

    def refuse(self, command: c.Command) -> str:
        """Why this command is not allowed now, or ""."""
        rules = RULES.get(type(command))
        if rules is None:
            return "no rule for this command"
        return next((reason for reason, test in rules if not test(self.facts, command)), "")

    def issued(self, command: c.Command) -> None:
        """The command goes out now."""
        facts = self.facts
        match command:
            case c.ReadCard(epoch=epoch):
                # A new reading begins a new identity: nothing of an earlier one counts any more.
                facts.epoch, facts.read, facts.authenticated, facts.opened, facts.document = (
                    epoch,
                    False,
                    False,
                    False,
                    None,
                )
            case c.AcceptCoins():
                facts.accepting = True
            case c.ReleaseOrder():
                facts.release_asked = True
            case c.PrintSheet(sheet=sheet):
                facts.printing = sheet
            case c.PayOut():
                facts.paying_out = True
            case c.ReleaseCard():
                facts.read = False  # an authentication still under way counts no more
            case c.PurgePrinter():
                # The order is given up: a sheet that still comes out earns nothing.
                facts.document, facts.released = None, ""
            case c.CancelAtCity():
                facts.authenticated = facts.opened = False
                facts.document = None if not facts.complete else facts.document
            case c.EndSession():
                facts.ended = True

    def observe(self, event: e.Event) -> None:
        """Learn from an event, before the machine sees it. Answers of an older epoch teach nothing."""
        facts = self.facts
        if isinstance(event, e.Answer) and event.epoch != facts.epoch:
            return
        match event:
            # What was read is of one stay of a card: a PIN typed for it is never checked by another.
            case e.CardPresent(stay=stay):
                facts.read = facts.read and stay == facts.stay
                facts.presence, facts.stay = Presence.PRESENT, stay
            case e.CardAbsent():
                facts.presence, facts.stay, facts.read = Presence.ABSENT, "", False
            case e.CardUnknown():
                facts.presence, facts.stay, facts.read = Presence.UNKNOWN, "", False
            case e.CardRead():
                facts.read = True
            case e.CardAuthenticated():
                facts.authenticated = facts.read
            case e.SessionOpened():
                facts.opened = facts.authenticated
            case e.DocumentChecked():
                facts.document = event if facts.opened else None
            case e.PrintersReady():
                facts.printers_ready = True
            case e.PrintersNotReady():
                facts.printers_ready = False
            case e.CoinsStopped():
                facts.accepting = False
            case e.CoinInserted(value=value):
                facts.inserted += value
            case e.PaidOut(amount=amount):
                facts.returned, facts.paying_out = facts.returned + amount, False
            case e.PayoutFailed(paid=paid):
                facts.returned, facts.paying_out = facts.returned + paid, False
            case e.Released(document=document):
                facts.released = document if facts.release_asked else ""
            case e.SheetPrinted(sheet=sheet):
                facts.printed, facts.printing = sheet, 0
            case e.SheetFailed():
                facts.printing = 0
