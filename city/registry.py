"""Reading records and moving sessions and orders along: every step is one conditional statement.

Functions take a connection inside a transaction; what they return false for has not happened. There
is no truth in the process: N gateways on one database behave as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from city import tables
from firmware.link.messages import Outcome, Result

# Both know ON CONFLICT; SQL as such does not.
INSERT: Final[Mapping[str, Callable[[Table], Any]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}

# What an order's row keeps of its document once it is decided.
GONE: Final[Mapping[str, None]] = {"manifest": None, "signature": None, "sealed": None}

# -- records ---------------------------------------------------------------------------------------


def put(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Insert the row, or replace the one with its primary key."""
    same = and_(*(column == values[column.name] for column in table.primary_key))
    rest = {name: value for name, value in values.items() if name not in table.primary_key}
    if not rest:
        known = connection.execute(select(table).where(same)).first() is not None
    else:
        known = connection.execute(update(table).where(same).values(rest)).rowcount == 1
    if not known:
        connection.execute(insert(table).values(values))


# -- challenges and sessions -----------------------------------------------------------------------


@dataclass(frozen=True)
class Session:
    session: str
    kiosk: str
    card: str
    document_key: bytes
    commitment_seed: bytes
    record_version: int
    ends: int


def sweep(connection: Connection, now: int) -> None:
    """End what time has ended: challenges, sessions, and what those had reserved."""
    connection.execute(delete(tables.challenges).where(tables.challenges.c.expires < now))
    late = (tables.sessions.c.state == "open") & (tables.sessions.c.ends <= now)
    ended = (
        update(tables.sessions)
        .where(late)
        .values(state="ended")
        .returning(tables.sessions.c.session)
    )
    if sessions := connection.execute(ended).scalars().all():
        _void(connection, tables.orders.c.session.in_(sessions))


_ADD_CHALLENGE: Final = insert(tables.challenges).values(used=False).inline()
_USE_CHALLENGE: Final = (
    update(tables.challenges)
    .where(
        (tables.challenges.c.challenge == bindparam("this"))
        & (tables.challenges.c.kiosk == bindparam("of"))
        & tables.challenges.c.used.is_(False)
        & (tables.challenges.c.expires > bindparam("now"))
    )
    .values(used=True)
)
_SESSION: Final = select(*(tables.sessions.c[name] for name in Session.__dataclass_fields__)).where(
    (tables.sessions.c.session == bindparam("this"))
    & (tables.sessions.c.kiosk == bindparam("of"))
    & (tables.sessions.c.state == "open")
    & (tables.sessions.c.ends > bindparam("now"))
)
_SESSION_HELD: Final = _SESSION.with_for_update()
_END: Final = (
    update(tables.sessions)
    .where(
        (tables.sessions.c.session == bindparam("this"))
        & (tables.sessions.c.kiosk == bindparam("of"))
    )
    .values(state="ended")
)


def add_challenge(connection: Connection, challenge: bytes, kiosk: str, expires: int) -> None:
    """Remember it for one use."""
    connection.execute(
        _ADD_CHALLENGE, {"challenge": challenge.hex(), "kiosk": kiosk, "expires": expires}
    )


def use_challenge(connection: Connection, challenge: bytes, kiosk: str, now: int) -> bool:
    """Once, by the kiosk it was given to, before it expires."""
    asked = {"this": challenge.hex(), "of": kiosk, "now": now}
    return connection.execute(_USE_CHALLENGE, asked).rowcount == 1


def open_session(connection: Connection, session: Session) -> bool:
    """False when there already is, or was, a session of that id."""
    return _insert(connection, tables.sessions, {**vars(session), "state": "open"})


def session_of(
    connection: Connection, session: str, kiosk: str, now: int, hold: bool = False
) -> Session | None:
    """The open session of that kiosk, if it is still going on; `hold`: and it does, until this
    transaction ends. Whoever changes an order holds its session, or the order itself.
    """
    asked = {"this": session, "of": kiosk, "now": now}
    row = connection.execute(_SESSION_HELD if hold else _SESSION, asked).first()
    return Session(*row) if row else None


