"""What a transition does: pure functions (session, event) -> (session, commands).

An action never looks at the state: the table says where it applies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from firmware.flow import commands as flow_commands
from firmware.flow import events
from firmware.flow.events import expect
from firmware.flow.offers import asked, copies, defaults, order_choices, pick
from firmware.flow.screens import question
from firmware.flow.session import Document, Session, Token, switched
from firmware.flow.settlement import Order, shares

Step = tuple[Session, flow_commands.Commands]
Action = Callable[[Session, events.Event], Step]


# -- idle


def ask_terms(session: Session, _: events.Event) -> Step:
    return session, (flow_commands.FetchTerms(), flow_commands.CheckHealth())


def change_language(session: Session, event: events.Event) -> Step:
    """To one of the kiosk's languages: the service lets no other through."""
    return replace(session, language=expect(event, events.Touch).value), ()


def switch_mode(session: Session, event: events.Event) -> Step:
    return replace(session, modes=switched(session.modes, expect(event, events.Touch).value)), ()


# -- card


def read_card(session: Session, _: events.Event) -> Step:
    session = replace(
        session, epoch=session.epoch + 1, tries=None, digits=0, typed=False, notice=""
    )
    session = replace(session, lying=Token.UNKNOWN, token=Token.UNKNOWN)
    return session, (flow_commands.ReadCard(epoch=session.epoch, stay=session.stay),)


def note_tries(session: Session, event: events.Event) -> Step:
    session, _ = note_token(session, event)
    return replace(session, tries=expect(event, events.CardRead).tries, digits=0), ()


def note_token(session: Session, event: events.Event) -> Step:
    token = expect(event, events.CardRead).token
    return replace(session, lying=token, token=token), ()


def note_digit(session: Session, event: events.Event) -> Step:
    return replace(session, digits=expect(event, events.PinDigit).count, notice=""), ()


def forget_pin(session: Session, _: events.Event) -> Step:
    return replace(session, digits=0, notice=""), (flow_commands.ForgetPin(),)


def pin_too_short(session: Session, _: events.Event) -> Step:
    return replace(session, notice="pin-too-short"), ()


def authenticate(session: Session, _: events.Event) -> Step:
    session = replace(session, digits=0, notice="", tries=None, typed=True)
    return session, (flow_commands.Authenticate(epoch=session.epoch, stay=session.stay),)


def pin_wrong(session: Session, event: events.Event) -> Step:
    return replace(
        session, tries=expect(event, events.PinWrong).tries, digits=0, notice="pin-wrong"
    ), (flow_commands.ForgetPin(),)


def pin_again(session: Session, event: events.Event) -> Step:
    """What became of the PIN is not known, or worth nothing any more."""
    session, _ = note_tries(session, event)
    return replace(session, notice="pin-again"), (flow_commands.ForgetPin(),)


def card_mute(session: Session, _: events.Event) -> Step:
    """It is shown how a card is laid down; the next stay is read again."""
    session = replace(
        session, epoch=session.epoch + 1, digits=0, tries=None, notice="card-gives-no-answer"
    )
    return session, (flow_commands.ForgetPin(), flow_commands.ReleaseCard())


def card_taken_early(session: Session, _: events.Event) -> Step:
    """The card left before it was asked to. Whatever it still answers is void; a PIN sent may have
    been spent.
    """
    session = replace(
        session, epoch=session.epoch + 1, digits=0, tries=None, notice="card-taken-early"
    )
    return session, (flow_commands.ForgetPin(), flow_commands.ReleaseCard())


def note_authenticated(session: Session, event: events.Event) -> Step:
    return replace(
        session,
        authenticated=True,
        card=expect(event, events.CardAuthenticated).card,
        tries=None,
        notice="",
    ), ()


def call_staff(session: Session, _: events.Event) -> Step:
    return session, (flow_commands.CallStaff(reason="card-left"),)


def open_session(session: Session, _: events.Event) -> Step:
    return replace(session, notice=""), (flow_commands.OpenSession(epoch=session.epoch),)


# -- choosing


def note_offers(session: Session, event: events.Event) -> Step:
    opened = expect(event, events.SessionOpened)
    session = replace(
        session, offers=opened.offers, holder=opened.holder, expires_in_days=opened.expires_in_days
    )
    return replace(session, ordered=True), ()


