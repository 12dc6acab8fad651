"""Fictional residents in number, registered through the city's own functions, and a card for each
adult.

A household is two adults and a child of one surname. No two people share a name: a document that is
another's shows. A key pair takes 0.1 s to make, so that a few are shared; it is the certificate
that tells cards apart, and what a card signs holds its certificate's hash.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import Certificate
from msgspec import structs
from sqlalchemy import Connection, Engine

from city import registry, tables
from city.clock import JST
from city.database import Mode, transact
from city.enroll import link
from city.municipality import Municipality
from city.records import Resident, Seal, TaxRecord, TaxStanding
from city.sample import latest_year
from city.sample.imprint import draw
from hal.sim.card.pki import CardCa, card_certificate

KEYS: Final = 8
PIECE: Final = 25  # households in one transaction: gateways that run want the log too
BEFORE: Final = dict(
    zip(
        "東西南北上中下前奥森林川岸浜丘谷原野里宮",
        (
            "ヒガシ ニシ ミナミ キタ ウエ ナカ シモ マエ オク モリ ハヤシ カワ キシ ハマ オカ "
            "タニ ハラ ノ サト ミヤ"
        ).split(),
        strict=True,
    )
)
AFTER: Final = {
    "田": "ダ",
    "村": "ムラ",
    "山": "ヤマ",
    "本": "モト",
    "島": "シマ",
    "崎": "サキ",
    "沢": "サワ",
    "井": "イ",
    "口": "グチ",
    "永": "ナガ",
}
GIVEN: Final = (
    (
        "太一 健二 修三 和四 悟 誠 学 進 守 実",
        "タイチ ケンジ シュウゾウ カズシ サトル マコト マナブ ススム マモル ミノル",
    ),
    (
        "花 恵子 文香 和美 里奈 真由 早苗 千秋 美咲 由紀",
        "ハナ ケイコ フミカ カズミ リナ マユ サナエ チアキ ミサキ ユキ",
    ),
    (
        "彩 結 凛 葵 芽 杏 紬 莉子 陽菜 心",
        "アヤ ユイ リン アオイ メイ アン ツムギ リコ ヒナ ココロ",
    ),
)
FAMILY: Final = (
    ("世帯主", "男", date(1978, 4, 2)),
    ("妻", "女", date(1980, 9, 15)),
    ("子", "女", date(2012, 1, 20)),
)
ADULTS: Final = 2
MOST: Final = len(BEFORE) * len(AFTER) * 10 * ADULTS  # cards
MOVED_IN: Final = date(2010, 4, 1)
AMOUNTS: Final = tuple(
    {
        "給与収入金額": 4_215_300,
        "給与所得金額": 2_972_240,
        "合計所得金額": 2_972_240,
        "社会保険料控除": 612_400,
        "基礎控除": 430_000,
        "課税標準額": 1_929_000,
        "市民税所得割額": 114_200,
        "年税額": 195_400,
    }.items()
)


@dataclass(frozen=True)
class Customer:
    """Somebody with a card. `household`: the names of all its members; `key`: PKCS #8."""

    id: str
    name: str = field(repr=False)
    household: tuple[str, ...] = field(repr=False)
    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Card:
    key: RSAPrivateKey = field(repr=False)
    certificate: Certificate = field(repr=False)


Home = tuple[Resident, ...]
Cards = dict[str, Card]  # by resident


def register(
    engine: Engine, city: Municipality, ca: CardCa, count: int, now: datetime
) -> tuple[Customer, ...]:
    """`count` customers with new cards; those registered before stay, with one card more.

    Raises ValueError for more than MOST, SQLAlchemyError.
    """
    if count > MOST:
        raise ValueError(f"there are names for {MOST} customers with cards")
    pairs = [generate_private_key(65537, 2048) for _ in range(min(KEYS, count))]
    homes = [_household(number) for number in range(-(-count // ADULTS))]
    latest = latest_year(city, now.astimezone(JST).date())
    made: list[Customer] = []
    for first in range(0, len(homes), PIECE):
        piece = homes[first : first + PIECE]
        cards = {
            adult.id: _card(ca, pairs[at % len(pairs)], now)
            for at, adult in enumerate(_adults(piece))
        }

        def put(
            connection: Connection, piece: Sequence[Home] = piece, cards: Cards = cards
        ) -> None:
            for home in piece:
                _put(connection, home, latest)
            for id_, card in cards.items():
                link(connection, card.certificate, id_, MOVED_IN, int(now.timestamp()), MOVED_IN)

        transact(engine, Mode.DECIDE, put)
        made += [
            _customer(adult, home, cards[adult.id]) for home in piece for adult in home[:ADULTS]
        ]
    return tuple(made[:count])


def _adults(homes: Iterable[Home]) -> Iterator[Resident]:
    return (adult for home in homes for adult in home[:ADULTS])


def _customer(resident: Resident, home: Home, card: Card) -> Customer:
    key = card.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    names = tuple(member.name for member in home)
    return Customer(
        resident.id, resident.name, names, card.certificate.public_bytes(Encoding.DER), key
    )


def _household(number: int) -> Home:
    surnames = len(BEFORE) * len(AFTER)
    before = list(BEFORE.items())[number % len(BEFORE)]
    after = list(AFTER.items())[number // len(BEFORE) % len(AFTER)]
    turn = number // surnames
    home = f"load-{number:05d}"
    return tuple(
        Resident(
            id=f"{home}-{position}",
            household=home,
            position=position,
            name=f"{before[0]}{after[0]}　{names.split()[turn]}",
            kana=f"{before[1]}{after[1]}　{readings.split()[turn]}",
            sex=sex,
            birth=birth,
            relationship=relationship,
            resident_since=MOVED_IN,
            address=f"兵庫県明石市架空町{number // 100 + 1}丁目{number % 100 + 1}番地",
            settled_on=MOVED_IN,
            notified_on=MOVED_IN,
            previous_address="兵庫県神戸市架空区見本町1番地",
            domicile=f"兵庫県明石市架空町{number + 1}番地",
            domicile_head=f"{before[0]}{after[0]}　太一",
            mynumber="000000000000",
        )
        for position, ((names, readings), (relationship, sex, birth)) in enumerate(
            zip(GIVEN, FAMILY, strict=True), 1
        )
    )


def _put(connection: Connection, home: Home, latest: int) -> None:
    for resident in home:
        if resident.position == 1:
            registry.put(connection, tables.households, {"id": resident.household})
        registry.put(connection, tables.residents, structs.asdict(resident))
        if resident.position > ADULTS:
            continue
        seal = Seal(resident=resident.id, registered_on=MOVED_IN, imprint=draw(resident.name[:2]))
        registry.put(connection, tables.seals, structs.asdict(seal))
        for year in (latest, latest - 1):
            tax = TaxRecord(
                resident=resident.id,
                year=year,
                standing=TaxStanding.FILED,
                address=resident.address,
                amounts=AMOUNTS,
            )
            registry.put(connection, tables.taxes, structs.asdict(tax))


def _card(ca: CardCa, key: RSAPrivateKey, now: datetime) -> Card:
    """Valid today and at the city's date."""
    today = datetime.now(UTC).replace(microsecond=0)
    begin = min(now, today) - timedelta(days=400)
    end = max(now, today) + timedelta(days=1400)
    return Card(key, card_certificate(ca, key.public_key(), secrets.token_hex(12), begin, end))
