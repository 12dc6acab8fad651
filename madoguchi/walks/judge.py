"""What must hold, judged from the outside; the letters are those of the properties that the whole journey has.

`standing` looks at one moment: what it finds may last while the kiosk notices, and no longer. `trail` looks at the
kiosk's log, `books` at everything that a walk left behind. All of it is pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from firmware.flow.states import CardPolicy, Phase, State
from firmware.flow.table import SPECS
from firmware.link.messages import Outcome
from firmware.service.journal import Entry
from firmware.service.replay import Balance, balance

PROPERTIES = {
    "a": "with a card on the reader, or nobody knowing, no screen of choosing, ordering, paying or printing lasts",
    "b": "a sheet comes out only of an order that was paid and issued, to the card that asked for it, and once",
    "c": "no coin is lost: what went in is kept for whole sheets, came back, or is recorded as owed",
    "d": "idle is empty: nothing in the outlet or the printer, no session open here or at the city, no name in memory",
    "e": "no screen is a dead end, and a card left behind is never at the menu",
    "f": "a touch on an older screen, or of what is not offered, changes nothing",
    "g": "every state answers every event: no error",
    "h": "digits of a PIN are there only while it is typed",
    "i": "a coin can fall in only while paying",
    "j": "a time that runs out ends the whole transaction",
    "k": "an anomaly opens a case, nothing else does, and nobody is served until it is closed",
    "l": "no wire carries what must not go out, and no permit has to refuse it",
    "p": "no name, number or PIN of a person in journal and logs",
}
CARD_FREE = frozenset(state.screen for state, spec in SPECS.items() if spec.card is CardPolicy.MUST_BE_ABSENT)
MIDDLE = frozenset({Phase.CARD, Phase.CHOOSE, Phase.ORDER, Phase.PAY, Phase.ISSUE})
FORWARD = frozenset({Phase.CHOOSE, Phase.ORDER, Phase.PAY, Phase.ISSUE})
NEVER_BESIDE_A_CARD = frozenset({"release-asked", "sheet-begun"})
# Cases that need a cause, and those that never come about by what a person or a broken wire does.
CAUSED_BY = {"payout.": "coins", "power.": "power"}
EXPLAINED = ("print.", "payout.", "coins.", "paper.not-taken", "claim", "power.")


class Fault(NamedTuple):
    """A property that does not hold, and in what way."""

    letter: str
    what: str


# -- one moment


@dataclass(frozen=True)
class Now:
    """What can be seen at one moment. `screen` is "" while no process serves."""

    screen: str = ""
    digits: int = 0
    card: bool = False
    reader: bool = True  # plugged in
    outlet: int = 0  # sheets in it
    held: bool = False  # the printer holds something of a page
    slot: bool = False  # a coin can fall in
    coins_hear: bool = True  # the coin unit hears what it is told
    paused: bool = False  # a case is open that keeps the kiosk out of service
    unfinished: bool = False  # a session is open in the journal


Momentary = Callable[[Now], bool]
STANDING: tuple[tuple[str, str, Momentary], ...] = (
    ("a", "a card lies there", lambda n: n.screen in CARD_FREE and n.card and n.reader),
    ("a", "the reader is gone", lambda n: n.screen in CARD_FREE and not n.reader),
    ("d", "a sheet lies in the outlet", lambda n: n.screen == "menu" and n.outlet > 0),
    ("d", "the printer holds something", lambda n: n.screen == "menu" and n.held),
    ("d", "a session is open in the journal", lambda n: n.screen == "menu" and n.unfinished),
    ("e", "a card lies there", lambda n: n.screen == "menu" and n.card),
    ("h", "digits are shown", lambda n: n.digits > 0 and (n.screen != "pin" or not n.card)),
    ("i", "a coin can fall in", lambda n: n.slot and n.coins_hear and n.screen not in ("paying", "")),
    ("k", "a case is open", lambda n: n.screen == "menu" and n.paused),
)


def standing(now: Now) -> Iterator[Fault]:
    """What must not last."""
    for letter, what, wrong in STANDING:
        if wrong(now):
            yield Fault(letter, f"the screen is {now.screen or 'dark'} and {what}")


def beside_a_card(entries: Iterable[Entry]) -> Iterator[Fault]:
    """`entries`: written while a card had lain on the reader for so long that the kiosk must know."""
    for entry in entries:
        if entry.kind in NEVER_BESIDE_A_CARD:
            yield Fault("b", f"{entry.kind} while a card lay on the reader")


# -- the trail in the kiosk's log


class Line(NamedTuple):
    """One line of the log: which process, which event of the log's catalogue, and two of its facts."""

    pid: int
    log: str
    state: str = ""
    event: str = ""


