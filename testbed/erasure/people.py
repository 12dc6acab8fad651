"""Residents whose every word is unmistakable: drawn at random for each check, so that nothing else
on the machine can hold it by chance.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import update

from city import config as city_config
from city import database, sample, tables
from city.clock import starting
from firmware.link import era
from hal.sim.card.pki import load_card_ca, make_card
from testbed.rehearsal import Rehearsal
from testbed.rehearsed_cards import CARD_CA

KANJI: Final = "榛檜楓柊蓮菫葵茜椿萩梓楠桂柏欅椛藍菖蕗芹"
CERTIFICATES: Final = ("juminhyo", "inkan", "kazei")
PEOPLE: Final = ("taro", "hanako")  # of one household
ENCODINGS: Final = ("utf-8", "utf-16-le", "utf-32-le")
# As hal/card/jpki.py sends it: four digits alone are everywhere in a process.
VERIFY: Final = bytes([0x00, 0x20, 0x00, 0x98, 4])


@dataclass(frozen=True)
class Needle:
    """Something of a person, as bytes in one encoding."""

    person: str
    what: str
    encoding: str
    content: bytes = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.person}'s {self.what} in {self.encoding}"


def prepare_people(made: Rehearsal) -> tuple[Rehearsal, tuple[Needle, ...]]:
    """Give the people of the rehearsal other names and new cards. Raises what the city raises."""
    config = city_config.load(made.city_toml)
    engine = database.connect(config.gateway.database)
    # what a household has in common
    address, domicile, previous = (_words(7) for _ in range(3))
    needles: list[Needle] = []
    pins: dict[str, str] = {}
    cards: dict[str, Path] = dict(made.cards)
    try:
        for person in PEOPLE:
            name = f"{_words(4)}　{_words(4)}"
            born = date(1950, 1, 1) + timedelta(days=secrets.randbelow(10_000))
            values = {
                "name": name,
                "birth": born,
                "address": f"兵庫県明石市{address}一丁目98番7号",
                "domicile": f"兵庫県明石市{domicile}一丁目98番",
                "previous_address": f"兵庫県神戸市垂水区{previous}二丁目99番4号",
            }
            with engine.begin() as connection:
                this = tables.residents.c.id == person
                connection.execute(update(tables.residents).where(this).values(values))
            subject, pin = secrets.token_hex(12), f"{secrets.randbelow(9000) + 1000}"
            cards[person] = _card(made, person, subject, pin)
            pins[person] = pin
            texts = {
                "name": name,
                "address": address,
                "birth date": era.written(born),
                "card subject": subject,
                "document text": previous,
            }
            needles += _needles(person, texts, pin)
    finally:
        engine.dispose()
    linked = {person: cards[person] / "certificate.pem" for person in PEOPLE}
    sample.enroll_all(config, linked)
    labels = tuple(
        replace(label, pin=pins[label.name]) if label.name in pins else label
        for label in made.labels
    )
    return replace(made, cards=cards, labels=labels), tuple(needles)


def _words(count: int) -> str:
    return "".join(secrets.choice(KANJI) for _ in range(count))


def _needles(person: str, texts: Mapping[str, str], pin: str) -> Sequence[Needle]:
    found = [
        Needle(person, what, encoding, text.encode(encoding))
        for what, text in texts.items()
        for encoding in ENCODINGS
    ]
    # Beside the card's command, the digits as a text of their own: in one byte each they are
    # everywhere, and in two or four they stand where a text ends.
    found.append(Needle(person, "PIN", "the card's command", VERIFY + pin.encode()))
    for encoding, ends in (("utf-16-le", 2), ("utf-32-le", 4)):
        around = bytes(ends)
        found.append(Needle(person, "PIN", encoding, around + pin.encode(encoding) + around))
    return found


def _card(made: Rehearsal, person: str, subject: str, pin: str) -> Path:
    home = made.run / "cards" / person
    now = datetime.now(UTC).replace(microsecond=0)
    start = starting(city_config.load(made.city_toml).clock.start)()
    first, last = min(now, start), max(now, start)
    authority = load_card_ca(made.folder / "cards" / CARD_CA)
    ended = last + timedelta(days=365)
    issued = make_card(home, authority, subject, pin, first - timedelta(days=30), ended)
    (home / "certificate.pem").write_bytes(issued.public_bytes(Encoding.PEM))
    return home
