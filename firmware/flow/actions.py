"""What a transition does: pure functions (session, event) -> (session, commands).

An action never looks at the state: the table says where it applies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.events import expect
from firmware.flow.offers import asked, copies, defaults, order_choices, pick
from firmware.flow.screens import question
from firmware.flow.session import Document, Session

Step = tuple[Session, c.Commands]
Action = Callable[[Session, e.Event], Step]


# -- idle


def ask_terms(session: Session, _: e.Event) -> Step:
    return session, (c.FetchTerms(), c.CheckHealth())


def change_language(session: Session, event: e.Event) -> Step:
    return replace(session, language=expect(event, e.Touch).value), ()


# -- card


def read_card(session: Session, _: e.Event) -> Step:
    session = replace(session, epoch=session.epoch + 1, tries=None, digits=0, notice="")
    return session, (c.ReadCard(epoch=session.epoch, stay=session.stay),)


def note_tries(session: Session, event: e.Event) -> Step:
    return replace(session, tries=expect(event, e.CardRead).tries, digits=0), ()


def note_digit(session: Session, event: e.Event) -> Step:
    return replace(session, digits=expect(event, e.PinDigit).count, notice=""), ()


def forget_pin(session: Session, _: e.Event) -> Step:
    return replace(session, digits=0, notice=""), (c.ForgetPin(),)


def pin_too_short(session: Session, _: e.Event) -> Step:
    return replace(session, notice="pin-too-short"), ()


def authenticate(session: Session, _: e.Event) -> Step:
    session = replace(session, digits=0, notice="", tries=None)
    return session, (c.Authenticate(epoch=session.epoch, stay=session.stay),)


def pin_wrong(session: Session, event: e.Event) -> Step:
    return replace(session, tries=expect(event, e.PinWrong).tries, digits=0, notice="pin-wrong"), (c.ForgetPin(),)


def card_taken_early(session: Session, _: e.Event) -> Step:
    """The card left before it was asked to. Whatever it still answers is void; a PIN sent may have been spent."""
    session = replace(session, epoch=session.epoch + 1, digits=0, tries=None, notice="card-taken-early")
    return session, (c.ForgetPin(), c.ReleaseCard())


def note_authenticated(session: Session, event: e.Event) -> Step:
    return replace(session, authenticated=True, card=expect(event, e.CardAuthenticated).card, tries=None, notice=""), ()


def call_staff(session: Session, _: e.Event) -> Step:
    return session, (c.CallStaff(reason="card-left"),)


def open_session(session: Session, _: e.Event) -> Step:
    return replace(session, notice=""), (c.OpenSession(epoch=session.epoch),)


# -- choosing


def note_offers(session: Session, event: e.Event) -> Step:
    opened = expect(event, e.SessionOpened)
    session = replace(session, offers=opened.offers, holder=opened.holder, expires_in_days=opened.expires_in_days)
    return replace(session, ordered=True), ()


def choose(session: Session, event: e.Event) -> Step:
    session = replace(session, kind=expect(event, e.Touch).value, step=0, notice="")
    return (replace(session, answers=defaults(session.offer)) if session.offer else session), ()


def explain_offer(session: Session, event: e.Event) -> Step:
    session = replace(session, kind=expect(event, e.Touch).value)
    return replace(session, refusal=session.offer.refusal if session.offer else ""), ()


def forget_choice(session: Session, _: e.Event) -> Step:
    return replace(session, kind="", answers=(), step=0, notice="", refusal=""), ()


def answer(session: Session, event: e.Event) -> Step:
    option = question(session)
    if option is None:
        return session, ()
    given = dict(session.answers)
    given[option.id] = pick(option, given.get(option.id, ()), expect(event, e.Touch).value)
    return replace(session, answers=tuple(given.items()), notice=""), ()


def next_question(session: Session, _: e.Event) -> Step:
    return replace(session, step=session.step + 1, notice=""), ()


def previous_question(session: Session, _: e.Event) -> Step:
    return replace(session, step=session.step - 1, notice=""), ()


def last_question(session: Session, _: e.Event) -> Step:
    last = len(asked(session.offer, session.answers)) - 1 if session.offer else 0
    return replace(session, step=max(last, 0), notice=""), ()


def answer_missing(session: Session, _: e.Event) -> Step:
    return replace(session, notice="choose-at-least-one"), ()


# -- ordering


def place_order(session: Session, _: e.Event) -> Step:
    offer = session.offer
    if offer is None:
        raise ValueError("no certificate chosen")
    order = c.PlaceOrder(
        epoch=session.epoch,
        kind=offer.kind,
        choices=order_choices(offer, session.answers),
        copies=copies(session.answers),
    )
    return replace(session, notice=""), (order,)


def hold_document(session: Session, event: e.Event) -> Step:
    checked = expect(event, e.DocumentChecked)
    document = Document(checked.document, checked.unique_number, checked.sheets, checked.fee)
    return replace(session, document=document), (c.CheckPrinters(epoch=session.epoch),)


def reject_document(session: Session, event: e.Event) -> Step:
    """A document that is not what it must be is an anomaly of the city's line: that path stops (I8)."""
    reason = expect(event, e.DocumentRejected).reason
    session, undo = void(session, event)
    return replace(session, refusal="document-rejected"), (*undo, c.OpenCase(code=f"document.{reason}", pauses=True))


