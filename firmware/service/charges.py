"""What the journal knows of one session's charges at the payment terminal. Amounts in yen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from firmware.service.entry import Entry, NewEntry

# begun, and nobody can tell whether it was taken or given back
CHARGE_UNKNOWN = "power.charge-unknown"
# Codes of the cases by which money of a charge is held.
HELD_FOR_CHARGES = frozenset(
    {
        "cashless.unknown",
        "cashless.late",
        "reversal.unknown",
        "reversal.refused",
        "reversal.late",
        CHARGE_UNKNOWN,
    }
)


@dataclass(frozen=True)
class Charges:
    taken: int = 0
    given_back: int = 0
    charging: int = 0  # begun, and nothing is written of its end
    doubted: int = 0  # ended, and nobody can tell whether it was taken
    reversing: int = 0
    unreversed: int = 0  # a reversal that was refused, or of which nobody can tell
    held: int = 0
    count: int = 0  # of charges that were begun
    reference: str = ""  # the terminal's number of the last one that was taken

    @property
    def inserted(self) -> int:
        """As if it had been put in: what may have been taken counts, and is held."""
        return self.taken + self.charging + self.doubted

    @property
    def to_hold(self) -> int:
        """In doubt, and not held yet."""
        return max(self.charging + self.doubted + self.reversing + self.unreversed - self.held, 0)

    @property
    def open(self) -> bool:
        """The terminal may know how it ended."""
        return bool(self.charging or self.reversing)


def charges(entries: Sequence[Entry | NewEntry]) -> Charges:
    """Add up one session's entries."""
    sums = dict.fromkeys(
        ("taken", "given_back", "charging", "doubted", "reversing", "unreversed", "held", "count"),
        0,
    )
    reference = ""
    cases: dict[str, str] = {}
    for entry in entries:
        facts = entry.facts
        match entry.kind:
            case "case":
                cases[str(facts["case"])] = str(facts["code"])
            case "held" if cases.get(str(facts["case"])) in HELD_FOR_CHARGES:
                sums["held"] += int(facts["amount"])
            case "charge-begun":
                sums["charging"], sums["count"] = int(facts["amount"]), sums["count"] + 1
            case "charge-done" | "charge-failed":
                unknown = entry.kind == "charge-failed" and facts["result"] == "unknown"
                _end(sums, "charging", "doubted", int(facts["amount"]), unknown)
                if entry.kind == "charge-done":
                    sums["taken"], reference = (
                        sums["taken"] + int(facts["amount"]),
                        str(facts["reference"]),
                    )
            case "reversal-begun":
                sums["reversing"] = int(facts["amount"])
            case "reversal-done" | "reversal-failed":
                _end(
                    sums,
                    "reversing",
                    "unreversed",
                    int(facts["amount"]),
                    entry.kind == "reversal-failed",
                )
                if entry.kind == "reversal-done":
                    sums["given_back"] += int(facts["amount"])
    return Charges(reference=reference, **sums)


def _end(sums: dict[str, int], begun: str, doubt: str, amount: int, doubtful: bool) -> None:
    """What was begun has ended, and is in doubt from now on, or is not any more."""
    if not sums[begun] and not doubtful:
        sums[doubt] = max(sums[doubt] - amount, 0)
    if sums[begun] and doubtful:
        sums[doubt] += amount
    sums[begun] = 0
