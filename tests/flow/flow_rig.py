"""A journey for tests of the flow. What it asks waits until the test names the answer, one of those
that the devices and the city can give (`testbed.world.answers`). Every command passes the permits,
every event teaches them, as in the service.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from firmware.flow import commands
from firmware.flow import events as flow_events
from firmware.flow.machine import Flow
from firmware.flow.offers import Choice, Holder, Offer, Option, defaults
from firmware.flow.session import Document, Mode, Presence, Session
from firmware.flow.states import CardPolicy, State
from firmware.flow.table import SPECS
from firmware.flow.timers import Timer
from testbed.world.answers import TABLE, Happening, find_answer
from testbed.world.journey import Journey
from testbed.world.samples import OPEN
from testbed.world.state import DOCUMENT, Ask, Device

SHA = DOCUMENT
SCOPE = Option("scope", "one", (Choice("self"), Choice("some")), default=("self",))
HOUSEHOLD = (Choice("a", "甲"), Choice("b", "乙"))
HOLDER = Holder("a", "昭和33年4月1日", "兵庫県明石市中崎一丁目5番1号", HOUSEHOLD)
MEMBERS = Option("members", "many", HOUSEHOLD, minimum=1, when=("scope", "some"))
COPIES = Option("copies", "count", minimum=1, maximum=3)
OFFERS = (
    Offer("juminhyo", (("ja", "住民票の写し"),), 100, options=(SCOPE, MEMBERS, COPIES)),
    Offer("inkan", (("ja", "印鑑登録証明書"),), 100),
    Offer("free", (("ja", "無料"),), 0),
    Offer("kazei", (("ja", "所得・課税証明書"),), 100, refusal="no-tax-return"),
)
VALUES = {
    "language": ("ja", "en"),
    "mode": (*Mode, "unheard-of"),
    "choose": tuple(offer.kind for offer in OFFERS),
    "pick": ("self", "some", "a", "b", "more", "less"),
}


class Ended(Exception):
    """EndSession was carried out."""


class Rig(Journey):
    """One process."""

    stays = 0

    def happen(self, happening: Happening) -> commands.Commands:
        carried_out = super().happen(happening)
        if self.ended:
            raise Ended
        return carried_out

    def send(self, *events: flow_events.Event) -> commands.Commands:
        carried_out: commands.Commands = ()
        for event in events:
            carried_out = self.happen(Happening("sent", event))
        return carried_out

    # -- what the world does

    def put_card(self) -> None:
        self.stays += 1
        self.send(flow_events.CardPresent(stay=f"rig#{self.stays}"))

    def pin(self) -> None:
        for count in range(1, 5):
            self.type_digit(count)
        self.touch("enter")

    def coin(self, value: int) -> None:
        assert self.world.slot
        self.send(flow_events.CoinInserted(value=value))

    def answer(self, device: str, name: str = "", **facts: Any) -> None:
        """The oldest of what this device was asked is answered: well, or as `name` says. `facts`
        are what the answer says of this person's order.
        """
        (ask, *_) = self.waiting(device)
        self.happen(find_answer(ask, name, **{**self._known(ask, name), **facts}))

    def _known(self, ask: Ask, name: str) -> dict[str, Any]:
        """What the city knows, in its good answers."""
        if ask.kind is commands.OpenSession and not name:
            return {"offers": OFFERS, "holder": HOLDER}
        if ask.kind is commands.PlaceOrder and not name:
            order = self.all(commands.PlaceOrder)[-1]
            fee = next(offer.fee for offer in OFFERS if offer.kind == order.kind)
            return {"fee": fee * order.copies}
        return {}

    def settle(self) -> None:
        """Everything asked for is answered well until nothing is asked any more; nobody takes the
        sheets.
        """
        while asks := [ask for ask in self.waiting() if ask.kind is not commands.WatchOutlet]:
            self.answer(asks[0].device)


# -- short ways into the journey


def at_menu() -> Rig:
    rig = Rig()
    rig.start()
    rig.send(flow_events.CardAbsent())
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
    rig.send(flow_events.CardAbsent())
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
    rig.answer("city", sheets=sheets)
    rig.settle()
    assert rig.flow.state is State.PAYING
    return rig


def at_payway(sheets: int = 1) -> Rig:
    """There is a payment terminal: the way of paying is asked."""
    rig = at_ordering()
    rig.answer("city", sheets=sheets)
    rig.answer("sheets", "printers-ready terminal")
    assert rig.flow.state is State.PAYWAY
    return rig


def at_charging(sheets: int = 1) -> Rig:
    """The terminal waits for somebody to present."""
    rig = at_payway(sheets)
    rig.touch("cashless")
    assert rig.flow.state is State.CHARGING
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
    absent = (
        SPECS[state].card is not CardPolicy.MUST_STAY
        and SPECS[state].card is not CardPolicy.MUST_LEAVE
    )
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
        holder=HOLDER,
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
    """A machine in this state, with its screen shown and its limit running; `flow` is used again
    where given.
    """
    flow = flow or Flow()
    flow.moment = replace(
        flow.moment, state=state, session=session or session_for(state), latched=()
    )
    flow._enter()
    flow._show()
    return flow


def samples(flow: Flow) -> Iterator[flow_events.Event]:
    """One event of every kind, of this very moment; touches for every action there is, offered or
    not.
    """
    epoch, screen = flow.session.epoch, flow.screen.number
    for kind, asked in TABLE.items():
        for number in (1, 3) if kind is commands.PrintSheet else (100,):
            for answer in asked.answers:
                ask = Ask(asked.device or Device.CARD, kind, epoch, number)
                happening = find_answer(ask, answer.name)
                assert happening.event
                yield happening.event
    yield from (
        flow_events.CardPresent(stay="another"),
        flow_events.CardAbsent(),
        flow_events.CardUnknown(),
    )
    yield from (
        flow_events.CoinInserted(value=100),
        flow_events.CoinReturned(),
        flow_events.HeadphonesChanged(plugged=True),
        flow_events.ServiceKeyTurned(on=True),
        flow_events.Shutdown(),
    )
    yield flow_events.PinDigit(screen=screen, count=1)
    now = flow.moment
    running = (
        (Timer.LIMIT, now.limit),
        (Timer.REMIND, now.remind),
        (Timer.WARNING, now.warning),
    )
    yield from (
        flow_events.TimerFired(name=name, generation=generation)
        for name, generation in running
        if generation
    )
    for action in sorted(
        {action for spec in SPECS.values() for action in spec.offered} | {"unheard-of"}
    ):
        for value in VALUES.get(action, ("",)):
            yield flow_events.Touch(screen=screen, action=action, value=value)
