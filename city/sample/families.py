"""Family registers of the rehearsal city, and the cards of their people who live elsewhere."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct, structs
from sqlalchemy import Connection

from city import registry, tables
from city.records import FamilyMember, FamilyRegister, UseRegistration

FAMILIES: Final = Path(__file__).parent / "families.toml"
LONG_AGO: Final = timedelta(days=200)  # when a card was registered, unless it was today


class FamilyData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class SampleAddress(FamilyData, frozen=True, kw_only=True):
    address: str
    since: date


class SampleUse(FamilyData, frozen=True, kw_only=True):
    """A card that was registered for use, and where its holder lives."""

    pin: Annotated[str, Meta(pattern=r"^\d{4}$")]
    address: str
    filed_today: bool = False


class SampleRelative(FamilyData, frozen=True, kw_only=True):
    id: Annotated[str, Meta(pattern="^[a-z-]+$")]
    resident: str | None = None
    name: str
    given: str
    sex: str
    birth: date
    removed: bool = False
    protected: bool = False
    details: dict[str, str] = {}
    addresses: tuple[SampleAddress, ...] = ()
    card: SampleUse | None = None


class SampleFamily(FamilyData, frozen=True, kw_only=True):
    id: str
    domicile: str
    head: str
    matters: dict[str, str] = {}
    filed_today: bool = False
    members: tuple[SampleRelative, ...]


class FamilyFile(FamilyData, frozen=True, kw_only=True):
    families: tuple[SampleFamily, ...]


def read(path: Path = FAMILIES) -> tuple[SampleFamily, ...]:
    """Everything in the file. Raises msgspec.ValidationError."""
    return msgspec.toml.decode(path.read_bytes(), type=FamilyFile).families


def applicants() -> dict[str, SampleRelative]:
    """Those who live elsewhere and have a card that is registered for use, by id."""
    return {each.id: each for family in read() for each in family.members if each.card}


def seed(connection: Connection, today: date) -> None:
    """Put them into the registry; what a rehearsal changed about them is undone."""
    for family in read():
        register = FamilyRegister(
            id=family.id,
            domicile=family.domicile,
            head=family.head,
            matters=tuple(family.matters.items()),
            filed_on=today if family.filed_today else None,
        )
        registry.put(connection, tables.family_registers, structs.asdict(register))
        for position, each in enumerate(family.members, start=1):
            member = FamilyMember(
                id=each.id,
                register=family.id,
                position=position,
                resident=each.resident,
                name=each.name,
                given=each.given,
                sex=each.sex,
                birth=each.birth,
                removed=each.removed,
                protected=each.protected,
                details=tuple(each.details.items()),
            )
            values = structs.asdict(member)
            values["addresses"] = [(each.address, str(each.since)) for each in each.addresses]
            registry.put(connection, tables.family_members, values)


def register_card(connection: Connection, applicant: str, fingerprint: str, today: date) -> None:
    """Of one of `applicants`."""
    card = applicants()[applicant].card
    if card is None:
        raise KeyError(applicant)
    registration = UseRegistration(
        fingerprint=fingerprint,
        member=applicant,
        address=card.address,
        filed_on=today if card.filed_today else today - LONG_AGO,
    )
    registry.put(connection, tables.use_registrations, structs.asdict(registration))