def choose(session: Session, event: events.Event) -> Step:
    session = replace(session, kind=expect(event, events.Touch).value, step=0, notice="")
    return (replace(session, answers=defaults(session.offer)) if session.offer else session), ()


def explain_offer(session: Session, event: events.Event) -> Step:
    session = replace(session, kind=expect(event, events.Touch).value)
    offer = session.offer
    if offer is None:
        return session, ()
    return replace(session, refusal=offer.refusal, opens_at=offer.opens_at), ()


def forget_choice(session: Session, _: events.Event) -> Step:
    return replace(session, kind="", answers=(), step=0, notice="", refusal="", opens_at=""), ()


def answer(session: Session, event: events.Event) -> Step:
    option = question(session)
    if option is None:
        return session, ()
    given = dict(session.answers)
    given[option.id] = pick(option, given.get(option.id, ()), expect(event, events.Touch).value)
    return replace(session, answers=tuple(given.items()), notice=""), ()


def next_question(session: Session, _: events.Event) -> Step:
    return replace(session, step=session.step + 1, notice=""), ()


def previous_question(session: Session, _: events.Event) -> Step:
    return replace(session, step=session.step - 1, notice=""), ()


def last_question(session: Session, _: events.Event) -> Step:
    last = len(asked(session.offer, session.answers)) - 1 if session.offer else 0
    return replace(session, step=max(last, 0), notice=""), ()


def answer_missing(session: Session, _: events.Event) -> Step:
    return replace(session, notice="choose-at-least-one"), ()


# -- ordering


def place_order(session: Session, _: events.Event) -> Step:
    offer = session.offer
    if offer is None:
        raise ValueError("no certificate chosen")
    order = flow_commands.PlaceOrder(
        epoch=session.epoch,
        kind=offer.kind,
        choices=order_choices(offer, session.answers),
        copies=copies(session.answers),
    )
    return replace(session, notice=""), (order,)


def hold_document(session: Session, event: events.Event) -> Step:
    checked = expect(event, events.DocumentChecked)
    document = Document(
        checked.document, checked.unique_number, checked.sheets, checked.fee, checked.copies
    )
    return replace(session, document=document), (flow_commands.CheckPrinters(epoch=session.epoch),)


def reject_document(session: Session, event: events.Event) -> Step:
    """A document that is not what it must be is an anomaly of the city's line: that path stops
    (I8).
    """
    reason = expect(event, events.DocumentRejected).reason
    session, undo = void(session, event)
    return replace(session, refusal="document-rejected"), (
        *undo,
        flow_commands.OpenCase(code=f"document.{reason}", pauses=True),
    )


# -- paying


def note_outlet(session: Session, event: events.Event) -> Step:
    ready = expect(event, events.PrintersReady)
    return replace(session, outlet_sensor=ready.outlet_sensor, exact_only=ready.exact_only), ()


def _document(session: Session) -> Document:
    if session.document is None:
        raise ValueError("no document is held")
    return session.document


def release(session: Session, _: events.Event) -> Step:
    document = _document(session)
    order = flow_commands.ReleaseOrder(
        epoch=session.epoch, document=document.sha256, paid=session.credit
    )
    return replace(session, released=True), (order,)


# -- printing


def print_next(session: Session, _: events.Event) -> Step:
    session = replace(session, sheet=session.printed + 1)
    return session, (
        flow_commands.PrintSheet(
            epoch=session.epoch, document=_document(session).sha256, sheet=session.sheet
        ),
    )


def print_receipt(session: Session, _: events.Event) -> Step:
    outcome = flow_commands.ReportOutcome(
        result="printed",
        sheets=session.printed,
        kept=session.fee,
        returned=session.returned + session.reversed,
        owed=session.owed,
        held=session.undecided,
    )
    receipt = flow_commands.PrintReceipt(
        epoch=session.epoch,
        copies=copies(session.answers),
        fee=session.fee,
        inserted=session.inserted,
        change=session.returned,
        charged=session.charged - session.reversed,
    )
    return replace(session, ordered=False), (outcome, receipt)


def watch_outlet(session: Session, event: events.Event) -> Step:
    if isinstance(event, events.ReceiptDone) and not event.printed:
        session = replace(session, notice="no-receipt")
    return session, (flow_commands.WatchOutlet(),)


def sheets_left(session: Session, _: events.Event) -> Step:
    """The sheets are somebody's, and nobody takes them: a person must."""
    return session, (
        flow_commands.CallStaff(reason="sheets-left"),
        flow_commands.OpenCase(code="paper.not-taken", pauses=False),
    )


