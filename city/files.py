"""A resident's file, read at once, and held where something is decided by it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, FromClause, Select, bindparam, select, true

from city import tables
from city.families import RESIDENT, family_of, hold_family, registered
from city.reading import rows
from city.records import Card, File, Payment, RegisterEntry, Resident, Seal, TaxRecord

R = TypeVar("R", bound=RegisterEntry)
_CARD: Final = [str(column.name) for column in tables.cards.c]
_RESIDENT: Final = [str(column.name) for column in tables.residents.c]
_SEAL: Final = [str(column.name) for column in tables.seals.c]
_TAX: Final = [str(column.name) for column in tables.taxes.c]
_SEAL_AT: Final = len(_CARD) + len(_RESIDENT)
_TAX_AT: Final = _SEAL_AT + len(_SEAL)
_FAMILY_AT: Final = _TAX_AT + len(_TAX)


def file_of(connection: Connection, fingerprint: str, hold: bool = False) -> File | None:
    """Everything about one card's holder; None when no resident is linked to this card.

    `hold`: nobody changes it before this transaction ends. First the family register is locked, and
    the household with all of its members: to these every new row of the file would refer. What is
    read afterwards is as the last change left it, and locked too. (SQLite has one writer at a time,
    and that is this transaction.)
    """
    found = _resident(connection, fingerprint, hold)
    if found is None or not found.resident.listed:
        elsewhere = registered(connection, fingerprint, hold)
        if elsewhere is not None or found is None:
            return elsewhere
    return found


def _resident(connection: Connection, fingerprint: str, hold: bool) -> File | None:
    asked = {"fingerprint": fingerprint}
    if hold:
        registers = connection.execute(_LOCK_FAMILY, asked).all()
        household = connection.execute(_LOCK, asked).scalars().first()
        if household is None:
            return None
        found = connection.execute(_HELD, {**asked, "household": household}).all()
    else:
        found = connection.execute(_READ, asked).all()
        registers = [row for row in found[:1] if row[_FAMILY_AT]]
    file = _file(found)
    if file is None:
        return None
    file = replace(file, payments=_payments(connection, file.resident.id, hold))
    if not registers:
        return file
    return replace(file, family=family_of(connection, RESIDENT, file.resident.id, hold))


def _payments(connection: Connection, resident: str, hold: bool) -> tuple[Payment, ...]:
    payments = tables.payments
    mine = payments.c.resident == resident
    return rows(connection, payments, mine, Payment, hold, payments.c.id)


def _file(found: Sequence[Any]) -> File | None:
    """One row for each member, and for each tax record of the holder."""
    members = [next(group) for _, group in groupby(found, key=lambda row: row[len(_CARD)])]
    if not members:
        return None
    card = _entry(Card, _CARD, members[0])
    household = tuple(_entry(Resident, _RESIDENT, row[len(_CARD) :]) for row in members)
    mine = [row for row in found if row[len(_CARD)] == card.resident]
    if not mine:  # moved to another household just now
        return None
    return File(
        card=card,
        resident=next(person for person in household if person.id == card.resident),
        household=household,
        seal=_entry(Seal, _SEAL, mine[0][_SEAL_AT:]) if mine[0][_SEAL_AT] else None,
        taxes=tuple(_entry(TaxRecord, _TAX, row[_TAX_AT:]) for row in mine if row[_TAX_AT]),
    )


def _entry(kind: type[R], names: Sequence[str], values: Sequence[Any]) -> R:
    return msgspec.convert(dict(zip(names, values, strict=False)), kind)


# -- the statements --------------------------------------------------------------------------------


def _joined(
    card: FromClause,
    member: FromClause,
    seal: FromClause,
    tax: FromClause,
    of_household: ColumnElement[bool],
) -> Select[Any]:
    """Seal and taxes stand in the holder's own rows; at the end of each, whether any family
    register has the holder.
    """
    holder = member.c.id == card.c.resident
    in_family = select(tables.family_members.c.id).where(
        (tables.family_members.c.resident == card.c.resident)
        & tables.family_members.c.removed.is_(False)
    )
    return (
        select(*card.c, *member.c, *seal.c, *tax.c, in_family.correlate(card).exists())
        .select_from(
            card.join(member, of_household)
            .outerjoin(seal, (seal.c.resident == member.c.id) & holder)
            .outerjoin(tax, (tax.c.resident == member.c.id) & holder)
        )
        .order_by(member.c.position, member.c.id, tax.c.year)
    )


def _read() -> Select[Any]:
    home = (
        select(tables.residents.c.household)
        .where(tables.residents.c.id == tables.cards.c.resident)
        .correlate(tables.cards)
        .scalar_subquery()
    )
    members = tables.residents.alias("member")
    everything = _joined(
        tables.cards, members, tables.seals, tables.taxes, members.c.household == home
    )
    return everything.where(tables.cards.c.fingerprint == bindparam("fingerprint"))


def _lock() -> Select[Any]:
    holder, member = tables.residents.alias("holder"), tables.residents.alias("member")
    return (
        select(tables.households.c.id)
        .select_from(
            tables.cards.join(holder, holder.c.id == tables.cards.c.resident)
            .join(tables.households, tables.households.c.id == holder.c.household)
            .join(member, member.c.household == tables.households.c.id)
        )
        .where(tables.cards.c.fingerprint == bindparam("fingerprint"))
        .with_for_update(of=[tables.households, member])
    )


def _held() -> Select[Any]:
    cards, residents = tables.cards, tables.residents
    this_card = cards.c.fingerprint == bindparam("fingerprint")
    holder = select(cards.c.resident).where(this_card).scalar_subquery()
    members = residents.c.household == bindparam("household")
    card = select(cards).where(this_card).with_for_update().cte("card")
    member = select(residents).where(members).with_for_update().cte("member")
    seal, tax = (
        select(table).where(table.c.resident == holder).with_for_update().cte(name)
        for table, name in ((tables.seals, "seal"), (tables.taxes, "tax"))
    )
    return _joined(card, member, seal, tax, true())


_READ: Final = _read()
_LOCK: Final = _lock()
_LOCK_FAMILY: Final = hold_family(
    tables.family_members.c.resident
    == select(tables.cards.c.resident)
    .where(tables.cards.c.fingerprint == bindparam("fingerprint"))
    .scalar_subquery()
)
_HELD: Final = _held()
