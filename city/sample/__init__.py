"""The rehearsal city's people: all fictional, each there to exercise a rule. Never part of a real
city's gateway.

The cards themselves (keys, certificates, PINs on a chip) are made by whoever starts the rehearsal,
from `load()`; `enroll_all` then links their certificates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, TypedDict

import msgspec
from msgspec import Meta, Struct, structs
from sqlalchemy import Connection, Engine, select

from city import database, municipality, registry, tables
from city.cards import read_certificates
from city.clock import JST, Clock, starting
from city.config import Config
from city.enroll import EnrollError, link
from city.handlers import seconds
from city.records import Resident, Seal, Standing, TaxRecord, TaxStanding
from city.sample import families, payments
from city.sample.imprint import draw

RESIDENTS: Final = Path(__file__).parent / "residents.toml"
SWITCH_MONTH: Final = 6  # in which most cities begin with the new fiscal year
LONG_AGO: Final = timedelta(days=400)  # when a sample card was issued, unless it was today


class SampleData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class SampleCard(SampleData, frozen=True, kw_only=True):
    """How to make this person's card, or their phone's."""

    kind: Literal["card", "android", "iphone"] = "card"
    pin: Annotated[str, Meta(pattern=r"^\d{4}$")]
    pin_tries: Annotated[int, Meta(ge=0, le=3)] = 3  # 0: locked
    expired: bool = False  # the certificate ended some days ago
    issued_today: bool = False
    revoked: bool = False
    linked: bool = True  # False: the city knows no resident for it
    continued: bool = True  # False: issued elsewhere, and 継続利用手続 not done here


class SampleSeal(SampleData, frozen=True, kw_only=True):
    text: str
    registered_on: date
    deregistered_on: date | None = None


class SampleTax(SampleData, frozen=True, kw_only=True):
    ago: Annotated[int, Meta(ge=0, le=3)]  # fiscal years before the latest one
    standing: TaxStanding = TaxStanding.FILED
    amounts: dict[str, int] = {}


class SampleMember(SampleData, frozen=True, kw_only=True):
    id: Annotated[str, Meta(pattern="^[a-z]+$")]
    note: str = ""  # what this person is there for
    name: str
    kana: str = ""
    alias: str = ""
    former_surname: str = ""
    sex: str
    birth: date
    relationship: str
    standing: Standing = Standing.RESIDENT
    protected: bool = False
    resident_since: date | None = None  # without it, the household's
    settled_on: date | None = None
    previous_address: str | None = None
    notified_today: bool = False
    removed_on: date | None = None
    moved_to: str = ""
    nationality: str = ""
    residence_status: str = ""
    residence_period: str = ""
    residence_until: date | None = None
    residence_card: str = ""
    mynumber: Annotated[
        str, Meta(pattern=r"^\d{12}$")
    ]  # the check digit is wrong on purpose: nobody's number
    card: SampleCard | None = None
    phone: SampleCard | None = None  # with a certificate of its own
    seal: SampleSeal | None = None
    taxes: tuple[SampleTax, ...] = ()


class SampleHousehold(SampleData, frozen=True, kw_only=True):
    id: str
    address: str
    resident_since: date
    settled_on: date
    notified_on: date
    previous_address: str = ""
    domicile: str = ""
    domicile_head: str = ""
    members: tuple[SampleMember, ...]


class SampleFile(SampleData, frozen=True, kw_only=True):
    households: tuple[SampleHousehold, ...]


class CardDates(TypedDict):
    issued_on: date
    continued_on: date | None


@dataclass(frozen=True)
class SampleResident:
    """One person as the rehearsal knows them. `id` is the NAME of the command line."""

    id: str
    note: str
    name: str = field(repr=False)
    kana: str = field(repr=False)
    card: SampleCard | None = field(repr=False)
    phone: SampleCard | None = field(default=None, repr=False)

    def tokens(self) -> dict[str, SampleCard]:
        """What this person can lay on the reader, by name."""
        both = {self.id: self.card, f"{self.id}-phone": self.phone}
        return {name: token for name, token in both.items() if token}


def tokens() -> dict[str, tuple[SampleResident, SampleCard]]:
    """Every card and phone by its name, with the resident whose it is."""
    return {name: (person, card) for person in load() for name, card in person.tokens().items()}


def read(path: Path = RESIDENTS) -> tuple[SampleHousehold, ...]:
    """Everything in the file. Raises msgspec.ValidationError."""
    return msgspec.toml.decode(path.read_bytes(), type=SampleFile).households


def load() -> tuple[SampleResident, ...]:
    """All sample residents, in the order of the file; only those with a card can use the kiosk."""
    return tuple(
        SampleResident(m.id, m.note, m.name, m.kana, m.card, m.phone)
        for h in read()
        for m in h.members
    )


def seed(engine: Engine, clock: Clock, city: municipality.Municipality) -> None:
    """Put them into the registry, as they were; what a rehearsal changed about them is undone."""
    today = clock().astimezone(JST).date()
    latest = latest_year(city, today)
    with engine.begin() as connection:
        for household in read():
            registry.put(connection, tables.households, {"id": household.id})
            for position, member in enumerate(household.members, start=1):
                resident = _resident(household, member, position, today)
                registry.put(connection, tables.residents, structs.asdict(resident))
                _put_seal(connection, member)
                _put_taxes(connection, member, household.address, latest)
        families.seed(connection, today)
        taxes = dict.fromkeys(tax for each in city.certificates for tax in each.taxes)
        payments.seed(connection, latest, taxes)


def latest_year(city: municipality.Municipality, today: date) -> int:
    """The newest fiscal year whose certificates are issued, or would be in a city without any."""
    begun = [year.year for each in city.certificates for year in each.years if year.since <= today]
    return max(begun, default=today.year if today.month >= SWITCH_MONTH else today.year - 1)


def enroll_all(config: Config, certificates: Mapping[str, Path]) -> None:
    """Link the sample residents' cards and phones: name -> PEM or DER. Raises EnrollError,
    ConfigError, DatabaseError.
    """
    known = tokens()
    engine = database.connect(config.gateway.database)
    now = starting(config.clock.start)()
    today = now.astimezone(JST).date()
    try:
        with engine.begin() as connection:
            for name, path in certificates.items():
                if name not in known:
                    raise EnrollError(f"no sample resident {name!r} with a card")
                person, card = known[name]
                if card.linked:
                    dates = card_dates(connection, person.id, card, today)
                    link(
                        connection,
                        read_certificates(path)[0],
                        person.id,
                        now=seconds(now),
                        revoked=card.revoked,
                        **dates,
                    )
    finally:
        engine.dispose()


def card_dates(connection: Connection, resident: str, card: SampleCard, today: date) -> CardDates:
    """When this resident's card was issued, and continued here."""
    since = connection.execute(
        select(tables.residents.c.resident_since).where(tables.residents.c.id == resident)
    )
    return {
        "issued_on": today if card.issued_today else today - LONG_AGO,
        "continued_on": since.scalar_one() if card.continued else None,
    }


