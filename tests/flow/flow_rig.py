"""A world for the pure machine that answers late, badly or never: the commands it was given wait in lanes, as on the
board, until a test lets one be answered. Every command passes the permits, every event teaches them, as in the service.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.machine import Flow
from firmware.flow.offers import Choice, Contact, Notice, Offer, Option, Terms, defaults
from firmware.flow.permits import Permits
from firmware.flow.session import Document, Presence, Session
from firmware.flow.states import CardPolicy, State
from firmware.flow.table import SPECS

SHA = "d0c" * 21 + "1"
CONTACT = Contact((("ja", "市民課"),), "078-000-0000", (("ja", "平日"),))
OPEN = Terms(
    city_name=(("ja", "明石市"), ("en", "Akashi")),
    notices=(Notice("juminhyo", (("ja", "住民票の写し"),), 100),),
    contacts=(("pin-locked", CONTACT),),
)
CLOSED = replace(OPEN, refusal="closed", opens_at="2026-11-24T06:30:00+09:00")
SCOPE = Option("scope", "one", (Choice("self"), Choice("some")), default=("self",))
MEMBERS = Option("members", "many", (Choice("a", "甲"), Choice("b", "乙")), minimum=1, when=("scope", "some"))
COPIES = Option("copies", "count", minimum=1, maximum=3)
OFFERS = (
    Offer("juminhyo", (("ja", "住民票の写し"),), 100, options=(SCOPE, MEMBERS, COPIES)),
    Offer("inkan", (("ja", "印鑑登録証明書"),), 100),
    Offer("free", (("ja", "無料"),), 0),
    Offer("kazei", (("ja", "所得・課税証明書"),), 100, refusal="no-tax-return"),
)
VALUES = {
    "language": ("ja", "en"),
    "choose": tuple(offer.kind for offer in OFFERS),
    "pick": ("self", "some", "a", "b", "more", "less"),
}

# Which commands are answered, and in which lane they wait; a lane answers in order.
LANES: dict[type[c.Command], str] = {
    c.FetchTerms: "terms",
    c.CheckHealth: "health",
    c.ReadCard: "card",
    c.Authenticate: "card",
    c.OpenSession: "city",
    c.PlaceOrder: "city",
    c.ReleaseOrder: "city",
    c.CheckPrinters: "sheets",
    c.PrintSheet: "sheets",
    c.AcceptCoins: "cash",
    c.StopCoins: "cash",
    c.PayOut: "cash",
    c.PrintReceipt: "receipts",
    c.WatchOutlet: "outlet",
}


class Ended(Exception):
    """EndSession was carried out."""


@dataclass
class Rig:
    """One process. `issued` is every command, in order; `slot` whether a coin can fall in now."""

    flow: Flow = field(default_factory=Flow)
    permits: Permits = field(default_factory=Permits)
    lanes: dict[str, deque[c.Command]] = field(default_factory=lambda: {lane: deque() for lane in LANES.values()})
    timers: dict[str, e.TimerFired] = field(default_factory=dict)
    issued: list[c.Command] = field(default_factory=list)
    slot: bool = False
    stays: int = 0

    def start(self) -> Rig:
        self.carry_out(self.flow.start())
        return self

    def send(self, *events: e.Event) -> c.Commands:
        """As the service does: permits first, then the machine, then every command behind the permits."""
        commands: c.Commands = ()
        for event in events:
            self.permits.observe(event)
            commands = self.flow.handle(event)
            self.carry_out(commands)
        return commands

    def carry_out(self, commands: c.Commands) -> None:
        for command in commands:
            refused = self.permits.refuse(command)
            assert not refused, f"{self.flow.state}: {command} refused: {refused}"
            self.permits.issued(command)
            self.issued.append(command)
            if isinstance(command, c.StartTimer):
                self.timers[command.name] = e.TimerFired(name=command.name, generation=command.generation)
            elif isinstance(command, c.StopTimer):
                self.timers.pop(command.name, None)
            elif isinstance(command, c.EndSession):
                raise Ended
            elif lane := LANES.get(type(command)):
                self.lanes[lane].append(command)

    def all(self, kind: type[c.Command]) -> list[Any]:
        return [command for command in self.issued if isinstance(command, kind)]

    # -- what the world does

    def put_card(self) -> None:
        self.stays += 1
        self.send(e.CardPresent(stay=f"rig#{self.stays}"))

    def touch(self, action: str, value: str = "") -> None:
        self.send(e.Touch(screen=self.flow.screen.number, action=action, value=value))

    def pin(self) -> None:
        for count in range(1, 5):
            self.send(e.PinDigit(screen=self.flow.screen.number, count=count))
        self.touch("enter")

    def fire(self, name: str) -> None:
        self.send(self.timers.pop(name))

    def coin(self, value: int) -> None:
        assert self.slot
        self.send(e.CoinInserted(value=value))

    def answer(self, lane: str, outcome: Outcome = "good", number: int = 0) -> None:
        """The lane's oldest command is answered. `number`: tries left, sheets or yen, where the answer has one."""
        command = self.lanes[lane].popleft()
        answers = ANSWERS[type(command)](command, number)
        event = answers.get(outcome, answers["good"])
        if isinstance(command, (c.AcceptCoins, c.StopCoins)) and not isinstance(event, e.CoinsFailed):
            self.slot = isinstance(command, c.AcceptCoins)
        if event is not None:
            self.send(event)

    def settle(self) -> None:
        """Everything asked for is answered well until nothing is asked any more."""
        while lane := next((lane for lane, waiting in self.lanes.items() if waiting and lane != "outlet"), None):
            self.answer(lane)