def trail(lines: Sequence[Line]) -> Iterator[Fault]:
    """`lines`: of whole lives of processes."""
    last: dict[int, State] = {}
    ended: set[int] = set()
    for line in lines:
        if line.log == "error":
            yield Fault("g", f"an error in {line.state}: {line.event}")
        if line.log == "command.refused":
            yield Fault("l", f"{line.state} was refused: {line.event}")
        if line.log != "state":
            continue
        before, state = last.get(line.pid), State(line.state)
        if line.pid in ended and state.phase in FORWARD:
            yield Fault("j", f"{line.event} leads to {state.screen} after the time had run out")
        if line.event == "time-up" and before is not None and (before.phase in MIDDLE or before is State.HOLD):
            ended.add(line.pid)
        last[line.pid] = state


# -- what a walk left behind


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
    uncounted: int = 0  # of it, fell in while nobody could count: a mute unit, a process just killed
    laid: frozenset[str] = frozenset()  # fingerprints of the cards that lay on the reader
    causes: frozenset[str] = frozenset()  # kinds of bad luck there were

    def sessions(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            if entry.session:
                found[entry.session].append(entry)
        return found


def books(found: Books) -> Iterator[Fault]:
    sessions = found.sessions()
    for session, entries in sessions.items():
        book = balance(entries)
        for judge in (_printed_when_paid, _ended, _told_the_city, _anomalies):
            for letter, what in judge(found, entries, book):
                yield Fault(letter, f"session {session[:8]}: {what}")
    yield from _papers(found, sessions)
    yield from _money(found, [balance(entries) for entries in sessions.values()])
    yield from _cases(found)
    if found.open_at_city and not found.causes & {"line", "city", "power"}:
        yield Fault("d", f"{found.open_at_city} sessions are open at the city")


Faults = Iterable[tuple[str, str]]


def _printed_when_paid(found: Books, entries: list[Entry], book: Balance) -> Faults:
    """At every sheet that was begun."""
    held, released, fee, order = 0, "", 0, ""
    for entry in entries:
        facts = entry.facts
        held += {"coin": 1}.get(entry.kind, 0) * facts.get("value", 0)
        held -= {"payout-done": 1}.get(entry.kind, 0) * facts.get("amount", 0)
        if entry.kind == "checked":
            fee, order = facts["fee"], facts["order"]
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
    kept, returned, owed = ends[0]["kept"], ends[0]["returned"], ends[0]["owed"]
    if book.inserted != kept + returned + owed:
        yield "c", f"{book.inserted} yen came in, {kept} kept, {returned} returned, {owed} owed"
    if kept not in (0, book.fee) or (kept and not book.complete):
        yield "c", f"{kept} yen kept for {book.printed} of {book.sheets} sheets at {book.fee} yen"
    promised = sum(entry.facts["amount"] for entry in entries if entry.kind == "slip")
    if owed > promised and not any(entry.kind == "case" for entry in entries):
        yield "c", f"{owed} yen are owed and nobody knows"


def _told_the_city(found: Books, entries: list[Entry], book: Balance) -> Faults:
    told = [entry.facts for entry in entries if entry.kind == "outcome"]
    if len(told) != book.release_asked:
        yield "c", f"{len(told)} outcomes of a release that was {'' if book.release_asked else 'not '}asked for"
        return
    issued = book.order in found.orders and found.orders[book.order].state == "issued"
    heard = found.outcomes.get(book.order, ())
    if issued and [(o.kept, o.returned, o.owed) for o in heard] != [
        (t["kept"], t["returned"], t["owed"]) for t in told
    ]:
        yield "c", f"the city has heard of {len(heard)} outcomes, {len(told)} are in the journal"


def _anomalies(found: Books, entries: list[Entry], book: Balance) -> Faults:
    failed = [entry.kind for entry in entries if entry.kind in ("sheet-failed", "payout-failed")]
    failed += ["sheet unknown"] * book.sheet_open + ["payout unknown"] * book.payout_open
    if failed and not any(entry.kind == "case" and entry.facts["pauses"] for entry in entries):
        yield "k", f"{failed[0]} and no case"


def _papers(found: Books, sessions: Mapping[str, list[Entry]]) -> Iterator[Fault]:
    """What came out is what the journal says: each page as often as copies were paid for, and no other."""
    if found.unreadable:
        yield Fault("b", f"{found.unreadable} whole sheets carry no code")
    out = Counter(paper.number for paper in found.papers)
    known = set()
    for entries in sessions.values():
        book = balance(entries)
        at_city = found.orders.get(book.order)
        number = at_city.number if at_city else ""
        known.add(number)
        begun = sum(entry.kind == "sheet-begun" for entry in entries)
        if not book.printed <= out[number] <= begun and (number or book.printed):
            yield Fault("b", f"{out[number]} sheets came out, {begun} were begun and {book.printed} done")
        for (_, page, pages), times in Counter(p for p in found.papers if p.number == number).items():
            if times * pages > book.sheets:
                yield Fault("b", f"page {page} of {pages} came out {times} times of {book.sheets} sheets")
    for number in out.keys() - known:
        yield Fault("b", f"{out[number]} sheets of an order that is nobody's")


def _money(found: Books, all_books: Sequence[Balance]) -> Iterator[Fault]:
    """Where a payout was cut off less may be there than the books say: all of it was recorded as owed."""
    booked = sum(book.inserted - book.returned for book in all_books)
    codes = [entry.facts["code"] for entry in found.entries if entry.kind == "case"]
    unsure = sum(e.facts["amount"] for e in found.entries if e.kind == "payout-begun")
    unsure *= any(code.startswith(("payout.", "power.payout")) for code in codes)
    told = any(code.startswith("coins.") for code in codes)
    if not -unsure <= found.inside - booked <= found.uncounted or (found.inside > booked and not told):
        yield Fault("c", f"{found.inside} yen in the machine, {booked} in the books, {found.uncounted} uncounted")
    if found.slips < sum(entry.kind == "slip" for entry in found.entries):
        yield Fault("c", "the journal knows of a slip that did not come out")


def _cases(found: Books) -> Iterator[Fault]:
    open_: dict[str, str] = {}  # case to session
    for entry in found.entries:
        if entry.kind == "case":
            code = entry.facts["code"]
            if entry.facts["pauses"]:
                open_[entry.facts["case"]] = entry.session
            if not code.startswith(EXPLAINED):
                yield Fault("l" if code.startswith("permit.") else "g", f"case {code}")
            needs = next((cause for start, cause in CAUSED_BY.items() if code.startswith(start)), "")
            if needs and needs not in found.causes:
                yield Fault("k", f"case {code}, and nothing had happened to the {needs}")
        if entry.kind == "case-closed":
            open_.pop(entry.facts["case"], None)
        if entry.kind == "authenticated" and any(session != entry.session for session in open_.values()):
            yield Fault("k", f"session {entry.session[:8]} was served while a case was open")
