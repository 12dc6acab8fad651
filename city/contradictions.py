"""What one entry of a city's data says against another, each with its key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

from city.calendars import any_day, faults
from city.entries import Certificate, Dated, Hours, Names, Sited
from city.public_holidays import LAST_YEAR, PublicHolidays
from city.texts import faults as text_faults
from city.vocabulary import (
    CAUSES,
    ELSE,
    FAMILY_FIELDS,
    FIELD_ROWS,
    MOST_AMOUNTS,
    OF_A_SEAL,
    STATEMENTS,
    WITH_ROWS,
    YEAR_WORDS,
    YEARLY,
)
from firmware.link.form_terms import ENTRY_FORMS, FAMILY_FORMS

if TYPE_CHECKING:
    from city.municipality import Municipality

# Of what is offered on one day, and of places to go (`firmware.link.messages.Terms`).
MOST_CERTIFICATES = 16
MOST_CONTACTS = 32
MOST_TITLE = 40  # characters of full width at the head of a sheet (`templates/sheet.typ`)
MOST_NOT_FOR = 120  # characters that are shown, and heard to their end, before payment
# Of so many days one must be a working day.
SOME_DAYS = 400


def contradictions(city: Municipality) -> Iterator[str]:
    """What the types cannot say; none in a file that can be used."""
    if not city.certificates:
        yield "certificates: none"
        return
    yield from text_faults(city)
    first = min(certificate.since for certificate in city.certificates)
    yield from city.holidays.faults()
    if city.retention is not None:
        yield from city.retention.faults()
    yield from _dated("issuers", city.issuers, first)
    for n, issuer in enumerate(city.issuers):
        if not (issuer.office and issuer.officer):
            yield f"issuers[{n}].name: office, a full-width space, name"
    yield from _hours("hours", city.hours, city.holidays)
    for n, stop in enumerate(city.maintenance):
        yield from faults(f"maintenance[{n}].calendar", stop.calendar, city.holidays)
        for kind in stop.kinds:
            if all(certificate.kind != kind for certificate in city.certificates):
                yield f"maintenance[{n}].kinds: no certificate {kind!r}"
    yield from _offices(city)
    for n, certificate in enumerate(city.certificates):
        key = f"certificates[{n}] ({certificate.kind})"
        yield from _certificate(key, certificate)
        yield from _hours(f"{key}.hours", certificate.hours, city.holidays)
    yield from _periods(city.certificates)
    yield from _same_records(city.certificates)
    yield from _too_many(city)
    amounts: set[str] = set()
    for certificate in city.certificates:
        for labels in certificate.amounts.values():
            amounts.update(labels)
    if len(amounts) > MOST_AMOUNTS:
        yield f"certificates.amounts: more than {MOST_AMOUNTS} labels over all entries"
    yield from _sites(city)
    yield from _places(city)
    if not city.sites:
        yield from _begun(city, first)
        yield from _alike(city)
    for key in city.sites:
        yield from (f"{fault}, at the site {key}" for fault in _alike(city.at(key)))
        yield from (f"{fault}, at the site {key}" for fault in _begun(city.at(key), first))
    yield from _japanese("name", city.name)


def _offices(city: Municipality) -> Iterator[str]:
    """A filing is taken up on a working day: after each day there must be one."""
    for n, terms in enumerate(city.eligibility):
        key = f"eligibility[{n}].office"
        yield from faults(key, terms.office, city.holidays)
        followed = any(
            each.since > terms.since and each.sites == terms.sites for each in city.eligibility
        )
        for first in (terms.since, *(() if followed else (date(LAST_YEAR, 1, 1),))):
            days = [first + timedelta(days=later) for later in range(SOME_DAYS)]
            if not any_day(terms.office, days, city.holidays):
                yield f"{key}: no working day in the {SOME_DAYS} days from {first}"


def _begun(city: Municipality, first: date) -> Iterator[str]:
    """Of what can differ from site to site: one entry a day, and one on the first day."""
    lists: dict[str, Sequence[Dated]] = {
        "hours": city.hours,
        "eligibility": city.eligibility,
        **{f"contacts.{subject}": offices for subject, offices in city.contacts.items()},
    }
    for key, entries in lists.items():
        yield from _dated(key, entries, first)
    for certificate in city.certificates:
        if certificate.hours:
            key = f"certificates ({certificate.kind}).hours"
            yield from _dated(key, certificate.hours, certificate.since)


def _too_many(city: Municipality) -> Iterator[str]:
    """More than a kiosk takes in one message."""
    for day in sorted({each.since for each in city.certificates}):
        if (offered := len(city.offered(day))) > MOST_CERTIFICATES:
            yield f"certificates: {offered} on {day}, and kiosks take {MOST_CERTIFICATES}"
            break
    if len(city.contacts) > MOST_CONTACTS:
        yield f"contacts: {len(city.contacts)}, and kiosks take {MOST_CONTACTS}"


def _sites(city: Municipality) -> Iterator[str]:
    """A kiosk belongs to one site, and of a list whose entries follow one another all are limited
    to sites or none: which of two holds at a site is then never a question.
    """
    homes: dict[str, str] = {}
    for key, site in city.sites.items():
        yield from _japanese(f"sites.{key}.name", site.name)
        for kiosk in site.kiosks:
            if kiosk in homes:
                yield f"sites.{key}.kiosks: {kiosk} belongs to the site {homes[kiosk]}"
            homes[kiosk] = key
    following: dict[str, Sequence[Sited]] = {
        "hours": city.hours,
        "eligibility": city.eligibility,
        "phones": city.phones,
        **{f"contacts.{subject}": offices for subject, offices in city.contacts.items()},
        **{
            f"certificates[{n}] ({certificate.kind}).hours": certificate.hours
            for n, certificate in enumerate(city.certificates)
        },
    }
    for key, entries in following.items():
        general = next((n for n, each in enumerate(entries) if not each.sites), None)
        limited = next((n for n, each in enumerate(entries) if each.sites), None)
        if general is not None and limited is not None:
            yield (
                f"{key}[{general}]: holds at all sites, {key}[{limited}] at some of them: "
                "name the sites of each"
            )
    others = {"maintenance": city.maintenance, "certificates": city.certificates}
    for key, entries in {**following, **others}.items():
        for n, entry in enumerate(entries):
            for site_key in entry.sites:
                if site_key not in city.sites:
                    yield f"{key}[{n}].sites: no site {site_key!r}"


def _dated(key: str, entries: Sequence[Dated], first: date) -> Iterator[str]:
    """One entry a day, and one on the first day."""
    days = [entry.since for entry in entries]
    if len(set(days)) != len(days):
        yield f"{key}: two entries from one day"
    if not days or min(days) > first:
        yield f"{key}: nothing holds yet on {first}, the first day of a certificate"


def _hours(key: str, table: tuple[Hours, ...], holidays: PublicHolidays) -> Iterator[str]:
    for n, hours in enumerate(table):
        yield from faults(f"{key}[{n}].calendar", hours.calendar, holidays)


def _years(key: str, certificate: Certificate) -> Iterator[str]:
    if (certificate.form in YEARLY) is not bool(certificate.years):
        yield f"{key}.years: for the forms {' and '.join(YEARLY)}, and needed there"
    for n, year in enumerate(certificate.years):
        if year.until is not None and year.until < year.since:
            yield f"{key}.years[{n}]: ends before it begins"
    named = sorted(each.year for each in certificate.years)
    for one, other in pairwise(named):
        if one == other:
            yield f"{key}.years: {one} twice"
        elif one + 1 < other:
            yield f"{key}.years: {one + 1} is missing"


def _discounts(key: str, certificate: Certificate) -> Iterator[str]:
    """One ends before the next fee begins, and there is a fee to go back to."""
    begins = sorted((fee.since, n) for n, fee in enumerate(certificate.fees))
    if all(fee.until for fee in certificate.fees):
        yield f"{key}: none without `until`, which holds when the others have ended"
        return
    for n, fee in enumerate(certificate.fees):
        if fee.until is None:
            continue
        if fee.until < fee.since:
            yield f"{key}[{n}].until: before its first day"
        inside = [other for since, other in begins if fee.since < since <= fee.until]
        if inside:
            yield f"{key}[{inside[0]}]: begins while {key}[{n}] holds, until {fee.until}"
        elif not any(f.until is None and f.since <= fee.until for f in certificate.fees):
            yield f"{key}[{n}]: no fee before it that holds again after {fee.until}"


def _certificate(key: str, certificate: Certificate) -> Iterator[str]:
    yield from _dated(f"{key}.fees", certificate.fees, certificate.since)
    yield from _discounts(f"{key}.fees", certificate)
    yield from _years(key, certificate)
    yield from _amounts(key, certificate)
    yield from _by_record(key, certificate)
    yield from _of_entries(key, certificate)
    if certificate.until is not None and certificate.until < certificate.since:
        yield f"{key}.until: before its first day"
    if certificate.statement.keys() not in STATEMENTS[certificate.form]:
        cases = " or ".join(", ".join(sorted(each)) for each in STATEMENTS[certificate.form])
        yield f"{key}.statement: needs exactly {cases}"
    if not certificate.subtitle.keys() <= certificate.statement.keys():
        yield f"{key}.subtitle: for {', '.join(sorted(certificate.statement))} alone"
    year_words = YEAR_WORDS if certificate.form == "kazei" else ()
    for text in certificate.subtitle.values():
        if not set(re.findall(r"{([^}]*)}?", text)) <= set(year_words):
            words = ", ".join(f"{{{word}}}" for word in YEAR_WORDS)
            yield f"{key}.subtitle: {words} stand for words of a fiscal year, no others"
    shown = [*certificate.rows, *(row for field in certificate.fields for row in FIELD_ROWS[field])]
    if (certificate.form in WITH_ROWS) is not bool(certificate.rows):
        yield f"{key}.rows: for the forms {' and '.join(WITH_ROWS)}, and needed there"
    if len(set(shown)) != len(shown):
        yield f"{key}.rows: a row twice, or chosen and always printed"
    if certificate.form in FAMILY_FORMS and not set(certificate.fields) <= FAMILY_FIELDS.get(
        certificate.form, set()
    ):
        yield f"{key}.fields: of a family register, only 'domicile' of the form fuhyo is asked for"
    yield from _japanese(f"{key}.title", certificate.title)
    if certificate.not_for:
        yield from _japanese(f"{key}.not_for", certificate.not_for)
    for language, text in certificate.not_for.items():
        if len(text) > MOST_NOT_FOR:
            yield f"{key}.not_for.{language}: {len(text)} characters, at most {MOST_NOT_FOR}"
    if len(certificate.printed) > MOST_TITLE:
        yield (
            f"{key}.printed: {len(certificate.printed)} characters, and a sheet has room for "
            f"{MOST_TITLE}"
        )
    if certificate.printed != certificate.title.get("ja", certificate.printed):
        yield f"{key}.printed: not title.ja, so that every kiosk would refuse the sheets"
    if (certificate.form == "inkan") is not (OF_A_SEAL in certificate.printed):
        yield (
            f"{key}.printed: {OF_A_SEAL} stands in the title of the form inkan and of no "
            "other, or no kiosk takes it"
        )


def _amounts(key: str, certificate: Certificate) -> Iterator[str]:
    """A record has one value of each label."""
    seen: set[str] = set()
    for heading, labels in certificate.amounts.items():
        if not labels:
            yield f"{key}.amounts.{heading}: none"
        for label in labels:
            if label in seen:
                yield f"{key}.amounts.{heading}: {label} twice"
            seen.add(label)


def _by_record(key: str, certificate: Certificate) -> Iterator[str]:
    """What depends on the record: both ends must see the amount that decides."""
    if bool(certificate.untaxed) is not ("untaxed" in certificate.statement):
        yield f"{key}.untaxed: an amount, where there is statement.untaxed, and only there"
    shown = {label for labels in certificate.amounts.values() for label in labels}
    if certificate.untaxed and shown and certificate.untaxed not in shown:
        yield f"{key}.untaxed: {certificate.untaxed} is not among the amounts"
    for name, texts in (("titles", certificate.titles), ("remarks", certificate.remarks)):
        if not texts.keys() <= certificate.statement.keys():
            yield f"{key}.{name}: for {', '.join(sorted(certificate.statement))} alone"
    for case, title in certificate.titles.items():
        if len(title) > MOST_TITLE or OF_A_SEAL in title:
            yield f"{key}.titles.{case}: at most {MOST_TITLE} characters, without {OF_A_SEAL}"


def _of_entries(key: str, certificate: Certificate) -> Iterator[str]:
    """Keys of one form that stand at another would change nothing."""
    form = certificate.form
    if (form == "nozei") is not bool(certificate.taxes):
        yield f"{key}.taxes: for the form nozei, and needed there"
    if len(set(certificate.taxes)) != len(certificate.taxes):
        yield f"{key}.taxes: one twice"
    if (certificate.unpaid_shown or certificate.masked) and form != "nozei":
        yield f"{key}.unpaid_shown, masked: for the form nozei alone"
    if certificate.dead and form != "jokyo":
        yield f"{key}.dead: for the form jokyo alone"
    if form == "jokyo":
        if not set(certificate.fields) <= {"domicile", "residence"}:
            yield f"{key}.fields: of a removed entry, only 'domicile' and 'residence' are asked for"
        if "mynumber" in certificate.rows:
            yield f"{key}.rows: no machine prints the individual number of a removed entry"
    elif form in ENTRY_FORMS and certificate.fields:
        yield f"{key}.fields: none of the form {form} are asked for"
    if form in ENTRY_FORMS and certificate.amounts:
        yield f"{key}.amounts: the form {form} has its own"


def _same_records(certificates: Sequence[Certificate]) -> Iterator[str]:
    """What decides what the records of a session say cannot differ between two certificates."""
    for word in ("masked", "dead"):
        form = "nozei" if word == "masked" else "jokyo"
        if len({getattr(each, word) for each in certificates if each.form == form}) > 1:
            yield f"certificates.{word}: the same for all of the form {form}"


def _periods(certificates: Sequence[Certificate]) -> Iterator[str]:
    """One kind is offered once a day."""
    for kind in dict.fromkeys(certificate.kind for certificate in certificates):
        entries = sorted(
            (certificate for certificate in certificates if certificate.kind == kind),
            key=attrgetter("since"),
        )
        for earlier, later in pairwise(entries):
            if earlier.until is None or earlier.until >= later.since:
                yield f"certificates ({kind}): two entries hold on one day"
                break


def _alike(city: Municipality) -> Iterator[str]:
    """Two certificates that one machine offers on one day have different titles."""
    for day in sorted({each.since for each in city.certificates}):
        kinds: dict[str, str] = {}
        for each in city.offered(day):
            title = each.title.get("ja", "")
            if title and kinds.setdefault(title, each.kind) != each.kind:
                yield f"certificates ({each.kind}).title.ja: that of {kinds[title]}, on {day}"


def _places(city: Municipality) -> Iterator[str]:
    if ELSE not in city.contacts:
        yield f"contacts.{ELSE}: missing; refusals without a contact of their own go there"
    for cause, subject in city.refusal_contacts.items():
        if cause not in CAUSES:
            yield f"refusal_contacts.{cause}: no such cause"
        if subject not in city.contacts:
            yield f"refusal_contacts.{cause}: no contact {subject!r}"
    for subject in city.contacts.keys() - {ELSE, *city.refusal_contacts.values()}:
        yield f"contacts.{subject}: no cause of refusal_contacts goes there"
    for subject, offices in city.contacts.items():
        for office in offices:
            yield from _japanese(f"contacts.{subject}.office", office.office)
            yield from _japanese(f"contacts.{subject}.hours", office.hours)


def _japanese(key: str, names: Names) -> Iterator[str]:
    if not names.get("ja"):
        yield f"{key}.ja: missing"
