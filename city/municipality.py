"""A city as data: certificates, hours, fees, eligibility, contacts, each with the day from which it
holds.

`data/akashi.toml` is an example, `docs/city.md` explains every key. Codes, lengths and ranges are
in the types (`city.entries`); what one entry says about another is checked by
`city.contradictions`: a file with a mistake is refused at start, with its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from city.calendars import spans_of
from city.config import ConfigError
from city.contradictions import contradictions
from city.entries import (
    Certificate,
    DatedData,
    Eligibility,
    Hours,
    Issuer,
    Maintenance,
    Names,
    Office,
    Phones,
    Site,
    Sited,
    current,
)
from city.keeping import Publication, Retention
from city.public_holidays import PublicHolidays
from city.vocabulary import CAUSES, ELSE
from firmware.link.base import Key, Text
from firmware.link.form_terms import ENTRY_FORMS, FAMILY_FORMS, Address
from firmware.link.messages import ENTRIES, FAMILY, Contact

S = TypeVar("S", bound=Sited)


class Municipality(DatedData, frozen=True, kw_only=True):
    code: Annotated[str, Meta(pattern=r"^\d{6}\Z")]  # 全国地方公共団体コード
    name: Names
    challenge_s: Annotated[int, Meta(ge=30, le=86_400)]
    session_s: Annotated[int, Meta(ge=60, le=86_400)]
    verification: Text
    verification_page: Address  # what the code on each sheet opens
    issuers: tuple[Issuer, ...]
    hours: tuple[Hours, ...]
    # of what is signed; kiosks can refuse an earlier one
    edition: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    holidays: PublicHolidays
    sites: dict[Key, Site] = msgspec.field(default_factory=dict)  # none: all kiosks are alike
    maintenance: tuple[Maintenance, ...] = ()
    eligibility: tuple[Eligibility, ...]
    certificates: tuple[Certificate, ...]
    phones: tuple[Phones, ...] = ()  # none: no phone is taken
    contacts: dict[Key, tuple[Office, ...]]
    refusal_contacts: dict[Key, Key]
    retention: Retention | None = None  # none: nothing is ever deleted
    transparency: Publication | None = None  # none: no figures are published

    def offered(self, day: date) -> tuple[Certificate, ...]:
        """Certificates this city issues on that day."""
        return tuple(certificate for certificate in self.certificates if certificate.holds_on(day))

    def told_to(self, understands: Sequence[str]) -> Municipality:
        """What a kiosk of this build can take: an older one has no words for some forms."""
        newer = {FAMILY: FAMILY_FORMS, ENTRIES: tuple(ENTRY_FORMS)}
        unknown = {
            form for word, forms in newer.items() if word not in understands for form in forms
        }
        known = tuple(each for each in self.certificates if each.form not in unknown)
        return replace(self, certificates=known) if unknown else self

    def takes_phones(self, day: date) -> bool:
        begun = [entry for entry in self.phones if entry.since <= day]
        return bool(begun) and current(begun, day).taken

    def contacts_on(self, day: date) -> dict[str, Contact]:
        """The places to go that day, by subject."""
        known: dict[str, Contact] = {}
        for subject, offices in self.contacts.items():
            begun = [office for office in offices if office.since <= day]
            if begun:
                at = current(begun, day)
                known[subject] = Contact(office=at.office, phone=at.phone, hours=at.hours)
        return known

    @property
    def places(self) -> dict[Key, Key]:
        """The subject of every cause that a resident can be told."""
        return {cause: self.refusal_contacts.get(cause, ELSE) for cause in CAUSES}

    def printed(self) -> Iterator[tuple[str, str]]:
        """Key and text of all that goes onto paper from here."""
        yield "name.ja", self.name["ja"]
        yield "verification", self.verification
        for n, issuer in enumerate(self.issuers):
            yield f"issuers[{n}].name", issuer.name + issuer.stamp
        for n, certificate in enumerate(self.certificates):
            for text in certificate.texts_on_paper():
                yield f"certificates[{n}] ({certificate.kind})", text

    def certificate_on(self, kind: str, day: date) -> Certificate | None:
        return next((each for each in self.offered(day) if each.kind == kind), None)

    def working_day(self, day: date) -> bool:
        """Whether the offices work that day."""
        begun = [entry for entry in self.eligibility if entry.since <= day]
        # what was filed before the service began was taken up as on its first days
        terms = current(begun, day) if begun else min(self.eligibility, key=lambda e: e.since)
        return bool(spans_of(terms.office, day, self.holidays))

    def seen_by(self, kiosk: str) -> Municipality | None:
        """What holds at the site of this kiosk. None: the city has sites, and names this kiosk at
        none of them.
        """
        if not self.sites:
            return self
        return next(
            (self.at(key) for key, site in self.sites.items() if kiosk in site.kiosks), None
        )

    def at(self, site: str) -> Municipality:
        """What holds at this site: entries of other sites are left out."""

        def here(entries: tuple[S, ...]) -> tuple[S, ...]:
            return tuple(each for each in entries if not each.sites or site in each.sites)

        return replace(
            self,
            hours=here(self.hours),
            maintenance=here(self.maintenance),
            eligibility=here(self.eligibility),
            phones=here(self.phones),
            contacts={subject: here(offices) for subject, offices in self.contacts.items()},
            certificates=tuple(
                replace(each, hours=here(each.hours)) for each in here(self.certificates)
            ),
        )


# -- reading ---------------------------------------------------------------------------------------


def load(path: Path) -> Municipality:
    """Raises ConfigError: one line with the file and the line (no TOML) or the key (no
    such city).
    """
    try:
        city = msgspec.toml.decode(path.read_bytes(), type=Municipality)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if fault := next(contradictions(city), None):
        raise ConfigError(f"{path}: {fault}")
    return city
