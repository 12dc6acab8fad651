"""Who may have what, and when: pure functions of the city's data, the records and the time.

One cause each. Nothing here reads a clock or a database; the same question always has the same
answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Final

from city.clock import JST
from city.composition import Picked, available
from city.entries import Certificate, current
from city.entry_rules import entry_options, entry_refusal
from city.family_rules import entered, family_options, family_refusal
from city.inquiry import Inquiry, opens
from city.inquiry import usable_from as usable_from
from city.municipality import Municipality
from city.opening import Opening, opening
from city.records import Card, File, Resident, Standing, TaxRecord, TaxStanding, stays_out
from city.records import members as members
from city.relations import ACCESS, of_another_city
from city.vocabulary import ELSE
from firmware.link import era
from firmware.link.form_terms import ENTRY_FORMS, FAMILY_FORMS
from firmware.link.messages import (
    CertificateNotice,
    Choice,
    Discount,
    Offer,
    Option,
    Refusal,
    RefusalCode,
)

# -- what everybody may see ------------------------------------------------------------------------


def fee(certificate: Certificate, day: date) -> int:
    """Yen for one copy."""
    return certificate.fee_on(day).yen


def discount(certificate: Certificate, day: date) -> Discount | None:
    """Until when that day's fee holds, and what a copy costs afterwards; None: it has no end."""
    until = certificate.fee_on(day).until
    if until is None:
        return None
    return Discount(until=until, regular=fee(certificate, until + timedelta(days=1)))


def notices(city: Municipality, now: datetime) -> tuple[CertificateNotice, ...]:
    """The menu, before anybody has identified themselves."""
    now = now.astimezone(JST)
    return tuple(_notice(c, now, opening(city, now, c.kind)) for c in city.offered(now.date()))


def _notice(certificate: Certificate, now: datetime, when: Opening) -> CertificateNotice:
    return CertificateNotice(
        kind=certificate.kind,
        title=certificate.title,
        fee=fee(certificate, now.date()),
        open=when.refusal is None,
        opens_at=when.opens_at.isoformat() if when.opens_at else None,
        refusal=when.refusal,
        discount=discount(certificate, now.date()),
        not_for=certificate.not_for,
    )


def refusal(
    city: Municipality, code: RefusalCode, now: datetime, opens_at: datetime | None = None
) -> Refusal:
    """The code with the place to go."""
    places = city.contacts_on(now.astimezone(JST).date())
    contact = places.get(city.refusal_contacts.get(code.value, ELSE)) or places.get(ELSE)
    return Refusal(code=code, contact=contact, opens_at=opens_at.isoformat() if opens_at else None)


# -- who -------------------------------------------------------------------------------------------


def birthday(birth: date, age: int) -> date:
    """The day somebody turns `age`; born on 29 February, 1 March in a common year."""
    try:
        return birth.replace(year=birth.year + age)
    except ValueError:
        return date(birth.year + age, 3, 1)


def unknown_card(city: Municipality, now: datetime) -> RefusalCode:
    """What is told to a card that no register of this city knows."""
    terms = current(city.eligibility, now.astimezone(JST).date())
    offered = city.offered(now.astimezone(JST).date())
    taken = terms.registration_days is not None and any(ACCESS[c.form].elsewhere for c in offered)
    return RefusalCode.NOT_REGISTERED_FOR_USE if taken else RefusalCode.NOT_LINKED


def person_refusal(city: Municipality, now: datetime, file: File) -> RefusalCode | None:
    """Why this card's holder can have nothing at all here. The first cause that holds, the lasting
    ones first.
    """
    today = now.astimezone(JST).date()
    person = file.resident
    card = file.card
    terms = current(city.eligibility, today)
    lapsed = _not_continued(card, person) and today > person.resident_since + timedelta(
        days=terms.continuation_days
    )
    causes = (
        (card.revoked or lapsed, RefusalCode.CARD_REVOKED),
        (person.protected or person.standing is Standing.DEAD, RefusalCode.NOT_AVAILABLE),
        (
            person.standing is Standing.ELSEWHERE and terms.registration_days is None,
            RefusalCode.NOT_LINKED,
        ),
        (
            person.standing is Standing.LEAVING
            or (person.standing is Standing.MOVED_OUT and not _serves_former(city, today, file)),
            RefusalCode.MOVED_OUT,
        ),
        (today < birthday(person.birth, terms.minimum_age), RefusalCode.UNDER_15),
        (_not_continued(card, person), RefusalCode.CARD_NOT_CONTINUED),
        (today < usable_from(city, _linked_on(card)), RefusalCode.CARD_TOO_NEW),
        (today < usable_from(city, person.notified_on), RefusalCode.NOTICE_IN_PROCESS),
    )
    return next((code for holds, code in causes if holds), None)


