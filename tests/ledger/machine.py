"""A kiosk that is only coins and a journal: random journeys, in the order of the service.

`box` and `hoppers` are what really is in the machine; the journal knows what a kiosk's journal
knows. A journey may be killed behind any entry; what the coin units do then nobody writes down.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from firmware.ledger.acts import facts_of
from firmware.ledger.journey import LedgerEntry
from firmware.service.recovery import Balance, balance, settlement

KINDS_OF_CERTIFICATES = ("juminhyo", "inkan", "kazei")
HOPPERS = {5: 100, 4: 50, 3: 10}  # as they are asked: highest value first
START = 200  # coins in each hopper
CHARGES = "charges" in Balance.__dataclass_fields__  # a settlement knows of the payment terminal
AT = "2026-11-24T01:00:00+00:00"


class Killed(Exception):
    """The process is no more."""


@dataclass
class Machine:
    """`hidden`: yen that left the hoppers and that no entry tells of, by session."""

    rng: Random
    fed: frozenset[int] = frozenset()
    entries: list[LedgerEntry] = field(default_factory=list)
    box: Counter[int] = field(default_factory=Counter)
    hoppers: Counter[int] = field(default_factory=Counter)
    hidden: Counter[str] = field(default_factory=Counter)
    session: str = ""
    began: int = 0  # number of entries before this journey
    left: int = 0  # entries until the process is killed; 0: it is not
    charged: int = 0  # by the terminal, certainly
    inquiries: int = 0  # charged or not: nobody knows
    _events: Counter[int] = field(default_factory=Counter)
    _number: int = 0

    # -- the journal

    def note(self, kind: str, facts: dict[str, Any], session: str | None = None) -> None:
        of = self.session if session is None else session
        self.entries.append(LedgerEntry(len(self.entries) + 1, of, kind, facts, AT))

    def say(self, kind: str, **facts: Any) -> None:
        self.note(kind, facts)
        self.left -= 1
        if not self.left:
            raise Killed

    def mine(self) -> list[LedgerEntry]:
        return self.entries[self.began :]

    def chance(self, of: float) -> bool:
        return self.rng.random() < of

    # -- the operator

    def fill(self) -> None:
        for address, value in HOPPERS.items():
            coins = START - self.hoppers[address]
            if coins > 0:
                self.hoppers[address] += coins
                self.note(
                    "cash-refill", {"place": f"hopper-{address}", **facts_of({value: coins})}, ""
                )

    def empty_box(self) -> None:
        self.note("cash-emptied", {"place": "box", **facts_of(self.box)}, "")
        self.box.clear()

    def count(self) -> None:
        self.note("cash-count", {"place": "box", **facts_of(self.box)}, "")
        for address, value in HOPPERS.items():
            facts = facts_of({value: self.hoppers[address]})
            self.note("cash-count", {"place": f"hopper-{address}", **facts}, "")

    def yen(self) -> int:
        """What lies in the machine."""
        return sum(v * n for v, n in self.box.items()) + sum(
            HOPPERS[address] * coins for address, coins in self.hoppers.items()
        )

    # -- a journey

    def journey(self) -> None:
        self._number += 1
        self.session, self.began = f"{self._number:032x}", len(self.entries)
        cashless = self.chance(0.2)
        self.left = self.rng.randint(1, 30) if self.chance(0.3) and (CHARGES or not cashless) else 0
        try:
            self._journey(cashless)
        except Killed:
            self.left = 0
            self._settle()

    def _settle(self) -> None:
        for step in settlement(self.session, balance(self.mine())):  # type: ignore[arg-type]
            self.note(step.kind, step.facts)

    def _journey(self, cashless: bool) -> None:
        fee = self.rng.choice((0, 100, 200, 300, 350))
        sheets = self.rng.randint(1, 3)
        self.say("begun")
        self.say("authenticated", card="c")
        self.say("ordered", certificate=self.rng.choice(KINDS_OF_CERTIFICATES))
        if self.chance(0.1):
            self._end(0, 0, 0)
            return
        self.say("checked", order="o", document="d", sheets=sheets, copies=1, fee=fee)
        if cashless and fee:
            self._charged(fee, sheets)
            return
        inserted = self._coins(fee)
        if inserted < fee:
            self._refund(inserted)
            return
        out = self._sheets(sheets)
        if out is None:
            self._hold(fee, inserted - fee)
        elif out:
            self._change(fee, inserted - fee)
        else:
            self._refund(inserted)

    def _coins(self, fee: int) -> int:
        inserted = 0
        gives_up = self.chance(0.15)
        while inserted < fee and not (gives_up and self.chance(0.5)):
            inserted += self._coin()
        if fee and self.chance(0.05):
            inserted += self._coin()  # fell in while the slot was being shut
        return inserted

    def _coin(self) -> int:
        value = self.rng.choice((10, 50, 100, 100, 500))
        address = next((a for a, v in HOPPERS.items() if v == value and v in self.fed), None)
        if address:
            self.hoppers[address] += 1
        else:
            self.box[value] += 1
        self.say("coin", value=value)
        return value

    def _sheets(self, sheets: int) -> bool | None:
        """Whether the last one came out; None when nobody can tell."""
        self.say("release-asked", order="o", document="d")
        if self.chance(0.05):
            return False
        self.say("released", order="o", document="d")
        for sheet in range(1, sheets + 1):
            self.say("sheet-begun", sheet=sheet)
            if self.chance(0.06):
                certain = self.chance(0.5)
                self.say("sheet-failed", sheet=sheet, reason="jam", certain=certain)
                return False if certain else None
            self.say("sheet-done", sheet=sheet)
        return True

    def _hold(self, fee: int, change: int = 0, code: str = "print.unknown") -> None:
        """Nobody may have the fee before an operator has looked; what is above it goes back."""
        self.say("case", case=f"case-{self.session}", code=code, pauses=True)
        if fee:
            self.say("held", amount=fee, case=f"case-{self.session}")
        paid, uncertain = self._pay(change) if change else (0, False)
        self._rest(0, change, paid, uncertain, fee)

    def _refund(self, amount: int) -> None:
        paid, uncertain = self._pay(amount) if amount else (0, False)
        self._rest(0, amount, paid, uncertain)

    def _change(self, fee: int, amount: int) -> None:
        paid, uncertain = self._pay(amount) if amount else (0, False)
        self._rest(fee, amount, paid, uncertain)

    def _rest(self, kept: int, due: int, paid: int, uncertain: bool, fee_held: int = 0) -> None:
        rest = due - paid
        held = rest if uncertain else 0
        if rest - held:
            self.say("owed", amount=rest - held)
        if rest or uncertain:
            code = "payout.unknown" if uncertain else "payout.short"
            self.say("case", case=f"payout-{self.session}", code=code, pauses=True)
        if held:
            self.say("held", amount=held, case=f"payout-{self.session}")
        self._end(kept, paid, rest - held, held + fee_held)

    def _end(self, kept: int, returned: int, owed: int, held: int = 0) -> None:
        self.say("ended", kept=kept, returned=returned, owed=owed, held=held)

    def _charged(self, fee: int, sheets: int) -> None:
        """Paid at the terminal: there is no change, and what is given back is a reversal."""
        self.inquiries += fee  # until the terminal has answered
        self.say("charge-begun", amount=fee)
        if self.chance(0.1):
            self.inquiries -= fee
            self.say("charge-failed", amount=fee, result="declined")
            self._end(0, 0, 0)
            return
        if self.chance(0.1):
            self.say("charge-failed", amount=fee, result="unknown")
            self._hold(fee, code="cashless.unknown")
            return
        self.inquiries -= fee
        self.charged += fee
        self.say("charge-done", amount=fee, reference="r")
        out = self._sheets(sheets)
        if out is None:
            self._hold(fee)
        elif out:
            self._end(fee, 0, 0)
        else:
            self._reverse(fee)

    def _reverse(self, fee: int) -> None:
        self.say("reversal-begun", amount=fee, reference="r")
        if self.chance(0.2):
            self.say("reversal-failed", amount=fee, result="unknown")
            self._hold(fee, code="reversal.unknown")
            return
        self.charged -= fee
        self.say("reversal-done", amount=fee)
        self._end(0, 0, 0)

    def _pay(self, amount: int) -> tuple[int, bool]:
        """(what the journal knows to be paid, whether there may be more)."""
        self.say("payout-begun", amount=amount)
        paid = 0
        for address, value in HOPPERS.items():
            due = (amount - paid) // value
            if not due:
                continue
            self._command(address, value, due, paid)
            out = self._fall(address, due, all_of_it=not self.chance(0.05))
            if out < due and self.chance(0.5):  # the hopper does not say why
                told = self.rng.randint(0, out)
                self.hidden[self.session] += (out - told) * value
                paid += told * value
                self.say("payout-failed", amount=amount, paid=paid, reason="uncertain")
                return paid, True
            paid += out * value
        if paid < amount:
            self.say("payout-failed", amount=amount, paid=paid, reason="hopper-empty")
        else:
            self.say("payout-done", amount=amount)
        return paid, False

    def _command(self, address: int, value: int, coins: int, paid: int) -> None:
        """Written down before it is given; a process that is killed may have given it."""
        before = self._events[address]
        self._events[address] = before % 255 + 1
        try:
            self.say("dispense", address=address, value=value, coins=coins, events=before)
        except Killed:
            out = self._fall(address, coins, all_of_it=self.chance(0.5))
            self.hidden[self.session] += paid + out * value
            raise

    def _fall(self, address: int, coins: int, *, all_of_it: bool) -> int:
        """Coins that come out of this hopper."""
        most = min(coins, self.hoppers[address])
        out = most if all_of_it else self.rng.randint(0, most)
        self.hoppers[address] -= out
        return out
