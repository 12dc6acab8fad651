"""Carries commands out: permit first, then the journal, then the effect.

The table at the end says which method answers which command. Work on a device goes to the device's lane and comes
back as an event; nothing here decides where the journey goes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.permits import Permits
from firmware.flow.screens import Screen
from firmware.link.messages import Outcome, Result
from firmware.panel.render import render
from firmware.service import slips
from firmware.service.announcer import Announcer
from firmware.service.card_work import CardDesk
from firmware.service.cash_work import CashDesk
from firmware.service.city_work import CityDesk
from firmware.service.config import Config
from firmware.service.devices import Devices
from firmware.service.journal import Journal, new_id
from firmware.service.lanes import Lanes
from firmware.service.log import log
from firmware.service.paper_work import PaperDesk
from firmware.service.renew_work import RenewDesk
from firmware.service.vault import Vault
from firmware.texts.texts import Texts
from hal.card.contract import Stay
from hal.panel.contract import Panel
from hal.printer.contract import Outlet

OUTLET_POLL_S = 0.25


class Forbidden(Exception):
    """The permits refused a command: the machine is wrong. Everything stops."""


@dataclass
class Executor:
    config: Config
    post: Callable[[e.Event], None]
    failed: Callable[[Exception], None]
    devices: Devices
    journal: Journal
    vault: Vault
    panel: Panel
    announcer: Announcer
    texts: dict[str, Texts]
    card: CardDesk
    city: CityDesk
    paper: PaperDesk
    cash: CashDesk
    renewal: RenewDesk
    stays: dict[str, Stay] = field(default_factory=dict)
    permits: Permits = field(default_factory=Permits)
    ended: bool = False
    kind: str = ""
    _timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lanes = Lanes(self.devices.lanes, self.post, self.failed)
        self.city.alarm = lambda code: self.open_case(c.OpenCase(code=code, pauses=True))

    def carry_out(self, command: c.Command) -> None:
        """Raises Forbidden; JournalBroken when a step cannot be written down, and then it has no effect."""
        reason = self.permits.refuse(command)
        if reason:
            log("command.refused", command=type(command).__name__, reason=reason)
            raise Forbidden(f"{type(command).__name__}: {reason}")
        self.permits.issued(command)
        METHODS[type(command)](self, command)

    def write(self, kind: str, **facts: str | int | bool) -> None:
        self.journal.write(self.vault.session, kind, **facts)

    # -- panel and time

    def show(self, command: c.ShowScreen) -> None:
        screen = self._paced(command.screen)
        texts = self.texts[screen.language]
        self.panel.show(screen.number, render(screen, texts))
        if command.speak:
            self.announcer.say(screen, texts)

    def announce(self, command: c.Announce) -> None:
        self.announcer.say(self._paced(command.screen), self.texts[command.screen.language])

    def _paced(self, screen: Screen) -> Screen:
        limit = screen.limit_s
        return replace(screen, limit_s=limit * self.config.kiosk.pace) if limit else screen

    def start_timer(self, command: c.StartTimer) -> None:
        self._cancel(command.name)
        fired = e.TimerFired(name=command.name, generation=command.generation)
        seconds = command.seconds * (1 if command.device else self.config.kiosk.pace)
        self._timers[command.name] = asyncio.get_running_loop().call_later(seconds, self.post, fired)

    def stop_timer(self, command: c.StopTimer) -> None:
        self._cancel(command.name)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer:
            timer.cancel()

    def call_staff(self, command: c.CallStaff) -> None:
        log("staff.called", reason=command.reason)

    def note(self, command: c.Note) -> None:
        log("event.passed-over", event=command.event, what=command.what)

    # -- card

    def read_card(self, command: c.ReadCard) -> None:
        self._lanes.run("card", self.card.read, command.epoch, self.stays[command.stay])
        self._lanes.run("card", self.card.read_ahead, command.epoch)  # behind it in the lane: it delays nothing

    def authenticate(self, command: c.Authenticate) -> None:
        challenge = self.city.terms.challenge if self.city.terms else b""
        self._lanes.run("card", self.card.authenticate, command.epoch, self.vault, self.config.kiosk.id, challenge)

    def forget_pin(self, _: c.ForgetPin) -> None:
        self.vault.pin.wipe()

    def release_card(self, _: c.ReleaseCard) -> None:
        self.devices.lanes["card"].submit(self.card.release)

    # -- city

    def fetch_terms(self, _: c.FetchTerms) -> None:
        self._lanes.once("terms", self._hello)

    async def _hello(self) -> e.Event:
        event = await self.city.fetch_terms()
        if isinstance(event, e.TermsReceived):
            self._lanes.once("outbox", self._deliver)
            self._lanes.once("slips", self._print_due_slips)
            self._lanes.once("renewal", self.renewal.renew)
        return event

    async def _deliver(self) -> None:
        await self.city.deliver(self.journal.undelivered(), self.journal.delivered, self._denied)

    def _denied(self, outcome: Outcome, code: str) -> None:
        case = f"outcome.{code}"
        if number := self.journal.denied(outcome, case):
            self._case_opened(number, c.OpenCase(code=case, pauses=True))

    def open_session(self, command: c.OpenSession) -> None:
        self._lanes.answer(self.city.open_session(command.epoch, self.vault))

    def place_order(self, command: c.PlaceOrder) -> None:
        self.kind = command.kind
        self._lanes.answer(self.city.place_order(command, self.vault, self.devices.lanes["document"]))

    def release_order(self, command: c.ReleaseOrder) -> None:
        self.write("release-asked", order=self.vault.order, document=command.document)
        self._lanes.answer(self.city.release(command.epoch, self.vault, command.paid))

    def cancel_at_city(self, _: c.CancelAtCity) -> None:
        opened = self.vault.opened
        self.vault.destroy()
        if opened:
            self._lanes.spawn(self.city.cancel(self.vault.session))

    def report_outcome(self, command: c.ReportOutcome) -> None:
        order = next(n.facts["order"] for n in self.journal.entries(self.vault.session) if n.kind == "checked")
        self.journal.report(
            Outcome(
                outcome=new_id(),
                session=self.vault.session,
                order=order,
                result=Result(command.result),
                sheets=command.sheets,
                kept=command.kept,
                returned=command.returned,
                owed=command.owed,
            )
        )
        self._lanes.once("outbox", self._deliver)

    # -- money

    def accept_coins(self, _: c.AcceptCoins) -> None:
        self._lanes.run("cash", self.cash.accept)

    def stop_coins(self, _: c.StopCoins) -> None:
        self._lanes.run("cash", self.cash.stop)

    def pay_out(self, command: c.PayOut) -> None:
        self.write("payout-begun", amount=command.amount)
        self._lanes.run("cash", self.cash.pay, command.amount)

    # -- paper

    def check_printers(self, command: c.CheckPrinters) -> None:
        async def both() -> e.Event:
            found = await self._printers_trouble()
            if found:
                return e.PrintersNotReady(epoch=command.epoch, reason=found)
            return e.PrintersReady(epoch=command.epoch, outlet_sensor=self.config.sheets.outlet_sensor)

        self._lanes.answer(both())

    async def _printers_trouble(self) -> str:
        sheets, receipts = await asyncio.gather(
            self._lanes.call("sheets", self.paper.sheets_trouble),
            self._lanes.call("receipts", self.paper.receipts_trouble),
        )
        return sheets or receipts

    def print_sheet(self, command: c.PrintSheet) -> None:
        self.write("sheet-begun", sheet=command.sheet)
        sheet = self.vault.sheets[(command.sheet - 1) % len(self.vault.sheets)]
        self._lanes.run("sheets", self.paper.print_sheet, command.epoch, command.sheet, sheet)

    def purge_printer(self, _: c.PurgePrinter) -> None:
        self.write("purge-needed")
        self.vault.sheets = ()

        async def purge() -> None:
            if await self._lanes.call("sheets", self.paper.purge):
                self.write("purged")

        self._lanes.spawn(purge())

    def watch_outlet(self, _: c.WatchOutlet) -> None:
        if not self.config.sheets.outlet_sensor:
            return

        async def watch() -> None:
            while await self._lanes.call("sheets", self.paper.outlet) is not Outlet.CLEAR:  # noqa: ASYNC110
                await asyncio.sleep(OUTLET_POLL_S)  # the printer does not tell by itself
            self.post(e.PaperTaken())

        self._lanes.spawn(watch())

    def print_receipt(self, command: c.PrintReceipt) -> None:
        def work() -> e.Event:
            terms = self.city.terms
            if terms is None:
                return e.ReceiptDone(epoch=command.epoch, printed=False)
            number, font = new_id()[:12], self.config.fonts.gothic
            slip = slips.receipt_slip(
                command, terms, time.monotonic() - self.city.terms_at, self.kind, self.config.kiosk.id, number, font
            )
            return e.ReceiptDone(epoch=command.epoch, printed=self.paper.print_slip(slip))

        self._lanes.run("receipts", work)

    def print_claim(self, command: c.PrintClaim) -> None:
        self.write("owed", amount=command.owed)
        case = self.journal.open_case(self.vault.session, "claim", pauses=False)
        self._lanes.spawn(self._print_slip(self.vault.session, command.owed, case))

    async def _print_slip(self, session: str, owed: int, case: str) -> None:
        """Written down when it is out; one that is not is tried again by the next process."""
        terms = self.city.terms
        if terms is None:
            return
        elapsed = time.monotonic() - self.city.terms_at
        kiosk, font = self.config.kiosk.id, self.config.fonts.gothic
        slip = slips.claim_slip(owed, case[:12], terms, elapsed, kiosk, font)
        if await self._lanes.call("receipts", self.paper.print_slip, slip):
            self.journal.write(session, "slip", amount=owed)

    async def _print_due_slips(self) -> None:
        """Somebody whose process was killed still stands there, or comes back: their money is on a slip at least."""
        for session, owed, case in self.journal.slips_due():
            await self._print_slip(session, owed, case)

    # -- the kiosk itself

    def check_health(self, _: c.CheckHealth) -> None:
        self._lanes.once("health", self._health)

    async def _health(self) -> e.Event:
        if self.journal.purge_due():
            if not await self._lanes.call("sheets", self.paper.purge):
                return e.Health(problem="printer")
            self.write("purged")
        printers = await self._printers_trouble()
        cash = await self._lanes.call("cash", self.cash.trouble)
        # Last, and nothing is awaited after it: a case may have been opened meanwhile.
        return e.Health(problem="case-open" if self.journal.paused() else printers or cash or self.city.trouble)

    def open_case(self, command: c.OpenCase) -> None:
        self._case_opened(self.journal.open_case(self.vault.session, command.code, pauses=command.pauses), command)

    def _case_opened(self, case: str, command: c.OpenCase) -> None:
        log("case.opened", case=case, code=command.code, pauses=command.pauses)
        if command.pauses:
            self.post(e.Health(problem="case-open"))  # now: the next person may be about to touch "start"

    def end_session(self, _: c.EndSession) -> None:
        self.ended = True

    async def finish(self) -> None:
        """Let what is under way towards the city and the printers end, a few seconds at most."""
        for name in tuple(self._timers):
            self._cancel(name)
        await self._lanes.finish()


Method = Callable[[Executor, Any], None]
METHODS: dict[type[c.Command], Method] = {
    c.ShowScreen: Executor.show,
    c.Announce: Executor.announce,
    c.StartTimer: Executor.start_timer,
    c.StopTimer: Executor.stop_timer,
    c.CallStaff: Executor.call_staff,
    c.Note: Executor.note,
    c.ReadCard: Executor.read_card,
    c.Authenticate: Executor.authenticate,
    c.ForgetPin: Executor.forget_pin,
    c.ReleaseCard: Executor.release_card,
    c.FetchTerms: Executor.fetch_terms,
    c.OpenSession: Executor.open_session,
    c.PlaceOrder: Executor.place_order,
    c.ReleaseOrder: Executor.release_order,
    c.CancelAtCity: Executor.cancel_at_city,
    c.ReportOutcome: Executor.report_outcome,
    c.AcceptCoins: Executor.accept_coins,
    c.StopCoins: Executor.stop_coins,
    c.PayOut: Executor.pay_out,
    c.CheckPrinters: Executor.check_printers,
    c.PrintSheet: Executor.print_sheet,
    c.PurgePrinter: Executor.purge_printer,
    c.WatchOutlet: Executor.watch_outlet,
    c.PrintReceipt: Executor.print_receipt,
    c.PrintClaim: Executor.print_claim,
    c.CheckHealth: Executor.check_health,
    c.OpenCase: Executor.open_case,
    c.EndSession: Executor.end_session,
}
