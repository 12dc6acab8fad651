"""A whole city in a temporary folder, cards with software keys, and a kiosk that speaks to it over real TLS."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from city import gateway, municipality, sample
from city.clock import JST
from city.config import Config, load
from city.database import connect
from city.document import CannotPrint, Document, Typeset, Unprintable
from city.enroll import link
from city.handlers import City, Refused, note_refusal
from city.paths import PATHS
from city.pki import Files
from firmware.link import messages as m
from firmware.link import sealing
from firmware.link.client import CityRefusal, Line, LineConfig

CITY_FILES = {name: Path(municipality.__file__).parent / "data" / f"{name}.toml" for name in ("akashi", "shiomi")}
AKASHI = CITY_FILES["akashi"]
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=JST)  # a Tuesday
CONTINUED = date(2026, 11, 2)  # by those who moved in with their card
T = TypeVar("T")
both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


class Authority:
    """A card authority; all of them share one name."""

    NAME = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "JPKI-TEST")])

    def __init__(self) -> None:
        self.key = generate_private_key(65537, 2048)
        self.certificate = self._builder(self.NAME, self.key, -3650, 3650).add_extension(
            x509.BasicConstraints(True, 0), True
        ).sign(self.key, hashes.SHA256())  # fmt: skip

    def issue(self, key: RSAPrivateKey, begin: int = -700, end: int = 700) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, secrets.token_hex(8))])
        return self._builder(name, key, begin, end).sign(self.key, hashes.SHA256())

    def _builder(self, name: x509.Name, key: RSAPrivateKey, begin: int, end: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .issuer_name(self.NAME)
            .subject_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before((NOON + timedelta(days=begin)).astimezone(UTC))
            .not_valid_after((NOON + timedelta(days=end)).astimezone(UTC))
        )


@dataclass
class Card:
    key: RSAPrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def sign(self, digest: bytes) -> bytes:
        return self.key.sign(digest, PKCS1v15(), Prehashed(hashes.SHA256()))


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


def fake_typeset(document: Document) -> Typeset:
    """Text instead of a PDF; refuses private-use characters as the real one does."""
    if any("\ue000" <= c <= "\uf8ff" for person in document.people for c in person.name):
        raise CannotPrint(Unprintable.PRIVATE_USE)
    lines = [document.title, document.holder, document.unique_number, document.issued_era]
    lines += [f"{row.label}={row.value}" for row in document.head]
    lines += [f"{p.name}:{row.label}={row.value}" for p in document.people for row in p.rows]
    return Typeset(pdf="\n".join(lines).encode(), pages=max(1, len(document.people) // 3))


def write_config(folder: Path, pki: Files, ca: Path, **changes: str) -> Path:
    """city.toml in `folder`."""
    values = {"listen": "127.0.0.1:0", "database": "sqlite:///city.db", "extra": "", **changes}
    path = folder / "city.toml"
    path.write_text(
        f"""