Outcome = str  # "good", "bad" or "worse"
Answers = dict[Outcome, e.Event | None]
Answerer = Callable[[Any, int], Answers]


def _refused(k: Any) -> e.Event:
    return e.CityRefused(epoch=k.epoch, code="line-down")


def _fee(k: c.PlaceOrder) -> int:
    return next(offer.fee for offer in OFFERS if offer.kind == k.kind) * k.copies


ANSWERS: dict[type[c.Command], Answerer] = {
    c.FetchTerms: lambda k, n: {"good": e.TermsReceived(terms=OPEN), "bad": e.LineLost()},
    c.CheckHealth: lambda k, n: {"good": e.Health(problem=""), "bad": e.Health(problem="paper-out")},
    c.ReadCard: lambda k, n: {
        "good": e.CardRead(epoch=k.epoch, tries=3),
        "bad": e.CardRead(epoch=k.epoch, tries=n % 2),
        "worse": e.CardFailed(epoch=k.epoch, cause="removed" if n else "not-mynumber"),
    },
    c.Authenticate: lambda k, n: {
        "good": e.CardAuthenticated(epoch=k.epoch, card=SHA),
        "bad": e.PinWrong(epoch=k.epoch, tries=1 + n % 2),
        "worse": e.CardFailed(epoch=k.epoch, cause="removed" if n else "pin-locked"),
    },
    c.OpenSession: lambda k, n: {
        "good": e.SessionOpened(epoch=k.epoch, offers=OFFERS, expires_in_days=900),
        "bad": _refused(k),
    },
    c.PlaceOrder: lambda k, n: {
        "good": e.DocumentChecked(epoch=k.epoch, document=SHA, unique_number="N", sheets=1 + n % 3, fee=_fee(k)),
        "bad": _refused(k),
        "worse": e.DocumentRejected(epoch=k.epoch, reason="holder"),
    },
    c.ReleaseOrder: lambda k, n: {
        "good": e.Released(epoch=k.epoch, document=k.document),
        "bad": _refused(k),
        "worse": e.Released(epoch=k.epoch, document="another"),
    },
    c.CheckPrinters: lambda k, n: {
        "good": e.PrintersReady(epoch=k.epoch, outlet_sensor=n % 2 == 0),
        "bad": e.PrintersNotReady(epoch=k.epoch, reason="paper-out"),
    },
    c.PrintSheet: lambda k, n: {
        "good": e.SheetPrinted(epoch=k.epoch, sheet=k.sheet),
        "bad": e.SheetFailed(epoch=k.epoch, sheet=k.sheet, reason="jam", certain=True),
        "worse": e.SheetFailed(epoch=k.epoch, sheet=k.sheet, reason="uncertain", certain=False),
    },
    c.AcceptCoins: lambda k, n: {"good": None, "bad": e.CoinsFailed(reason="silent")},
    c.StopCoins: lambda k, n: {"good": e.CoinsStopped(), "bad": e.CoinsFailed(reason="silent")},
    c.PayOut: lambda k, n: {
        "good": e.PaidOut(amount=k.amount),
        "bad": e.PayoutFailed(amount=k.amount, paid=0, reason="hopper-empty"),
        "worse": e.PayoutFailed(amount=k.amount, paid=min(10 * n, k.amount), reason="uncertain"),
    },
    c.PrintReceipt: lambda k, n: {
        "good": e.ReceiptDone(epoch=k.epoch, printed=True),
        "bad": e.ReceiptDone(epoch=k.epoch, printed=False),
    },
    c.WatchOutlet: lambda k, n: {"good": e.PaperTaken()},
}


# -- short ways into the journey


def at_menu() -> Rig:
    rig = Rig().start()
    rig.send(e.CardAbsent())
    rig.settle()
    assert rig.flow.state is State.MENU
    return rig


def at_remove() -> Rig:
    """The PIN was right; the card is still there."""
    rig = at_menu()
    rig.put_card()
    rig.settle()
    rig.pin()
    rig.settle()
    assert rig.flow.state is State.REMOVE
    return rig


