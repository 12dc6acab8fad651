"""The world around the journey, as small as the rules allow: what is really there, and what can happen next.

Everything asked of a device or of the city waits until it is answered: well, badly, late or never. The world keeps its
own account (money, document, sheets, PIN) and never reads the journey's. Epochs, screens and timers are told relative
to the present (see kiosk.py), so that what can happen is a fixed set of events. Amounts in yen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.machine import Moment
from firmware.flow.offers import Choice, Notice, Offer, Option, Terms
from firmware.flow.session import Presence
from firmware.flow.states import Phase, State

# The present, whatever was counted until now. An epoch of the permits that is older is LATE, any other is DEAD.
NOW, LATE, DEAD = 2, 1, 0
SCREEN, LIMIT, REMIND = 100, 1, 2
HERE, ANOTHER = "here", "another"
IDLE = frozenset({Phase.OUT, Phase.WELCOME})

DOCUMENT, WRONG = "d0c" * 21 + "1", "bad" * 21 + "1"
TITLE = (("ja", "証明書"),)
OPEN = Terms(city_name=(("ja", "市"),), notices=(Notice("asked", TITLE, 100),))
SHUT = Terms(city_name=(("ja", "市"),), refusal="closed")
# Nothing is chosen beforehand, and there is one choice: "next" without an answer, and with it.
QUESTION = Option("members", "many", (Choice("a", "甲"),), minimum=1)
OFFERS = (Offer("asked", TITLE, 100, options=(QUESTION,)), Offer("barred", TITLE, 100, refusal="no-tax-return"))
PLAIN = (Offer("plain", TITLE, 100),)
VALUES = {"language": ("en",), "choose": ("asked", "barred", "plain"), "pick": ("a",)}


class Ask(NamedTuple):
    """A command that waits for its answer. `number`: its sheet or amount."""

    lane: str
    kind: type[c.Command]
    epoch: int
    number: int = 0


class World(NamedTuple):
    card: Presence = Presence.UNKNOWN
    asks: tuple[Ask, ...] = ()
    # money
    slot: bool = False  # a coin can fall in
    extra: bool = False  # the one coin that falls in after the slot was told to shut, or out of nowhere, has come
    inserted: int = 0
    returned: int = 0
    # this person
    pin: bool = False  # digits are in the buffer
    verified: bool = False
    opened: bool = False
    at_city: bool = False  # the city holds something of this person's that must be cancelled or reported
    # the document
    sheets: int = 0  # of the one that is held; 0: none
    fee: int = 0
    release_asked: bool = False
    released: str = ""
    printed: int = 0
    kept: int | None = None  # by the outcome reported; None: none was
    # anomalies
    case_due: bool = False  # one happened and no case was opened yet
    paused: bool = False

    def waiting(self, *kinds: type[c.Command]) -> bool:
        return any(ask.kind in kinds for ask in self.asks)

    @property
    def complete(self) -> bool:
        return 0 < self.sheets == self.printed


class Happening(NamedTuple):
    """`label` names it in files and reports. `ask` is what it answers."""

    label: str
    event: e.Event | None
    ask: Ask | None = None
    anomaly: bool = False


# -- what is asked, and how it may be answered. The slot opens at once; that it did not is told as a jam.

LANES: dict[type[c.Command], str] = {
    c.ReadCard: "card",
    c.Authenticate: "card",
    c.OpenSession: "city",
    c.PlaceOrder: "city",
    c.ReleaseOrder: "city",
    c.CheckPrinters: "sheets",
    c.PrintSheet: "sheets",
    c.StopCoins: "cash",
    c.PayOut: "cash",
    c.PrintReceipt: "receipts",
    c.WatchOutlet: "outlet",
}
AHEAD = 1  # number of what is read of the card behind its first answer, while the PIN is typed: only a failure is told
Answer = tuple[str, e.Event, bool]  # label, event, whether it is an anomaly


def _document(sheets: int, fee: int, epoch: int) -> Answer:
    event = e.DocumentChecked(epoch=epoch, document=DOCUMENT, unique_number="N", sheets=sheets, fee=fee)
    return f"document-checked {sheets} {fee}", event, False


def _refused(epoch: int) -> Answer:
    return "city-refused", e.CityRefused(epoch=epoch, code="line-down"), False


ANSWERS: dict[type[c.Command], Callable[[int, int], tuple[Answer, ...]]] = {
    c.ReadCard: lambda t, n: (
        *((f"card-read {tries}", e.CardRead(epoch=t, tries=tries), False) for tries in (3, 1, 0) if n != AHEAD),
        ("card-failed removed", e.CardFailed(epoch=t, cause="removed"), False),
        ("card-failed card-expired", e.CardFailed(epoch=t, cause="card-expired"), False),
    ),
    c.Authenticate: lambda t, _: (
        ("card-authenticated", e.CardAuthenticated(epoch=t, card=DOCUMENT), False),
        *((f"pin-wrong {tries}", e.PinWrong(epoch=t, tries=tries), False) for tries in (2, 1)),
        ("card-failed removed", e.CardFailed(epoch=t, cause="removed"), False),
        ("card-failed pin-locked", e.CardFailed(epoch=t, cause="pin-locked"), False),
    ),
    c.OpenSession: lambda t, _: (
        ("session-opened asked", e.SessionOpened(epoch=t, offers=OFFERS, expires_in_days=900, holder="甲"), False),
        ("session-opened plain", e.SessionOpened(epoch=t, offers=PLAIN, expires_in_days=900, holder="甲"), False),
        _refused(t),
    ),
    c.PlaceOrder: lambda t, _: (
        *(_document(sheets, fee, t) for sheets, fee in ((1, 100), (2, 100), (1, 0))),
        _refused(t),
        ("document-rejected", e.DocumentRejected(epoch=t, reason="holder"), True),
    ),
    c.ReleaseOrder: lambda t, _: (
        ("released", e.Released(epoch=t, document=DOCUMENT), False),
        ("released another", e.Released(epoch=t, document=WRONG), False),
        _refused(t),
    ),
    c.CheckPrinters: lambda t, _: (
        ("printers-ready sensor", e.PrintersReady(epoch=t, outlet_sensor=True), False),
        ("printers-ready blind", e.PrintersReady(epoch=t, outlet_sensor=False), False),
        ("printers-not-ready", e.PrintersNotReady(epoch=t, reason="paper-out"), False),
    ),
    c.PrintSheet: lambda t, n: (
        (f"sheet-printed {n}", e.SheetPrinted(epoch=t, sheet=n), False),
        (f"sheet-failed {n}", e.SheetFailed(epoch=t, sheet=n, reason="jam", certain=True), True),
        (f"sheet-failed {n} uncertain", e.SheetFailed(epoch=t, sheet=n, reason="uncertain", certain=False), True),
    ),
    c.StopCoins: lambda _, n: (
        ("coins-stopped", e.CoinsStopped(), False),
        ("stop-failed", e.CoinsFailed(reason="silent"), True),
    ),
    c.PayOut: lambda _, n: (
        (f"paid-out {n}", e.PaidOut(amount=n), False),
        *((f"payout-failed {n} {p}", _short(n, p), True) for p in ((0, 50) if n > 50 else (0,))),
    ),
    c.PrintReceipt: lambda t, _: (
        ("receipt-done", e.ReceiptDone(epoch=t, printed=True), False),
        ("receipt-failed", e.ReceiptDone(epoch=t, printed=False), False),
    ),
    c.WatchOutlet: lambda *_: (("paper-taken", e.PaperTaken(), False),),
}


def _short(amount: int, paid: int) -> e.Event:
    return e.PayoutFailed(amount=amount, paid=paid, reason="hopper-empty")


@cache
def answers(ask: Ask) -> tuple[Happening, ...]:
    ahead = "ahead " if ask.kind is c.ReadCard and ask.number == AHEAD else ""
    when = "late " + ahead if ask.epoch == LATE else ahead
    found = ANSWERS[ask.kind](ask.epoch, ask.number)
    return tuple(Happening(when + label, event, ask, anomaly) for label, event, anomaly in found)


# -- what happens by itself

CARD: dict[Presence, tuple[Happening, ...]] = {
    Presence.ABSENT: (
        Happening("card-present", e.CardPresent(stay=ANOTHER)),
        Happening("card-unknown", e.CardUnknown()),
    ),
    Presence.PRESENT: (
        Happening("card-absent", e.CardAbsent()),
        Happening("card-swapped", e.CardPresent(stay=ANOTHER)),
        Happening("card-unknown", e.CardUnknown()),
    ),
    Presence.UNKNOWN: (
        Happening("card-absent", e.CardAbsent()),
        Happening("card-present", e.CardPresent(stay=ANOTHER)),
    ),
}
NEWS = (
    Happening("terms", e.TermsReceived(terms=OPEN)),
    Happening("terms closed", e.TermsReceived(terms=SHUT)),
    Happening("line-lost", e.LineLost()),
    Happening("health paper-out", e.Health(problem="paper-out")),
    Happening("shutdown", e.Shutdown()),
)
FIT, CASE_OPEN = Happening("health", e.Health(problem="")), Happening("health case-open", e.Health(problem="case-open"))
OPERATOR = Happening("operator", None)  # closes the case
TIME = {"limit": Happening("limit", e.TimerFired(name="limit", generation=LIMIT))}
TIME["remind"] = Happening("remind", e.TimerFired(name="remind", generation=REMIND))
COINS = tuple(Happening(f"coin {value}", e.CoinInserted(value=value)) for value in (50, 500))
RETURNED = Happening("coin-returned", e.CoinReturned())
FALLING = Happening("falling-coin 50", e.CoinInserted(value=50))  # swallowed before the slot was shut
STRAY = Happening("stray-coin 50", e.CoinInserted(value=50), anomaly=True)
JAM = Happening("coins-failed", e.CoinsFailed(reason="jam"), anomaly=True)
DIGITS = {count: Happening(f"digit {count}", e.PinDigit(screen=SCREEN, count=count)) for count in (1, 4)}


@cache
def touches(actions: tuple[str, ...]) -> tuple[Happening, ...]:
    return tuple(
        Happening(f"touch {action} {value}".rstrip(), e.Touch(screen=SCREEN, action=action, value=value))
        for action in actions
        for value in VALUES.get(action, ("",))
    )


def happenings(world: World, moment: Moment) -> Iterator[Happening]:
    """Everything that can happen now. Silence is that it does not."""
    yield from CARD[world.card]
    yield from touches(moment.screen.actions)
    if moment.state is State.PIN:
        yield from (digit for count, digit in DIGITS.items() if count > moment.session.digits)
    if moment.limit:
        yield TIME["limit"]
    if moment.remind:
        yield TIME["remind"]
    cash = True
    for ask in world.asks:
        if ask.lane != "cash" or cash:  # the coin unit does one thing after the other
            yield from answers(ask)
        cash = cash and ask.lane != "cash"
    yield from _coins(world, moment)
    yield from NEWS
    yield CASE_OPEN if world.paused else FIT
    if world.paused and not world.inserted and moment.state.phase in IDLE:
        yield OPERATOR


def _coins(world: World, moment: Moment) -> Iterator[Happening]:
    if world.slot and not world.waiting(c.StopCoins):
        yield from (*COINS, RETURNED)
    elif not world.extra:
        # Until the journey has heard that the slot is shut, it may take a coin for one that was falling.
        unheard = world.waiting(c.StopCoins) or e.CoinsStopped() in moment.latched
        yield from (FALLING, RETURNED) if unheard else (STRAY,)
    yield JAM


# -- what it does to the world


def happened(world: World, happening: Happening) -> World:
    event, ask = happening.event, happening.ask
    if ask is not None:
        asks = list(world.asks)
        asks.remove(ask)
        if isinstance(event, e.CardRead) and event.tries:
            asks.append(ask._replace(number=AHEAD))
        if ask.kind is c.Authenticate:
            asks = [other for other in asks if other.kind is not c.ReadCard]
        world = world._replace(asks=tuple(asks))
    if event is None:
        return world._replace(paused=False)
    change = CHANGES.get(type(event))
    if getattr(event, "epoch", NOW) != NOW:
        return world
    if happening.anomaly and not (happening is STRAY and world.paused):  # one case is enough for a coin unit
        world = world._replace(case_due=True)
    if change is None:
        return world
    return world._replace(**change(world, event, happening))


Change = Callable[[World, Any, Happening], dict[str, Any]]
CHANGES: dict[type[e.Event], Change] = {
    e.CardPresent: lambda w, v, h: {"card": Presence.PRESENT},
    e.CardAbsent: lambda w, v, h: {"card": Presence.ABSENT},
    e.CardUnknown: lambda w, v, h: {"card": Presence.UNKNOWN},
    e.PinDigit: lambda w, v, h: {"pin": True},
    e.CardAuthenticated: lambda w, v, h: {"verified": True},
    e.SessionOpened: lambda w, v, h: {"opened": True},
    e.DocumentChecked: lambda w, v, h: {"sheets": v.sheets, "fee": v.fee, "printed": 0},
    e.Released: lambda w, v, h: {"released": v.document},
    e.SheetPrinted: lambda w, v, h: {"printed": v.sheet},
    e.CoinInserted: lambda w, v, h: {
        "inserted": w.inserted + v.value,
        "extra": w.extra or h in (STRAY, FALLING),
    },
    e.CoinReturned: lambda w, v, h: {"extra": w.extra or w.waiting(c.StopCoins) or not w.slot},
    e.CoinsStopped: lambda w, v, h: {"slot": False},
    e.CoinsFailed: lambda w, v, h: {"slot": w.slot and h is JAM},
    e.PaidOut: lambda w, v, h: {"returned": w.returned + v.amount},
    e.PayoutFailed: lambda w, v, h: {"returned": w.returned + v.paid},
}


def told(world: World, command: c.Command) -> World:
    """The command has gone out."""
    effect = EFFECTS.get(type(command))
    if effect is not None:
        world = world._replace(**effect(world, command))
    lane = LANES.get(type(command))
    if lane is None:
        return world
    number = getattr(command, "sheet", 0) or getattr(command, "amount", 0)
    ask = Ask(lane, type(command), getattr(command, "epoch", NOW), number)
    return world._replace(asks=(*world.asks, ask))


NO_DOCUMENT = {"sheets": 0, "fee": 0, "released": "", "printed": 0}
Effect = Callable[[World, Any], dict[str, Any]]
EFFECTS: dict[type[c.Command], Effect] = {
    c.ReadCard: lambda w, k: {"verified": False, "opened": False, **NO_DOCUMENT},
    c.Authenticate: lambda w, k: {"pin": False},
    c.ForgetPin: lambda w, k: {"pin": False},
    c.OpenSession: lambda w, k: {"at_city": True},
    c.CancelAtCity: lambda w, k: {"at_city": False, "verified": False, "opened": False, **NO_DOCUMENT},
    c.ReleaseOrder: lambda w, k: {"release_asked": True},
    c.PurgePrinter: lambda w, k: NO_DOCUMENT,
    c.ReportOutcome: lambda w, k: {"at_city": False, "kept": k.kept},
    c.AcceptCoins: lambda w, k: {"slot": True},
    c.OpenCase: lambda w, k: {"case_due": w.case_due and not k.pauses, "paused": w.paused or k.pauses},
}
