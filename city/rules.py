"""Who may have what, and when: pure functions of the city's data, the records and the time.

One cause each. Nothing here reads a clock or a database; the same question always has the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from city import era
from city.clock import JST
from city.municipality import Certificate, Hours, Municipality, current
from city.records import File, Resident, Standing, TaxRecord, TaxStanding
from firmware.link.messages import CertificateNotice, Choice, Offer, Option, Refusal, RefusalCode

LOOK_AHEAD_DAYS: Final = 60  # no closure is longer

# -- hours --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opening:
    """Open (no refusal) until `closes_at`, or closed until `opens_at`; None when no such moment is in sight."""

    refusal: RefusalCode | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None


def opening(city: Municipality, now: datetime, own: tuple[Hours, ...] = ()) -> Opening:
    """Whether the service, or a certificate with its own hours, is open at `now` (with zone)."""
    now = now.astimezone(JST)
    tables = (city.hours, own) if own else (city.hours,)
    cause = _closed(city, now, tables)
    if cause is None:
        return Opening(closes_at=min(_ends(city, now, tables), default=None))
    later = (at for at in sorted(_starts(city, now, tables)) if at > now and _closed(city, at, tables) is None)
    return Opening(cause, opens_at=next(later, None))


def _closed(city: Municipality, now: datetime, tables: tuple[tuple[Hours, ...], ...]) -> RefusalCode | None:
    if any(_local(m.begin) <= now < _local(m.end) for m in city.maintenance):
        return RefusalCode.MAINTENANCE
    if all(_within(table, now) for table in tables):
        return None
    return RefusalCode.CLOSED


def _within(table: tuple[Hours, ...], now: datetime) -> bool:
    try:
        hours = current(table, now.date())
    except LookupError:  # the service has not begun
        return False
    day = now.strftime("%m-%d")
    holiday = any(c.begin <= day <= c.end if c.begin <= c.end else not c.end < day < c.begin for c in hours.closed)
    weekend = hours.weekdays_only and now.weekday() >= 5
    return not holiday and not weekend and hours.opens <= now.time() < hours.closes


def _starts(city: Municipality, now: datetime, tables: tuple[tuple[Hours, ...], ...]) -> set[datetime]:
    """Every moment soon at which a closure can end."""
    days = [now.date() + timedelta(days=n) for n in range(LOOK_AHEAD_DAYS)]
    mornings = {datetime.combine(d, h.opens, JST) for d in days for table in tables for h in table}
    return mornings | {_local(m.end) for m in city.maintenance}


def _ends(city: Municipality, now: datetime, tables: tuple[tuple[Hours, ...], ...]) -> set[datetime]:
    today = now.date()
    evenings = {datetime.combine(today, current(table, today).closes, JST) for table in tables}
    return evenings | {_local(m.begin) for m in city.maintenance if _local(m.begin) > now}


def _local(at: datetime) -> datetime:
    return at.astimezone(JST) if at.tzinfo else at.replace(tzinfo=JST)


# -- what everybody may see ---------------------------------------------------------------------------------------


def fee(certificate: Certificate, day: date) -> int:
    """Yen for one copy."""
    return current(certificate.fees, day).yen


def notices(city: Municipality, now: datetime) -> tuple[CertificateNotice, ...]:
    """The menu, before anybody has identified themselves."""
    now = now.astimezone(JST)
    return tuple(_notice(c, now, opening(city, now, c.hours)) for c in city.offered(now.date()))


def _notice(certificate: Certificate, now: datetime, when: Opening) -> CertificateNotice:
    return CertificateNotice(
        kind=certificate.kind,
        title=certificate.title,
        fee=fee(certificate, now.date()),
        open=when.refusal is None,
        opens_at=when.opens_at.isoformat() if when.opens_at else None,
    )


def refusal(city: Municipality, code: RefusalCode, opens_at: datetime | None = None) -> Refusal:
    """The code with the place to go."""
    contact = city.contacts.get(city.refusal_contacts.get(code.value, "resident"))
    return Refusal(code=code, contact=contact, opens_at=opens_at.isoformat() if opens_at else None)


# -- who ----------------------------------------------------------------------------------------------------------


def birthday(birth: date, age: int) -> date:
    """The day somebody turns `age`; born on 29 February, 1 March in a common year."""
    try:
        return birth.replace(year=birth.year + age)
    except ValueError:
        return date(birth.year + age, 3, 1)


def person_refusal(city: Municipality, now: datetime, file: File) -> RefusalCode | None:
    """Why this card's holder can have nothing at all here. The first cause that holds, the lasting ones first."""
    today, person = now.astimezone(JST).date(), file.resident
    causes = (
        (file.card.revoked, RefusalCode.CARD_REVOKED),
        (person.protected or person.standing is Standing.DEAD, RefusalCode.NOT_AVAILABLE),
        (person.standing is Standing.MOVED_OUT, RefusalCode.MOVED_OUT),
        (today < birthday(person.birth, city.minimum_age), RefusalCode.UNDER_15),
        (file.card.issued_on >= today, RefusalCode.CARD_TOO_NEW),
        (person.notified_on >= today, RefusalCode.NOTICE_IN_PROCESS),
    )
    return next((code for holds, code in causes if holds), None)


# -- what ---------------------------------------------------------------------------------------------------------


def offers(city: Municipality, now: datetime, file: File) -> tuple[Offer, ...]:
    """Every certificate of this city: what this person is asked before it, or why it cannot be."""
    now = now.astimezone(JST)
    return tuple(_offer(city, certificate, now, file) for certificate in city.offered(now.date()))


