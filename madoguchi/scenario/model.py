"""A scenario on the pure machine: time is virtual, and the world answers every command at once.

The world is a person, a card, a city, a printer and a coin unit reduced to what the journey can notice of them. It
checks what it is asked as strictly as the real ones, and every command passes the same permits as on the board.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.machine import Flow
from firmware.flow.offers import Offer
from firmware.flow.permits import Permits
from firmware.flow.screens import Screen
from firmware.link.messages import RefusalCode
from firmware.texts.texts import Texts
from firmware.texts.voice import words
from madoguchi.scenario.script import Expect, Failed, Script, Step, compare, holds
from madoguchi.scenario.world import ModelCity

STEPS_WITHOUT_TIME = 200  # screens may follow each other by themselves, but not for ever
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
        if self.accepting and "coins-mute" not in self.faults:
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
        if self.city.cards[name].expired:
            return self.post(e.CardFailed(epoch=command.epoch, cause="card-expired"))
        self.holder = name
        return self.post(e.CardAuthenticated(epoch=command.epoch, card=hashlib.sha256(name.encode()).hexdigest()))

    def open_session(self, command: c.OpenSession) -> None:
        def answer() -> None:
            got = self.city.open_session(self.holder)
            if isinstance(got, RefusalCode):
                self.post(e.CityRefused(epoch=command.epoch, code=got.value))
            else:
                self.offers = {offer.kind: offer for offer in got}
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

    def report(self, command: c.ReportOutcome) -> None:
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


class ModelRun:
    """One scenario. `now` is virtual seconds."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._queue: deque[e.Event] = deque()
        self.world = World(script, ModelCity(script.city, script.at), self._queue.append)
        self.now = 0.0
        self._texts = {language: Texts.load(language) for language in ("ja", "en")}
        self._next_process()

    def run(self) -> None:
        """Raises Failed, with the step's number."""
        for number, step in enumerate(self._script.steps, 1):
            try:
                STEPS[step.verb](self, step)
                self._settle()
            except Failed as failed:
                raise Failed(f"step {number} ({step.verb} {step.value}): {failed}") from None
        found = {**self.world.found, "outcomes": tuple(self.world.outcomes), "cases": tuple(self.world.cases)}
        compare(self._script.expect, Expect(**found))

    # -- the process

    def _next_process(self) -> None:
        """The person is gone, and so is the process: the next one knows nothing."""
        self.flow, self.permits = Flow(), Permits()
        self._timers: dict[str, tuple[float, e.TimerFired]] = {}
        self._queue.clear()
        self._digits = 0
        self.world.accepting = self.world.watching = False
        self.world.held.clear()
        self._carry_out(self.flow.start())
        self.world.news_of_card()
        self._settle()

    def _settle(self) -> None:
        for _ in range(STEPS_WITHOUT_TIME):
            if not self._queue:
                return
            event = self._queue.popleft()
            self.permits.observe(event)
            self._carry_out(self.flow.handle(event))
        raise Failed("the machine does not come to rest")

    def _carry_out(self, commands: c.Commands) -> None:
        for command in commands:
            reason = self.permits.refuse(command)
            if reason:
                raise Failed(f"permit refused {type(command).__name__}: {reason}")
            self.permits.issued(command)
            match command:
                case c.StartTimer(name=name, generation=generation, seconds=seconds):
                    self._timers[name] = (self.now + seconds, e.TimerFired(name=name, generation=generation))
                case c.StopTimer(name=name):
                    self._timers.pop(name, None)
                case c.ShowScreen(screen=screen, speak=True) | c.Announce(screen=screen):
                    self._say(screen)
                case c.ForgetPin():
                    self._digits = 0
                case c.EndSession():
                    self._balance()
                    self._next_process()
                    return
                case _:
                    self.world.answer(command)

    def _say(self, screen: Screen) -> None:
        self.said = words(screen, self._texts[screen.language])
        if not self.said:
            raise Failed(f"nothing is said on {screen.name}")

    def _balance(self) -> None:
        """inserted = kept + returned + owed, for the person who leaves."""
        session = self.flow.session
        facts = self.permits.facts
        kept = facts.document.fee if facts.complete and facts.document else 0
        if session.inserted != session.returned + session.owed + kept:
            raise Failed(f"money: {session.inserted} in, {session.returned} back, {session.owed} owed, {kept} kept")

    # -- steps

    def touch(self, step: Step) -> None:
        action, _, value = str(step.touch).partition(":")
        if action not in self.flow.screen.actions:
            raise Failed(f"{self.flow.screen.name} does not offer {action!r}")
        self._queue.append(e.Touch(screen=self.flow.screen.number, action=action, value=value))

    def pin(self, step: Step) -> None:
        self.world.pin_right = step.pin == "right"
        for count in range(1, 5):
            self._queue.append(e.PinDigit(screen=self.flow.screen.number, count=count))
            self._settle()
        self._queue.append(e.Touch(screen=self.flow.screen.number, action="enter"))

    def card(self, step: Step) -> None:
        if step.card == "off":
            self.world.lift_card()
        else:
            self.world.put_card(str(step.card))

    def coin(self, step: Step) -> None:
        self.world.insert(step.coin or 0)

    def take(self, step: Step) -> None:
        if step.take == "sheets":
            if not self.world.waiting:
                raise Failed("nothing is in the outlet")
            self.world.take_sheets()

    def fault(self, step: Step) -> None:
        self.world.set_fault(str(step.fault), on=True)

    def heal(self, step: Step) -> None:
        if step.heal == "paper-out":
            self.world.faults.discard("paper-out-in-second-sheet")
        self.world.set_fault(str(step.heal), on=False)

    def operator(self, _: Step) -> None:
        self.world.paused = False

    def wait(self, step: Step) -> None:
        if step.wait not in self._timers:
            raise Failed(f"{self.flow.screen.name} has no {step.wait}")
        while True:
            name = min(self._timers, key=lambda n: self._timers[n][0])
            self.now, fired = self._timers.pop(name)
            self._queue.append(fired)
            if name == step.wait:
                return
            self._settle()

    def see(self, step: Step) -> None:
        for _ in range(STEPS_WITHOUT_TIME):
            screen = self.flow.screen
            wrong = holds(step.facts, screen.facts)
            if (screen.name == step.see and not wrong) or not self._pass_by():
                break
        if screen.name != step.see:
            raise Failed(f"the screen is {screen.name}")
        if wrong:
            raise Failed("; ".join(wrong))
        if step.says and not any(step.says in phrase for phrase in self.said):
            raise Failed(f"said {self.said}")

    def _pass_by(self) -> bool:
        """Out of service is asked again and again by itself: let that time pass, and only that."""
        if self.flow.state.phase not in ("out", "welcome") or not self._timers:
            return False
        name = min(self._timers, key=lambda n: self._timers[n][0])
        self.now, fired = self._timers.pop(name)
        self._queue.append(fired)
        self._settle()
        return True


STEPS: dict[str, Callable[[ModelRun, Step], None]] = {
    "touch": ModelRun.touch,
    "pin": ModelRun.pin,
    "card": ModelRun.card,
    "coin": ModelRun.coin,
    "take": ModelRun.take,
    "fault": ModelRun.fault,
    "heal": ModelRun.heal,
    "operator": ModelRun.operator,
    "wait": ModelRun.wait,
    "see": ModelRun.see,
}
