"""Who may have a certificate of a family register (戸籍) or of its supplement (附票), and what they
are asked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

from city.family_forms import unknown_labels
from city.inquiry import Inquiry, entered_from
from city.records import Family, File
from city.relations import family_holder, family_members
from firmware.link.messages import Choice, FamilyPeople, Option, RefusalCode


def entered(inquiry: Inquiry, code: RefusalCode) -> date:
    """From when a notice about the family register, or a registration for use, holds."""
    terms, file = inquiry.terms, inquiry.file
    if code is RefusalCode.REGISTRATION_IN_PROCESS:
        filed = file.registration.filed_on if file.registration else None
        days = terms.registration_days or 0
    else:
        filed = file.family.register.filed_on if file.family else None
        days = terms.filing_days
    return entered_from(inquiry.city, filed, days) if filed else inquiry.today


# Of a family register: the first cause that holds. What must look like nothing comes first.
FAMILY_REFUSALS: Final[tuple[tuple[RefusalCode, Callable[[Inquiry, Family], bool]], ...]] = (
    (RefusalCode.NOT_AVAILABLE, lambda _, family: any(m.protected for m in family.members)),
    (
        RefusalCode.REGISTRATION_IN_PROCESS,
        lambda i, _: i.today < entered(i, RefusalCode.REGISTRATION_IN_PROCESS),
    ),
    (
        RefusalCode.NOT_ISSUED,
        lambda i, family: not family_members(i.file) or bool(unknown_labels(family)),
    ),
    (
        RefusalCode.FILING_IN_PROCESS,
        lambda i, _: i.today < entered(i, RefusalCode.FILING_IN_PROCESS),
    ),
)


def family_refusal(inquiry: Inquiry) -> RefusalCode | None:
    family = inquiry.file.family
    if family is None:
        return RefusalCode.NO_FAMILY_REGISTER
    return next((code for code, holds in FAMILY_REFUSALS if holds(inquiry, family)), None)


def family_options(inquiry: Inquiry) -> tuple[Option, ...]:
    """Whom to show, where it is not everybody; and what."""
    file, certificate = inquiry.file, inquiry.certificate
    people = family_members(file)
    asked: list[Option] = []
    if "some" in certificate.statement:
        names = tuple(Choice(id=key, name=member.name) for key, member in people.items())
        asked.append(
            Option(
                id="members",
                type="many",
                choices=names,
                minimum=1,
                maximum=len(names),
            )
        )
    if certificate.fields:
        shown = tuple(Choice(id=field) for field in certificate.fields)
        asked.append(Option(id="fields", type="many", choices=shown, minimum=0, maximum=len(shown)))
    return tuple(asked)


def family_people(file: File) -> FamilyPeople:
    """Who is in the holder's family register: told with a certificate of it, and never without."""
    people = family_members(file)
    names = {key: member.name for key, member in people.items()}
    return FamilyPeople(holder=family_holder(file), members=names)
