"""Reading family registers: of a resident, and of somebody who lives elsewhere.

Who is in the same register is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, FromClause, Select, bindparam, select

from city.reading import single
from city.records import (
    Card,
    Family,
    FamilyMember,
    FamilyRegister,
    File,
    RegisterEntry,
    Resident,
    Standing,
    UseRegistration,
)
from city.tables import family_members, family_registers, residents, use_registrations

# Nothing that residents file is waited for of somebody who has nothing to file here.
LONG_AGO: Final = date(2000, 1, 1)
RESIDENT, MEMBER = "resident", "id"
R = TypeVar("R", bound=RegisterEntry)
_REGISTER: Final = [str(column.name) for column in family_registers.c]
_MEMBER: Final = [str(column.name) for column in family_members.c]
_MEMBER_AT: Final = 1 + len(_REGISTER)


def hold_family(which: ColumnElement[bool]) -> Select[Any]:
    """Locks these people's own rows, and their registers, to which every new member's row would
    refer. Before anything else of a file, so that two of one register wait here.
    """
    return (
        select(family_registers.c.id)
        .join_from(family_members, family_registers)
        .where(which & family_members.c.removed.is_(False))
        .with_for_update(of=[family_registers, family_members])
    )


def family_of(connection: Connection, by: str, value: str, hold: bool) -> Family | None:
    """The register that this person is in: RESIDENT by the resident's id, MEMBER by that of the
    family register. Who was removed from one is in no register by it; of two that both have
    somebody, nobody can tell which one is right, and there is none.

    `hold`: nobody changes it before this transaction ends; `hold_family` was called.
    """
    found = connection.execute((_HELD if hold else _READ)[by], {"this": value}).all()
    if len({row[0] for row in found}) != 1:
        return None
    return Family(
        register=_entry(FamilyRegister, _REGISTER, found[0][1:]),
        members=tuple(_member(row[_MEMBER_AT:]) for row in found),
        me=found[0][0],
    )


def _member(values: Sequence[Any]) -> FamilyMember:
    """Protected also as a resident: the measures are noted in one register."""
    member = _entry(FamilyMember, _MEMBER, values)
    return replace(member, protected=member.protected or bool(values[len(_MEMBER)]))


def _entry(kind: type[R], names: Sequence[str], values: Sequence[Any]) -> R:
    return msgspec.convert(dict(zip(names, values, strict=False)), kind)


def registered(connection: Connection, fingerprint: str, hold: bool) -> File | None:
    """Everything about the holder of a card that was registered for use here; else None."""
    mine = (use_registrations.c.fingerprint == fingerprint) & use_registrations.c.ended.is_(False)
    registration = single(connection, use_registrations, mine, UseRegistration, hold)
    if registration is None:
        return None
    if hold:
        connection.execute(hold_family(family_members.c.id == registration.member))
    family = family_of(connection, MEMBER, registration.member, hold)
    if family is None:
        return None
    me = next(member for member in family.members if member.id == family.me)
    applicant = _applicant(me, registration)
    card = Card(fingerprint=fingerprint, resident=me.id, issued_on=LONG_AGO)
    return File(
        card=card,
        resident=applicant,
        household=(applicant,),
        seal=None,
        taxes=(),
        family=family,
        registration=registration,
    )


def _applicant(me: FamilyMember, registration: UseRegistration) -> Resident:
    """Name and birth of the family register, the address of the registration; no resident."""
    return Resident(
        id=me.id,
        household="",
        position=1,
        name=me.name,
        sex=me.sex,
        birth=me.birth,
        standing=Standing.ELSEWHERE,
        protected=me.protected,
        relationship="",
        resident_since=LONG_AGO,
        address=registration.address,
        settled_on=LONG_AGO,
        notified_on=LONG_AGO,
        mynumber="",
    )


# -- the statements --------------------------------------------------------------------------------


def _joined(mine: FromClause, marked: FromClause) -> Select[Any]:
    """Who asks, their register, and each of its members, with whether these are protected as
    residents.
    """
    return (
        select(mine.c.id, *family_registers.c, *family_members.c, marked.c.protected)
        .select_from(
            mine.join(family_registers, family_registers.c.id == mine.c.register)
            .join(family_members, family_members.c.register == family_registers.c.id)
            .outerjoin(marked, marked.c.id == family_members.c.resident)
        )
        .where(mine.c.removed.is_(False))
        .order_by(family_members.c.position, family_members.c.id)
    )


def _read(by: str) -> Select[Any]:
    mine = family_members.alias("mine")
    return _joined(mine, residents).where(mine.c[by] == bindparam("this"))


def _held(by: str) -> Select[Any]:
    mine, everybody = family_members.alias("mine"), family_members.alias("everybody")
    this = mine.c[by] == bindparam("this")
    people = (
        select(everybody.c.resident)
        .join_from(mine, everybody, everybody.c.register == mine.c.register)
        .where(this)
    )
    marked = (
        select(residents.c.id, residents.c.protected)
        .where(residents.c.id.in_(people))
        .with_for_update(read=True)
    )
    return (
        _joined(mine, marked.cte("marked"))
        .where(this)
        .with_for_update(of=[family_registers, family_members])
    )


_READ: Final[Mapping[str, Select[Any]]] = {by: _read(by) for by in (RESIDENT, MEMBER)}
_HELD: Final[Mapping[str, Select[Any]]] = {by: _held(by) for by in (RESIDENT, MEMBER)}
