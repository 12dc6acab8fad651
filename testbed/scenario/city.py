"""The sample city's answers for the model: the real rules on the real sample data, in memory, no
line between.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from city import composition, database, files, municipality, registry, rules, sample, tables
from city.clock import JST
from city.entry_rules import entries_told
from city.family_rules import family_people
from city.opening import opening
from city.records import File
from firmware.flow import offers
from firmware.link import messages
from firmware.service import terms as words
from testbed.rehearsal import OPENING, merged
from testbed.scenario_file import Script


def find_city(script: Script) -> ModelCity:
    """Scenarios of one setting share their city: nothing of a journey stays in it."""
    return _make_city(msgspec.json.encode(script.city, order="deterministic"), script.at)


@cache
def _make_city(data: bytes, at: str | None) -> ModelCity:
    return ModelCity(msgspec.json.decode(data), at)


class ModelCity:
    """What the gateway would answer at one moment; `data` is merged over the sample city's."""

    def __init__(self, data: Mapping[str, Any], at: str | None) -> None:
        self.now = datetime.fromisoformat(at) if at else OPENING
        self.city = msgspec.convert(merged(data), municipality.Municipality)
        self.tokens = sample.tokens()
        self._engine = database.connect("sqlite://")
        sample.seed(self._engine, lambda: self.now, self.city)

    def terms(self) -> offers.Terms:
        when = opening(self.city, self.now)
        return words.terms(
            messages.Terms(
                protocol=messages.PROTOCOL,
                city=self.city.code,
                city_name=self.city.name,
                now=self.now.isoformat(),
                open=when.refusal is None,
                refusal=rules.refusal(self.city, when.refusal, self.now, when.opens_at)
                if when.refusal
                else None,
                closes_in_s=None,
                certificates=rules.notices(self.city, self.now),
                phones=self.city.takes_phones(self.now.astimezone(JST).date()),
                contacts=self.city.contacts_on(self.now.astimezone(JST).date()),
                refusal_contacts=self.city.places,
                form_terms=b"",
                form_terms_signature=bytes(64),
                challenge=secrets.token_bytes(32),
                challenge_expires_s=self.city.challenge_s,
            ),
            phones=True,
        )

    def open_session(self, name: str) -> messages.SessionAnswer | messages.RefusalCode:
        """What the city answers to this card or phone."""
        file = self._file(name)
        if file is None:
            return rules.unknown_card(self.city, self.now)
        if file.card.revoked:
            return messages.RefusalCode.CARD_REVOKED
        if code := rules.person_refusal(self.city, self.now, file):
            return code
        members = rules.members(file)
        offered = rules.offers(self.city, self.now, file)
        return messages.SessionAnswer(
            session=secrets.token_hex(16),
            holder=next(key for key, person in members.items() if person.id == file.resident.id),
            holder_birth=composition.born(file.resident),
            holder_address=file.resident.address,
            members={key: person.name for key, person in members.items()},
            records={},  # no document is made here that could be compared with them
            record_version=file.version,
            offers=offered,
            card_expires_in_days=900,
            ends_in_s=self.city.session_s,
            readings={key: person.kana for key, person in members.items() if person.kana},
            family=family_people(file) if any(offer.family for offer in offered) else None,
            entries=entries_told(offered),
        )

    def _file(self, name: str) -> File | None:
        person, card = self.tokens[name]
        if not card.linked:
            return None
        today = self.now.astimezone(JST).date()
        values = {"fingerprint": name, "resident": person.id, "revoked": card.revoked}
        with self._engine.begin() as connection:
            dates = sample.card_dates(connection, person.id, card, today)
            registry.put(connection, tables.cards, {**values, **dates})
            return files.file_of(connection, name)
