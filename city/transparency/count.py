"""Counting a calendar month, from the log and the cases. What is published of it has been through
`city.transparency.figures`.

Every journey is in exactly one cell, and so is every refusal and every incident. No cell is a sum
of others, and no two cells are of the same events by another name; so what one cell hides, no other
one tells. Whether it was certain that a sheet came out is therefore no cell of its own: each such
journey has a case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from city.audit import PIECE
from city.cases import PAUSING
from city.clock import JST
from city.tables import audit, cases, sessions
from firmware.link.messages import RefusalCode, Result
from firmware.link.refusals import LINE

REFUSED: Final = frozenset({"sessions-refused", "orders-refused", "release-refused"})
# Told neutrally to the resident, so neutrally here.
NEUTRAL: Final = frozenset({RefusalCode.NOT_AVAILABLE.value})
OTHER: Final = "other"
TECHNICAL: Final = "technical"
# The same cause at the same kiosk within this time is somebody who tries again.
AGAIN_S: Final = 600
HOUR_S: Final = 3600
ISSUED: Final = "issued"
NOT_PRINTED: Final = "not-printed"
WITHOUT: Final = "without"  # a journey that ended with no certificate


class Entry(msgspec.Struct, frozen=True):
    """What is read of an entry of the log."""

    event: str
    at: int
    kiosk: str = ""
    session: str = ""
    order: str = ""
    kind: str = ""
    code: str = ""
    result: str = ""
    refused: str = ""  # of a session: the causes of what it was not offered


@dataclass
class Cell:
    """How often, and how many people that were at least."""

    count: int = 0
    people: set[str] = field(default_factory=set)

    def add(self, person: str) -> None:
        self.count += 1
        self.people.add(person)


@dataclass
class Counted:
    """One month. `stops`: whole hours, by what was stopped."""

    month: str
    ends: dict[str, Cell]
    refusals: dict[str, Cell]
    cases: dict[str, Cell]
    stops: dict[str, int]


def month_of(at: int) -> str:
    return datetime.fromtimestamp(at, JST).strftime("%Y-%m")


def months_between(first: str, last: str) -> list[str]:
    """Both included."""
    year, month = map(int, first.split("-"))
    found = []
    while (name := f"{year:04d}-{month:02d}") <= last:
        found.append(name)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found


def begins(month: str) -> int:
    """Its first second, in Japan."""
    day = date.fromisoformat(f"{month}-01")
    return int(datetime(day.year, day.month, 1, tzinfo=JST).timestamp())


def count(connection: Connection, months: Sequence[str], now: int) -> dict[str, Counted]:
    """These months, which are over. Reads the log once."""
    wanted = frozenset(months)
    visits, refusals = _from_log(connection, wanted)
    people = _people(connection, set(visits))
    found = {
        month: Counted(month, defaultdict(Cell), defaultdict(Cell), defaultdict(Cell), {})
        for month in months
    }
    for session, visit in visits.items():
        for end in visit.ends():
            found[visit.month].ends[end].add(people.get(session, ""))
    for n, (month, cause) in enumerate(refusals):
        found[month].refusals[cause].add(str(n))
    _cases(connection, found, now)
    return found


# -- journeys and refusals -------------------------------------------------------------------------


@dataclass
class _Visit:
    """A session, and what became of each order that was released in it."""

    month: str
    orders: dict[str, str] = field(default_factory=dict)  # order to its end

    def ends(self) -> list[str]:
        return list(self.orders.values()) or [WITHOUT]


def _from_log(
    connection: Connection, wanted: frozenset[str]
) -> tuple[dict[str, _Visit], list[tuple[str, str]]]:
    visits: dict[str, _Visit] = {}
    kinds: dict[str, str] = {}  # order to kind, until it is released
    owners: dict[str, str] = {}  # released order to session
    refusals: list[tuple[str, str]] = []
    last: dict[tuple[str, str], int] = {}
    for entry in _entries(connection):
        for cause in _causes(entry):
            before = last.get((entry.kiosk, cause), -AGAIN_S)
            last[entry.kiosk, cause] = entry.at
            if entry.at - before >= AGAIN_S and (month := month_of(entry.at)) in wanted:
                refusals.append((month, cause))
        if entry.event == "session" and (month := month_of(entry.at)) in wanted:
            visits[entry.session] = _Visit(month)
        elif entry.event == "reserved" and entry.session in visits:
            kinds[entry.order] = entry.kind
        elif entry.event == "issued" and entry.session in visits:
            owners[entry.order] = entry.session
            kind = kinds.pop(entry.order, "")
            visits[entry.session].orders[entry.order] = f"{ISSUED}:{kind}"
        elif entry.event == "outcome" and entry.order in owners and entry.result == Result.FAILED:
            visits[owners[entry.order]].orders[entry.order] = NOT_PRINTED
    return visits, refusals


def _causes(entry: Entry) -> set[str]:
    """Of a refusal; of a session, of the certificates that it was not offered, each cause once."""
    if entry.event in REFUSED:
        return {cause_of(entry.code)}
    return {cause_of(code) for code in entry.refused.split(",") if code}


def cause_of(code: str) -> str:
    """The cell of a refusal."""
    if code in NEUTRAL or code not in set(RefusalCode):
        return OTHER
    return TECHNICAL if RefusalCode(code) in LINE else code


def _entries(connection: Connection) -> Iterator[Entry]:
    decoder = msgspec.json.Decoder(Entry)
    rows = connection.execute(
        select(audit.c.entry).order_by(audit.c.seq).execution_options(yield_per=PIECE)
    )
    for row in rows:
        yield decoder.decode(row.entry)


def _people(connection: Connection, visits: set[str]) -> dict[str, str]:
    """Session to card, where that is still known. All others count as one person together."""
    rows = connection.execute(
        select(sessions.c.session, sessions.c.card)
        .where(sessions.c.card.is_not(None))
        .execution_options(yield_per=PIECE)
    )
    return {row.session: row.card for row in rows if row.session in visits}


# -- cases and stops -------------------------------------------------------------------------------


def _cases(connection: Connection, found: dict[str, Counted], now: int) -> None:
    """Several cases of one journey are one incident, told by the first of them."""
    told: set[str] = set()
    edges = {month: (begins(month), begins(_next(month))) for month in found}
    stopped: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for row in connection.execute(
        select(cases).order_by(cases.c.opened, cases.c.code, cases.c.case)
    ):
        journey = row.session or row.order or row.case
        again = journey in told
        told.add(journey)
        if (month := month_of(row.opened)) in found and not again:
            end = "open" if row.closed is None else row.result or "closed"
            found[month].cases[f"{row.code}/{end}"].add(row.case)
        if row.code not in PAUSING:
            continue
        for month, (first, after) in edges.items():
            span = max(row.opened, first), min(row.closed or now, after)
            if span[0] < span[1]:
                stopped[month, _path(row)].append(span)
    for (month, path), spans in stopped.items():
        found[month].stops[path] = -(-_covered(spans) // HOUR_S)


def _path(row: Any) -> str:
    """What a case stops: one kiosk, one certificate, or everything."""
    return "kiosk" if row.kiosk else "certificate" if row.kind else "everything"


def _covered(spans: list[tuple[int, int]]) -> int:
    """Seconds in which at least one of them held."""
    edges = sorted({edge for span in spans for edge in span})
    return sum(
        b - a for a, b in pairwise(edges) if any(span[0] <= a and b <= span[1] for span in spans)
    )


def _next(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"