def at_certificates() -> Rig:
    rig = at_remove()
    rig.send(e.CardAbsent())
    rig.settle()
    assert rig.flow.state is State.CERTIFICATES
    return rig


def at_confirm() -> Rig:
    rig = at_certificates()
    rig.touch("choose", "inkan")
    assert rig.flow.state is State.CONFIRM
    return rig


def at_ordering() -> Rig:
    rig = at_confirm()
    rig.touch("confirm")
    assert rig.flow.state is State.ORDERING
    return rig


def at_paying(sheets: int = 1) -> Rig:
    """A 100-yen certificate of so many sheets; the slot is open."""
    rig = at_ordering()
    rig.answer("city", number=sheets - 1)
    rig.settle()
    assert rig.flow.state is State.PAYING
    return rig


def at_printing(sheets: int = 1, coin: int = 100) -> Rig:
    """Paid and released; the first sheet is on its way."""
    rig = at_paying(sheets)
    rig.coin(coin)
    rig.answer("cash")
    rig.answer("city")
    assert rig.flow.state is State.PRINTING
    return rig


# -- any state, set up directly


def session_for(state: State) -> Session:
    """A session with which this state can be, rich enough for every view and action."""
    absent = SPECS[state].card is not CardPolicy.MUST_STAY and SPECS[state].card is not CardPolicy.MUST_LEAVE
    return Session(
        presence=Presence.ABSENT if absent else Presence.PRESENT,
        stay="" if absent else "here",
        terms=OPEN,
        problem="",
        epoch=7,
        tries=3,
        authenticated=True,
        card=SHA,
        expires_in_days=900,
        offers=OFFERS,
        kind="juminhyo",
        answers=defaults(OFFERS[0]),
        document=Document(SHA, "N", 3, 100),
        ordered=True,
        inserted=50,
        sheet=1,
        resume=State.PAYING if state is State.HOLD else "",
    )


def placed(state: State, session: Session | None = None, flow: Flow | None = None) -> Flow:
    """A machine in this state, with its screen shown and its limit running; `flow` is used again where given."""
    flow = flow or Flow()
    flow.moment = replace(flow.moment, state=state, session=session or session_for(state), latched=())
    flow._enter()
    flow._show(SPECS[state].limit_s)
    return flow


def samples(flow: Flow) -> Iterator[e.Event]:
    """One event of every kind, of this very moment; touches for every action there is, offered or not."""
    epoch, screen = flow.session.epoch, flow.screen.number
    yield from (e.CardPresent(stay="another"), e.CardAbsent(), e.CardUnknown())
    yield from (e.CardRead(epoch=epoch, tries=n) for n in (0, 1, 3))
    yield from (e.CardFailed(epoch=epoch, cause=cause) for cause in ("removed", "card-expired"))
    yield from (e.CardAuthenticated(epoch=epoch, card=SHA), e.PinWrong(epoch=epoch, tries=1))
    yield e.PinDigit(screen=screen, count=1)
    yield from (e.TermsReceived(terms=OPEN), e.TermsReceived(terms=CLOSED), e.LineLost())
    yield from (e.Health(problem=""), e.Health(problem="paper-out"), e.Shutdown())
    yield e.SessionOpened(epoch=epoch, offers=OFFERS, expires_in_days=3)
    yield from (e.CityRefused(epoch=epoch, code="line-down"), e.Released(epoch=epoch, document=SHA))
    yield e.DocumentChecked(epoch=epoch, document=SHA, unique_number="N", sheets=1, fee=100)
    yield e.DocumentRejected(epoch=epoch, reason="holder")
    yield from (e.CoinInserted(value=100), e.CoinReturned(), e.CoinsFailed(reason="silent"), e.CoinsStopped())
    yield from (e.PaidOut(amount=10), e.PayoutFailed(amount=50, paid=10, reason="hopper-empty"))
    yield from (e.PrintersReady(epoch=epoch, outlet_sensor=True), e.PrintersNotReady(epoch=epoch, reason="jam"))
    yield from (e.SheetPrinted(epoch=epoch, sheet=n) for n in (1, 3))
    yield from (e.SheetFailed(epoch=epoch, sheet=1, reason="jam", certain=certain) for certain in (True, False))
    yield from (e.PaperTaken(), e.ReceiptDone(epoch=epoch, printed=True))
    running = (("limit", flow.moment.limit), ("remind", flow.moment.remind))
    yield from (e.TimerFired(name=name, generation=generation) for name, generation in running if generation)
    for action in sorted({action for spec in SPECS.values() for action in spec.actions} | {"more-time", "unheard-of"}):
        for value in VALUES.get(action, ("",)):
            yield e.Touch(screen=screen, action=action, value=value)
