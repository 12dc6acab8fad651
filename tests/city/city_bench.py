"""A whole city in a temporary folder, cards with software keys, and a kiosk that speaks to it over
real TLS.
"""

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

from city import audit, audit_seals, gateway, municipality, sample, terms
from city.cards import USER_AUTHENTICATION
from city.clock import JST
from city.config import Config, load
from city.database import Mode, connect, transact
from city.document import CannotPrint, Layout, Typeset, Unprintable
from city.enroll import link
from city.handlers import City, Refused, note_refusal, told
from city.municipality import Municipality
from city.paths import PATHS
from city.pki import Files
from city.sample import families
from firmware.link import messages, sealing
from firmware.link.client import CityRefusal, Line, LineConfig
from firmware.link.content import Content
from firmware.link.signing import load_public
from firmware.sheets.admit import Admitted, SignedTerms, Trust, admit
from firmware.sheets.admit import RefusedDocument as SheetRefused
from firmware.sheets.binding import Ordered
from firmware.sheets.prepare import Target

CITY_FILES = {
    name: Path(municipality.__file__).parent / "data" / f"{name}.toml"
    for name in ("akashi", "shiomi")
}
AKASHI = CITY_FILES["akashi"]
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=JST)  # a Tuesday
CONTINUED = date(2026, 11, 2)  # by those who moved in with their card
TARGET = Target(dpi=203, width=1664)  # a small roll printer
T = TypeVar("T")
both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


class Authority:
    """A card authority; all of them share one name."""

    NAME = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "JPKI-TEST")])

    def __init__(self) -> None:
        self.key = generate_private_key(65537, 2048)
        self.certificate = (
            self._builder(self.NAME, self.key, -3650, 3650)
            .add_extension(x509.BasicConstraints(True, 0), True)
            .sign(self.key, hashes.SHA256())
        )

    def issue(
        self,
        key: RSAPrivateKey,
        begin: int = -700,
        end: int = 700,
        policy: str = USER_AUTHENTICATION,
    ) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, secrets.token_hex(8))])
        builder = self._builder(name, key, begin, end)
        if policy:
            named = x509.PolicyInformation(x509.ObjectIdentifier(policy), None)
            builder = builder.add_extension(x509.CertificatePolicies([named]), critical=True)
        return builder.sign(self.key, hashes.SHA256())

    def _builder(
        self, name: x509.Name, key: RSAPrivateKey, begin: int, end: int
    ) -> x509.CertificateBuilder:
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


def fake_typeset(content: Content, layout: Layout) -> Typeset:
    """Text instead of a PDF; refuses private-use characters as the real one does."""
    people = [person for sheet in content.sheets for person in sheet.people]
    if any("\ue000" <= c <= "\uf8ff" for person in people for c in person.name):
        raise CannotPrint(Unprintable.PRIVATE_USE)
    return Typeset("\n".join((layout.form, *strings(content))).encode())


def fake_paginate(content: Content, layout: Layout) -> list[int]:
    """Four people on a sheet, however much is printed of them."""
    people = len(content.sheets[0].people)
    return [min(4, people - begin) for begin in range(0, people, 4)]


def strings(content: Content) -> list[str]:
    """Everything that a certificate prints as text, from the data alone."""
    found = [
        content.heading,
        content.title,
        content.subtitle,
        content.unique_number,
        content.statement,
    ]
    found += [
        content.issued_on,
        content.office,
        content.officer,
        content.stamp,
        *content.notes,
        content.verification,
    ]
    for sheet in content.sheets:
        found.append(sheet.applicant)
        rows = [
            *sheet.head,
            *(row for person in sheet.people for row in person.rows),
            *sheet.amounts,
        ]
        found += [text for row in rows for text in (row.label, row.value)]
        found += [person.name for person in sheet.people]
    return [text for text in found if text]


