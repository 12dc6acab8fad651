"""利用登録: a card of somebody who is in a family register here and lives elsewhere is taken, or is
taken no more. What the counter's clerk has to look at first is checked here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, select, update

from city import audit, files, registry, tables
from city.clock import JST
from city.entries import current
from city.families import MEMBER, family_of, hold_family, registered
from city.handlers import seconds
from city.inquiry import entered_from
from city.municipality import Municipality
from city.relations import ACCESS, family_stays_out
from city.rules import birthday


class Reason(StrEnum):
    NOT_TAKEN = "this city serves nobody who lives elsewhere today"
    NO_SUCH_ENTRY = "nobody in a family register here has this domicile, head, name and birth date"
    SEVERAL = "several people fit; the counter's own register has to tell them apart"
    COUNTER_ONLY = "certificates of this family register are issued at the counter alone"
    TOO_YOUNG = "younger than this city's machines serve"
    RESIDENT = "this card is a resident's, who needs no registration"
    NO_ADDRESS = "an address is wanted: it stands on the screen when the card is set"
    NOT_REGISTERED = "this card is not registered for use"


class NotRegistered(Exception):
    """Says why, without a word of the person."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True)
class Application:
    """What the applicant has written, compared by the clerk with the card's face."""

    domicile: str = field(repr=False)  # 本籍
    head: str = field(repr=False)  # 筆頭者
    name: str = field(repr=False)
    birth: date = field(repr=False)
    address: str = field(repr=False)  # of today, elsewhere


@dataclass(frozen=True)
class Registered:
    """`holds_from`: the first day; `replaced`: how many other cards of this person are taken no
    more.
    """

    holds_from: date
    replaced: int


def register(
    connection: Connection, city: Municipality, now: datetime, mark: str, asked: Application
) -> Registered:
    """Within a transaction. `mark` is the card's fingerprint. The log, which is kept for long, gets
    the event and no card. Raises NotRegistered.
    """
    today = now.astimezone(JST).date()
    terms = current(city.eligibility, today)
    if terms.registration_days is None or not _offered_elsewhere(city, today):
        raise NotRegistered(Reason.NOT_TAKEN)
    if not asked.address.strip():
        raise NotRegistered(Reason.NO_ADDRESS)
    if today < birthday(asked.birth, terms.minimum_age):
        raise NotRegistered(Reason.TOO_YOUNG)
    if _is_a_residents(connection, mark):
        raise NotRegistered(Reason.RESIDENT)
    member = _member(connection, asked)
    connection.execute(hold_family(tables.family_members.c.id == member))
    family = family_of(connection, MEMBER, member, hold=True)
    if family is None or family_stays_out(family):
        raise NotRegistered(Reason.COUNTER_ONLY)
    uses = tables.use_registrations.c
    replaced = _end(connection, (uses.member == member) & (uses.fingerprint != mark))
    values = {"fingerprint": mark, "member": member, "address": asked.address.strip()}
    registry.put(
        connection, tables.use_registrations, {**values, "filed_on": today, "ended": False}
    )
    audit.append(connection, "use-registered", seconds(now))
    return Registered(entered_from(city, today, terms.registration_days), replaced)


def end(connection: Connection, now: datetime, mark: str) -> None:
    """Within a transaction. Raises NotRegistered."""
    if not _end(connection, tables.use_registrations.c.fingerprint == mark):
        raise NotRegistered(Reason.NOT_REGISTERED)
    audit.append(connection, "use-ended", seconds(now))


def holds_from(connection: Connection, city: Municipality, now: datetime, mark: str) -> date:
    """The first day on which this card is taken. Raises NotRegistered."""
    terms = current(city.eligibility, now.astimezone(JST).date())
    file = registered(connection, mark, hold=False)
    if file is None or file.registration is None:
        raise NotRegistered(Reason.NOT_REGISTERED)
    return entered_from(city, file.registration.filed_on, terms.registration_days or 0)


def _offered_elsewhere(city: Municipality, day: date) -> bool:
    return any(ACCESS[certificate.form].elsewhere for certificate in city.offered(day))


def _is_a_residents(connection: Connection, mark: str) -> bool:
    file = files.file_of(connection, mark)
    return file is not None and file.registration is None and file.resident.listed


def _member(connection: Connection, asked: Application) -> str:
    """Who that is in the family registers. Spaces are not compared: people write names without."""
    members, registers = tables.family_members.c, tables.family_registers.c
    query = (
        select(members.id, members.name, registers.domicile, registers.head)
        .join(tables.family_registers, registers.id == members.register)
        .where(members.birth == asked.birth, members.removed.is_(False))
    )
    wanted = tuple(map(_plain, (asked.name, asked.domicile, asked.head)))
    found = [row[0] for row in connection.execute(query) if tuple(map(_plain, row[1:])) == wanted]
    if len(found) != 1:
        raise NotRegistered(Reason.SEVERAL if found else Reason.NO_SUCH_ENTRY)
    return str(found[0])


def _plain(text: str) -> str:
    return "".join(text.split())


def _end(connection: Connection, which: ColumnElement[bool]) -> int:
    uses = tables.use_registrations
    going_on = which & uses.c.ended.is_(False)
    return connection.execute(update(uses).where(going_on).values(ended=True)).rowcount
