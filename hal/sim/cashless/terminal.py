"""A payment terminal without its wire. Pure: a message in, a message out; `now` is given.

Strict: what a correct host never asks is written into `violations`. `taken` and `given_back` are
its own account, by transaction, for whoever judges a journey; nothing but a charge that somebody
presented for ever gets into them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hal.cashless.frame import (
    NO_TRANSACTION,
    ChargeState,
    MessageKind,
    ReversalState,
    TerminalMessage,
    message,
)

REFUSED, CANCELLED, NOT_PRESENTED = 1, 2, 3


@dataclass
class ChargeRecord:
    """One charge that was asked for, as the terminal remembers it; this memory survives its
    restarts.
    """

    reference: str
    amount: int
    state: ChargeState
    until: float = 0.0  # it waits for somebody until then
    reason: int = 0
    transaction: str = NO_TRANSACTION


class TerminalDevice:
    """Somebody presents with `present`; whether that is approved, and when, is set beforehand.

    Faults: `declines`: so many of the next are declined. `slow_s`: so long it takes to decide.
    `busy`: it is not ready. `forgets`: it does not know the next one's outcome. `no_reversal`:
    "refused", "unknown" or "lost". `memory_lost`: a restart loses its records, which no terminal
    may.
    """

    def __init__(self, wait_s: float = 60.0) -> None:
        self.violations: list[str] = []
        self.taken: dict[str, int] = {}  # transaction: yen
        self.given_back: dict[str, int] = {}
        self.asked: list[str] = []  # letters, in order
        self.boots = 1
        self.declines = 0
        self.slow_s = 0.0
        self.busy = False
        self.forgets = False
        self.no_reversal = ""
        self.memory_lost = False
        self._wait_s = wait_s
        self._records: dict[str, ChargeRecord] = {}
        self._open: ChargeRecord | None = None
        self._presented_at = 0.0
        self._numbers = 0

    # -- the hand

    @property
    def waiting(self) -> bool:
        """Somebody can present now."""
        return self._open is not None and self._open.state is ChargeState.WAITING

    @property
    def due(self) -> int:
        """What the terminal shows; 0: nothing is to be paid."""
        return self._open.amount if self._open else 0

    @property
    def balance(self) -> int:
        """All that was taken and not given back."""
        return sum(self.taken.values()) - sum(self.given_back.values())

    def present(self, now: float) -> bool:
        """Hold a phone or card to it. False when nothing is to be paid."""
        self.tick(now)
        if not self.waiting or self._open is None:
            return False
        self._open.state, self._presented_at = ChargeState.PRESENTED, now
        self.tick(now)
        return True

    def tick(self, now: float) -> None:
        """What happens by itself."""
        record = self._open
        if record is None:
            return
        if record.state is ChargeState.WAITING and now >= record.until:
            self._close(record, ChargeState.DECLINED, NOT_PRESENTED)
        elif record.state is ChargeState.PRESENTED and now >= self._presented_at + self.slow_s:
            self._decide(record)

    def restart(self) -> None:
        """Power comes and goes. What nobody presented for is declined; what was being decided is
        not known.
        """
        self.boots += 1
        record = self._open
        if record is not None:
            presented = record.state is ChargeState.PRESENTED
            if presented:
                self._take(record)  # the network had it
            self._close(
                record, ChargeState.UNKNOWN if presented else ChargeState.DECLINED, NOT_PRESENTED
            )
        if self.memory_lost:
            self._records.clear()

    def settle(self) -> None:
        """It learns from its network what became of what it did not know."""
        for record in self._records.values():
            if record.state is ChargeState.UNKNOWN:
                record.state = (
                    ChargeState.APPROVED
                    if record.transaction in self.taken
                    else ChargeState.DECLINED
                )

    # -- the wire

    def answer(self, asked: TerminalMessage, now: float) -> TerminalMessage | None:
        """None: it does not take such a body."""
        self.tick(now)
        self.asked.append(asked.kind.value)
        run = ANSWERS.get(asked.kind)
        if run is None:
            self.violations.append(f"{asked.kind.value} is not a question")
            return None
        return run(self, asked, now)

    def status(self, _: TerminalMessage, __: float) -> TerminalMessage:
        state = "B" if self.busy or self._open else "R"
        return message(MessageKind.STATUS_IS, state=state, boots=self.boots)

    def charge(self, asked: TerminalMessage, now: float) -> TerminalMessage:
        reference, amount = asked.fields["reference"], asked.number("amount")
        known = self._records.get(reference)
        if known is not None:
            if known.amount not in (amount, 0):
                self.violations.append("the same reference with another amount")
            return self._charge_status(reference)
        if amount == 0:
            self.violations.append("a charge of nothing")
        if self._open is not None:
            self.violations.append("a charge while another is under way")
        if self.busy or self._open is not None or amount == 0:
            self._records[reference] = ChargeRecord(
                reference, amount, ChargeState.DECLINED, reason=REFUSED
            )
            return self._charge_status(reference)
        self._open = ChargeRecord(reference, amount, ChargeState.WAITING, now + self._wait_s)
        self._records[reference] = self._open
        return self._charge_status(reference)

    def query(self, asked: TerminalMessage, _: float) -> TerminalMessage:
        return self._charge_status(asked.fields["reference"])

    def cancel(self, asked: TerminalMessage, _: float) -> TerminalMessage:
        """One that it does not know will never be charged from now on: it is declined, of 0 yen."""
        reference = asked.fields["reference"]
        record = self._records.setdefault(
            reference, ChargeRecord(reference, 0, ChargeState.DECLINED, reason=CANCELLED)
        )
        if record.state is ChargeState.WAITING:
            self._close(record, ChargeState.DECLINED, CANCELLED)
        return self._charge_status(reference)

    def reverse(self, asked: TerminalMessage, _: float) -> TerminalMessage:
        """Once for each transaction; asked again, it says so again."""
        transaction, amount = asked.fields["transaction"], asked.number("amount")
        before = self.given_back.get(transaction)
        if transaction not in self.taken:
            self.violations.append("a reversal of what was never taken")
            state = ReversalState.NONE
        elif (before is not None and before != amount) or not 0 < amount <= self.taken[transaction]:
            self.violations.append("a second reversal, or of more than was taken")
            state = ReversalState.REFUSED
        elif self.no_reversal and before is None:
            state = (
                ReversalState.REFUSED if self.no_reversal == "refused" else ReversalState.UNKNOWN
            )
            if self.no_reversal == "unknown-and-done":
                self.given_back[transaction] = amount
        else:
            self.given_back[transaction] = amount
            state = ReversalState.DONE
        return message(
            MessageKind.REVERSAL_IS, transaction=transaction, amount=amount, state=state.value
        )

    # -- one charge

    def _decide(self, record: ChargeRecord) -> None:
        if self.declines:
            self.declines -= 1
            self._close(record, ChargeState.DECLINED, REFUSED)
            return
        self._take(record)
        self._close(record, ChargeState.UNKNOWN if self.forgets else ChargeState.APPROVED)
        self.forgets = False

    def _take(self, record: ChargeRecord) -> None:
        self._numbers += 1
        record.transaction = f"{self._numbers:012d}"
        self.taken[record.transaction] = record.amount

    def _close(self, record: ChargeRecord, state: ChargeState, reason: int = 0) -> None:
        record.state, record.reason, self._open = state, reason, None

    def _charge_status(self, reference: str) -> TerminalMessage:
        record = self._records.get(reference) or ChargeRecord(reference, 0, ChargeState.NONE)
        approved = record.state is ChargeState.APPROVED
        return message(
            MessageKind.CHARGE_IS,
            reference=reference,
            amount=record.amount,
            state=record.state.value,
            reason=record.reason if record.state is ChargeState.DECLINED else 0,
            transaction=record.transaction if approved else NO_TRANSACTION,
            boots=self.boots,
        )


ANSWERS: dict[MessageKind, Callable[[TerminalDevice, TerminalMessage, float], TerminalMessage]] = {
    MessageKind.STATUS: TerminalDevice.status,
    MessageKind.CHARGE: TerminalDevice.charge,
    MessageKind.QUERY: TerminalDevice.query,
    MessageKind.CANCEL: TerminalDevice.cancel,
    MessageKind.REVERSE: TerminalDevice.reverse,
}