def write_config(folder: Path, pki: Files, ca: Path, **changes: str) -> Path:
    """city.toml in `folder`, and the signed terms it names."""
    values = {
        "listen": "127.0.0.1:0",
        "database": "sqlite:///city.db",
        "city": str(AKASHI),
        "extra": "",
        **changes,
    }
    data = municipality.load(Path(values["city"]))
    (folder / "terms.json").write_bytes(terms.sign(data, terms.load_terms_key(pki.terms_key)))
    path = folder / "city.toml"
    path.write_text(
        f"""
[gateway]
listen = "{values["listen"]}"
database = "{values["database"]}"
city = "{values["city"]}"
[tls]
certificate = "{values.get("certificate", pki.gateway)}"
key = "{values.get("key", pki.gateway_key)}"
kiosk_ca = "{pki.kiosk_ca}"
[issuing]
key = "{values.get("issuing", pki.issuing_key)}"
[terms]
file = "{values.get("terms", "terms.json")}"
key = "{values.get("terms_key", pki.terms)}"
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
    typeset: Callable[[Content, Layout], Typeset] = fake_typeset
    paginate: Callable[[Content, Layout], list[int]] = fake_paginate
    seeded: Path | None = None  # an embedded database that has been seeded at NOON
    database: str = ""  # the URL of another one that has
    city_file: Path = AKASHI

    def __post_init__(self) -> None:
        ca = self.folder / "card-ca.pem"
        ca.write_bytes(self.authority.certificate.public_bytes(Encoding.PEM))
        database = {"database": self.database} if self.database else {}
        changes = {"city": str(self.city_file), **database}
        self.config: Config = load(write_config(self.folder, self.pki, ca, **changes))
        if self.seeded:
            shutil.copy(self.seeded, self.folder / "city.db")
        built = gateway.build(
            self.config,
            lambda content, layout: self.typeset(content, layout),
            lambda content, layout: self.paginate(content, layout),
        )
        self.city: City = replace(built, clock=self.clock)
        if not self.seeded and not self.database:
            sample.seed(self.city.engine, self.clock, self.city.data)

    def card(
        self,
        resident: str,
        issued_on: date = date(2025, 1, 6),
        continued_on: date | None = CONTINUED,
        **issued: Any,
    ) -> Card:
        """A card that the city knows as this resident's, or as that of a sample person who lives
        elsewhere.
        """
        card = self.unknown_card(**issued)
        if resident in families.applicants():
            with self.city.engine.begin() as connection:
                mark = sha256(card.der)
                families.register_card(connection, resident, mark, self.clock.now.date())
            return card
        with self.city.engine.begin() as connection:
            link(connection, card.certificate, resident, issued_on, 0, continued_on)
        return card

    def unknown_card(self, **issued: Any) -> Card:
        return Card(self.card_key, self.authority.issue(self.card_key, **issued))

    def govern(self, data: Municipality) -> None:
        """This city's data from now on, with its terms signed."""
        signed = msgspec.json.decode(
            terms.sign(data, terms.load_terms_key(self.pki.terms_key)), type=terms.SignedFile
        )
        self.city = replace(
            self.city, data=data, terms=terms.SignedTerms(signed.terms, signed.signature)
        )

    def beside(self) -> City:
        """Another gateway's view of the same city: connections of its own, nothing in common but
        the database.
        """
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

    @property
    def trust(self) -> Trust:
        """Whom the kiosks of this city believe."""
        return Trust(load_public([self.pki.issuing]), load_public([self.pki.terms]))

    def line(self, url: str, kiosk: str = "kiosk-1", **changes: Any) -> Line:
        certificate, key = self.pki.kiosk(kiosk)
        return Line(
            LineConfig(url, certificate, key, self.pki.city_ca, **{"deadline_s": 30.0, **changes})
        )


def sealed(city: City) -> audit.Verdict:
    """The log's verdict, with every entry in the chain and signed."""
    now = int(city.clock().timestamp())
    transact(city.engine, Mode.STEP, lambda c: audit_seals.seal(c, city.issuing, now))
    with city.engine.begin() as connection:
        found = audit.verify(connection, keys=[city.issuing.public_key()])
    assert not found.waiting
    return found


class Direct:
    """A kiosk's line without a line: the handlers, and the trace a refusal leaves."""

    def __init__(self, city: City, kiosk: str = "kiosk-1") -> None:
        self.city, self.kiosk = city, kiosk

    def ask(self, name: str, message: messages.Message) -> Any:
        """Raises CityRefusal."""
        try:
            return PATHS[name].work(self.city, self.kiosk, message)
        except Refused as refused:
            note_refusal(self.city, self.kiosk, name, message, refused.code)
            at = refused.opens_at.isoformat() if refused.opens_at else None
            code = told(refused.code, message)
            raise CityRefusal(messages.Refusal(code=code, opens_at=at)) from None

    async def hello(self, message: messages.Hello) -> messages.Terms:
        return await asyncio.to_thread(self.ask, "hello", message)

    async def open_session(self, message: messages.SessionRequest) -> messages.SessionAnswer:
        return await asyncio.to_thread(self.ask, "sessions", message)

    async def order(self, message: messages.OrderRequest) -> messages.OrderAnswer:
        return await asyncio.to_thread(self.ask, "orders", message)

    async def release(self, message: messages.ReleaseRequest) -> messages.ReleaseAnswer:
        return await asyncio.to_thread(self.ask, "release", message)

    async def cancel(self, session: str) -> messages.Done:
        return await asyncio.to_thread(self.ask, "cancel", messages.CancelRequest(session=session))

    async def outcome(self, message: messages.Outcome) -> messages.Done:
        return await asyncio.to_thread(self.ask, "outcome", message)


def new_id() -> str:
    return secrets.token_hex(16)


HELLO = messages.Hello(protocol=messages.PROTOCOL, build="test", understands=messages.UNDERSTOOD)


def session_request(
    card: Card, challenge: bytes, keys: sealing.KeyPair, kiosk: str = "kiosk-1", session: str = ""
) -> messages.SessionRequest:
    session = session or new_id()
    digest = messages.transcript_digest(kiosk, session, challenge, card.der, keys.public)
    return messages.SessionRequest(
        session=session,
        challenge=challenge,
        card_certificate=card.der,
        document_key=keys.public,
        signature=card.sign(digest),
        understands=messages.UNDERSTOOD,
    )


@dataclass
class Visit:
    """One resident's way through the protocol."""

    line: Line | Direct
    card: Card
    keys: sealing.KeyPair = field(default_factory=sealing.generate)
    kiosk: str = "kiosk-1"

    async def enter(self) -> messages.SessionAnswer:
        self.terms = await self.line.hello(HELLO)
        self.request = session_request(self.card, self.terms.challenge, self.keys, self.kiosk)
        self.session = await self.line.open_session(self.request)
        return self.session

    def asks(self, kind: str, copies: int = 1, **choices: tuple[str, ...]) -> messages.OrderRequest:
        return messages.OrderRequest(
            session=self.request.session,
            order=new_id(),
            kind=kind,
            choices=choices,
            copies=copies,
            understands=messages.UNDERSTOOD,
        )

    async def orders(
        self, kind: str, copies: int = 1, **choices: tuple[str, ...]
    ) -> tuple[messages.Manifest, bytes]:
        self.order = self.asks(kind, copies, **choices)
        self.answer = await self.line.order(self.order)
        manifest = msgspec.json.decode(self.answer.manifest, type=messages.Manifest)
        info = messages.seal_info(self.kiosk, self.request.session, self.order.order)
        return manifest, sealing.open(self.keys.private, info, self.answer.sealed)

    @property
    def ordered(self) -> Ordered:
        """What the kiosk knows for itself of the order it has just placed."""
        day = date.fromisoformat(self.terms.now[:10])
        return Ordered(self.kiosk, sha256(self.card.der), self.order, self.session, (day, day))

    @property
    def signed_terms(self) -> SignedTerms:
        return SignedTerms(self.terms.form_terms, self.terms.form_terms_signature)

    def admits(self, trust: Trust) -> Admitted | SheetRefused:
        """What the kiosk's one door says of the city's answer to that order."""
        return admit(self.ordered, self.signed_terms, self.answer, self.keys.private, trust, TARGET)

    def pays(self, manifest: messages.Manifest, paid: int | None = None) -> messages.ReleaseRequest:
        return messages.ReleaseRequest(
            session=manifest.session,
            order=manifest.order,
            document_sha256=manifest.document_sha256,
            paid=manifest.fee if paid is None else paid,
        )


def outcome_of(
    manifest: messages.Manifest, result: messages.Result = messages.Result.PRINTED
) -> messages.Outcome:
    printed = result is messages.Result.PRINTED
    return messages.Outcome(
        outcome=new_id(),
        session=manifest.session,
        order=manifest.order,
        result=result,
        sheets=manifest.content.pages * manifest.copies if printed else 0,
        kept=manifest.fee if printed else 0,
        returned=0 if printed else manifest.fee,
        owed=0,
    )


async def refused(call: Awaitable[object]) -> messages.RefusalCode | None:
    """The code the city refused with, or None."""
    try:
        await call
    except CityRefusal as refusal:
        return refusal.refusal.code
    return None


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
