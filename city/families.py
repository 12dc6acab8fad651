"""Reading family registers: of a resident, and of somebody who lives elsewhere.

Who is in the same register is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, select

from city.reading import rows, single
from city.records import (
    Card,
    Family,
    FamilyMember,
    FamilyRegister,
    File,
    Resident,
    Standing,
    UseRegistration,
)
from city.tables import family_members, family_registers, residents, use_registrations

# Nothing that residents file is waited for of somebody who has nothing to file here.
LONG_AGO: Final = date(2000, 1, 1)


def family_of(connection: Connection, who: ColumnElement[bool], hold: bool) -> Family | None:
    """The register that this person is in. Who was removed from one is in no register by it; of two
    that both have somebody, nobody can tell which one is right, and there is none.
    """
    mine = who & family_members.c.removed.is_(False)
    found = rows(connection, family_members, mine, FamilyMember, hold)
    if len(found) != 1:
        return None
    member = found[0]
    register = single(
        connection,
        family_registers,
        family_registers.c.id == member.register,
        FamilyRegister,
        hold,
    )
    if register is None:
        return None
    same = family_members.c.register == member.register
    everybody = rows(
        connection, family_members, same, FamilyMember, hold, family_members.c.position
    )
    protected = _protected(connection, everybody)
    return Family(
        register=register,
        members=tuple(
            replace(each, protected=each.protected or each.resident in protected)
            for each in everybody
        ),
        me=member.id,
    )


def _protected(connection: Connection, people: Iterable[FamilyMember]) -> frozenset[str]:
    """Those of them who are protected as residents: the measures are noted in one register."""
    ids = [each.resident for each in people if each.resident]
    marked = select(residents.c.id).where(residents.c.id.in_(ids) & residents.c.protected)
    return frozenset(connection.execute(marked).scalars()) if ids else frozenset()


def registered(connection: Connection, fingerprint: str, hold: bool) -> File | None:
    """Everything about the holder of a card that was registered for use here; else None."""
    mine = (use_registrations.c.fingerprint == fingerprint) & use_registrations.c.ended.is_(False)
    registration = single(connection, use_registrations, mine, UseRegistration, hold)
    if registration is None:
        return None
    family = family_of(connection, family_members.c.id == registration.member, hold)
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
