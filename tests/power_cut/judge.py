"""The judge of the power cuts: money, paper and numbers in, a verdict out.

Pure, and without a line of the kiosk's: only what the units counted, what came out of the printers,
and which cases the kiosk opened. docs/power-cut.md says what each word means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from power_cut.paper import Sheet, Slip


class Outcome(StrEnum):
    """From worst to best. `STUCK`: no way home, `UNREADABLE`: paper that nobody knows, `SKIPPED`:
    not tried here.
    """

    DOUBLED = "doubled"
    BOTH_GIVEN = "both_given"
    LOST = "lost"
    STUCK = "stuck"
    UNREADABLE = "unreadable"
    WITH_CASE = "with_case"
    EXACT = "exact"
    SKIPPED = "skipped"


WRONG: Final = frozenset(Outcome) - {Outcome.EXACT, Outcome.WITH_CASE, Outcome.SKIPPED}

# Codes of cases that say: an operator must count, for coins may have fallen in unheard.
# An acceptor that fell silent while the slot was open says, by that, nothing of the last coins.
TO_BE_COUNTED: Final = frozenset(
    {"coins.events-lost", "coins.missed", "coins.silent", "coins.unexpected"}
)


@dataclass(frozen=True)
class Order:
    """What the customer wanted: so many copies of so many sheets, at `fee` yen a copy."""

    fee: int
    copies: int = 1
    pages: int = 1


@dataclass(frozen=True)
class Case:
    number: str
    code: str


@dataclass(frozen=True)
class Evidence:
    """Of one journey, when everything has come to rest. Yen.

    `coins_in`: what fell in, `coins_out`: what the hoppers paid, both as the units counted.
    `charged`: what the payment terminal took and has not given back, by its own account.
    `owed_or_held`: what the kiosk's books say about money of this journey that is not given back
    yet, on slips or held. `unheard`: what fell in shortly before the cut or behind it, when nobody
    may have been listening. `home`: the menu came back.
    """

    order: Order
    coins_in: int = 0
    coins_out: int = 0
    charged: int = 0
    sheets: tuple[Sheet, ...] = ()
    slips: tuple[Slip, ...] = ()
    cases: tuple[Case, ...] = ()
    owed_or_held: int = 0
    unheard: int = 0
    home: bool = True

    @property
    def claims(self) -> tuple[Slip, ...]:
        """The office pays a number once: a slip that was printed again is the same claim."""
        claims = [slip for slip in self.slips if slip.kind == "claim"]
        numbered = {slip.number: slip for slip in claims if slip.number}
        return (*numbered.values(), *(slip for slip in claims if not slip.number))

    @property
    def promised(self) -> int:
        return sum(slip.amount for slip in self.claims)

    @property
    def inside(self) -> int:
        """What the city has when the slips are honoured."""
        return self.coins_in + self.charged - self.coins_out - self.promised


@dataclass(frozen=True)
class Verdict:
    outcome: Outcome
    why: str


@dataclass(frozen=True)
class _Copies:
    whole: int
    begun: int  # some sheets of it are out


def judge(evidence: Evidence) -> Verdict:
    """The worst that can be said."""
    found = dict(_faults(evidence))
    for outcome in Outcome:
        if outcome in found:
            return Verdict(outcome, found[outcome])
    if evidence.cases:
        return Verdict(Outcome.WITH_CASE, ", ".join(sorted({case.code for case in evidence.cases})))
    return Verdict(Outcome.EXACT, "")


def _faults(evidence: Evidence) -> Iterator[tuple[Outcome, str]]:
    yield from _doubled(evidence)
    copies = _copies(evidence)
    due = evidence.order.fee * (copies.whole + copies.begun)
    if evidence.inside < due:
        yield (
            Outcome.BOTH_GIVEN,
            f"{due} yen are the fee of sheets that are out, {evidence.inside} yen stay inside",
        )
    missing = evidence.inside - evidence.order.fee * copies.whole
    if missing > 0 and (why := _unexplained(evidence, missing)):
        yield Outcome.LOST, why
    if not evidence.home:
        yield Outcome.STUCK, "the menu does not come back"
    if any(not slip.kind for slip in evidence.slips) or any(
        not sheet.number for sheet in evidence.sheets
    ):
        yield Outcome.UNREADABLE, "paper that nobody knows"


def _doubled(evidence: Evidence) -> Iterator[tuple[Outcome, str]]:
    given = evidence.coins_out + evidence.promised
    taken = evidence.coins_in + evidence.charged
    if given > taken:
        yield Outcome.DOUBLED, f"{taken} yen in, {given} yen out or promised"
    often = Counter((sheet.number, sheet.page) for sheet in evidence.sheets)
    if often and max(often.values()) > evidence.order.copies:
        yield (
            Outcome.DOUBLED,
            f"a sheet {max(often.values())} times instead of {evidence.order.copies}",
        )
    if len({sheet.number for sheet in evidence.sheets}) > 1:
        yield Outcome.DOUBLED, "one order under two numbers"


def _copies(evidence: Evidence) -> _Copies:
    of_page = Counter(sheet.page for sheet in evidence.sheets)
    counts = [of_page[page] for page in range(1, evidence.order.pages + 1)]
    return _Copies(min(counts), max(counts) - min(counts))


def _unexplained(evidence: Evidence, missing: int) -> str:
    """Why nobody would ever find this money, or "" when a case accounts for it."""
    if not evidence.cases:
        return f"{missing} yen are inside and no case says so"
    counting = any(case.code in TO_BE_COUNTED for case in evidence.cases)
    accounted = max(evidence.owed_or_held - evidence.promised, 0) + (
        evidence.unheard if counting else 0
    )
    return (
        ""
        if accounted >= missing
        else f"{missing} yen are inside, {accounted} of them accounted for"
    )
