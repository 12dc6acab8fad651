"""Everything outside the machine, reduced to what the journey can notice of it; it answers at once.

It checks what it is asked as strictly as the real ones do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.offers import Offer
from firmware.link.messages import RefusalCode
from madoguchi.scenario.city import ModelCity
from madoguchi.scenario.script import Failed, Script

COUNTED = ("sheets", "receipts", "inserted", "kept", "returned", "owed")


@dataclass
class World:
    """Everything outside the machine. Answers go to `post`."""

    script: Script
    city: ModelCity
    post: Callable[[e.Event], None]
    faults: set[str] = field(default_factory=set)
    card: str | None = None
    stays: int = 0
    tries: dict[str, int] = field(default_factory=dict)
    pin_right: bool = True
    accepting: bool = False
    held: list[Callable[[], None]] = field(default_factory=list)  # answers a stalled wire keeps back
    waiting: int = 0  # sheets in the outlet
    fee: int = 0
    sheets_per_order: int = 0
    found: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    outcomes: list[str] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    paused: bool = False
    watching: bool = False
    at_city: bool = False
    document: str = ""
    holder: str = ""
    offers: dict[str, Offer] = field(default_factory=dict)

    # -- what a person does

    def put_card(self, name: str) -> None:
        if name not in self.city.cards:
            raise Failed(f"no sample resident {name!r} has a card")
        self.card, self.stays = name, self.stays + 1
        self.tries.setdefault(name, self.city.cards[name].pin_tries)
        self.news_of_card()

    def lift_card(self) -> None:
        self.card = None
        self.news_of_card()

    def news_of_card(self) -> None:
        if "reader-lost" in self.faults:
            self.post(e.CardUnknown())
        elif self.card is None:
            self.post(e.CardAbsent())
        else:
            self.post(e.CardPresent(stay=f"model#{self.stays}"))

    def insert(self, value: int) -> None:
        if self.accepting and "coin-jam" in self.faults:
            self.post(e.CoinsFailed(reason="coin-jam"))
        elif self.accepting and "coins-mute" not in self.faults:
            self.found["inserted"] += value
            self.post(e.CoinInserted(value=value))

    def take_sheets(self) -> None:
        self.waiting = 0
        if self.watching:
            self.watching = False
            self.post(e.PaperTaken())

    def set_fault(self, name: str, *, on: bool) -> None:
        (self.faults.add if on else self.faults.discard)(name)
        if name == "reader-lost":
            self.news_of_card()
        if not on and name in ("line-stall", "printer-slow"):
            held, self.held = self.held, []
            for answer in held:
                answer()

    # -- what the machine asks

    def answer(self, command: c.Command) -> None:
        """Do as the real one would."""
        method = ANSWERS.get(type(command))
        if method is not None:
            method(self, command)

    def line(self, lost: e.Event, answer: Callable[[], None]) -> None:
        if "line-cut" in self.faults:
            self.post(lost)
        elif "line-stall" in self.faults:
            self.held.append(answer)
        else:
            answer()

    def fetch_terms(self, _: c.FetchTerms) -> None:
        self.line(e.LineLost(), lambda: self.post(e.TermsReceived(terms=self.city.terms())))

    def check_health(self, _: c.CheckHealth) -> None:
        self.post(e.Health(problem=self.printer_trouble() or ("case-open" if self.paused else "")))

    def printer_trouble(self) -> str:
        if "paper-out" in self.faults:
            return "paper-out"
        if "printer-mute" in self.faults:
            return "printer"
        return "paper-in-outlet" if self.waiting else ""

    def read_card(self, command: c.ReadCard) -> None:
        if self.card is None:
            self.post(e.CardFailed(epoch=command.epoch, cause="removed"))
        else:
            self.post(e.CardRead(epoch=command.epoch, tries=self.tries[self.card]))
            if self.city.cards[self.card].expired:  # read ahead, and told before anybody types a PIN in vain
                self.post(e.CardFailed(epoch=command.epoch, cause="card-expired"))

    def authenticate(self, command: c.Authenticate) -> None:
        name = self.card
        if name is None:
            return self.post(e.CardFailed(epoch=command.epoch, cause="removed"))
        if not self.pin_right:
            self.tries[name] -= 1
        if "yank-at-verify" in self.faults:
            self.faults.discard("yank-at-verify")
            self.lift_card()
            return self.post(e.CardFailed(epoch=command.epoch, cause="removed"))
        if not self.pin_right:
            if self.tries[name]:
                return self.post(e.PinWrong(epoch=command.epoch, tries=self.tries[name]))
            return self.post(e.CardFailed(epoch=command.epoch, cause="pin-locked"))
        self.tries[name] = 3
        self.holder = name
        return self.post(e.CardAuthenticated(epoch=command.epoch, card=hashlib.sha256(name.encode()).hexdigest()))

    def open_session(self, command: c.OpenSession) -> None:
        def answer() -> None:
            got = self.city.open_session(self.holder)
            if isinstance(got, RefusalCode):
                self.post(e.CityRefused(epoch=command.epoch, code=got.value))
            else:
                self.offers, self.at_city = {offer.kind: offer for offer in got}, True
                self.post(e.SessionOpened(epoch=command.epoch, offers=got, expires_in_days=900))

        self.line(e.CityRefused(epoch=command.epoch, code="line-down"), answer)

    def place_order(self, command: c.PlaceOrder) -> None:
        self.fee = self.offers[command.kind].fee * command.copies
        self.sheets_per_order = self.script.sheets_per_copy * command.copies
        self.document = hashlib.sha256(repr(command.epoch).encode()).hexdigest()

        def answer() -> None:
            self.post(
                e.DocumentChecked(
                    epoch=command.epoch,
                    document=self.document,
                    unique_number="MODEL",
                    sheets=self.sheets_per_order,
                    fee=self.fee,
                )
            )

        self.line(e.CityRefused(epoch=command.epoch, code="line-down"), answer)

    def release(self, command: c.ReleaseOrder) -> None:
        self.line(
            e.CityRefused(epoch=command.epoch, code="line-down"),
            lambda: self.post(e.Released(epoch=command.epoch, document=command.document)),
        )

    def cancel(self, _: c.CancelAtCity) -> None:
        self.at_city = False

    def report(self, command: c.ReportOutcome) -> None:
        self.at_city = False
        self.outcomes.append(command.result)
        self.found["kept"] += command.kept

    def check_printers(self, command: c.CheckPrinters) -> None:
        trouble = self.printer_trouble()
        if trouble:
            self.post(e.PrintersNotReady(epoch=command.epoch, reason=trouble))
        else:
            self.post(e.PrintersReady(epoch=command.epoch, outlet_sensor=True))

    def print_sheet(self, command: c.PrintSheet) -> None:
        torn = "paper-out-in-second-sheet" in self.faults and command.sheet == 2
        if torn or "paper-out" in self.faults:
            self.faults |= {"paper-out"}
            failed = e.SheetFailed(epoch=command.epoch, sheet=command.sheet, reason="paper-out", certain=True)
            return self.post(failed)

        def answer() -> None:
            self.waiting += 1
            self.found["sheets"] += 1
            self.post(e.SheetPrinted(epoch=command.epoch, sheet=command.sheet))

        if "printer-slow" in self.faults:
            return self.held.append(answer)
        return answer()

    def purge(self, _: c.PurgePrinter) -> None:
        self.held.clear()

    def watch(self, _: c.WatchOutlet) -> None:
        self.watching = True
        if not self.waiting:
            self.take_sheets()

    def receipt(self, command: c.PrintReceipt) -> None:
        self.found["receipts"] += 1
        self.post(e.ReceiptDone(epoch=command.epoch, printed=True))

    def claim(self, command: c.PrintClaim) -> None:
        self.found["owed"] = command.owed

    def accept(self, _: c.AcceptCoins) -> None:
        self.accepting = True

    def stop(self, _: c.StopCoins) -> None:
        self.accepting = False
        if "coins-mute" in self.faults:
            self.post(e.CoinsFailed(reason="silent"))
        else:
            self.post(e.CoinsStopped())

    def pay(self, command: c.PayOut) -> None:
        if "hoppers-empty" in self.faults:
            self.post(e.PayoutFailed(amount=command.amount, paid=0, reason="hopper-empty"))
        else:
            self.found["returned"] += command.amount
            self.post(e.PaidOut(amount=command.amount))

    def open_case(self, command: c.OpenCase) -> None:
        self.cases.append(command.code)
        self.paused = self.paused or command.pauses


ANSWERS: dict[type[c.Command], Callable[[World, Any], None]] = {
    c.FetchTerms: World.fetch_terms,
    c.CheckHealth: World.check_health,
    c.ReadCard: World.read_card,
    c.Authenticate: World.authenticate,
    c.OpenSession: World.open_session,
    c.PlaceOrder: World.place_order,
    c.ReleaseOrder: World.release,
    c.CancelAtCity: World.cancel,
    c.ReportOutcome: World.report,
    c.CheckPrinters: World.check_printers,
    c.PrintSheet: World.print_sheet,
    c.PurgePrinter: World.purge,
    c.WatchOutlet: World.watch,
    c.PrintReceipt: World.receipt,
    c.PrintClaim: World.claim,
    c.AcceptCoins: World.accept,
    c.StopCoins: World.stop,
    c.PayOut: World.pay,
    c.OpenCase: World.open_case,
}