def _offer(city: Municipality, certificate: Certificate, now: datetime, file: File) -> Offer:
    refuse, ask = KINDS[certificate.kind]
    code = opening(city, now, certificate.hours).refusal or refuse(certificate, now.date(), file)
    return Offer(
        kind=certificate.kind,
        title=certificate.title,
        fee=fee(certificate, now.date()),
        refusal=code,
        options=() if code else (*ask(certificate, now.date(), file), _copies(certificate)),
    )


def _copies(certificate: Certificate) -> Option:
    return Option(id="copies", type="count", choices=(), default=("1",), minimum=1, maximum=certificate.copies)


def members(file: File) -> dict[str, Resident]:
    """Whom a certificate of this household can show, by the choice's id."""
    return {f"m{n}": person for n, person in enumerate((p for p in file.household if p.listed), start=1)}


def _juminhyo_refusal(_: Certificate, __: date, file: File) -> RefusalCode | None:
    """A household with a protected member stays out of the machine as a whole: the counter looks at who asks."""
    return RefusalCode.NOT_AVAILABLE if any(p.protected for p in file.household) else None


def _juminhyo_options(_: Certificate, __: date, file: File) -> tuple[Option, ...]:
    people = members(file)
    names = tuple(Choice(id=key, name=person.name) for key, person in people.items())
    fields = (
        ("relationship", True),
        ("domicile", any(p.domicile for p in people.values())),
        ("residence", any(p.foreign for p in people.values())),
        ("mynumber", True),
    )
    shown = tuple(Choice(id=key) for key, there in fields if there)
    household = (
        Option(
            id="scope", type="one", choices=(Choice(id="self"), Choice(id="household"), Choice(id="some")),
            default=("self",), minimum=1, maximum=1,
        ),
        Option(id="members", type="many", choices=names, minimum=1, maximum=len(names), when=("scope", "some")),
    )  # fmt: skip
    what = Option(id="fields", type="many", choices=shown, minimum=0, maximum=len(shown))
    return (*household, what) if len(people) > 1 else (what,)


def _inkan_refusal(_: Certificate, today: date, file: File) -> RefusalCode | None:
    if file.seal is None or file.seal.registered_on > today:
        return RefusalCode.SEAL_NOT_REGISTERED
    return RefusalCode.SEAL_DEREGISTERED if file.seal.deregistered_on is not None else None


def _nothing(_: Certificate, __: date, ___: File) -> tuple[Option, ...]:
    return ()


TAX_REFUSALS: Final = {
    TaxStanding.FILED: None,
    TaxStanding.NO_RETURN: RefusalCode.NO_TAX_RETURN,
    TaxStanding.ELSEWHERE: RefusalCode.TAXED_ELSEWHERE,
    TaxStanding.NOT_RESIDENT: RefusalCode.NOT_RESIDENT_ON_JANUARY_1,
}


def latest_year(certificate: Certificate, today: date) -> int:
    """The fiscal year whose certificates are issued on that day: it switches in the middle of June."""
    return today.year - (today.strftime("%m-%d") < certificate.fiscal_year_begins)


def tax_records(certificate: Certificate, today: date, file: File) -> dict[int, TaxRecord | None]:
    """The years on offer, latest first."""
    latest, known = latest_year(certificate, today), {record.year: record for record in file.taxes}
    return {year: known.get(year) for year in range(latest, latest - certificate.years, -1)}


def _tax_refusal(record: TaxRecord | None) -> RefusalCode | None:
    return TAX_REFUSALS[record.standing] if record else RefusalCode.NO_TAX_RETURN


def _kazei_refusal(certificate: Certificate, today: date, file: File) -> RefusalCode | None:
    """Refused only when no year is possible, for the latest year's cause."""
    causes = [_tax_refusal(record) for record in tax_records(certificate, today, file).values()]
    return causes[0] if all(causes) else None


def _kazei_options(certificate: Certificate, today: date, file: File) -> tuple[Option, ...]:
    years = [y for y, record in tax_records(certificate, today, file).items() if _tax_refusal(record) is None]
    choices = tuple(Choice(id=f"y{year}", name=era.fiscal_year(year)) for year in years)
    return (Option(id="year", type="one", choices=choices, default=(choices[0].id,), minimum=1, maximum=1),)


Refuse = Callable[[Certificate, date, File], RefusalCode | None]
Ask = Callable[[Certificate, date, File], tuple[Option, ...]]
KINDS: Final[dict[str, tuple[Refuse, Ask]]] = {
    "juminhyo": (_juminhyo_refusal, _juminhyo_options),
    "inkan": (_inkan_refusal, _nothing),
    "kazei": (_kazei_refusal, _kazei_options),
}

# -- what was chosen ----------------------------------------------------------------------------------------------

Picked = Mapping[str, tuple[str, ...]]


class NotOffered(Exception):
    """The order asks for something that was not offered: an anomaly, not a resident's mistake."""


def picked(offer: Offer, choices: Picked, copies: int) -> Picked:
    """The answer to every option that is asked, defaults included. Raises NotOffered."""
    answers: dict[str, tuple[str, ...]] = {}
    for option in offer.options:
        if option.type == "count":
            if not option.minimum <= copies <= option.maximum:
                raise NotOffered(option.id)
        elif option.when is None or option.when[1] in answers.get(option.when[0], ()):
            answers[option.id] = _answer(option, choices.get(option.id, option.default))
    if not choices.keys() <= answers.keys():
        raise NotOffered("an option that was not asked")
    return answers


def _answer(option: Option, chosen: tuple[str, ...]) -> tuple[str, ...]:
    known = {choice.id for choice in option.choices}
    if not set(chosen) <= known or len(set(chosen)) != len(chosen):
        raise NotOffered(option.id)
    if not option.minimum <= len(chosen) <= option.maximum:
        raise NotOffered(option.id)
    return chosen
