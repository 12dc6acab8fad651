"""After a crash or a power cut: what was certain is settled, what is uncertain goes to a person.

Nothing is printed or paid again. What the journal says was begun and not finished may or may not have happened.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware.link.messages import Outcome, Result
from firmware.service.journal import Entry, Journal, new_id


@dataclass(frozen=True)
class Balance:
    """What the journal knows of one session. Amounts in yen."""

    order: str = ""
    sheets: int = 0
    fee: int = 0
    inserted: int = 0
    returned: int = 0
    owed: int = 0
    printed: int = 0
    release_asked: bool = False
    reported: bool = False
    sheet_open: bool = False  # a sheet was begun and nobody knows how it ended
    payout_open: bool = False

    @property
    def complete(self) -> bool:
        return self.sheets > 0 and self.printed == self.sheets

    @property
    def kept(self) -> int:
        return self.fee if self.complete else 0

    @property
    def missing(self) -> int:
        """Money that is somebody's and neither given back nor recorded as owed."""
        return self.inserted - self.returned - self.owed - self.kept

    @property
    def certain(self) -> bool:
        return not self.sheet_open and not self.payout_open


def balance(entries: list[Entry]) -> Balance:
    """Add up one session's entries."""
    values: dict[str, object] = dict.fromkeys(("inserted", "returned", "owed", "printed"), 0)
    sums = {"coin": ("inserted", "value"), "payout-done": ("returned", "amount"), "owed": ("owed", "amount")}
    for entry in entries:
        kind, facts = entry.kind, entry.facts
        if kind in sums:
            name, fact = sums[kind]
            values[name] = int(str(values[name])) + facts[fact]
        if kind == "payout-failed":
            values["returned"] = int(str(values["returned"])) + facts["paid"]
        if kind == "checked":
            values |= {"order": facts["order"], "sheets": facts["sheets"], "fee": facts["fee"]}
        if kind in ("payout-begun", "payout-done", "payout-failed"):
            values["payout_open"] = kind == "payout-begun"
        if kind in ("sheet-begun", "sheet-done", "sheet-failed"):
            values["sheet_open"] = kind == "sheet-begun" or facts.get("certain") is False
        if kind == "sheet-done":
            values["printed"] = facts["sheet"]
        if kind == "release-asked":
            values["release_asked"] = True
        if kind == "outcome":
            values["reported"] = True
    return Balance(**values)  # type: ignore[arg-type]


def settle(journal: Journal) -> list[str]:
    """Close every session that was left open. The codes of the cases opened for it."""
    codes = []
    for session in journal.unfinished():
        with journal.transaction():  # a cut in between leaves it all to the next life
            codes += _settle(journal, session)
    return codes


def _settle(journal: Journal, session: str) -> list[str]:
    left = balance(journal.entries(session))
    codes = []
    if left.sheet_open:
        journal.write(session, "purge-needed")
        codes.append("power.sheet-unknown")
    if left.payout_open:
        codes.append("power.payout-unknown")
    if left.missing:
        journal.write(session, "owed", amount=left.missing)
    if left.missing > 0:
        codes.append("power.money-owed")
    if left.release_asked and not left.reported:
        journal.report(_outcome(session, left))
    for code in codes:
        journal.open_case(session, code, pauses=True)
    journal.write(session, "ended", kept=left.kept, returned=left.returned, owed=left.owed + left.missing)
    return codes


def _outcome(session: str, left: Balance) -> Outcome:
    result = Result.UNKNOWN if left.sheet_open else Result.PRINTED if left.complete else Result.FAILED
    return Outcome(
        outcome=new_id(),
        session=session,
        order=left.order,
        result=result,
        sheets=left.printed,
        kept=left.kept,
        returned=left.returned,
        owed=left.owed + left.missing,
    )
