"""What is over its period and held by nothing: the statements, small enough for a gateway at work.

Each function does one piece and says how many rows it was; 0 when nothing is left. What decides
stands within the statement that deletes: a case that another transaction opens is not overlooked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from city.tables import cases, holds, orders, outcomes, sessions, still_open

PIECE: Final = 200  # journeys, or cases, in one transaction
# No card of these kiosks is older. What bears an earlier time was written under a wrong clock.
FIRST_CARDS: Final = 1_451_574_000  # 2016-01-01 in Japan
Before = Callable[[Connection, int], int]

_names_one = (cases.c.session != "") | (cases.c.order != "") | (cases.c.outcome != "")


def _of_session(column: Column[Any]) -> Select[Any]:
    return select(column).where(orders.c.session == sessions.c.session).correlate(sessions)


def _held_by_a_case() -> ColumnElement[bool]:
    """An open case names the journey or what belongs to it; or it names no journey at all, and then
    holds all those of its kiosk and of its certificate.
    """
    of_outcome = _of_session(outcomes.c.outcome).join(outcomes, outcomes.c.order == orders.c.order)
    this = or_(
        cases.c.session == sessions.c.session,
        cases.c.order.in_(_of_session(orders.c.order)),
        cases.c.outcome.in_(of_outcome),
    )
    path = or_(cases.c.kiosk == "", cases.c.kiosk == sessions.c.kiosk) & or_(
        cases.c.kind == "", cases.c.kind.in_(_of_session(orders.c.kind))
    )
    return exists().where(still_open, this | (~_names_one & path)).correlate(sessions)


def _never_told() -> ColumnElement[bool]:
    """An order that was released and nobody knows how it ended, or that is still going on."""
    told = exists().where(outcomes.c.order == orders.c.order).correlate(orders)
    issued = (orders.c.state == "issued") & orders.c.voided.is_(None) & ~told
    return (
        exists()
        .where(orders.c.session == sessions.c.session, (orders.c.state == "reserved") | issued)
        .correlate(sessions)
    )


def _on_hold() -> ColumnElement[bool]:
    return exists().where(holds.c.session == sessions.c.session).correlate(sessions)


def _impossible() -> ColumnElement[bool]:
    return sessions.c.ends < FIRST_CARDS


# Why a journey that is over its period stays. The words are those of `kiosk city retention`.
REASONS: Final[Mapping[str, Callable[[], ColumnElement[bool]]]] = {
    "open case": _held_by_a_case,
    "on hold": _on_hold,
    "end not told": _never_told,
    "impossible date": _impossible,
}


def _over(cutoff: int) -> ColumnElement[bool]:
    return (sessions.c.state == "ended") & (sessions.c.ends < cutoff)


def _free() -> ColumnElement[bool]:
    return ~or_(*(reason() for reason in REASONS.values()))


def _has_a_holder() -> ColumnElement[bool]:
    return sessions.c.card.is_not(None) | sessions.c.commitment_seed.is_not(None)


def journeys(connection: Connection, cutoff: int) -> int:
    """A session with its orders and their outcomes."""
    found = _some(connection, _over(cutoff) & _free())
    theirs = select(orders.c.order).where(orders.c.session.in_(found))
    connection.execute(delete(outcomes).where(outcomes.c.order.in_(theirs)))
    connection.execute(delete(orders).where(orders.c.session.in_(found)))
    return connection.execute(delete(sessions).where(sessions.c.session.in_(found))).rowcount


def holders(connection: Connection, cutoff: int) -> int:
    """What leads from a journey to its card and to the resident's file."""
    found = _some(connection, _over(cutoff) & _has_a_holder() & _free())
    nothing = dict.fromkeys(("card", "document_key", "commitment_seed", "record_version"))
    connection.execute(update(orders).where(orders.c.session.in_(found)).values(record_version=0))
    return connection.execute(
        update(sessions).where(sessions.c.session.in_(found)).values(nothing)
    ).rowcount


def closed_cases(connection: Connection, cutoff: int) -> int:
    """Closed, and not of a journey that is on hold."""
    found = select(cases.c.case).where(_over_case(cutoff)).limit(PIECE)
    names = connection.execute(found).scalars().all()
    return connection.execute(delete(cases).where(cases.c.case.in_(names))).rowcount


def _over_case(cutoff: int) -> ColumnElement[bool]:
    kept = exists().where(holds.c.session == cases.c.session).correlate(cases)
    over = (cases.c.closed < cutoff) & (cases.c.closed >= FIRST_CARDS)
    return cases.c.closed.is_not(None) & over & ~kept


def _some(connection: Connection, which: ColumnElement[bool]) -> list[str]:
    query = select(sessions.c.session).where(which).order_by(sessions.c.ends).limit(PIECE)
    return list(connection.execute(query).scalars())


# Period to what removes one piece of it.
REMOVERS: Final[Mapping[str, Before]] = {
    "journeys": journeys,
    "holders": holders,
    "cases": closed_cases,
}


def count(connection: Connection, period: str, cutoff: int) -> int:
    """How many would be removed."""
    if period == "cases":
        query = select(func.count()).select_from(cases).where(_over_case(cutoff))
    else:
        which = _over(cutoff) & _free()
        query = select(func.count()).select_from(sessions)
        query = query.where(which & _has_a_holder() if period == "holders" else which)
    return connection.execute(query).scalar_one()


def kept_back(connection: Connection, cutoff: int) -> dict[str, int]:
    """How many journeys are over the period and stay, by reason; one may have several."""
    found = {}
    for words, reason in REASONS.items():
        query = select(func.count()).select_from(sessions).where(_over(cutoff) & reason())
        found[words] = connection.execute(query).scalar_one()
    return found
