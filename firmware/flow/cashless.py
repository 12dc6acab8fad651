"""Paying at the terminal: what a transition does, and when it holds. Pure, as `actions.py` and
`guards.py` are.

Until the terminal has answered, nobody knows whether the money is taken. What it does not answer in
time, or does not know itself, is held for an operator; what comes late is put right in the case.
"""

from __future__ import annotations

from dataclasses import replace

from firmware.flow import commands as flow_commands
from firmware.flow import events
from firmware.flow.actions import Action, Step, void
from firmware.flow.events import expect
from firmware.flow.session import Session

# -- when


def offered(_: Session, event: events.Event) -> bool:
    """The terminal said that it is ready, just now."""
    return expect(event, events.PrintersReady).cashless


def to_reverse(session: Session, _: events.Event) -> bool:
    return session.reversible > 0


def to_reverse_and_coins(session: Session, _: events.Event) -> bool:
    return session.reversible > 0 and session.held > 0


# -- what


def charge(session: Session, _: events.Event) -> Step:
    document = session.document
    if document is None:
        raise ValueError("no document is held")
    asked = flow_commands.Charge(epoch=session.epoch, document=document.sha256, amount=document.fee)
    return replace(session, charging=document.fee, notice=""), (asked,)


def declined(session: Session, event: events.Event) -> Step:
    """Nothing was taken: the person is told why, and chooses anew."""
    return replace(session, notice=f"charge-{expect(event, events.ChargeDeclined).reason}"), ()


def withdraw(reason: str) -> Action:
    """Void the transaction; what becomes of the charge is waited for."""

    def act(session: Session, event: events.Event) -> Step:
        session, commands = void(session, event)
        return replace(session, refusal=reason), (*commands, flow_commands.CancelCharge())

    return act


def doubt_charge(session: Session, _: events.Event) -> Step:
    """Nobody can tell whether it was taken: it counts as taken, and nobody may have it."""
    amount = session.charging
    session = replace(
        session,
        charging=0,
        doubted=session.doubted + amount,
        undecided=session.undecided + amount,
        refusal="charge-held",
    )
    return session, (flow_commands.OpenCase(code="cashless.unknown", pauses=True, held=amount),)


def reverse(session: Session, _: events.Event) -> Step:
    amount = session.reversible
    return replace(session, reversing=amount), (
        flow_commands.Reverse(transaction=session.transaction, amount=amount),
    )


def doubt_reversal(session: Session, event: events.Event) -> Step:
    """It was not given back, or nobody can tell: an operator looks before anybody has it."""
    amount = session.reversing
    certain = isinstance(event, events.ReverseFailed) and event.certain
    session = replace(
        session, reversing=0, undecided=session.undecided + amount, refusal="reversal-held"
    )
    code = "reversal.refused" if certain else "reversal.unknown"
    return session, (flow_commands.OpenCase(code=code, pauses=True, held=amount),)


# -- what comes late: the case is open already, the books follow


def charged_late(session: Session, event: events.Event) -> Step:
    """It was taken after all. What was held is held still: the operator gives it back."""
    amount = expect(event, events.Charged).amount
    session = replace(session, doubted=session.doubted - min(amount, session.doubted))
    return session, (flow_commands.OpenCase(code="cashless.late", pauses=True),)


def declined_late(session: Session, event: events.Event) -> Step:
    """It was not taken after all: nothing of it is held any more."""
    amount = min(expect(event, events.ChargeDeclined).amount, session.doubted)
    session = replace(
        session, doubted=session.doubted - amount, undecided=session.undecided - amount
    )
    return session, (flow_commands.OpenCase(code="cashless.late", pauses=True, held=-amount),)


def reversed_late(session: Session, event: events.Event) -> Step:
    """It was given back after all: nothing of it is held any more."""
    amount = min(expect(event, events.Reversed).amount, session.undecided)
    session = replace(session, undecided=session.undecided - amount)
    return session, (flow_commands.OpenCase(code="reversal.late", pauses=True, held=-amount),)