def kiosk_of(connection: Connection, session: str) -> str:
    """Whose session of that id is, or was; "" when there was none."""
    return (
        connection.execute(
            select(tables.sessions.c.kiosk).where(tables.sessions.c.session == session)
        ).scalar()
        or ""
    )


def end_session(connection: Connection, session: str, kiosk: str, now: int) -> bool:
    """End it and what it had reserved; leave a gravestone for one that has not arrived yet. False:
    not this kiosk's.
    """
    gone = {"session": session, "kiosk": kiosk, "state": "ended", "ends": now}
    ours = {"this": session, "of": kiosk}
    if not connection.execute(_END, ours).rowcount:
        if _insert(connection, tables.sessions, gone):  # waits for one that is just being opened
            return True
        if not connection.execute(_END, ours).rowcount:
            return False
    _void(connection, tables.orders.c.session == session)
    return True


# -- orders ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Order:
    order: str
    session: str
    kiosk: str
    kind: str
    request_sha256: str
    document_sha256: str
    unique_number: str
    record_version: int
    fee: int
    sheets: int
    manifest: bytes | None = None
    signature: bytes | None = None
    sealed: bytes | None = None
    state: str = "reserved"
    voided: int | None = None


_ORDER: Final = select(tables.orders).where(tables.orders.c.order == bindparam("this"))
_BRIEF_COLUMNS: Final = [c for c in tables.orders.c if c.name not in GONE]
_BRIEF_NAMES: Final = [str(column.name) for column in _BRIEF_COLUMNS]
_BRIEF: Final = select(*_BRIEF_COLUMNS).where(tables.orders.c.order == bindparam("this"))
_ORDER_AT: Final = len(Session.__dataclass_fields__)
_ORDERED: Final = (
    _SESSION.add_columns(*_BRIEF_COLUMNS)
    .outerjoin_from(tables.sessions, tables.orders, tables.orders.c.order == bindparam("order"))
    .with_for_update(of=tables.sessions)
)
_BRIEF_HELD: Final = _BRIEF.with_for_update()
_VOID_OTHERS: Final = (
    update(tables.orders)
    .where(
        (tables.orders.c.session == bindparam("of"))
        & (tables.orders.c.order != bindparam("this"))
        & tables.reserved
    )
    .values(state="void", **GONE)
)
_ISSUE: Final = (
    update(tables.orders)
    .where(
        (tables.orders.c.order == bindparam("this"))
        & (tables.orders.c.session == bindparam("of"))
        & (tables.orders.c.document_sha256 == bindparam("document"))
        & tables.reserved
    )
    .values(state="issued", **GONE)
)


def order_of(connection: Connection, order: str) -> Order | None:
    row = connection.execute(_ORDER, {"this": order}).mappings().first()
    return Order(**row) if row else None


def brief_of(connection: Connection, order: str, hold: bool = False) -> Order | None:
    """Without its document; `hold`: nobody changes it before this transaction ends."""
    row = connection.execute(_BRIEF_HELD if hold else _BRIEF, {"this": order}).mappings().first()
    return Order(**row) if row else None


def ordered(
    connection: Connection, session: str, kiosk: str, now: int, order: str
) -> tuple[Session | None, Order | None]:
    """`session_of`, held, and any order without its document, in one statement. What changes an
    order has its conditions in itself: the order may be older than the session, for whose lock this
    has waited.
    """
    asked = {"this": session, "of": kiosk, "now": now, "order": order}
    row = connection.execute(_ORDERED, asked).first()
    if row is None:
        return None, None
    found = Order(**dict(zip(_BRIEF_NAMES, row[_ORDER_AT:], strict=True)))
    return Session(*row[:_ORDER_AT]), found if found.order else None