# -- paying


def accept_coins(session: Session, _: e.Event) -> Step:
    return replace(session, accepting=True), (c.AcceptCoins(due=session.fee - session.held),)


def note_outlet(session: Session, event: e.Event) -> Step:
    return replace(session, outlet_sensor=expect(event, e.PrintersReady).outlet_sensor), ()


def coin_counted(session: Session, _: e.Event) -> Step:
    return replace(session, notice=""), ()


def coin_back(session: Session, _: e.Event) -> Step:
    return replace(session, notice="coin-returned"), ()


def unexpected_coin(session: Session, event: e.Event) -> Step:
    """A coin where none can come in: it is owed, and the unit is not what it says."""
    return _claim(replace(session, distrusted=True), expect(event, e.CoinInserted).value, "coins.unexpected")


def coin_too_many(session: Session, _: e.Event) -> Step:
    """A coin after the slot was shut and before change is paid: it comes back as change."""
    return session, (c.OpenCase(code="coins.unexpected", pauses=True),)


def coins_failed(session: Session, event: e.Event) -> Step:
    reason = expect(event, e.CoinsFailed).reason
    return replace(session, distrusted=True), (c.OpenCase(code=f"coins.{reason}", pauses=True),)


def stop_coins(session: Session, _: e.Event) -> Step:
    return replace(session, accepting=False, notice=""), (c.StopCoins(),)


def _document(session: Session) -> Document:
    if session.document is None:
        raise ValueError("no document is held")
    return session.document


def release(session: Session, _: e.Event) -> Step:
    document = _document(session)
    order = c.ReleaseOrder(epoch=session.epoch, document=document.sha256, paid=session.held)
    return replace(session, released=True), (order,)


def refund(session: Session, _: e.Event) -> Step:
    return session, (c.PayOut(amount=session.held),)


# -- printing


def print_next(session: Session, _: e.Event) -> Step:
    session = replace(session, sheet=session.printed + 1)
    return session, (c.PrintSheet(epoch=session.epoch, document=_document(session).sha256, sheet=session.sheet),)


def pay_change(session: Session, _: e.Event) -> Step:
    return session, (c.PayOut(amount=session.held - session.fee),)


def print_receipt(session: Session, _: e.Event) -> Step:
    outcome = c.ReportOutcome(
        result="printed", sheets=session.printed, kept=session.fee, returned=session.returned, owed=session.owed
    )
    receipt = c.PrintReceipt(
        epoch=session.epoch,
        copies=copies(session.answers),
        fee=session.fee,
        inserted=session.inserted,
        change=session.returned,
    )
    return replace(session, ordered=False), (outcome, receipt)


def watch_outlet(session: Session, event: e.Event) -> Step:
    if isinstance(event, e.ReceiptDone) and not event.printed:
        session = replace(session, notice="no-receipt")
    return session, (c.WatchOutlet(),)


def sheets_left(session: Session, _: e.Event) -> Step:
    """The sheets are somebody's, and nobody takes them: a person must."""
    return session, (c.CallStaff(reason="sheets-left"), c.OpenCase(code="paper.not-taken", pauses=False))


# -- a card where none may be


def hold(state: str, *, coins: bool) -> Action:
    """Remember where we were; nothing goes on while a card may be there."""

    def act(session: Session, _: e.Event) -> Step:
        session = replace(session, resume=state, accepting=False)
        return session, (c.StopCoins(),) if coins else ()

    return act


