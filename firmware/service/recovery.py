"""After a crash or a power cut: what was certain is settled, what is uncertain goes to a person.

Nothing is printed or paid again. What the journal says was begun and not finished may or may not
have happened: the fee is shared out by the same rule as in a journey that goes on
(`flow/settlement.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware.flow.events import CERTAINLY_SHORT
from firmware.flow.settlement import Order, Shares, shares
from firmware.link.messages import Outcome, Result
from firmware.service.charges import CHARGE_UNKNOWN, HELD_FOR_CHARGES, Charges, charges
from firmware.service.entry import Entry, NewEntry, new_entry, new_id, outcome_entry
from firmware.service.journal import Journal

SHEET_UNKNOWN = "power.sheet-unknown"  # begun, and nobody knows how it ended
SHEETS_MISSING = "power.sheets-missing"  # of a copy that has begun to come out
PAYOUT_UNKNOWN = "power.payout-unknown"
MONEY_OWED = "power.money-owed"
LATE_ANSWER = "power.late-answer"  # money that was held is not in doubt any more
OVERPAID = "power.overpaid"  # more went out than came in
HELD_FOR_SHEETS = frozenset({"print.failed", "print.unknown", SHEET_UNKNOWN, SHEETS_MISSING})


@dataclass(frozen=True)
class Balance:
    """What the journal knows of one session. Amounts in yen.

    `inserted` and `returned` are in coins and at the payment terminal together.
    """

    order: str = ""
    sheets: int = 0
    copies: int = 1
    fee: int = 0
    inserted: int = 0
    returned: int = 0
    owed: int = 0
    held_for_sheets: int = 0
    held_for_payouts: int = 0
    printed: int = 0
    release_asked: bool = False
    reported: bool = False
    sheet_open: bool = False  # a sheet was begun and nobody knows how it ended
    payout_open: bool = False  # nobody knows how much of a payout came out
    charges: Charges = field(default_factory=Charges)

    @property
    def complete(self) -> bool:
        return self.sheets > 0 and self.printed == self.sheets

    @property
    def shares(self) -> Shares:
        """Of the fee, when this is all that will ever be known."""
        return shares(Order(self.sheets, self.copies, self.fee), self.printed, self.sheet_open)

    @property
    def kept(self) -> int:
        return self.shares.kept

    @property
    def held(self) -> int:
        return self.held_for_sheets + self.held_for_payouts + self.charges.held

    @property
    def to_hold(self) -> int:
        """Of the fee: to be held for the sheets, and not held yet."""
        return max(self.shares.held - self.held_for_sheets, 0)

    @property
    def missing(self) -> int:
        """Money that is somebody's and neither given back, nor recorded as owed or held, nor to be
        held.
        """
        to_hold = self.to_hold + self.charges.to_hold
        return self.inserted - self.returned - self.owed - self.held - to_hold - self.kept

    @property
    def coins_missing(self) -> int:
        """As much of it as was put in as coins."""
        coins = self.inserted - self.charges.inserted - (self.returned - self.charges.given_back)
        return min(self.missing, coins)

    @property
    def charge_missing(self) -> int:
        """As much of it as the payment terminal can give back."""
        return max(min(self.missing, self.charges.taken - self.charges.given_back), 0)


def balance(entries: Sequence[Entry | NewEntry]) -> Balance:
    """Add up one session's entries."""
    values: dict[str, object] = {}
    sums = dict.fromkeys(("inserted", "returned", "owed", "held_for_sheets", "held_for_payouts"), 0)
    cases: dict[str, str] = {}
    for entry in entries:
        kind, facts = entry.kind, entry.facts
        if kind in SUMMED:
            name, fact = SUMMED[kind]
            sums[name] += int(facts[fact])
        if kind == "case":
            cases[str(facts["case"])] = str(facts["code"])
        if kind == "held" and cases.get(str(facts["case"])) not in HELD_FOR_CHARGES:
            for_sheets = cases.get(str(facts["case"])) in HELD_FOR_SHEETS
            sums["held_for_sheets" if for_sheets else "held_for_payouts"] += int(facts["amount"])
            values["payout_open"] = values.get("payout_open", False) and for_sheets
        if kind == "checked":
            values |= {name: facts[name] for name in ("order", "sheets", "copies", "fee")}
        if kind in ("payout-begun", "payout-done", "payout-failed"):
            values["payout_open"] = kind == "payout-begun" or not _certainly(kind, facts)
        if kind in ("sheet-begun", "sheet-done", "sheet-failed"):
            values["sheet_open"] = kind == "sheet-begun" or facts.get("certain") is False
        if kind == "sheet-done":
            values["printed"] = facts["sheet"]
        if kind == "release-asked":
            values["release_asked"] = True
        if kind == "outcome":
            values["reported"] = True
    known = charges(entries)
    sums["inserted"] += known.inserted
    sums["returned"] += known.given_back
    return Balance(charges=known, **sums, **values)  # type: ignore[arg-type]