def _serves_former(city: Municipality, day: date, file: File) -> bool:
    """Whether somebody who was a resident could have anything that day."""
    return file.resident.removed_on is not None and any(
        ACCESS[certificate.form].moved_out for certificate in city.offered(day)
    )


def person_opens_at(city: Municipality, code: RefusalCode, file: File) -> datetime | None:
    """When a refusal of `person_refusal` ends by itself: the first opening of the first day that it
    does not hold.
    """
    filed = {
        RefusalCode.CARD_TOO_NEW: max(_linked_on(file.card), file.resident.notified_on),
        RefusalCode.NOTICE_IN_PROCESS: file.resident.notified_on,
    }.get(code)
    if filed is None:
        return None
    return opens(city, usable_from(city, filed))


def _not_continued(card: Card, person: Resident) -> bool:
    """A card issued elsewhere must be continued here after moving in (継続利用手続)."""
    since = person.resident_since
    return card.issued_on < since and (card.continued_on is None or card.continued_on < since)


def _linked_on(card: Card) -> date:
    return max(card.issued_on, card.continued_on or card.issued_on)


# -- what ------------------------------------------------------------------------------------------


def offers(city: Municipality, now: datetime, file: File) -> tuple[Offer, ...]:
    """Every certificate of this city: what this person is asked before it, or why it cannot be."""
    today = now.astimezone(JST).date()
    return tuple(
        _offer(Inquiry(city, certificate, today, file), now) for certificate in city.offered(today)
    )


def _offer(inquiry: Inquiry, now: datetime) -> Offer:
    certificate = inquiry.certificate
    refuse, ask = FORMS[certificate.form]
    when = opening(inquiry.city, now, certificate.kind)
    code = when.refusal or _of_another_city(inquiry) or refuse(inquiry)
    ends = when.opens_at if when.refusal else _ends_by_itself(inquiry, code)
    return Offer(
        kind=certificate.kind,
        title=certificate.title,
        fee=fee(certificate, inquiry.today),
        refusal=code,
        options=() if code else (*ask(inquiry), _copies(certificate)),
        opens_at=ends.isoformat() if ends else None,
        family=code is None and certificate.form in FAMILY_FORMS,
        discount=discount(certificate, inquiry.today),
        not_for=certificate.not_for,
    )


def _of_another_city(inquiry: Inquiry) -> RefusalCode | None:
    """Who lives elsewhere, or moved out, is in some registers only."""
    standing = inquiry.file.resident.standing
    if not of_another_city(inquiry.certificate.form, standing):
        return None
    moved_out = standing is Standing.MOVED_OUT
    return RefusalCode.MOVED_OUT if moved_out else RefusalCode.NOT_LINKED


def _ends_by_itself(inquiry: Inquiry, code: RefusalCode | None) -> datetime | None:
    """The first opening of the day from which everybody's notice holds. Whose it is nobody is told;
    somebody who is leaving keeps it from ending.
    """
    if code is RefusalCode.YEAR_NOT_YET:
        return _year_begins(inquiry)
    if code in (RefusalCode.FILING_IN_PROCESS, RefusalCode.REGISTRATION_IN_PROCESS):
        return opens(inquiry.city, entered(inquiry, code), inquiry.certificate.kind)
    if code is not RefusalCode.HOUSEHOLD_NOTICE:
        return None
    listed = [person for person in inquiry.file.household if person.listed]
    if any(person.standing is Standing.LEAVING for person in listed):
        return None
    held = max(usable_from(inquiry.city, person.notified_on) for person in listed)
    return opens(inquiry.city, held, inquiry.certificate.kind)


def _year_begins(inquiry: Inquiry) -> datetime | None:
    """The first opening of the next fiscal year."""
    years = inquiry.certificate.years
    begins = [year.since for year in years if year.since > inquiry.today]
    return opens(inquiry.city, min(begins), inquiry.certificate.kind) if begins else None


def _copies(certificate: Certificate) -> Option:
    return Option(
        id="copies", type="count", choices=(), default=("1",), minimum=1, maximum=certificate.copies
    )


def _juminhyo_refusal(inquiry: Inquiry) -> RefusalCode | None:
    if stays_out(inquiry.file):
        return RefusalCode.NOT_AVAILABLE
    return (
        RefusalCode.HOUSEHOLD_NOTICE
        if inquiry.terms.notice_blocks_household and _in_process(inquiry)
        else None
    )


def _in_process(inquiry: Inquiry) -> bool:
    listed = [person for person in inquiry.file.household if person.listed]
    pending = (inquiry.today < usable_from(inquiry.city, person.notified_on) for person in listed)
    return any(pending) or any(person.standing is Standing.LEAVING for person in listed)


