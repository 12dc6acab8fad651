"""Who may have a certificate of one entry, and which entries can be chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from city.entry_forms import (
    MOST_ENTRIES,
    called,
    payment_record,
    payments,
    removed,
    vehicle_record,
    vehicles,
)
from city.inquiry import Inquiry
from city.records import TaxStanding, stays_out
from firmware.link.form_terms import ENTRY_FORMS
from firmware.link.messages import Choice, Offer, Option, RefusalCode

Named = dict[str, str]  # record -> what the screen calls it


def _payments(inquiry: Inquiry) -> Named | RefusalCode:
    """A year with something unpaid has no certificate, where the city does not print that."""
    certificate, file = inquiry.certificate, inquiry.file
    years = certificate.fiscal_years(inquiry.today)
    stopped = {t.year for t in file.taxes if t.standing is TaxStanding.STOPPED}
    if stopped & set(years):
        return RefusalCode.NOT_ISSUED
    known = {k: p for k, p in payments([certificate], file).items() if p.year in years}
    if not known:
        return RefusalCode.NOTHING_BILLED
    shown = {k: p for k, p in known.items() if certificate.unpaid_shown or p.unpaid <= 0}
    records = {k: payment_record(p, certificate.masked) for k, p in shown.items()}
    return {k: called("nozei", r) for k, r in records.items()} or RefusalCode.PAYMENT_NOT_RECORDED


def _vehicles(inquiry: Inquiry) -> Named | RefusalCode:
    """Of each vehicle the newest year, as long as what it says is in force."""
    known = vehicles([inquiry.certificate], inquiry.file)
    if not known:
        return RefusalCode.NO_VEHICLE
    shown = {
        key: called("keiji", vehicle_record(each))
        for key, each in known.items()
        if each.unpaid + each.not_due <= 0
        and each.valid_until is not None
        and inquiry.today <= each.valid_until
    }
    return shown or RefusalCode.PAYMENT_NOT_RECORDED


def _removed(inquiry: Inquiry) -> Named | RefusalCode:
    if stays_out(inquiry.file):
        return RefusalCode.NOT_AVAILABLE
    known = removed([inquiry.certificate], inquiry.file)
    return {key: each.name for key, each in known.items()} or RefusalCode.NO_REMOVED_ENTRY


RULES: Final[Mapping[str, Callable[[Inquiry], Named | RefusalCode]]] = {
    "nozei": _payments,
    "keiji": _vehicles,
    "jokyo": _removed,
}


def entries(inquiry: Inquiry) -> Named | RefusalCode:
    """What can be chosen; else why nothing can."""
    found = RULES[inquiry.certificate.form](inquiry)
    if isinstance(found, dict) and len(found) > MOST_ENTRIES:
        return RefusalCode.NOT_ISSUED
    return found


def entry_refusal(inquiry: Inquiry) -> RefusalCode | None:
    found = entries(inquiry)
    return found if isinstance(found, RefusalCode) else None


def entry_options(inquiry: Inquiry) -> tuple[Option, ...]:
    """Which entry; and what else of a person is printed."""
    found, certificate = entries(inquiry), inquiry.certificate
    names = found if isinstance(found, dict) else {}
    choices = tuple(Choice(id=key, name=name) for key, name in names.items())
    which = Option(
        id=ENTRY_FORMS[certificate.form].option,
        type="one",
        choices=choices,
        default=(choices[0].id,),
        minimum=1,
        maximum=1,
    )
    shown = tuple(Choice(id=field) for field in certificate.fields)
    what = Option(id="fields", type="many", choices=shown, minimum=0, maximum=len(shown))
    return (which, *((what,) if shown else ()))


def entries_told(offers: Iterable[Offer]) -> dict[str, Named]:
    """What the entries are called that can be chosen, by question: each is compared with what is
    printed of it.
    """
    questions = {entry.option for entry in ENTRY_FORMS.values()}
    told: dict[str, Named] = {}
    for option in (option for offer in offers for option in offer.options):
        if option.id in questions:
            told.setdefault(option.id, {}).update({c.id: c.name for c in option.choices})
    return told
