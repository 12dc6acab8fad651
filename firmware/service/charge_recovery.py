"""After a restart: what the payment terminal knows of a charge or a reversal that was begun and not
finished.

It is asked, and what it says is written down before the session is settled. What it does not say
stays open, and is held for an operator (recovery.py). No charge is asked for again; a reversal is,
which gives back once. What was charged for sheets that are certainly not out is given back at the
terminal.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from firmware.service import devices
from firmware.service.cases import journal_path
from firmware.service.cashless_desk import reference
from firmware.service.charges import charges
from firmware.service.config import Config
from firmware.service.entry import Entry, NewEntry, new_entry
from firmware.service.exchange_record import record_exchanges
from firmware.service.forked import forked
from firmware.service.journal import Journal
from firmware.service.log import log
from firmware.service.recovery import balance
from hal.cashless.contract import ChargeResult, PaymentTerminal
from hal.faults import DeviceFault, Reason

DEADLINE_S = 60.0  # for a query and a reversal, with the terminal's own deadlines


def is_due(journal: Journal) -> bool:
    """Whether the terminal knows, or can give back, something of a session that nobody ended."""
    left = [balance(journal.entries(session)) for session in journal.unfinished()]
    return any(one.charges.open or one.charge_missing for one in left)


def recover(journal: Journal, terminal: PaymentTerminal) -> None:
    """Blocks while the terminal is asked. Raises JournalBroken, nothing else."""
    for session in journal.unfinished():
        journal.append(found(session, journal.entries(session), terminal))
        left = balance(journal.entries(session))
        if left.charge_missing and not left.charges.open:
            reverse = new_entry(
                session,
                "reversal-begun",
                amount=left.charge_missing,
                reference=left.charges.reference,
            )
            journal.append([reverse])
            journal.append(found(session, journal.entries(session), terminal))


def recover_in_child(config: Config, deadline_s: float = DEADLINE_S) -> None:
    """Ask the terminal, if there is one, in a child that writes down the answers.
    Never raises.
    """
    if config.cashless is None:
        return
    terminal_config = config.cashless

    def work() -> bytes:
        record_exchanges(config)
        terminal = devices.payment_terminal(terminal_config)
        with contextlib.closing(Journal(journal_path(config.kiosk.state))) as journal:
            recover(journal, terminal)
        terminal.close()
        return b"done"

    forked(work, deadline_s)


def found(
    session: str, entries: Sequence[Entry | NewEntry], terminal: PaymentTerminal
) -> list[NewEntry]:
    """What is now known of this session; nothing when it is as open as before."""
    known = charges(entries)
    if known.charging:
        return _charge(session, known.charging, known.count, terminal)
    if known.reversing:
        return _reversal(session, known.reversing, known.reference, terminal)
    return []


def _charge(session: str, amount: int, count: int, terminal: PaymentTerminal) -> list[NewEntry]:
    try:
        charge = terminal.query(reference(session, count), amount)
    except DeviceFault as fault:
        return _silent(fault)
    if charge.result is ChargeResult.APPROVED:
        return [new_entry(session, "charge-done", amount=amount, reference=charge.transaction)]
    if charge.result is ChargeResult.DECLINED:
        return [new_entry(session, "charge-failed", amount=amount, result="declined")]
    return [new_entry(session, "charge-failed", amount=amount, result="unknown")]


def _reversal(
    session: str, amount: int, transaction: str, terminal: PaymentTerminal
) -> list[NewEntry]:
    try:
        terminal.reverse(transaction, amount)
    except DeviceFault as fault:
        if fault.reason is Reason.REFUSED:
            return [new_entry(session, "reversal-failed", amount=amount, result="refused")]
        return _silent(fault)
    return [new_entry(session, "reversal-done", amount=amount)]


def _silent(fault: DeviceFault) -> list[NewEntry]:
    log("device.fault", device=fault.device, reason=fault.reason.value, detail=fault.detail)
    return []
