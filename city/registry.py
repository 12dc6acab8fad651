"""Reading records and moving sessions and orders along: every step is one conditional statement.

Functions take a connection inside a transaction; what they return false for has not happened. There
is no truth in the process: N gateways on one database behave as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from city import tables
from city.families import family_of, registered
from city.reading import rows, single
from city.records import Card, File, Payment, Resident, Seal, TaxRecord
from firmware.link.messages import Outcome, Result

# Both know ON CONFLICT; SQL as such does not.
INSERT: Final[Mapping[str, Callable[[Table], Any]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}

# -- records ---------------------------------------------------------------------------------------


def file_of(connection: Connection, fingerprint: str, hold: bool = False) -> File | None:
    """Everything about one card's holder; None when no resident is linked to this card.

    `hold`: nobody changes it before this transaction ends. The rows are locked; so is what a new
    row would refer to. (SQLite has one writer at a time, and that is this transaction.)
    """
    card = single(connection, tables.cards, tables.cards.c.fingerprint == fingerprint, Card, hold)
    resident = (
        single(connection, tables.residents, tables.residents.c.id == card.resident, Resident, hold)
        if card
        else None
    )
    if card is None or resident is None or not resident.listed:
        elsewhere = registered(connection, fingerprint, hold)
        if elsewhere is not None or card is None or resident is None:
            return elsewhere
    if hold:
        connection.execute(
            select(tables.households)
            .where(tables.households.c.id == resident.household)
            .with_for_update()
        )
    household = tables.residents.c.household == resident.household
    member = tables.family_members.c.resident == resident.id
    return File(
        card=card,
        resident=resident,
        household=rows(
            connection, tables.residents, household, Resident, hold, tables.residents.c.position
        ),
        seal=single(connection, tables.seals, tables.seals.c.resident == resident.id, Seal, hold),
        taxes=rows(
            connection,
            tables.taxes,
            tables.taxes.c.resident == resident.id,
            TaxRecord,
            hold,
            tables.taxes.c.year,
        ),
        family=family_of(connection, member, hold),
        payments=rows(
            connection,
            tables.payments,
            tables.payments.c.resident == resident.id,
            Payment,
            hold,
            tables.payments.c.id,
        ),
    )


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


def add_challenge(connection: Connection, challenge: bytes, kiosk: str, expires: int) -> None:
    """Remember it for one use."""
    connection.execute(
        insert(tables.challenges).values(
            challenge=challenge.hex(), kiosk=kiosk, expires=expires, used=False
        )
    )


def use_challenge(connection: Connection, challenge: bytes, kiosk: str, now: int) -> bool:
    """Once, by the kiosk it was given to, before it expires."""
    c = tables.challenges.c
    mine = (
        (c.challenge == challenge.hex())
        & (c.kiosk == kiosk)
        & c.used.is_(False)
        & (c.expires > now)
    )
    return connection.execute(update(tables.challenges).where(mine).values(used=True)).rowcount == 1


def open_session(connection: Connection, session: Session) -> bool:
    """False when there already is, or was, a session of that id."""
    values = {**vars(session), "state": "open"}
    return _insert(connection, tables.sessions, values)


def session_of(
    connection: Connection, session: str, kiosk: str, now: int, hold: bool = False
) -> Session | None:
    """The open session of that kiosk, if it is still going on; `hold`: and it does, until this
    transaction ends.
    """
    c = tables.sessions.c
    live = (c.session == session) & (c.kiosk == kiosk) & (c.state == "open") & (c.ends > now)
    query = select(tables.sessions).where(live)
    row = connection.execute(query.with_for_update() if hold else query).first()
    if row is None:
        return None
    return Session(
        session=row.session,
        kiosk=row.kiosk,
        card=row.card,
        document_key=row.document_key,
        commitment_seed=row.commitment_seed,
        record_version=row.record_version,
        ends=row.ends,
    )


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
    c = tables.sessions.c
    connection.execute(
        update(tables.sessions)
        .where((c.session == session) & (c.kiosk == kiosk))
        .values(state="ended")
    )
    owner = connection.execute(select(c.kiosk).where(c.session == session)).scalar()
    if owner is None:
        return _insert(
            connection,
            tables.sessions,
            {"session": session, "kiosk": kiosk, "state": "ended", "ends": now},
        )
    if owner != kiosk:
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
    manifest: bytes | None
    signature: bytes | None
    sealed: bytes | None
    state: str = "reserved"
    voided: int | None = None


def order_of(connection: Connection, order: str) -> Order | None:
    row = (
        connection.execute(select(tables.orders).where(tables.orders.c.order == order))
        .mappings()
        .first()
    )
    return Order(**row) if row else None


def reserved_of(connection: Connection, session: str, kiosk: str) -> Order | None:
    """The order that this session still holds."""
    mine = (tables.orders.c.session == session) & (tables.orders.c.kiosk == kiosk) & tables.reserved
    row = connection.execute(select(tables.orders).where(mine)).mappings().first()
    return Order(**row) if row else None


def reserve(connection: Connection, order: Order) -> bool:
    """The session's one reserved order, in place of an earlier one. False when id or unique number
    is taken.
    """
    _void(
        connection,
        (tables.orders.c.session == order.session) & (tables.orders.c.order != order.order),
    )
    return _insert(connection, tables.orders, vars(order))


def issue(connection: Connection, order: str, session: str, document_sha256: str) -> bool:
    """RESERVED -> ISSUED, exactly once for exactly this document."""
    c = tables.orders.c
    this = (c.order == order) & (c.session == session) & (c.document_sha256 == document_sha256)
    gone = {"state": "issued", "manifest": None, "signature": None, "sealed": None}
    return (
        connection.execute(
            update(tables.orders).where(this & tables.reserved).values(gone)
        ).rowcount
        == 1
    )


def void(connection: Connection, order: str) -> None:
    """RESERVED -> VOID; an issued order stays issued."""
    _void(connection, tables.orders.c.order == order)


def _void(connection: Connection, which: ColumnElement[bool]) -> None:
    gone = {"state": "void", "manifest": None, "signature": None, "sealed": None}
    connection.execute(update(tables.orders).where(which & tables.reserved).values(gone))


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
    unless_taken = INSERT[connection.dialect.name](table).values(values).on_conflict_do_nothing()
    return connection.execute(unless_taken.returning(*table.primary_key)).first() is not None