def resume(session: Session, _: e.Event) -> Step:
    return replace(session, resume=""), ()


def keep_going(session: Session, _: e.Event) -> Step:
    """Nothing changes but the time left: every act of the person starts the limit anew."""
    return session, ()


# -- unwinding


def void(session: Session, _: e.Event) -> Step:
    """End the transaction on both sides (I3): the epoch moves on, the city is told, what is held is destroyed."""
    ended = replace(
        session,
        epoch=session.epoch + 1,
        digits=0,
        tries=None,
        authenticated=False,
        card="",
        holder="",
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
        c.ForgetPin(),
        c.ReleaseCard(),
        *((c.CancelAtCity(),) if (session.ordered or session.authenticated) and not session.complete else ()),
    )


def unwind(reason: str) -> Action:
    """Void the transaction and stop the coins, to give everything back; `reason` is what the person is told."""

    def act(session: Session, event: e.Event) -> Step:
        session, commands = void(session, event)
        session = replace(session, accepting=False, refusal=reason_of(event, reason))
        return session, (*commands, c.StopCoins())

    return act


def print_failed(session: Session, event: e.Event) -> Step:
    """Sheets are missing: nothing of the fee is kept, what the printer holds is thrown away, a case is opened."""
    certain = event.certain if isinstance(event, e.SheetFailed) else session.printed == session.sheet
    session, _ = void(session, event)
    session = replace(session, refusal="print-failed", accepting=False, uncertain=not certain)
    case = c.OpenCase(code="print.failed" if certain else "print.unknown", pauses=True)
    return session, (c.PurgePrinter(), case, c.StopCoins())


def report_failure(session: Session, _: e.Event) -> Step:
    """What became of the order, once it is known what came back. Only a released order has an outcome."""
    if not session.released:
        return session, ()
    return session, (
        c.ReportOutcome(
            result="unknown" if session.uncertain else "failed",
            sheets=session.printed,
            kept=0,
            returned=session.returned,
            owed=session.owed,
        ),
    )


def _claim(session: Session, amount: int, code: str) -> Step:
    """So much more is owed: the slip for it, if it is anything, and the case."""
    slip = (c.PrintClaim(epoch=session.epoch, owed=amount),) if amount else ()
    return replace(session, owed=session.owed + amount), (*slip, c.OpenCase(code=code, pauses=True))


def owe(session: Session, event: e.Event) -> Step:
    """The hoppers could not pay: what is missing is owed, on a slip and in a case."""
    failed = expect(event, e.PayoutFailed)
    session = replace(session, refusal=session.refusal or "change-owed")
    return _claim(session, failed.amount - failed.paid, "payout.short")


def owe_rest(code: str, *, keep_fee: bool) -> Action:
    """Nobody can tell what the hoppers did: what has not certainly been paid is owed, and an operator looks."""

    def act(session: Session, _: e.Event) -> Step:
        rest = session.held - (session.fee if keep_fee else 0)
        return _claim(replace(session, refusal=session.refusal or "change-owed"), rest, code)

    return act


def paid_late(session: Session, event: e.Event) -> Step:
    """A payout that was given up for owed came out after all. The slip is out too: the case says so."""
    amount = event.amount if isinstance(event, e.PaidOut) else expect(event, e.PayoutFailed).paid
    return replace(session, owed=session.owed - amount), (c.OpenCase(code="payout.late", pauses=True),)


def coins_silent(session: Session, _: e.Event) -> Step:
    return session, (c.OpenCase(code="coins.silent", pauses=True),)


def reason_of(event: e.Event, fallback: str) -> str:
    """The refusal code an event carries, or the table's word."""
    if isinstance(event, e.CityRefused):
        return event.code
    if isinstance(event, e.CardFailed):
        return event.cause
    return fallback


def refuse(reason: str = "") -> Action:
    """Void the transaction and tell the one cause."""

    def act(session: Session, event: e.Event) -> Step:
        session, commands = void(session, event)
        opens_at = event.opens_at if isinstance(event, e.CityRefused) else ""
        return replace(session, refusal=reason_of(event, reason), opens_at=opens_at), commands

    return act


def end(session: Session, _: e.Event) -> Step:
    return session, (c.EndSession(),)


def then(*actions: Action) -> Action:
    """One after the other."""

    def act(session: Session, event: e.Event) -> Step:
        done: c.Commands = ()
        for action in actions:
            session, more = action(session, event)
            done += more
        return session, done

    return act
