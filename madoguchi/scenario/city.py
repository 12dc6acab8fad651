"""The sample city's answers for the model: the real rules on the real sample data, in memory, no line between."""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from city import database, municipality, registry, rules, sample, tables
from city.clock import JST
from city.records import File
from firmware.flow import offers as o
from firmware.link import messages as m
from firmware.service import terms as words
from madoguchi import toml
from madoguchi.rehearsal import CITY_DATA, OPENING


class ModelCity:
    """What the gateway would answer at one moment; `data` is merged over the sample city's."""

    def __init__(self, data: Mapping[str, Any], at: str | None) -> None:
        self.now = datetime.fromisoformat(at) if at else OPENING
        merged = toml.merge(tomllib.loads(CITY_DATA.read_text()), data)
        self.city = msgspec.convert(merged, municipality.Municipality)
        self.cards = {r.id: r.card for r in sample.load() if r.card}
        self._engine = database.connect("sqlite://")
        sample.seed(self._engine, lambda: self.now, self.city)

    def terms(self) -> o.Terms:
        when = rules.opening(self.city, self.now)
        return words.terms(
            m.Terms(
                protocol=m.PROTOCOL,
                city=self.city.code,
                city_name=self.city.name,
                now=self.now.isoformat(),
                open=when.refusal is None,
                refusal=rules.refusal(self.city, when.refusal, self.now, when.opens_at) if when.refusal else None,
                closes_in_s=None,
                certificates=rules.notices(self.city, self.now),
                contacts=self.city.contacts_on(self.now.astimezone(JST).date()),
                refusal_contacts=self.city.places,
                challenge=secrets.token_bytes(32),
                challenge_expires_s=self.city.challenge_s,
            )
        )

    def open_session(self, resident: str) -> tuple[o.Offer, ...] | m.RefusalCode:
        """What the city answers to this resident's card."""
        file = self._file(resident)
        if file is None:
            return m.RefusalCode.NOT_LINKED
        if file.card.revoked:
            return m.RefusalCode.CARD_REVOKED
        if code := rules.person_refusal(self.city, self.now, file):
            return code
        return words.offers(
            m.SessionAnswer(
                session=secrets.token_hex(16),
                holder=file.resident.name,
                members={key: person.name for key, person in rules.members(file).items()},
                offers=rules.offers(self.city, self.now, file),
                card_expires_in_days=900,
                ends_in_s=self.city.session_s,
            )
        )

    def _file(self, resident: str) -> File | None:
        card = self.cards[resident]
        if not card.linked:
            return None
        today = self.now.astimezone(JST).date()
        values = {"fingerprint": resident, "resident": resident, "revoked": card.revoked}
        with self._engine.begin() as connection:
            dates = sample.card_dates(connection, resident, card, today)
            registry.put(connection, tables.cards, {**values, **dates})
            return registry.file_of(connection, resident)