# Kind of an entry: the sum that it adds to, and the fact that it adds.
SUMMED = {
    "coin": ("inserted", "value"),
    "payout-done": ("returned", "amount"),
    "payout-failed": ("returned", "paid"),
    "owed": ("owed", "amount"),
}


def _certainly(kind: str, facts: object) -> bool:
    return kind == "payout-done" or facts["reason"] in CERTAINLY_SHORT  # type: ignore[index]


def settle(journal: Journal) -> list[str]:
    """Close every session that was left open. The codes of the cases opened for it."""
    codes: list[str] = []
    for session in journal.unfinished():
        added = settlement(session, balance(journal.entries(session)))
        journal.append(added)  # a cut in between leaves it all to the next life
        codes += case_codes(added)
    return codes


def case_codes(added: list[NewEntry]) -> list[str]:
    return [str(given.facts["code"]) for given in added if given.kind == "case"]


def settlement(session: str, left: Balance) -> list[NewEntry]:
    """What is to be written about a session that nobody ended."""
    added = []
    if left.sheet_open:
        added.append(new_entry(session, "purge-needed"))
    if left.sheet_open or left.to_hold:
        added += _held(session, SHEET_UNKNOWN if left.sheet_open else SHEETS_MISSING, left.to_hold)
    known = min(max(-left.missing, 0), left.held)
    if known:
        added += _held(session, LATE_ANSWER, -known)
    in_doubt = max(left.missing, 0) if left.payout_open else 0
    if left.payout_open:
        added += _held(session, PAYOUT_UNKNOWN, in_doubt)
    if left.charges.to_hold:
        added += _held(session, CHARGE_UNKNOWN, left.charges.to_hold)
    owed = left.missing + known - in_doubt
    if owed:
        added.append(new_entry(session, "owed", amount=owed))
    if owed > 0:
        added += _held(session, MONEY_OWED, 0)
    owed, held = (
        left.owed + owed,
        left.held - known + left.to_hold + left.charges.to_hold + in_doubt,
    )
    if owed < 0:
        added += _held(session, OVERPAID, 0)
    if left.release_asked and not left.reported:
        added.append(outcome_entry(_outcome(session, left, owed, held)))
    added.append(
        new_entry(session, "ended", kept=left.kept, returned=left.returned, owed=owed, held=held)
    )
    return added


def _held(session: str, code: str, amount: int) -> list[NewEntry]:
    """The case, and the money that it holds."""
    case = new_id()
    opened = new_entry(session, "case", case=case, code=code, pauses=True)
    return [opened, new_entry(session, "held", amount=amount, case=case)] if amount else [opened]


def _outcome(session: str, left: Balance, owed: int, held: int) -> Outcome:
    result = (
        Result.UNKNOWN if left.sheet_open else Result.PRINTED if left.complete else Result.FAILED
    )
    return Outcome(
        outcome=new_id(),
        session=session,
        order=left.order,
        result=result,
        sheets=left.printed,
        kept=left.kept,
        returned=left.returned,
        owed=max(owed, 0),
        held=held,
    )
