"""What the kiosks hold against what the city knows. Pure but for `read`; each fault names an order
or a session.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from city import audit, tables
from firmware.link import messages
from testbed.load.customers import Customer
from testbed.load.visit import Visit

# What must be 0, in words.
FAULTS: Final[Mapping[str, str]] = {
    "wrong_documents": "a document that is not the card holder's",
    "rejected_documents": "a document that did not pass the kiosk's check",
    "lost_orders": (
        "issued and not known to the kiosk, or released to the kiosk and not issued, "
        "or without an outcome"
    ),
    "double_issues": "one order, number or session issued twice",
    "yen_apart": "fees of what was printed, as the city has them, are not what the kiosks kept",
    "broken_log": "the audit log's chain does not hold",
    "anomalies": "a case at the city, an alarm at a kiosk",
}


@dataclass(frozen=True)
class OrderRow:
    """An order in the city's books. `resident`: of the card that opened its session."""

    order: str
    session: str
    kiosk: str
    state: str
    fee: int
    unique_number: str
    document: str
    resident: str


@dataclass(frozen=True)
class Books:
    """What the city knows of these kiosks. `issued`: how often the log says so, by order."""

    orders: tuple[OrderRow, ...]
    outcomes: Mapping[str, messages.Outcome]  # by order
    issued: Mapping[str, int]
    broken: int | None  # the log's first entry that does not hold
    entries: int
    cases: tuple[str, ...]  # code and order or session


def read(connection: Connection, kiosks: Collection[str]) -> Books:
    """Within a transaction that reads. Looks at all of the log."""
    o = tables.orders
    s = tables.sessions
    c = tables.cards
    joined = o.join(s, o.c.session == s.c.session).join(c, s.c.card == c.c.fingerprint)
    columns = (
        o.c.order,
        o.c.session,
        o.c.kiosk,
        o.c.state,
        o.c.fee,
        o.c.unique_number,
        o.c.document_sha256,
        c.c.resident,
    )
    rows = connection.execute(select(*columns).select_from(joined))
    orders = tuple(OrderRow(*row) for row in rows if row.kiosk in kiosks)
    reported = connection.execute(
        select(tables.outcomes.c.order, tables.outcomes.c.kiosk, tables.outcomes.c.body)
    )
    outcomes = {
        row.order: msgspec.json.decode(row.body, type=messages.Outcome)
        for row in reported
        if row.kiosk in kiosks
    }
    verdict = audit.verify(connection)
    log = connection.execute(
        select(tables.audit.c.entry).where(tables.audit.c.entry.contains('"event":"issued"'))
    )
    issued = Counter(msgspec.json.decode(entry)["order"] for entry in log.scalars())
    cases = connection.execute(select(tables.cases)).all()
    return Books(
        orders=orders,
        outcomes=outcomes,
        issued=issued,
        broken=verdict.broken,
        entries=verdict.head.entries,
        cases=tuple(
            f"{row.code}:{row.order or row.session}"
            for row in cases
            if row.kiosk in kiosks or not row.kiosk
        ),
    )


@dataclass(frozen=True)
class Verdict:
    """By fault, what shows it; nothing in it names a person."""

    found: Mapping[str, tuple[str, ...]]
    yen_apart: int = 0
    printed: int = 0
    issued: int = 0
    kept: int = 0  # yen

    @property
    def counts(self) -> dict[str, int]:
        return {
            fault: self.yen_apart if fault == "yen_apart" else len(self.found[fault])
            for fault in FAULTS
        }

    @property
    def sound(self) -> bool:
        return not any(self.counts.values())


def judge(visits: Sequence[Visit], customers: Mapping[str, Customer], books: Books) -> Verdict:
    """`customers` by id."""
    seen = {visit.order: visit for visit in visits if visit.order}
    city = {entry.order: entry for entry in books.orders}
    due = sum(
        e.fee
        for e in city.values()
        if e.state == "issued" and _printed(books.outcomes.get(e.order))
    )
    known = sum(outcome.kept for outcome in books.outcomes.values())
    kept = sum(v.outcome.kept for v in visits if v.outcome)
    found = {
        "wrong_documents": (*_wrong(visits, customers), *_swapped(seen, city)),
        "rejected_documents": tuple(v.order for v in visits if v.end.startswith("rejected:")),
        "lost_orders": tuple(_lost(seen, city, books.outcomes)),
        "double_issues": tuple(_double(city, books.issued)),
        "yen_apart": (),
        "broken_log": () if books.broken is None else (str(books.broken),),
        "anomalies": (*books.cases, *(f"{v.amiss}:{v.session}" for v in visits if v.amiss)),
    }
    return Verdict(
        found=found,
        yen_apart=abs(due - known) + abs(known - kept),
        printed=sum(visit.end == "printed" for visit in visits),
        issued=sum(entry.state == "issued" for entry in city.values()),
        kept=kept,
    )


def _printed(outcome: messages.Outcome | None) -> bool:
    return outcome is not None and outcome.result is messages.Result.PRINTED


def _wrong(visits: Sequence[Visit], customers: Mapping[str, Customer]) -> Iterator[str]:
    """The document itself: its holder is the card's, and nobody on it is of another household."""
    for visit in visits:
        customer = customers[visit.resident]
        if visit.holder and (
            visit.holder != customer.name or set(visit.names) - set(customer.household)
        ):
            yield visit.order


def _swapped(seen: Mapping[str, Visit], city: Mapping[str, OrderRow]) -> Iterator[str]:
    """The books: the order is of this card's resident, kiosk and session, and of this document."""
    for order, visit in seen.items():
        entry = city.get(order)
        if entry is None:
            continue
        ours = (entry.resident, entry.kiosk, entry.session) == (
            visit.resident,
            visit.kiosk,
            visit.session,
        )
        same = not visit.document or (entry.document, entry.unique_number) == (
            visit.document,
            visit.unique_number,
        )
        if not (ours and same):
            yield order


def _lost(
    seen: Mapping[str, Visit],
    city: Mapping[str, OrderRow],
    outcomes: Mapping[str, messages.Outcome],
) -> Iterator[str]:
    for order, entry in city.items():
        visit = seen.get(order)
        if visit is None or (entry.state == "issued" and not visit.asked):
            yield order
    for order, visit in seen.items():
        known = city.get(order)
        if visit.released and (known is None or known.state != "issued"):
            yield order
        if visit.asked and outcomes.get(order) != visit.outcome:
            yield order


def _double(city: Mapping[str, OrderRow], issued: Mapping[str, int]) -> Iterator[str]:
    once = [entry for entry in city.values() if entry.state == "issued"]
    yield from (entry.order for entry in once if issued.get(entry.order) != 1)
    yield from (
        order
        for order, times in issued.items()
        if order in city and city[order].state != "issued" and times
    )
    for of in ("session", "unique_number", "document"):
        yield from (
            value
            for value, times in Counter(getattr(entry, of) for entry in once).items()
            if times > 1
        )
