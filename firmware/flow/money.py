"""Actions on coins: letting them in, paying them out, and what becomes of money that could not be
paid.
"""

from __future__ import annotations

from dataclasses import replace

from firmware.flow import commands as flow_commands
from firmware.flow import events
from firmware.flow.actions import Action, Step
from firmware.flow.events import expect
from firmware.flow.session import Session

# What became of the sheets; the words of these say what becomes of the fee, too.
ABOUT_PAPER = ("print-failed", "print-held", "print-part")


def accept_coins(session: Session, _: events.Event) -> Step:
    return replace(session, accepting=True), (
        flow_commands.AcceptCoins(due=session.fee - session.held),
    )


def stop_coins(session: Session, _: events.Event) -> Step:
    return replace(session, accepting=False, notice=""), (flow_commands.StopCoins(),)


def coin_counted(session: Session, _: events.Event) -> Step:
    """Where change cannot be given, a coin that is more than what is still due is not let in."""
    narrower = (
        (flow_commands.AcceptCoins(due=session.fee - session.held),) if session.exact_only else ()
    )
    return replace(session, notice=""), narrower


def coin_back(session: Session, _: events.Event) -> Step:
    if session.exact_only:
        return replace(session, notice="coin-needs-change"), ()
    return replace(session, notice="coin-returned"), ()


def unexpected_coin(session: Session, event: events.Event) -> Step:
    """A coin where none can come in: it is owed, and the unit is not what it says."""
    return _claim(
        replace(session, distrusted=True),
        expect(event, events.CoinInserted).value,
        "coins.unexpected",
    )


def coin_too_many(session: Session, _: events.Event) -> Step:
    """A coin after the slot was shut and before change is paid: it comes back as change."""
    return session, (flow_commands.OpenCase(code="coins.unexpected", pauses=True),)


def coins_failed(session: Session, event: events.Event) -> Step:
    reason = expect(event, events.CoinsFailed).reason
    return replace(session, distrusted=True), (
        flow_commands.OpenCase(code=f"coins.{reason}", pauses=True),
    )


def coins_silent(session: Session, _: events.Event) -> Step:
    return session, (flow_commands.OpenCase(code="coins.silent", pauses=True),)


def refund(session: Session, _: events.Event) -> Step:
    return session, (flow_commands.PayOut(amount=session.held),)


def pay_change(session: Session, _: events.Event) -> Step:
    return session, (flow_commands.PayOut(amount=session.credit - session.fee),)


def owe(session: Session, event: events.Event) -> Step:
    """The hoppers did not pay all. What they say themselves is missing is owed; what nobody can
    tell is held.
    """
    failed = expect(event, events.PayoutFailed)
    missing = failed.amount - failed.paid
    if not failed.certain:
        return _hold(session, missing, "payout.unknown")
    return _claim(_told_of_debt(session), missing, "payout.short")


def owe_rest(session: Session, _: events.Event) -> Step:
    """The acceptor does not say that it is shut, so nothing was paid out: all of it is owed."""
    return _claim(_told_of_debt(session), session.held, "coins.silent")


def _told_of_debt(session: Session) -> Session:
    """That money is owed is what the person must know. Only what became of the paper is told
    before it: other causes say that there is no charge, and to start again.
    """
    told = session.refusal if session.refusal in ABOUT_PAPER else "change-owed"
    return replace(session, refusal=told)


def hold_rest(*, keep_fee: bool) -> Action:
    """The hoppers do not answer: nobody can tell what they did."""

    def act(session: Session, _: events.Event) -> Step:
        return _hold(
            session, session.credit - session.fee if keep_fee else session.held, "payout.unknown"
        )

    return act


def paid_late(session: Session, event: events.Event) -> Step:
    """A payout that was given up has ended after all: what it tells is not in doubt any more.

    What certainly came out is returned; what certainly did not is owed. The rest stays held.
    """
    paid, short = event.amount if isinstance(event, events.PaidOut) else 0, 0
    if isinstance(event, events.PayoutFailed):
        paid, short = event.paid, (event.amount - event.paid if event.certain else 0)
    from_held = min(paid, session.undecided)
    missing = min(short, session.undecided - from_held)
    session = replace(
        session,
        undecided=session.undecided - from_held - missing,
        owed=session.owed - (paid - from_held),
    )
    late = flow_commands.OpenCase(code="payout.late", pauses=True, held=-(from_held + missing))
    if not missing:
        return session, (late,)
    session, commands = _claim(session, missing, "payout.short")
    return session, (late, *commands)


def _claim(session: Session, amount: int, code: str) -> Step:
    """So much more is owed: the slip for it, if it is anything, and the case."""
    slip = (flow_commands.PrintClaim(epoch=session.epoch, owed=amount),) if amount else ()
    return replace(session, owed=session.owed + amount), (
        *slip,
        flow_commands.OpenCase(code=code, pauses=True),
    )


def _hold(session: Session, amount: int, code: str) -> Step:
    """So much more may be with the resident already: nobody has it before an operator
    has looked.
    """
    if amount:
        reason = session.refusal if session.refusal == "print-held" else "money-held"
        session = replace(session, undecided=session.undecided + amount, refusal=reason)
    return session, (flow_commands.OpenCase(code=code, pauses=True, held=amount),)
