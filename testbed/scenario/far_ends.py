"""Which of their possible answers the devices and the city of a scenario give.

They give the good one, unless the scenario has a fault at them. What the answer says of a resident
comes from the sample city.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from city.sample import SampleCard
from firmware.flow import commands
from firmware.flow.events import SheetFailed
from firmware.flow.session import Token
from firmware.link.messages import RefusalCode
from firmware.service import terms as words
from testbed.scenario.city import ModelCity
from testbed.scenario_file import Script
from testbed.world.answers import AHEAD, Happening, find_answer
from testbed.world.journey import Journey
from testbed.world.state import Ask


class Reply(NamedTuple):
    """An answer of the table by its name, or the good one, and what it says."""

    name: str = ""
    facts: Mapping[str, Any] = {}


GOOD = Reply()
REMOVED = Reply("card-failed removed")
NO_PAPER = Reply("sheet-failed", {"reason": "paper-out"})
# Why a card that is in this trouble cannot be read. One that only stumbles is read all the same.
UNREADABLE = {"card-mute": "mute", "card-no-applet": "not-mynumber"}
LINE_DOWN = {"line-cut": Reply("city-refused"), "line-stall": None}
# What a fault makes of an answer; None: nothing is answered until it is healed. The first of a
# command's faults counts.
FAULTS: dict[type[commands.Command], dict[str, Reply | None]] = {
    commands.FetchTerms: {"line-cut": Reply("line-lost"), "line-stall": None},
    commands.OpenSession: LINE_DOWN,
    commands.PlaceOrder: LINE_DOWN,
    commands.ReleaseOrder: LINE_DOWN,
    commands.PrintSheet: {
        "paper-ends-in:last-lines": Reply("sheet-failed uncertain"),
        "paper-out": NO_PAPER,
        "printer-slow": None,
    },
    commands.StopCoins: {"coins-mute": Reply("stop-failed")},
    commands.PayOut: {"hoppers-empty": Reply("payout-failed 0")},
    commands.Charge: {
        "terminal-declines": Reply("charge-declined"),
        "terminal-forgets": Reply("charge-unknown"),
    },
    commands.Reverse: {"reversal-unknown": Reply("reverse-failed uncertain")},
}
# What the rest of this module, and the pure machine's run, look for.
LOOKED_FOR = (
    "card-yank-at-verify",
    "card-mute-at-verify",
    "coin-jam",
    "paper-ends-in:second-sheet",
    "paper-out-behind-next",
    "phone-sleeps",
    "printer-mute",
    "reader-lost",
    "terminal-mute",
)
# What a driver bears without a word to the journey: the machine cannot tell it from good health.
UNNOTICED = (
    "card-empty-answer",
    "card-mute-resets",
    "card-select-status",
    "printer-hangs-up",
    "printer-holds-port",
    "printer-late",
    "printer-reports",
)
# These are over when they have happened.
ONCE = frozenset({"terminal-declines", "terminal-forgets"})


def known_to_machine() -> frozenset[str]:
    """The faults that mean something to the pure machine, which has no wires."""
    answered = (name for faults in FAULTS.values() for name in faults)
    return frozenset((*answered, *UNREADABLE, *LOOKED_FOR, *UNNOTICED))


@dataclass
class FarEnds:
    """`card`: whose lies on the reader. `in_outlet`: sheets that nobody has taken."""

    script: Script
    city: ModelCity
    faults: set[str] = field(default_factory=set)
    card: str = ""
    holder: str = ""  # whose card was checked last
    tries: dict[str, int] = field(default_factory=dict)
    pin_is_right: bool = True
    in_outlet: int = 0
    presented: Reply | None = None  # what the payment terminal will answer

    def answer(self, ask: Ask, journey: Journey) -> Happening | None:
        """None: it is not answered now."""
        reply = self._reply(ask, journey)
        if reply is None:
            return None
        answer = find_answer(ask, reply.name, **reply.facts)
        self.in_outlet += answer.comes_out
        if isinstance(answer.event, SheetFailed):
            self.faults.add("paper-out")
        return answer

    def reply_with_fault(self, kind: type[commands.Command]) -> Reply | None:
        for fault, reply in FAULTS.get(kind, {}).items():
            if fault in self.faults:
                self.faults -= ONCE & {fault}
                return reply
        return GOOD

    def _reply(self, ask: Ask, journey: Journey) -> Reply | None:
        reply = self.reply_with_fault(ask.kind) if ask.kind is not commands.Charge else GOOD
        method = REPLIES.get(ask.kind)
        return method(self, ask, journey) if method and reply == GOOD else reply

    # -- card or phone

    @property
    def token(self) -> SampleCard:
        """What lies there. Only while something does."""
        return self.city.tokens[self.card][1]

    @property
    def is_felt(self) -> bool:
        """By the reader. A phone that sleeps lies there without a field."""
        if not self.card:
            return False
        return "phone-sleeps" not in self.faults or self.token.kind == "card"

    def yank(self, ask: Ask) -> bool:
        """Whether the card is pulled now, while it works on the PIN."""
        if ask.kind is not commands.Authenticate or "card-yank-at-verify" not in self.faults:
            return False
        self.faults.discard("card-yank-at-verify")
        if not self.pin_is_right:
            self.tries[self.card] -= 1
        self.card = ""
        return True

    def _read_card(self, ask: Ask, _: Journey) -> Reply | None:
        if not self.card:
            return REMOVED
        for fault in self.faults & UNREADABLE.keys():
            return Reply("card-failed mute", {"cause": UNREADABLE[fault]})
        if ask.number != AHEAD:
            token = Token(self.token.kind)
            return Reply(facts={"tries": self.tries[self.card], "token": token})
        # It is read ahead, and reported before anybody types a PIN in vain.
        known = self.token.expired and self.token.kind == "card"
        return Reply("card-failed card-expired") if known else None

    def _authenticate(self, _: Ask, __: Journey) -> Reply:
        if not self.card:
            return REMOVED
        if self.pin_is_right and "card-mute-at-verify" in self.faults:
            self.faults.discard("card-mute-at-verify")
            return Reply("card-read 3", {"tries": self.tries[self.card]})
        if self.pin_is_right:
            self.tries[self.card] = 3
            self.holder = self.card
            return GOOD
        self.tries[self.card] -= 1
        tries = self.tries[self.card]
        return Reply("pin-wrong 2", {"tries": tries}) if tries else Reply("card-failed pin-locked")

    # -- city

    def _fetch_terms(self, _: Ask, __: Journey) -> Reply:
        return Reply(facts={"terms": self.city.terms()})

    def _open_session(self, ask: Ask, _: Journey) -> Reply:
        got = self.city.open_session(self.holder)
        if isinstance(got, RefusalCode):
            return Reply("city-refused", {"code": got.value})
        opened = words.session_opened(ask.epoch, got)
        return Reply(facts=vars(opened))

    def _place_order(self, _: Ask, journey: Journey) -> Reply:
        order = journey.all(commands.PlaceOrder)[-1]
        offer = next(each for each in journey.flow.session.offers if each.kind == order.kind)
        facts = {
            "sheets": self.script.sheets_per_copy * order.copies,
            "copies": order.copies,
            "fee": offer.fee * order.copies,
        }
        return Reply(facts=facts)

    # -- paper

    def printer_trouble(self) -> str:
        if "paper-out" in self.faults:
            return "paper-out"
        if "printer-mute" in self.faults:
            return "printer"
        return "paper-in-outlet" if self.in_outlet else ""

    @property
    def exact_only(self) -> bool:
        return "hoppers-empty" in self.faults

    def _check_health(self, _: Ask, journey: Journey) -> Reply:
        problem = self.printer_trouble() or ("case-open" if journey.world.paused else "")
        return Reply(facts={"problem": problem, "exact_only": self.exact_only})

    def _check_printers(self, _: Ask, __: Journey) -> Reply:
        trouble = self.printer_trouble()
        if trouble:
            return Reply("printers-not-ready", {"reason": trouble})
        terminal = self.script.cashless and "terminal-mute" not in self.faults
        return Reply(facts={"exact_only": self.exact_only, "cashless": terminal})

    def _print_sheet(self, ask: Ask, _: Journey) -> Reply:
        if ask.number == 2 and "paper-ends-in:second-sheet" in self.faults:
            return NO_PAPER
        if "paper-out-behind-next" in self.faults:  # the outlet's sensor proves the sheet
            self.faults.add("paper-out")
        return GOOD

    def _watch_outlet(self, _: Ask, __: Journey) -> Reply | None:
        return None if self.in_outlet else GOOD

    # -- payment terminal

    def _charge(self, _: Ask, __: Journey) -> Reply | None:
        reply = self.presented
        self.presented = None
        return reply


REPLIES: dict[type[commands.Command], Callable[[FarEnds, Ask, Journey], Reply | None]] = {
    commands.ReadCard: FarEnds._read_card,
    commands.Authenticate: FarEnds._authenticate,
    commands.FetchTerms: FarEnds._fetch_terms,
    commands.OpenSession: FarEnds._open_session,
    commands.PlaceOrder: FarEnds._place_order,
    commands.CheckHealth: FarEnds._check_health,
    commands.CheckPrinters: FarEnds._check_printers,
    commands.PrintSheet: FarEnds._print_sheet,
    commands.WatchOutlet: FarEnds._watch_outlet,
    commands.Charge: FarEnds._charge,
}