[gateway]
listen = "{values["listen"]}"
database = "{values["database"]}"
city = "{AKASHI}"
[tls]
certificate = "{values.get("certificate", pki.gateway)}"
key = "{values.get("key", pki.gateway_key)}"
kiosk_ca = "{pki.kiosk_ca}"
[issuing]
key = "{values.get("issuing", pki.issuing_key)}"
[cards]
ca = ["{ca}"]
allow_test = true
{values["extra"]}
""",
        encoding="utf-8",
    )
    return path


@dataclass
class Rehearsal:
    """One city, seeded, with a card for any sample resident."""

    folder: Path
    pki: Files
    authority: Authority
    card_key: RSAPrivateKey
    clock: Clock = field(default_factory=Clock)
    typeset: Callable[[Document], Typeset] = fake_typeset
    seeded: Path | None = None  # an embedded database that has been seeded at NOON
    database: str = ""  # the URL of another one that has

    def __post_init__(self) -> None:
        ca = self.folder / "card-ca.pem"
        ca.write_bytes(self.authority.certificate.public_bytes(Encoding.PEM))
        database = {"database": self.database} if self.database else {}
        self.config: Config = load(write_config(self.folder, self.pki, ca, **database))
        if self.seeded:
            shutil.copy(self.seeded, self.folder / "city.db")
        built = gateway.build(self.config, lambda document: self.typeset(document))
        self.city: City = replace(built, clock=self.clock)
        if not self.seeded and not self.database:
            sample.seed(self.city.engine, self.clock, self.city.data)

    def card(
        self, resident: str, issued_on: date = date(2025, 1, 6), continued_on: date | None = CONTINUED, **validity: int
    ) -> Card:
        """A card that the city knows as this resident's."""
        card = self.unknown_card(**validity)
        with self.city.engine.begin() as connection:
            link(connection, card.certificate, resident, issued_on, 0, continued_on)
        return card

    def unknown_card(self, **validity: int) -> Card:
        return Card(self.card_key, self.authority.issue(self.card_key, **validity))

    def beside(self) -> City:
        """Another gateway's view of the same city: connections of its own, nothing in common but the database."""
        return replace(self.city, engine=connect(self.config.gateway.database))

    def run(self, scenario: Callable[[str], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
        """`scenario` with the address of a gateway that serves this city."""

        async def serve() -> T:
            server = gateway.Server(self.config, self.city)
            try:
                return await scenario(await server.start())
            finally:
                await server.stop()

        return serve

    def line(self, url: str, kiosk: str = "kiosk-1", **changes: Any) -> Line:
        certificate, key = self.pki.kiosk(kiosk)
        return Line(LineConfig(url, certificate, key, self.pki.city_ca, **{"deadline_s": 5.0, **changes}))


class Direct:
    """A kiosk's line without a line: the handlers, and the trace a refusal leaves."""

    def __init__(self, city: City, kiosk: str = "kiosk-1") -> None:
        self.city, self.kiosk = city, kiosk

    def ask(self, name: str, message: m.Message) -> Any:
        """Raises CityRefusal."""
        try:
            return PATHS[name].work(self.city, self.kiosk, message)
        except Refused as refused:
            note_refusal(self.city, self.kiosk, name, message, refused.code)
            raise CityRefusal(m.Refusal(code=refused.code)) from None

    async def hello(self, message: m.Hello) -> m.Terms:
        return await asyncio.to_thread(self.ask, "hello", message)

    async def open_session(self, message: m.SessionRequest) -> m.SessionAnswer:
        return await asyncio.to_thread(self.ask, "sessions", message)

    async def order(self, message: m.OrderRequest) -> m.OrderAnswer:
        return await asyncio.to_thread(self.ask, "orders", message)

    async def release(self, message: m.ReleaseRequest) -> m.ReleaseAnswer:
        return await asyncio.to_thread(self.ask, "release", message)

    async def cancel(self, session: str) -> m.Done:
        return await asyncio.to_thread(self.ask, "cancel", m.CancelRequest(session=session))

    async def outcome(self, message: m.Outcome) -> m.Done:
        return await asyncio.to_thread(self.ask, "outcome", message)


def new_id() -> str:
    return secrets.token_hex(16)


HELLO = m.Hello(protocol=m.PROTOCOL, build="test")


def session_request(
    card: Card, challenge: bytes, keys: sealing.KeyPair, kiosk: str = "kiosk-1", session: str = ""
) -> m.SessionRequest:
    session = session or new_id()
    digest = m.transcript_digest(kiosk, session, challenge, card.der, keys.public)
    return m.SessionRequest(
        session=session,
        challenge=challenge,
        card_certificate=card.der,
        document_key=keys.public,
        signature=card.sign(digest),
    )


@dataclass
class Visit:
    """One resident's way through the protocol."""

    line: Line | Direct
    card: Card
    keys: sealing.KeyPair = field(default_factory=sealing.generate)
    kiosk: str = "kiosk-1"

    async def enter(self) -> m.SessionAnswer:
        terms = await self.line.hello(HELLO)
        self.request = session_request(self.card, terms.challenge, self.keys, self.kiosk)
        return await self.line.open_session(self.request)

    def asks(self, kind: str, copies: int = 1, **choices: tuple[str, ...]) -> m.OrderRequest:
        return m.OrderRequest(session=self.request.session, order=new_id(), kind=kind, choices=choices, copies=copies)

    async def orders(self, kind: str, copies: int = 1, **choices: tuple[str, ...]) -> tuple[m.Manifest, bytes]:
        self.order = self.asks(kind, copies, **choices)
        self.answer = await self.line.order(self.order)
        manifest = msgspec.json.decode(self.answer.manifest, type=m.Manifest)
        info = m.seal_info(self.kiosk, self.request.session, self.order.order)
        return manifest, sealing.open(self.keys.private, info, self.answer.sealed)

    def pays(self, manifest: m.Manifest, paid: int | None = None) -> m.ReleaseRequest:
        return m.ReleaseRequest(
            session=manifest.session,
            order=manifest.order,
            document_sha256=manifest.document_sha256,
            paid=manifest.fee if paid is None else paid,
        )


def outcome_of(manifest: m.Manifest, result: m.Result = m.Result.PRINTED) -> m.Outcome:
    printed = result is m.Result.PRINTED
    return m.Outcome(
        outcome=new_id(),
        session=manifest.session,
        order=manifest.order,
        result=result,
        sheets=manifest.pages if printed else 0,
        kept=manifest.fee if printed else 0,
        returned=0 if printed else manifest.fee,
        owed=0,
    )


async def refused(call: Awaitable[object]) -> m.RefusalCode | None:
    """The code the city refused with, or None."""
    try:
        await call
    except CityRefusal as refusal:
        return refusal.refusal.code
    return None


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