def _juminhyo_options(inquiry: Inquiry) -> tuple[Option, ...]:
    everybody = members(inquiry.file)
    people = everybody if inquiry.certificate.others else {}
    shown = tuple(
        Choice(id=field) for field in available(inquiry.certificate, tuple(everybody.values()))
    )
    what = Option(id="fields", type="many", choices=shown, minimum=0, maximum=len(shown))
    return (*_household(people), *((what,) if shown else ()))


def _household(people: Mapping[str, Resident]) -> tuple[Option, ...]:
    """Whom to show, where there is somebody else."""
    if len(people) < 2:
        return ()
    scopes = tuple(Choice(id=scope) for scope in ("self", "household", "some"))
    scope = Option(id="scope", type="one", choices=scopes, default=("self",), minimum=1, maximum=1)
    names = tuple(Choice(id=key, name=person.name) for key, person in people.items())
    some = Option(
        id="members",
        type="many",
        choices=names,
        minimum=1,
        maximum=len(names),
        when=("scope", "some"),
    )
    return (scope, some)


def _inkan_refusal(inquiry: Inquiry) -> RefusalCode | None:
    seal = inquiry.file.seal
    if seal is None or seal.registered_on > inquiry.today:
        return RefusalCode.SEAL_NOT_REGISTERED
    return None if seal.certifiable(inquiry.today) else RefusalCode.SEAL_DEREGISTERED


def _nothing(_: Inquiry) -> tuple[Option, ...]:
    return ()


TAX_REFUSALS: Final = {
    TaxStanding.FILED: None,
    TaxStanding.NO_RETURN: RefusalCode.NO_TAX_RETURN,
    TaxStanding.ELSEWHERE: RefusalCode.TAXED_ELSEWHERE,
    TaxStanding.NOT_RESIDENT: RefusalCode.NOT_RESIDENT_ON_JANUARY_1,
    TaxStanding.DEPENDANT: RefusalCode.NO_TAX_RETURN,
}


def tax_records(inquiry: Inquiry) -> dict[int, TaxRecord | None]:
    """The years on offer, latest first."""
    known = _taxes(inquiry)
    return {year: known.get(year) for year in inquiry.certificate.fiscal_years(inquiry.today)}


def _taxes(inquiry: Inquiry) -> dict[int, TaxRecord]:
    return {record.year: record for record in inquiry.file.taxes}


def _tax_refusal(certificate: Certificate, record: TaxRecord | None) -> RefusalCode | None:
    """A record of which this certificate would show no amount is none, unless the city certifies
    that there is no return.
    """
    if record is None:
        return RefusalCode.NO_TAX_RETURN
    if record.standing is TaxStanding.DEPENDANT and "dependant" in certificate.statement:
        return None
    sections = certificate.amounts.values()
    shown = [
        label
        for label, _ in record.amounts
        if not sections or any(label in labels for labels in sections)
    ]
    if record.standing is TaxStanding.FILED and not shown:
        return RefusalCode.NO_TAX_RETURN
    if record.standing is TaxStanding.STOPPED:
        return RefusalCode.NOT_ISSUED
    return TAX_REFUSALS[record.standing]


def _kazei_refusal(inquiry: Inquiry) -> RefusalCode | None:
    """Refused only when no year is possible: for the latest year's cause, or because the next is
    not issued yet.
    """
    causes = [_tax_refusal(inquiry.certificate, record) for record in tax_records(inquiry).values()]
    if not all(causes):
        return None
    coming = _taxes(inquiry).get(inquiry.certificate.fiscal_years(inquiry.today)[0] + 1)
    return (
        RefusalCode.YEAR_NOT_YET
        if coming and _tax_refusal(inquiry.certificate, coming) is None
        else causes[0]
    )


def _kazei_options(inquiry: Inquiry) -> tuple[Option, ...]:
    certificate = inquiry.certificate
    years = [
        y for y, record in tax_records(inquiry).items() if _tax_refusal(certificate, record) is None
    ]
    choices = tuple(Choice(id=f"y{year}", name=era.fiscal_year(year)) for year in years)
    return (
        Option(
            id="year", type="one", choices=choices, default=(choices[0].id,), minimum=1, maximum=1
        ),
    )


FORMS: Final[
    dict[
        str, tuple[Callable[[Inquiry], RefusalCode | None], Callable[[Inquiry], tuple[Option, ...]]]
    ]
] = {
    "juminhyo": (_juminhyo_refusal, _juminhyo_options),
    "inkan": (_inkan_refusal, _nothing),
    "kazei": (_kazei_refusal, _kazei_options),
    "koseki": (family_refusal, family_options),
    "fuhyo": (family_refusal, family_options),
    **dict.fromkeys(ENTRY_FORMS, (entry_refusal, entry_options)),
}


# -- what was chosen -------------------------------------------------------------------------------


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
