"""Each command of the flow: what it changes at once, who answers it, and how.

The first answer is the good one. An event of the table is a sample: epoch, sheet and amount are
filled in from what was asked, and whoever knows more (a scenario, a test) gives more facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from firmware.flow import commands, events
from firmware.flow.offers import Offer
from firmware.flow.session import Token
from testbed.world import effects
from testbed.world.effects import Effect, add, change_nothing, do_both, set_fields
from testbed.world.samples import HOLDER, OFFERS, OPEN, PLAIN, SHUT
from testbed.world.state import DOCUMENT, LATE, NOW, WRONG, Ask, Device, World

# The number of what is read of the card behind its first answer, while the PIN is typed: only a
# failure of it is reported.
AHEAD = 1


class Answer(NamedTuple):
    """One way in which a command may be answered. `anomaly`: it needs a case."""

    name: str
    event: events.Event
    effect: Effect = change_nothing
    anomaly: bool = False
    comes_out: bool = False  # a sheet does, however late this is


class Asked(NamedTuple):
    """What a command asks of the world. `effect` is at once; nobody answers without a `device`."""

    effect: Effect = change_nothing
    device: Device | None = None
    answers: tuple[Answer, ...] = ()


class Happening(NamedTuple):
    """`label` names it in files and reports. `ask` is what it answers."""

    label: str
    event: events.Event | None
    ask: Ask | None = None
    effect: Effect = change_nothing
    anomaly: bool = False
    comes_out: bool = False


NOTHING = Asked()
REFUSED = Answer("city-refused", events.CityRefused(epoch=NOW, code="line-down"))
REMOVED = Answer("card-failed removed", events.CardFailed(epoch=NOW, cause="removed"))


def _ask(device: Device, *answers: Answer, at_once: Effect = change_nothing) -> Asked:
    return Asked(at_once, device, answers)


def _opened(name: str, offers: tuple[Offer, ...]) -> Answer:
    event = events.SessionOpened(epoch=NOW, offers=offers, expires_in_days=900, holder=HOLDER)
    return Answer(name, event, set_fields(opened=True))


def _checked(sheets: int, copies: int, fee: int) -> Answer:
    event = events.DocumentChecked(
        epoch=NOW, document=DOCUMENT, unique_number="N", sheets=sheets, copies=copies, fee=fee
    )
    return Answer(f"document-checked {sheets} {copies} {fee}", event, effects.check_document)


def _ready(name: str, sensor: bool, exact_only: bool = False, cashless: bool = False) -> Answer:
    event = events.PrintersReady(
        epoch=NOW, outlet_sensor=sensor, exact_only=exact_only, cashless=cashless
    )
    return Answer(f"printers-ready {name}", event)


def _short(name: str, paid: int, reason: str) -> Answer:
    event = events.PayoutFailed(amount=0, paid=paid, reason=reason)
    return Answer(f"payout-failed {name}", event, effects.fail_payout, anomaly=True)


JAMMED = events.SheetFailed(epoch=NOW, sheet=0, reason="jam", certain=True)
UNCERTAIN = events.SheetFailed(epoch=NOW, sheet=0, reason="uncertain", certain=False)

TABLE: Mapping[type[commands.Command], Asked] = {
    # panel, time and the kiosk itself
    commands.ShowScreen: NOTHING,
    commands.Announce: NOTHING,
    commands.StartTimer: NOTHING,
    commands.StopTimer: NOTHING,
    commands.CallStaff: NOTHING,
    commands.OpenTechnician: NOTHING,
    commands.EndSession: NOTHING,
    commands.Note: NOTHING,
    commands.OpenCase: Asked(effects.open_case),
    commands.CheckHealth: _ask(
        Device.HEALTH,
        Answer("health", events.Health(problem="")),
        Answer("health paper-out", events.Health(problem="paper-out")),
        Answer("health case-open", events.Health(problem="case-open")),
    ),
    # card
    commands.ReadCard: _ask(
        Device.CARD,
        Answer("card-read 3", events.CardRead(epoch=NOW, tries=3)),
        Answer("card-read 1", events.CardRead(epoch=NOW, tries=1)),
        Answer("card-read 0", events.CardRead(epoch=NOW, tries=0)),
        # Of a city that takes none. Where one does, only words are otherwise (test_phones.py).
        Answer("card-read 3 phone", events.CardRead(epoch=NOW, tries=3, token=Token.ANDROID)),
        REMOVED,
        Answer("card-failed mute", events.CardFailed(epoch=NOW, cause="mute")),
        Answer("card-failed card-expired", events.CardFailed(epoch=NOW, cause="card-expired")),
        at_once=effects.forget_card,
    ),
    commands.Authenticate: _ask(
        Device.CARD,
        Answer(
            "card-authenticated",
            events.CardAuthenticated(epoch=NOW, card=DOCUMENT),
            set_fields(verified=True),
        ),
        Answer("pin-wrong 2", events.PinWrong(epoch=NOW, tries=2)),
        Answer("pin-wrong 1", events.PinWrong(epoch=NOW, tries=1)),
        *(  # the card's answer was lost, and it was asked what it counts
            Answer(f"card-read {tries}", events.CardRead(epoch=NOW, tries=tries))
            for tries in (3, 1, 0)
        ),
        REMOVED,
        Answer("card-failed pin-locked", events.CardFailed(epoch=NOW, cause="pin-locked")),
        at_once=set_fields(pin=False),
    ),
    commands.ForgetPin: Asked(set_fields(pin=False)),
    commands.ReleaseCard: NOTHING,
    # city
    commands.FetchTerms: _ask(
        Device.TERMS,
        Answer("terms", events.TermsReceived(terms=OPEN)),
        Answer("terms closed", events.TermsReceived(terms=SHUT)),
        Answer("line-lost", events.LineLost()),
    ),
    commands.OpenSession: _ask(
        Device.CITY,
        _opened("session-opened asked", OFFERS),
        _opened("session-opened plain", PLAIN),
        REFUSED,
        at_once=set_fields(at_city=True),
    ),
    commands.PlaceOrder: _ask(
        Device.CITY,
        _checked(sheets=1, copies=1, fee=100),
        _checked(sheets=2, copies=1, fee=100),
        _checked(sheets=2, copies=2, fee=200),
        _checked(sheets=1, copies=1, fee=0),
        REFUSED,
        Answer(
            "document-rejected", events.DocumentRejected(epoch=NOW, reason="holder"), anomaly=True
        ),
    ),
    commands.ReleaseOrder: _ask(
        Device.CITY,
        Answer("released", events.Released(epoch=NOW, document=DOCUMENT), effects.release),
        Answer("released another", events.Released(epoch=NOW, document=WRONG), effects.release),
        REFUSED,
        at_once=set_fields(release_asked=True),
    ),
    commands.CancelAtCity: Asked(do_both(effects.forget_card, set_fields(at_city=False))),
    commands.ReportOutcome: Asked(effects.report),
    # money
    # The slot opens at once; that it did not open is reported as a jam.
    commands.AcceptCoins: Asked(set_fields(slot=True)),
    commands.StopCoins: _ask(
        Device.CASH,
        Answer("coins-stopped", events.CoinsStopped(), set_fields(slot=False)),
        Answer(
            "stop-failed", events.CoinsFailed(reason="silent"), set_fields(slot=False), anomaly=True
        ),
    ),
    commands.PayOut: _ask(
        Device.CASH,
        Answer("paid-out", events.PaidOut(amount=0), add("returned", of="amount")),
        _short("0", 0, "hopper-empty"),
        _short("50", 50, "hopper-empty"),
        _short("0 uncertain", 0, "uncertain"),
    ),
    commands.Charge: _ask(
        Device.CASHLESS,
        Answer("charged", events.Charged(amount=0, transaction="1"), add("charged", of="amount")),
        Answer("charge-declined", events.ChargeDeclined(amount=0, reason="refused")),
        Answer(
            "charge-unknown",
            events.ChargeUnknown(amount=0),
            add("doubted", of="amount"),
            anomaly=True,
        ),
    ),
    commands.CancelCharge: NOTHING,
    commands.Reverse: _ask(
        Device.CASHLESS,
        Answer("reversed", events.Reversed(amount=0), add("reversed", of="amount")),
        Answer("reverse-failed", events.ReverseFailed(amount=0, certain=True), anomaly=True),
        Answer(
            "reverse-failed uncertain",
            events.ReverseFailed(amount=0, certain=False),
            add("unreported", of="amount"),
            anomaly=True,
        ),
    ),
    # paper
    commands.CheckPrinters: _ask(
        Device.SHEETS,
        _ready("sensor", sensor=True),
        _ready("blind", sensor=False),
        _ready("exact", sensor=False, exact_only=True),
        _ready("terminal", sensor=True, cashless=True),
        Answer("printers-not-ready", events.PrintersNotReady(epoch=NOW, reason="paper-out")),
    ),
    commands.PrintSheet: _ask(
        Device.SHEETS,
        Answer(
            "sheet-printed",
            events.SheetPrinted(epoch=NOW, sheet=0),
            effects.print_sheet,
            comes_out=True,
        ),
        Answer("sheet-failed", JAMMED, anomaly=True),
        Answer("sheet-failed uncertain", UNCERTAIN, anomaly=True),
        Answer("sheet-failed uncertain and out", UNCERTAIN, anomaly=True, comes_out=True),
    ),
    commands.PurgePrinter: Asked(effects.forget_document),
    commands.WatchOutlet: _ask(Device.OUTLET, Answer("paper-taken", events.PaperTaken())),
    commands.PrintReceipt: _ask(
        Device.RECEIPTS,
        Answer("receipt-done", events.ReceiptDone(epoch=NOW, printed=True)),
        Answer("receipt-failed", events.ReceiptDone(epoch=NOW, printed=False)),
    ),
    commands.PrintClaim: NOTHING,
}
if set(TABLE) != set(commands.Command.__subclasses__()):
    raise TypeError("not every command of the flow has its answers")


@cache
def list_answers(ask: Ask) -> tuple[Happening, ...]:
    """All the ways, each labelled with whether it comes late, or of what was read ahead."""
    prefix = ""
    if ask.epoch == LATE:
        prefix += "late "
    if ask.kind is commands.ReadCard and ask.number == AHEAD:
        prefix += "ahead "
    return tuple(_happening(prefix, answer, ask) for answer in list_possible(ask))


def list_possible(ask: Ask) -> list[Answer]:
    """Only failures of what is read ahead, and no payout that failed after its last coin."""
    every = TABLE[ask.kind].answers
    if ask.kind is commands.ReadCard and ask.number == AHEAD:
        return [answer for answer in every if isinstance(answer.event, events.CardFailed)]
    return [answer for answer in every if getattr(answer.event, "paid", 0) < (ask.number or 1)]


def find_answer(ask: Ask, name: str = "", **facts: object) -> Happening:
    """The answer of this name, or else the good one, with these facts in its event."""
    answer = next(each for each in list_possible(ask) if name in ("", each.name))
    happening = _happening("", answer, ask)
    assert happening.event is not None  # noqa: S101 - every answer of the table has one
    return happening._replace(event=replace(happening.event, **facts))


def _happening(prefix: str, answer: Answer, ask: Ask) -> Happening:
    known = {"epoch": ask.epoch, "sheet": ask.number, "amount": ask.number}
    facts = {name: value for name, value in known.items() if hasattr(answer.event, name)}
    words = answer.name.split()
    if "sheet" in facts or "amount" in facts:
        words.insert(1, str(ask.number))
    return Happening(
        label=prefix + " ".join(words),
        event=replace(answer.event, **facts),
        ask=ask,
        effect=answer.effect,
        anomaly=answer.anomaly,
        comes_out=answer.comes_out,
    )


# -- the world after a command, and after what happened


def after_command(world: World, command: commands.Command) -> World:
    """The world once this command has gone out."""
    asked = TABLE[type(command)]
    world = asked.effect(world, command)
    if asked.device is None:
        return world
    number = getattr(command, "sheet", 0) or getattr(command, "amount", 0)
    ask = Ask(asked.device, type(command), getattr(command, "epoch", NOW), number)
    return world._replace(asks=(*world.asks, ask))


def after_happening(world: World, happening: Happening, epoch: int = NOW) -> World:
    """The world once this has happened; an answer of another epoch than the present one changes
    nothing but the paper.
    """
    event = happening.event
    if happening.ask is not None:
        world = _without_answered(world, happening.ask, event)
    if happening.comes_out:
        world = world._replace(out=world.out + 1)
    if getattr(event, "epoch", epoch) != epoch:
        return world
    if happening.anomaly and not _has_its_case(world, happening):
        world = world._replace(case_due=True)
    return happening.effect(world, event)


def _without_answered(world: World, answered: Ask, event: events.Event | None) -> World:
    asks = list(world.asks)
    asks.remove(answered)
    is_read = answered.kind is commands.ReadCard
    if is_read and isinstance(event, events.CardRead) and event.tries:
        asks.append(answered._replace(number=AHEAD))
    if answered.kind is commands.Authenticate:
        asks = [other for other in asks if other.kind is not commands.ReadCard]
    return world._replace(asks=tuple(asks))


def _has_its_case(world: World, happening: Happening) -> bool:
    """One case is enough for a coin unit, and for a charge or a reversal that is not answered in
    time.
    """
    match happening.event:
        case events.ChargeUnknown() | events.ReverseFailed():
            return world.case_held
        case events.CoinInserted():
            return world.paused
    return False