def _resident(
    household: SampleHousehold, member: SampleMember, position: int, today: date
) -> Resident:
    foreign = bool(member.nationality)
    own = structs.asdict(member)
    same = {name: own[name] for name in Resident.__struct_fields__ if name in own}
    shared = {
        "resident_since": member.resident_since or household.resident_since,
        "settled_on": member.settled_on or household.settled_on,
        "notified_on": today
        if member.notified_today
        else (member.settled_on or household.notified_on),
        "previous_address": household.previous_address
        if member.previous_address is None
        else member.previous_address,
        "domicile": "" if foreign else household.domicile,
        "domicile_head": "" if foreign else household.domicile_head,
    }
    place = {"household": household.id, "position": position, "address": household.address}
    return Resident(**{**same, **shared, **place})


def _put_seal(connection: Connection, member: SampleMember) -> None:
    if member.seal:
        seal = Seal(
            resident=member.id,
            registered_on=member.seal.registered_on,
            deregistered_on=member.seal.deregistered_on,
            imprint=draw(member.seal.text),
        )
        registry.put(connection, tables.seals, structs.asdict(seal))


def _put_taxes(connection: Connection, member: SampleMember, address: str, latest: int) -> None:
    """The year after the latest too: a rehearsal may run over the switch in June."""
    for tax in member.taxes:
        for year in {latest - tax.ago, latest + 1} if tax.ago == 0 else {latest - tax.ago}:
            record = TaxRecord(
                resident=member.id,
                year=year,
                standing=tax.standing,
                address=address,
                amounts=tuple(tax.amounts.items()),
            )
            registry.put(connection, tables.taxes, structs.asdict(record))
