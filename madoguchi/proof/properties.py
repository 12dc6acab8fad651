"""What must hold, whatever happens: each property in plain words, and the predicates that decide it.

They look at the journey's moment and at the world's own account (`World`), never at how the table is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.machine import Moment
from firmware.flow.session import Presence, Session
from firmware.flow.states import Phase, State
from madoguchi.proof.world import DEAD, DOCUMENT, HERE, IDLE, NOW, SCREEN, WRONG, Happening, World


class Property(NamedTuple):
    words: str
    how: str


PROPERTIES: dict[str, Property] = {
    "a": Property(
        "While a card lies there, or nobody knows, no screen to choose, order, pay or print is shown.",
        "in every state, by what the reader said last",
    ),
    "b": Property(
        "A sheet is printed only when the card is absent and this very document is checked, paid and released, "
        "and it is the next one. Likewise everything else that is asked of card, city, coins and paper has its moment.",
        "at every command, by the world's own account",
    ),
    "c": Property(
        "No coin is lost: what was inserted is kept for sheets that all came out, returned, or recorded as owed.",
        "in every state the books agree; where a session ends they balance, and a released order has its outcome",
    ),
    "d": Property(
        "Idle is empty: no person's data, no limit, nothing asked of a device; never two documents in the machine; "
        "the city keeps nothing open.",
        "in every idle state, at every order, where a session ends",
    ),
    "e": Property(
        "No screen is a dead end: with time, the card taken and the sheets taken, every state reaches the end; "
        "a card left for ever ends in the alarm.",
        "backwards over the whole graph, though no device and no line ever answers again",
    ),
    "f": Property(
        "An answer of an older epoch, a touch on an older screen or of what is not offered, a timer of an older "
        "generation, the same card once more: nothing changes but the log.",
        "one of each, at every moment of the journey",
    ),
    "g": Property("Every state answers every event.", "every event in every state, asked for or not: no error"),
    "h": Property(
        "The PIN exists only between its first digit and the card's check of it.",
        "in every state, by digits, wipes and checks",
    ),
    "i": Property(
        "Coins can fall in only while paying.",
        "in every state: the slot is shut, or told to shut, everywhere else",
    ),
    "j": Property(
        "A time that runs out ends the whole transaction: person, document, order and card at once.",
        "at every limit between the first card and the last sheet",
    ),
    "k": Property(
        "An anomaly opens a case, and nobody is served until it is closed.",
        "in every state, and at every card that is read",
    ),
    "l": Property(
        "The interlock stands by itself: what must not go out is refused, whatever asks for it; "
        "and the journey never asks for it.",
        "every device command is held before the permits in every state, and every command that is given",
    ),
}


class Fault(NamedTuple):
    """A property that does not hold, and in what way."""

    letter: str
    what: str


NeedsAbsence = frozenset({Phase.CHOOSE, Phase.ORDER, Phase.PAY, Phase.ISSUE})
ALARMS = frozenset({State.CARDLEFT, State.UNCOLLECTED})


# -- in every state


def empty(session: Session) -> bool:
    return not (
        session.authenticated
        or session.card
        or session.holder
        or session.offers
        or session.kind
        or session.answers
        or session.document
        or session.digits
        or session.held
    )


InState = Callable[[Moment, World], bool]
IN_STATE: tuple[tuple[str, str, InState], ...] = (
    ("a", "this screen, and the card is not known to be absent", lambda m, w: (
        w.card is not Presence.ABSENT and m.state.phase in NeedsAbsence)),
    ("c", "the books do not agree with what went through the slot", lambda m, w: (
        (m.session.inserted, m.session.returned) != (w.inserted, w.returned))),
    ("c", "more is owed or returned than was inserted", lambda m, w: m.session.owed < 0 or m.session.held < 0),
    ("d", "idle with something of a person", lambda m, w: m.state.phase in IDLE and not empty(m.session)),
    ("d", "idle while a device is still asked", lambda m, w: m.state.phase in IDLE and bool(w.asks)),
    ("d", "idle with a limit", lambda m, w: m.state.phase in IDLE and m.limit > 0 and m.state is not State.STARTING),
    ("h", "digits are in the buffer", lambda m, w: w.pin and m.state is not State.PIN),
    ("i", "the slot is open", lambda m, w: w.slot and m.state is not State.PAYING and not w.waiting(c.StopCoins)),
    ("k", "an anomaly without a case", lambda m, w: w.case_due and not m.latched),
)  # fmt: skip

AT_THE_END: tuple[tuple[str, str, InState], ...] = (
    ("c", "the money does not balance", lambda m, w: w.inserted != w.returned + m.session.owed + (w.kept or 0)),
    ("c", "money is kept and the sheets are not all out", lambda m, w: bool(w.kept) and not w.complete),
    ("c", "a released order without an outcome", lambda m, w: w.release_asked and w.kept is None),
    ("d", "the city still holds the order", lambda m, w: w.at_city),
    ("k", "money is owed and nobody knows", lambda m, w: m.session.owed > 0 and not w.paused),
)


def in_state(moment: Moment, world: World) -> Iterator[Fault]:
    for letter, what, wrong in IN_STATE:
        if wrong(moment, world):
            yield Fault(letter, what)
    if moment.state is State.ENDING:
        for letter, what, wrong in AT_THE_END:
            if wrong(moment, world):
                yield Fault(letter, what)


# -- at every step


class Move(NamedTuple):
    before: Moment
    was: World
    happening: Happening
    commands: c.Commands
    after: Moment
    world: World
    moved_on: bool  # the epoch did


def void(move: Move) -> bool:
    """Nothing of the transaction is left, here or in the fences."""
    session = move.after.session
    left = session.authenticated or session.card or session.holder or session.offers or session.document
    return move.moved_on and not left


def _limit(move: Move) -> bool:
    """A limit ran out in the middle of a transaction, where the sheets were not all out."""
    before = move.before
    middle = before.state.phase in NeedsAbsence | {Phase.CARD} or before.state in (State.HOLD, State.REMOVEALARM)
    return move.happening.label == "limit" and middle and not move.was.complete


AT_STEP: tuple[tuple[str, str, Callable[[Move], bool]], ...] = (
    ("j", "something of the transaction is left after its time", lambda v: _limit(v) and not void(v)),
    ("k", "somebody is served while a case is open", lambda v: (
        v.was.paused and v.before.state.phase in IDLE and v.after.state.phase not in IDLE | {Phase.END})),
    ("k", "coins are asked for while a case is open", lambda v: v.was.paused and _commands(v, c.AcceptCoins)),
    ("e", "the session ends and a card may still lie there", lambda v: (
        v.after.state is State.ENDING and v.before.state.phase not in IDLE and v.world.card is not Presence.ABSENT)),
    ("h", "digits stay for another card", lambda v: (v.was.pin and v.world.pin and v.world.card != v.was.card)
        or (v.was.pin and v.world.pin and v.happening.label == "card-swapped")),
    ("d", "a second document", lambda v: v.was.sheets > 0 and isinstance(v.happening.event, e.DocumentChecked)
        and v.happening.event.epoch == NOW),
)  # fmt: skip


def _commands(move: Move, *kinds: type[c.Command]) -> bool:
    return any(isinstance(k, kinds) for k in move.commands)


def at_step(move: Move) -> Iterator[Fault]:
    for letter, what, wrong in AT_STEP:
        if wrong(move):
            yield Fault(letter, what)


# -- at every command: what the world's own account forbids


def _absent(world: World) -> bool:
    return world.card is Presence.ABSENT


def _paid(world: World) -> bool:
    return world.inserted - world.returned >= world.fee


def _held(world: World) -> int:
    return world.inserted - world.returned - (world.fee if world.complete else 0)


def _this_card(world: World, stay: str, command: Any) -> bool:
    return world.card is Presence.PRESENT and command.stay == stay


Allowed = Callable[[World, Any], bool]
ALLOWED: dict[type[c.Command], Allowed] = {
    c.OpenSession: lambda w, k: _absent(w) and w.verified,
    c.PlaceOrder: lambda w, k: _absent(w) and w.opened and not w.sheets,
    c.AcceptCoins: lambda w, k: _absent(w) and w.sheets > 0 and not w.release_asked and k.due > 0,
    c.ReleaseOrder: lambda w, k: (
        _absent(w) and w.sheets > 0 and k.document == DOCUMENT and k.epoch != DEAD and _paid(w) and not w.slot
    ),
    c.PrintSheet: lambda w, k: (
        _absent(w)
        and _paid(w)
        and k.document == DOCUMENT == w.released
        and k.epoch != DEAD
        and k.sheet == w.printed + 1 <= w.sheets
        and not any(ask.kind is c.PrintSheet and ask.epoch >= NOW for ask in w.asks)
    ),
    c.PayOut: lambda w, k: 0 < k.amount <= _held(w) and not w.slot and not w.waiting(c.PayOut),
    c.PrintReceipt: lambda w, k: w.complete,
    c.PrintClaim: lambda w, k: 0 < k.owed <= _held(w),
    c.ReportOutcome: lambda w, k: w.release_asked,
}


def forbidden(world: World, command: c.Command, stay: str = HERE) -> bool:
    """Whether it must not go out now. `stay`: the card that lies there."""
    if isinstance(command, (c.ReadCard, c.Authenticate)):
        return not _this_card(world, stay, command)
    allowed = ALLOWED.get(type(command))
    return allowed is not None and not allowed(world, command)


# What is held before the permits in every state, whatever the journey would ask.
CANDIDATES: tuple[c.Command, ...] = (
    c.ReadCard(epoch=NOW, stay=HERE),
    c.ReadCard(epoch=NOW, stay="elsewhere"),
    c.Authenticate(epoch=NOW, stay=HERE),
    c.Authenticate(epoch=NOW, stay="elsewhere"),
    c.OpenSession(epoch=NOW),
    c.PlaceOrder(epoch=NOW, kind="asked", choices=(), copies=1),
    c.AcceptCoins(due=100),
    *(c.ReleaseOrder(epoch=t, document=d, paid=100) for t, d in ((NOW, DOCUMENT), (NOW, WRONG), (DEAD, DOCUMENT))),
    *(
        c.PrintSheet(epoch=t, document=d, sheet=n)
        for t, d in ((NOW, DOCUMENT), (NOW, WRONG), (DEAD, DOCUMENT))
        for n in (1, 2, 3)
    ),
    *(c.PayOut(amount=amount) for amount in (50, 100, 450, 500)),
    c.PrintReceipt(epoch=NOW, copies=1, fee=100, inserted=100, change=0),
)


# -- at every moment: what is old

OLD: tuple[e.Event, ...] = (
    e.CardRead(epoch=NOW - 1, tries=3),
    e.CardFailed(epoch=NOW - 1, cause="removed"),
    e.CardAuthenticated(epoch=NOW - 1, card=DOCUMENT),
    e.PinWrong(epoch=NOW - 1, tries=1),
    e.SessionOpened(epoch=NOW - 1, offers=(), expires_in_days=1),
    e.CityRefused(epoch=NOW - 1, code="line-down"),
    e.DocumentChecked(epoch=NOW - 1, document=DOCUMENT, unique_number="N", sheets=1, fee=0),
    e.DocumentRejected(epoch=NOW - 1, reason="holder"),
    e.Released(epoch=NOW - 1, document=DOCUMENT),
    e.PrintersReady(epoch=NOW - 1, outlet_sensor=True),
    e.PrintersNotReady(epoch=NOW - 1, reason="jam"),
    e.SheetPrinted(epoch=NOW - 1, sheet=1),
    e.SheetFailed(epoch=NOW - 1, sheet=1, reason="jam", certain=True),
    e.ReceiptDone(epoch=NOW - 1, printed=True),
    e.PinDigit(screen=SCREEN - 1, count=1),
    e.TimerFired(name="limit", generation=-1),
    e.TimerFired(name="remind", generation=-1),
    e.Touch(screen=SCREEN, action="unheard-of"),
)


def old(moment: Moment) -> Iterator[e.Event]:
    yield from OLD
    yield from (e.Touch(screen=SCREEN - 1, action=action) for action in moment.screen.actions)
    if moment.session.presence is Presence.PRESENT:
        yield e.CardPresent(stay=HERE)


# -- in every state: what nobody asked for

UNASKED: tuple[e.Event, ...] = (
    e.CardRead(epoch=NOW, tries=3),
    e.CardFailed(epoch=NOW, cause="card-expired"),
    e.CardAuthenticated(epoch=NOW, card=DOCUMENT),
    e.PinWrong(epoch=NOW, tries=1),
    e.PinDigit(screen=SCREEN, count=1),
    e.CityRefused(epoch=NOW, code="line-down"),
    e.DocumentRejected(epoch=NOW, reason="holder"),
    e.CoinReturned(),
    e.CoinsStopped(),
    e.PrintersNotReady(epoch=NOW, reason="jam"),
    e.SheetFailed(epoch=NOW, sheet=1, reason="jam", certain=True),
    e.PaperTaken(),
    e.ReceiptDone(epoch=NOW, printed=True),
    e.CoinInserted(value=50),
    e.CoinsFailed(reason="jam"),
    e.PaidOut(amount=50),
    e.PayoutFailed(amount=50, paid=0, reason="hopper-empty"),
    e.Shutdown(),
)
