"""The figures that are published: small numbers are hidden, and a month never changes afterwards.

A cell of fewer people than the city's `hidden_below` is hidden, and no number that contains it is
published: no total, no sum over months, no share. What is shown is therefore a function of the
cells that are shown, and tells of a hidden one only that somebody was in it. Whether a number may
be shown depends on that cell alone, so the hiding itself tells nothing of the others.

A month is counted once, when it is over. What is published of it is kept and published again word
for word: two publications cannot be subtracted from each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, select

from city.audit import PIECE
from city.municipality import Municipality
from city.registry import INSERT
from city.retention.due import FIRST_CARDS
from city.tables import archives, published
from city.tables import audit as log
from city.transparency.count import (
    ISSUED,
    NOT_PRINTED,
    WITHOUT,
    Cell,
    Counted,
    Entry,
    begins,
    month_of,
    months_between,
)

GRACE_S: Final = 86_400  # a session may last a day; outcomes come later


class FiguresError(Exception):
    """One line: why a month cannot be published."""


class Figure(Struct, frozen=True, forbid_unknown_fields=True):
    """One cell. `count` is None when it is hidden."""

    what: str
    count: int | None


class Month(Struct, frozen=True, forbid_unknown_fields=True):
    """What is published of a month."""

    month: str
    hidden_below: int
    ends: tuple[Figure, ...]
    refusals: tuple[Figure, ...]
    cases: tuple[Figure, ...]
    stops: tuple[Figure, ...]  # hours
    titles: Mapping[str, Mapping[str, str]]  # of the kinds of certificates, by language

    def groups(self) -> dict[str, tuple[Figure, ...]]:
        return {
            "ends": self.ends,
            "refusals": self.refusals,
            "cases": self.cases,
            "stops": self.stops,
        }


def hide(cells: Mapping[str, Cell], below: int) -> tuple[Figure, ...]:
    """In the order of the alphabet; an order by size would tell sizes."""
    return tuple(
        Figure(what, cell.count if not cell.people or len(cell.people) >= below else None)
        for what, cell in sorted(cells.items())
    )


def publish(connection: Connection, counted: Counted, city: Municipality, below: int) -> Month:
    """As it is published from now on, for ever."""
    titles = _titles(city, counted)
    usual = (NOT_PRINTED, WITHOUT, *(f"{ISSUED}:{kind}" for kind in titles))
    ends = {**{what: Cell() for what in usual}, **counted.ends}
    month = Month(
        month=counted.month,
        hidden_below=below,
        ends=hide(ends, below),
        refusals=hide(counted.refusals, below),
        cases=hide(counted.cases, below),
        stops=tuple(Figure(path, hours) for path, hours in sorted(counted.stops.items())),
        titles=titles,
    )
    text = msgspec.json.encode(month, order="deterministic").decode()
    row = INSERT[connection.dialect.name](published).values(month=month.month, figures=text)
    made = connection.execute(row.on_conflict_do_nothing().returning(published.c.month)).first()
    return month if made else kept(connection)[month.month]


def _titles(city: Municipality, counted: Counted) -> dict[str, dict[str, str]]:
    """Of all that is offered or was issued that month."""
    first = date.fromisoformat(f"{counted.month}-01")
    offered = [certificate for certificate in city.certificates if certificate.holds_on(first)]
    found = {each.kind: {**each.title} for each in offered}
    for end in counted.ends:
        kind = end.partition(":")[2]
        if kind and kind not in found:
            known = next((each for each in city.certificates if each.kind == kind), None)
            found[kind] = {**known.title} if known else {"ja": kind}
    return found


def kept(connection: Connection) -> dict[str, Month]:
    """What has been published already, by month."""
    rows = connection.execute(select(published).order_by(published.c.month))
    return {row.month: msgspec.json.decode(row.figures, type=Month) for row in rows}


def months(connection: Connection, now: int, first: str | None, last: str | None) -> Sequence[str]:
    """Those to be published: all that are over, or the asked ones. Raises FiguresError."""
    known = kept(connection)
    over = month_of(now - GRACE_S)
    begin = _log_begins(connection)
    earliest = min([*known, *([begin] if begin else [])], default=over)
    first, last = first or earliest, last or _before(over)
    if last >= over:
        raise FiguresError(f"{last} is not over yet: a month is counted on the 2nd of the next one")
    asked = months_between(max(first, earliest), last)
    behind = [month for month in asked if month not in known and _archived(connection, month)]
    if behind:
        raise FiguresError(
            f"{behind[0]} was never published, and its log lies in an archive: --from a later one"
        )
    return asked


def _before(month: str) -> str:
    return month_of(begins(month) - 1)


def _log_begins(connection: Connection) -> str | None:
    """Its first month; an entry of an impossible date was written under a wrong clock."""
    rows = connection.execute(
        select(log.c.entry).order_by(log.c.seq).execution_options(yield_per=PIECE)
    )
    moments = (msgspec.json.decode(row.entry, type=Entry).at for row in rows)
    return next((month_of(at) for at in moments if at >= FIRST_CARDS), None)


def _archived(connection: Connection, month: str) -> bool:
    newest = connection.execute(select(func.max(archives.c.newest))).scalar()
    return newest is not None and begins(month) <= newest
