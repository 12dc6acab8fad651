"""What must hold of everything that a walk left behind: the journal, the city's books, paper and
coins. All of it is pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from firmware.ledger.journey import LedgerEntry
from firmware.ledger.ledger import Ledger, differences
from firmware.link.messages import Outcome
from firmware.service.journal import Entry
from firmware.service.recovery import Balance, balance
from testbed.random_walk.judge import Violation

# Cases that need a cause, and those that never come about by what a customer or a broken wire does.
CAUSED_BY = {"payout.": "coins", "power.": "power"}
EXPLAINED = ("print.", "payout.", "coins.", "paper.not-taken", "claim", "power.")


class Paper(NamedTuple):
    """A whole sheet that came out, as the code on it says."""

    number: str
    page: int
    pages: int


class AtCity(NamedTuple):
    """An order as the city has it. `card` is the fingerprint of the certificate that asked."""

    number: str
    session: str
    card: str
    state: str


@dataclass
class Books:
    """Everything after a walk, and what is known to have happened in it. Amounts in yen."""

    entries: Sequence[Entry] = ()
    papers: Sequence[Paper] = ()
    unreadable: int = 0  # whole sheets without a code
    slips: int = 0  # of the receipt printer
    orders: Mapping[str, AtCity] = field(default_factory=dict)
    outcomes: Mapping[str, Sequence[Outcome]] = field(default_factory=dict)  # the city's, by order
    open_at_city: int = 0
    inside: int = 0  # more in the machine than before
    # of it, fell in while nobody could count: a mute unit, a process just killed
    uncounted: int = 0
    laid: frozenset[str] = frozenset()  # fingerprints of the cards that lay on the reader
    causes: frozenset[str] = frozenset()  # kinds of disturbances there were

    def sessions(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            if entry.session:
                found[entry.session].append(entry)
        return found


def check_books(found: Books) -> Iterator[Violation]:
    sessions = found.sessions()
    for session, entries in sessions.items():
        book = balance(entries)
        for check in (_printed_when_paid, _ended, _outcome_at_the_city, _anomalies):
            for letter, what in check(found, entries, book):
                yield Violation(letter, f"session {session[:8]}: {what}")
    yield from _papers(found, sessions)
    yield from _money(found, [balance(entries) for entries in sessions.values()])
    yield from _cases(found)
    yield from _ledger(found)
    if found.open_at_city and not found.causes & {"line", "city", "power"}:
        yield Violation("d", f"{found.open_at_city} sessions are open at the city")


Faults = Iterable[tuple[str, str]]


def _printed_when_paid(found: Books, entries: list[Entry], book: Balance) -> Faults:
    """At every sheet that was begun."""
    held = 0
    released = ""
    fee = 0
    order = ""
    for entry in entries:
        facts = entry.facts
        if entry.kind == "coin":
            held += facts["value"]
        if entry.kind == "charge-done":
            held += facts["amount"]
        if entry.kind == "payout-done":
            held -= facts["amount"]
        if entry.kind == "checked":
            fee = facts["fee"]
            order = facts["order"]
        if entry.kind == "released":
            released = facts["order"]
        if entry.kind == "sheet-begun":
            if held < fee:
                yield "b", f"sheet {facts['sheet']} was begun with {held} of {fee} yen paid"
            if not order or released != order:
                yield "b", f"sheet {facts['sheet']} was begun and the order was not released"
    if order in found.orders and any(entry.kind == "sheet-begun" for entry in entries):
        at_city = found.orders[order]
        cards = {entry.facts["card"] for entry in entries if entry.kind == "authenticated"}
        if at_city.state != "issued":
            yield "b", f"sheets of an order that is {at_city.state} at the city"
        if at_city.card not in cards or not cards <= found.laid:
            yield "b", "the order is another card's"


def _ended(found: Books, entries: list[Entry], book: Balance) -> Faults:
    ends = [entry.facts for entry in entries if entry.kind == "ended"]
    if not any(entry.kind == "begun" for entry in entries):
        return  # cases of a process that served nobody
    if len(ends) != 1:
        yield "d", f"ended {len(ends)} times"
        return
    end = ends[0]
    kept = end["kept"]
    returned = end["returned"]
    owed = end["owed"]
    held = end["held"]
    if book.inserted != kept + returned + owed + held:
        what = f"{kept} kept, {returned} returned, {owed} owed, {held} held"
        yield "c", f"{book.inserted} yen came in, {what}"
    if kept * book.sheets > book.fee * book.printed:
        yield "c", f"{kept} yen kept for {book.printed} of {book.sheets} sheets at {book.fee} yen"
    promised = sum(entry.facts["amount"] for entry in entries if entry.kind == "slip")
    if owed > promised and not any(entry.kind == "case" for entry in entries):
        yield "c", f"{owed} yen are owed and nobody knows"
    may_be_out = book.printed
    if book.sheet_open:
        may_be_out += 1
    copies = -(-may_be_out * book.copies // book.sheets) if book.sheets else 0  # rounded up
    given_back = returned + owed
    if given_back > book.inserted - copies * book.fee // book.copies:
        what = f"{may_be_out} sheets are or may be out"
        yield "c", f"{given_back} yen of {book.inserted} given back, and {what}"
    if held and not any(entry.kind == "case" for entry in entries):
        yield "c", f"{held} yen are held and nobody knows"


def _outcome_at_the_city(found: Books, entries: list[Entry], book: Balance) -> Faults:
    """The city knows the outcome that stands in the journal, and of no other."""
    written = [entry.facts for entry in entries if entry.kind == "outcome"]
    due = 1 if book.release_asked else 0
    if len(written) != due:
        asked = "asked for" if book.release_asked else "not asked for"
        yield "c", f"{len(written)} outcomes of a release that was {asked}"
        return
    if book.order not in found.orders or found.orders[book.order].state != "issued":
        return
    reported = found.outcomes.get(book.order, ())
    if [_sum_reported(outcome) for outcome in reported] != [
        _sum_written(facts) for facts in written
    ]:
        what = f"{len(written)} are in the journal"
        yield "c", f"the city knows {len(reported)} outcomes, {what}"


def _sum_reported(outcome: Outcome) -> dict[str, int]:
    return {
        "kept": outcome.kept,
        "returned": outcome.returned,
        "owed": outcome.owed,
        "held": outcome.held,
    }


def _sum_written(facts: Mapping[str, int]) -> dict[str, int]:
    return {name: facts[name] for name in ("kept", "returned", "owed", "held")}


def _anomalies(found: Books, entries: list[Entry], book: Balance) -> Faults:
    failed = [entry.kind for entry in entries if entry.kind in ("sheet-failed", "payout-failed")]
    if book.sheet_open:
        failed.append("sheet unknown")
    if book.payout_open:
        failed.append("payout unknown")
    if failed and not any(entry.kind == "case" and entry.facts["pauses"] for entry in entries):
        yield "k", f"{failed[0]} and no case"


def _papers(found: Books, sessions: Mapping[str, list[Entry]]) -> Iterator[Violation]:
    """What came out is what the journal says: each page as often as copies were paid for, and no
    other.
    """
    if found.unreadable:
        yield Violation("b", f"{found.unreadable} whole sheets carry no code")
    out = Counter(paper.number for paper in found.papers)
    known = set()
    for entries in sessions.values():
        book = balance(entries)
        at_city = found.orders.get(book.order)
        number = at_city.number if at_city else ""
        known.add(number)
        begun = sum(entry.kind == "sheet-begun" for entry in entries)
        if not book.printed <= out[number] <= begun and (number or book.printed):
            yield Violation(
                "b", f"{out[number]} sheets came out, {begun} were begun and {book.printed} done"
            )
        of_this_order = Counter(paper for paper in found.papers if paper.number == number)
        for paper, times in of_this_order.items():
            if times * paper.pages > book.sheets:
                what = f"page {paper.page} of {paper.pages} came out {times} times"
                yield Violation("b", f"{what} of {book.sheets} sheets")
    for number in out.keys() - known:
        yield Violation("b", f"{out[number]} sheets of an order that is nobody's")


def _money(found: Books, all_books: Sequence[Balance]) -> Iterator[Violation]:
    """Where a payout was cut off less may be there than the books say: all of it was recorded as
    owed.
    """
    booked = sum(book.inserted - book.returned for book in all_books)
    codes = [entry.facts["code"] for entry in found.entries if entry.kind == "case"]
    unsure = 0
    if any(code.startswith(("payout.", "power.payout")) for code in codes):
        begun = [entry for entry in found.entries if entry.kind == "payout-begun"]
        unsure = sum(entry.facts["amount"] for entry in begun)
    has_case = any(code.startswith("coins.") for code in codes)
    more = found.inside - booked
    explained = -unsure <= more <= found.uncounted
    if not explained or (more > 0 and not has_case):
        what = f"{booked} in the books, {found.uncounted} uncounted"
        yield Violation("c", f"{found.inside} yen in the machine, {what}")
    if found.slips < sum(entry.kind == "slip" for entry in found.entries):
        yield Violation("c", "the journal knows of a slip that did not come out")


def _ledger(found: Books) -> Iterator[Violation]:
    """Each journey's transaction sums to zero without anything that nobody can explain."""
    ledger = Ledger.of([LedgerEntry(e.seq, e.session, e.kind, e.facts) for e in found.entries])
    for transaction, case in differences(ledger):
        if not case:
            what = f"{transaction.difference} yen are unexplained"
            yield Violation("c", f"session {transaction.session[:8]}: {what}")
    for kind in sorted(ledger.unread):
        yield Violation("c", f"the ledger does not know the entry {kind}")


def _cases(found: Books) -> Iterator[Violation]:
    session_of: dict[str, str] = {}  # by open case
    for entry in found.entries:
        if entry.kind == "case":
            if entry.facts["pauses"]:
                session_of[entry.facts["case"]] = entry.session
            yield from _case(entry.facts["code"], found.causes)
        if entry.kind == "case-closed":
            session_of.pop(entry.facts["case"], None)
        if entry.kind == "authenticated":
            others = [session for session in session_of.values() if session != entry.session]
            if others:
                yield Violation(
                    "k", f"session {entry.session[:8]} was served while a case was open"
                )


def _case(code: str, causes: frozenset[str]) -> Iterator[Violation]:
    if not code.startswith(EXPLAINED):
        yield Violation("l" if code.startswith("permit.") else "g", f"case {code}")
    for start, cause in CAUSED_BY.items():
        if code.startswith(start) and cause not in causes:
            yield Violation("k", f"case {code}, and nothing had happened to the {cause}")