# -- a card where none may be


def hold(state: str, *, coins: bool) -> Action:
    """Remember where we were; nothing goes on while a card may be there."""

    def act(session: Session, _: events.Event) -> Step:
        session = replace(session, resume=state, accepting=False)
        return session, (flow_commands.StopCoins(),) if coins else ()

    return act


def resume(session: Session, _: events.Event) -> Step:
    return replace(session, resume=""), ()


def keep_going(session: Session, _: events.Event) -> Step:
    """Nothing changes but the time left: every act of the person starts the limit anew."""
    return session, ()


# -- unwinding


def void(session: Session, _: events.Event) -> Step:
    """End the transaction on both sides (I3): the epoch moves on, the city is told, what is held is
    destroyed.
    """
    ended = replace(
        session,
        epoch=session.epoch + 1,
        digits=0,
        typed=False,
        tries=None,
        authenticated=False,
        card="",
        holder=None,
        offers=(),
        kind="",
        answers=(),
        step=0,
        notice="",
        document=None,
        sheet=0,
        ordered=False,
    )
    return ended, (
        flow_commands.ForgetPin(),
        flow_commands.ReleaseCard(),
        *(
            (flow_commands.CancelAtCity(),)
            if (session.ordered or session.authenticated) and not session.complete
            else ()
        ),
    )


def unwind(reason: str) -> Action:
    """Void the transaction and stop the coins, to give everything back; `reason` is what the person
    is told.
    """

    def act(session: Session, event: events.Event) -> Step:
        session, commands = void(session, event)
        session = replace(session, accepting=False, refusal=reason_of(event, reason))
        return session, (*commands, flow_commands.StopCoins())

    return act


def print_failed(session: Session, event: events.Event) -> Step:
    """Sheets are missing: what the printer holds is thrown away, and the fee is shared out
    (settlement.py).
    """
    certain = (
        event.certain if isinstance(event, events.SheetFailed) else session.printed == session.sheet
    )
    document = _document(session)
    order = Order(document.sheets, document.copies, document.fee)
    fee = shares(order, session.printed, doubtful=not certain)
    session, _ = void(session, event)
    session = replace(
        session,
        refusal="print-held" if fee.held else "print-part" if fee.kept else "print-failed",
        accepting=False,
        uncertain=not certain,
        earned=fee.kept,
        undecided=fee.held,
    )
    case = flow_commands.OpenCase(
        code="print.failed" if certain else "print.unknown", pauses=True, held=fee.held
    )
    return session, (flow_commands.PurgePrinter(), case, flow_commands.StopCoins())


def report_failure(session: Session, _: events.Event) -> Step:
    """What became of the order, once it is known what came back. Only a released order has an
    outcome.
    """
    if not session.released:
        return session, ()
    return session, (
        flow_commands.ReportOutcome(
            result="unknown" if session.uncertain else "failed",
            sheets=session.printed,
            kept=session.earned,
            returned=session.returned + session.reversed,
            owed=session.owed,
            held=session.undecided,
        ),
    )


def reason_of(event: events.Event, fallback: str) -> str:
    """The refusal code an event carries, or the table's word."""
    if isinstance(event, events.CityRefused):
        return event.code
    if isinstance(event, events.CardFailed):
        return event.cause
    return fallback


def refuse(reason: str = "") -> Action:
    """Void the transaction and tell the one cause."""

    def act(session: Session, event: events.Event) -> Step:
        session, commands = void(session, event)
        opens_at = event.opens_at if isinstance(event, events.CityRefused) else ""
        return replace(session, refusal=reason_of(event, reason), opens_at=opens_at), commands

    return act


def note_time_is_up(session: Session, _: events.Event) -> Step:
    """Told beside what is asked for now: nothing was charged."""
    return replace(session, notice="time-is-up"), ()


def end(session: Session, _: events.Event) -> Step:
    return session, (flow_commands.EndSession(),)


def hand_over(session: Session, _: events.Event) -> Step:
    """To the technician, whose screens are shown by another process than any person's."""
    return session, (flow_commands.OpenTechnician(), flow_commands.EndSession())


def then(*actions: Action) -> Action:
    """One after the other."""

    def act(session: Session, event: events.Event) -> Step:
        done: flow_commands.Commands = ()
        for action in actions:
            session, more = action(session, event)
            done += more
        return session, done

    return act