def reserved_of(connection: Connection, session: str, kiosk: str) -> Order | None:
    """The order that this session still holds."""
    mine = (tables.orders.c.session == session) & (tables.orders.c.kiosk == kiosk) & tables.reserved
    row = connection.execute(select(tables.orders).where(mine)).mappings().first()
    return Order(**row) if row else None


def reserve(connection: Connection, order: Order) -> bool:
    """The session's one reserved order, in place of an earlier one. False when id or unique number
    is taken.
    """
    connection.execute(_VOID_OTHERS, {"of": order.session, "this": order.order})
    return _insert(connection, tables.orders, vars(order))


def issue(connection: Connection, order: str, session: str, document_sha256: str) -> bool:
    """RESERVED -> ISSUED, exactly once for exactly this document."""
    asked = {"this": order, "of": session, "document": document_sha256}
    return connection.execute(_ISSUE, asked).rowcount == 1


def void(connection: Connection, order: str) -> None:
    """RESERVED -> VOID; an issued order stays issued."""
    _void(connection, tables.orders.c.order == order)


def _void(connection: Connection, which: ColumnElement[bool]) -> None:
    connection.execute(
        update(tables.orders).where(which & tables.reserved).values(state="void", **GONE)
    )


class Standing(StrEnum):
    """Whether the sheets under a unique number are in force."""

    IN_FORCE = "in-force"
    VOID = "void"
    UNKNOWN = "unknown"


def standing(connection: Connection, unique_number: str) -> Standing:
    """What is told to whoever has a sheet. Nothing but an issued order that nobody doubts is in
    force.

    An order whose print failed is void: its money went back. One of which the kiosk does not know
    how it ended is unknown until a person has looked.
    """
    o = tables.orders.c
    row = connection.execute(
        select(o.order, o.state, o.voided).where(o.unique_number == unique_number)
    ).first()
    if row is None or row.state != "issued":
        return Standing.UNKNOWN
    outcome = connection.execute(
        select(tables.outcomes.c.body).where(tables.outcomes.c.order == row.order)
    ).scalar()
    result = msgspec.json.decode(outcome, type=Outcome).result if outcome else Result.PRINTED
    if row.voided is not None or result is Result.FAILED:
        return Standing.VOID
    return Standing.IN_FORCE if result is Result.PRINTED else Standing.UNKNOWN


def declare_void(connection: Connection, unique_number: str, at: int) -> str:
    """Withdraw issued sheets, once. Returns the order's id, or "" when no such order is
    in force.
    """
    o = tables.orders.c
    issued = (o.unique_number == unique_number) & (o.state == "issued") & o.voided.is_(None)
    return (
        connection.execute(
            update(tables.orders).where(issued).values(voided=at).returning(o.order)
        ).scalar()
        or ""
    )


def order_by_number(connection: Connection, unique_number: str) -> Order | None:
    row = (
        connection.execute(
            select(tables.orders).where(tables.orders.c.unique_number == unique_number)
        )
        .mappings()
        .first()
    )
    return Order(**row) if row else None


# -- outcomes --------------------------------------------------------------------------------------


def add_outcome(connection: Connection, outcome: str, order: str, kiosk: str, body: bytes) -> bool:
    """False when that id is known already."""
    return _insert(
        connection,
        tables.outcomes,
        {"outcome": outcome, "order": order, "kiosk": kiosk, "body": body},
    )


def outcome_of(connection: Connection, outcome: str) -> Outcome | None:
    body = connection.execute(
        select(tables.outcomes.c.body).where(tables.outcomes.c.outcome == outcome)
    ).scalar()
    return msgspec.json.decode(body, type=Outcome) if body else None


def _insert(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """False on a key that is taken; the transaction goes on. One statement: others wait for this
    transaction.
    """
    statement = _unless_taken(connection.dialect.name, table)
    return connection.execute(statement, values).first() is not None


@cache
def _unless_taken(dialect: str, table: Table) -> Any:
    insert_ = INSERT[dialect](table)
    return insert_.on_conflict_do_nothing().returning(*table.primary_key)
