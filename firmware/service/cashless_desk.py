"""What is asked of the payment terminal, in its thread. Every outcome is an event of the journey;
nothing is raised.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from firmware.flow import events
from firmware.service.log import log
from hal.cashless.contract import ChargeResult, PaymentTerminal
from hal.faults import DeviceFault, Reason


def reference(session: str, count: int) -> str:
    """Our name for the `count`th charge of a session, found again from the journal.

    One-way: whoever runs the terminal cannot tell from it which session at the city was paid.
    """
    return hashlib.sha256(f"charge {session} {count}".encode()).hexdigest()[:32]


@dataclass
class CashlessDesk:
    """`terminal`: None where the kiosk has none."""

    terminal: PaymentTerminal | None
    _asked: str = ""  # the reference of the charge that was asked for last

    def is_ready(self) -> bool:
        """Asked before payment is offered: one that does not say so is not offered."""
        if self.terminal is None:
            return False
        try:
            return self.terminal.is_ready()
        except DeviceFault as fault:
            _log_fault(fault)
            return False

    def begin(self, name: str) -> None:
        """The charge of this reference is about to be asked for; from now on `cancel` means this
        one.
        """
        self._asked = name

    def charge(self, amount: int, name: str) -> events.Event:
        if self.terminal is None:
            return events.ChargeDeclined(amount=amount, reason="terminal")
        try:
            found = self.terminal.charge(amount, name)
        except DeviceFault as fault:
            _log_fault(fault)
            if fault.reason is Reason.UNCERTAIN:
                return events.ChargeUnknown(amount=amount)
            return events.ChargeDeclined(amount=amount, reason="terminal")
        if found.result is ChargeResult.APPROVED:
            return events.Charged(amount=amount, transaction=found.transaction)
        if found.result is ChargeResult.DECLINED and found.decline is not None:
            return events.ChargeDeclined(amount=amount, reason=found.decline.value)
        return events.ChargeUnknown(amount=amount)

    def cancel(self) -> None:
        """From the event loop: the terminal's thread is busy with the charge."""
        if self.terminal is not None:
            self.terminal.cancel(self._asked)

    def reverse(self, transaction: str, amount: int) -> events.Event:
        if self.terminal is None:
            return events.ReverseFailed(amount=amount, certain=True)
        try:
            self.terminal.reverse(transaction, amount)
        except DeviceFault as fault:
            _log_fault(fault)
            return events.ReverseFailed(amount=amount, certain=fault.reason is not Reason.UNCERTAIN)
        return events.Reversed(amount=amount)


def _log_fault(fault: DeviceFault) -> None:
    log("device.fault", device=fault.device, reason=fault.reason.value, detail=fault.detail)
