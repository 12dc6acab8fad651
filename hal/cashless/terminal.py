"""A payment terminal on a serial line. Contract: contract.py; the wire: frame.py, docs/cashless.md.

A charge is asked for once. From then on it is only asked what became of it, until the terminal says
something final.
"""

from __future__ import annotations

import math
import time
from types import MappingProxyType

from hal.cashless.contract import ChargeReport, ChargeResult, Decline
from hal.cashless.frame import (
    NO_TRANSACTION,
    ChargeState,
    MessageKind,
    ReversalState,
    TerminalFrameError,
    TerminalMessage,
    message,
)
from hal.cashless.wire import DEVICE, TerminalWire
from hal.faults import DeviceFault, Reason

REASONS = MappingProxyType(
    {1: Decline.REFUSED, 2: Decline.CANCELLED, 3: Decline.NOT_PRESENTED, 4: Decline.UNREADABLE}
)
# It can still become something else.
OPEN = (
    ChargeState.NONE,
    ChargeState.WAITING,
    ChargeState.PRESENTED,
)


class SerialTerminal:
    """`wait_s`: how long somebody may take to present; `decide_s`: how long the terminal may then
    take, and how long it may say nothing. Both stay below the journey's own limits.
    """

    def __init__(
        self,
        port: str,
        wait_s: float = 75,
        decide_s: float = 30,
        poll_s: float = 0.25,
        reply_s: float = 0.5,
    ) -> None:
        self._wire = TerminalWire(port, reply_s)
        self._wait_s = wait_s
        self._decide_s = decide_s
        self._poll_s = poll_s
        self._cancelled = ""  # the reference

    def is_ready(self) -> bool:
        """Raises DeviceFault."""
        return self._status().fields["state"] == "R"

    def charge(self, amount: int, reference: str) -> ChargeReport:
        """Raises DeviceFault; see the contract."""
        question = _message(MessageKind.CHARGE, reference=reference, amount=amount)
        if self._cancelled == reference:
            return ChargeReport(ChargeResult.DECLINED, decline=Decline.CANCELLED)
        boots = self._status().number("boots")
        try:
            reply: TerminalMessage | None = self._wire.ask(question, MessageKind.CHARGE_IS, tries=1)
        except DeviceFault as fault:
            if fault.reason is Reason.NOT_CONNECTED:  # nothing was written
                raise
            reply = None  # it may have begun: from here on it is only asked about
        charge = self._follow(reply, amount, reference, boots, self._wait_s)
        if charge.result is ChargeResult.UNKNOWN:
            raise _fault(Reason.UNCERTAIN, "nobody can tell what became of the charge")
        return charge

    def query(self, reference: str, amount: int) -> ChargeReport:
        """Raises DeviceFault."""
        return self._follow(self._ask(MessageKind.QUERY, reference), amount, reference, None, 0)

    def reverse(self, transaction: str, amount: int) -> None:
        """Raises DeviceFault; see the contract. The terminal reverses once, so the question may be
        repeated.
        """
        question = _message(MessageKind.REVERSE, transaction=transaction, amount=amount)
        try:
            reply = self._wire.ask(question, MessageKind.REVERSAL_IS)
        except DeviceFault as fault:
            if fault.reason is Reason.NOT_CONNECTED:  # nothing was written
                raise
            raise _fault(Reason.UNCERTAIN, f"reversal: {fault.reason.value}") from None
        same = all(reply.fields[name] == value for name, value in question.fields.items())
        state = reply.fields["state"]
        if same and state == ReversalState.DONE:
            return
        if same and state in (ReversalState.REFUSED, ReversalState.NONE):
            raise _fault(Reason.REFUSED, f"reversal: {state}")
        raise _fault(Reason.UNCERTAIN, "reversal: no answer to it")

    def cancel(self, reference: str) -> None:
        self._cancelled = reference

    def close(self) -> None:
        self._wire.close()

    # -- a charge under way

    def _follow(
        self,
        reply: TerminalMessage | None,
        amount: int,
        reference: str,
        boots: int | None,
        wait_s: float,
    ) -> ChargeReport:
        """Ask until the answer is final. Who has not presented in time may not any more: the charge
        is cancelled.
        """
        replied_at = time.monotonic()
        wait_until, deciding_since = replied_at + wait_s, math.inf
        while True:
            state = reply.fields["state"] if reply else ""
            if reply and state not in OPEN:
                return _proven(reply, amount, reference, boots)
            now = time.monotonic()
            replied_at = now if reply else replied_at
            over = now >= wait_until or self._cancelled == reference or state == ChargeState.NONE
            if over or state == ChargeState.PRESENTED:
                deciding_since = min(deciding_since, now)
            if now > min(replied_at, deciding_since) + self._decide_s:
                return ChargeReport(ChargeResult.UNKNOWN)
            time.sleep(self._poll_s)
            try:
                reply = self._ask(
                    MessageKind.CANCEL
                    if over and state != ChargeState.PRESENTED
                    else MessageKind.QUERY,
                    reference,
                )
            except DeviceFault:
                reply = None  # silent for now

    # -- questions

    def _status(self) -> TerminalMessage:
        return self._wire.ask(_message(MessageKind.STATUS), MessageKind.STATUS_IS)

    def _ask(self, kind: MessageKind, reference: str) -> TerminalMessage:
        """Repeatable: it charges nothing."""
        return self._wire.ask(_message(kind, reference=reference), MessageKind.CHARGE_IS)


def _proven(reply: TerminalMessage, amount: int, reference: str, boots: int | None) -> ChargeReport:
    """What an answer proves. Another charge's answer, or another amount, proves nothing.

    A declined charge of 0 yen is one that the terminal did not know when it was cancelled. That
    nothing was taken follows only where it has not been restarted (`boots`) since before it was
    asked.
    """
    state, transaction, stated = (
        reply.fields["state"],
        reply.fields["transaction"],
        reply.number("amount"),
    )
    if reply.fields["reference"] != reference:
        return ChargeReport(ChargeResult.UNKNOWN)
    if state == ChargeState.APPROVED and stated == amount and transaction != NO_TRANSACTION:
        return ChargeReport(ChargeResult.APPROVED, transaction)
    if state == ChargeState.DECLINED and stated == amount and transaction == NO_TRANSACTION:
        return ChargeReport(
            ChargeResult.DECLINED, decline=REASONS.get(reply.number("reason"), Decline.REFUSED)
        )
    if state == ChargeState.DECLINED and stated == 0 and reply.number("boots") == boots:
        return ChargeReport(ChargeResult.DECLINED, decline=Decline.NOT_BEGUN)
    return ChargeReport(ChargeResult.UNKNOWN)


def _message(kind: MessageKind, **values: str | int) -> TerminalMessage:
    try:
        return message(kind, **values)
    except TerminalFrameError as error:
        raise _fault(Reason.CONFIGURATION, str(error)) from None


def _fault(reason: Reason, detail: str) -> DeviceFault:
    return DeviceFault(DEVICE, reason, detail)
