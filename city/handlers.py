"""What the gateway does with each message. Synchronous, in worker threads; every truth is in the database.

A handler returns its answer or raises `Refused`. Slow work (chain checks, typesetting, sealing) is done between
transactions, and what it relied on is checked again inside the one that decides.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from sqlalchemy import Connection, Engine

from city import audit, cards, cases, registry, rules
from city.clock import JST, Clock
from city.composition import Stamp, compose
from city.database import Mode, Unavailable, transact
from city.document import CannotPrint, Document, Typeset, Typesetter
from city.municipality import Municipality
from city.records import File
from city.revocation import Revocation
from firmware.link import messages as m
from firmware.link import sealing, signing
from firmware.link.messages import RefusalCode

if TYPE_CHECKING:
    from city.renewal import Renewal

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: read aloud and typed without mistakes
NUMBER_LENGTH: Final = 12  # 60 bits
CODE_EPOCH: Final = date(2000, 1, 1)
NUMBERS: Final = 4  # how many unique numbers are tried

T = TypeVar("T")


class Refused(Exception):
    """Answered as a `Refusal` with this code."""

    def __init__(self, code: RefusalCode, opens_at: datetime | None = None) -> None:
        super().__init__(code.value)
        self.code = code
        self.opens_at = opens_at


@dataclass(frozen=True)
class City:
    """What all handlers share; nothing here changes while the gateway runs."""

    data: Municipality
    engine: Engine
    clock: Clock
    authorities: tuple[x509.Certificate, ...]
    revocation: Revocation
    issuing: Ed25519PrivateKey
    typeset: Typesetter
    renewal: Renewal | None = None

    def read(self, work: Callable[[Connection], T]) -> T:
        return self._transact(Mode.READ, work)

    def mark(self, work: Callable[[Connection], T]) -> T:
        return self._transact(Mode.MARK, work)

    def decide(self, work: Callable[[Connection], T]) -> T:
        return self._transact(Mode.DECIDE, work)

    def _transact(self, mode: Mode, work: Callable[[Connection], T]) -> T:
        """See `database.transact`. Raises Refused(BUSY) when the database is away or overloaded."""
        try:
            return transact(self.engine, mode, work)
        except Unavailable:
            raise Refused(RefusalCode.BUSY) from None

    def log(self, connection: Connection, event: str, **ids: str | int) -> None:
        audit.append(connection, event, seconds(self.clock()), **ids)


def seconds(at: datetime) -> int:
    return int(at.timestamp())


def require(holds: bool, code: RefusalCode) -> None:
    if not holds:
        raise Refused(code)


# -- hello --------------------------------------------------------------------------------------------------------


def hello(city: City, kiosk: str, message: m.Hello) -> m.Terms:
    require(message.protocol == m.PROTOCOL, RefusalCode.VERSION)
    now, data, challenge = city.clock(), city.data, secrets.token_bytes(32)

    def remember(connection: Connection) -> cases.Paused:
        registry.sweep(connection, seconds(now))
        registry.add_challenge(connection, challenge, kiosk, seconds(now) + data.challenge_s)
        return cases.paused(connection)

    paused = city.mark(remember)
    when = rules.opening(data, now)
    if paused.stops(kiosk):
        when = rules.Opening(RefusalCode.MAINTENANCE)
    return m.Terms(
        protocol=m.PROTOCOL,
        city=data.code,
        city_name=data.name,
        now=now.isoformat(timespec="seconds"),
        open=when.refusal is None,
        refusal=rules.refusal(data, when.refusal, now, when.opens_at) if when.refusal else None,
        closes_in_s=int((when.closes_at - now).total_seconds()) if when.closes_at else None,
        certificates=tuple(
            replace(n, open=n.open and not paused.stops(kiosk, n.kind)) for n in rules.notices(data, now)
        ),
        contacts=data.contacts_on(now.astimezone(JST).date()),
        refusal_contacts=data.places,
        challenge=challenge,
        challenge_expires_s=data.challenge_s,
    )


# -- sessions -----------------------------------------------------------------------------------------------------


def open_session(city: City, kiosk: str, message: m.SessionRequest) -> m.SessionAnswer:
    now = city.clock()
    fresh = city.mark(lambda c: registry.use_challenge(c, message.challenge, kiosk, seconds(now)))
    require(fresh, RefusalCode.CHALLENGE)
    _require_open(city, now)
    card = _checked_card(city, kiosk, message, now)
    ends = seconds(now) + city.data.session_s
    session = registry.Session(message.session, kiosk, card.fingerprint, message.document_key, ends)

    def admit(connection: Connection) -> tuple[File, cases.Paused]:
        paused = cases.paused(connection)
        require(not paused.stops(kiosk), RefusalCode.MAINTENANCE)
        file = registry.file_of(connection, card.fingerprint)
        if file is None:
            raise Refused(RefusalCode.NOT_LINKED)
        if code := rules.person_refusal(city.data, now, file):
            raise Refused(code, rules.person_opens_at(city.data, code, file))
        require(registry.open_session(connection, session), RefusalCode.SESSION_REUSED)
        city.log(connection, "session", kiosk=kiosk, session=session.session, card=card.fingerprint)
        return file, paused

    file, paused = city.decide(admit)
    return m.SessionAnswer(
        session=message.session,
        holder=file.resident.name,
        members={key: person.name for key, person in rules.members(file).items()},
        offers=tuple(
            _paused_offer(o) if paused.stops(kiosk, o.kind) else o for o in rules.offers(city.data, now, file)
        ),
        card_expires_in_days=card.expires_in_days,
        ends_in_s=city.data.session_s,
    )


def _paused_offer(offer: m.Offer) -> m.Offer:
    return replace(offer, refusal=offer.refusal or RefusalCode.MAINTENANCE, options=())


def _require_open(city: City, now: datetime) -> None:
    when = rules.opening(city.data, now)
    if when.refusal:
        raise Refused(when.refusal, when.opens_at)


def _checked_card(city: City, kiosk: str, message: m.SessionRequest, now: datetime) -> cards.CardCertificate:
    try:
        sealing.seal(message.document_key, b"", b"")  # a key nothing can be sealed to is noticed now, not at the order
    except sealing.SealError:
        raise Refused(RefusalCode.DOCUMENT_KEY) from None
    try:
        card = cards.check_certificate(city.authorities, message.card_certificate, now)
        digest = m.transcript_digest(
            kiosk, message.session, message.challenge, message.card_certificate, message.document_key
        )
        cards.check_signature(card, digest, message.signature)
        city.revocation.check(card, now)
    except cards.CardRefused as error:
        raise Refused(error.code) from None
    return card


# -- orders -------------------------------------------------------------------------------------------------------


def order(city: City, kiosk: str, message: m.OrderRequest) -> m.OrderAnswer:
    now, asked = city.clock(), m.request_sha256(message)

    def look(connection: Connection) -> tuple[registry.Session, File, registry.Order | None]:
        session = registry.session_of(connection, message.session, kiosk, seconds(now))
        if session is None:
            raise Refused(RefusalCode.SESSION_UNKNOWN)
        file = registry.file_of(connection, session.card)
        if file is None:
            raise Refused(RefusalCode.NOT_LINKED)
        require(not cases.paused(connection).stops(kiosk, message.kind), RefusalCode.MAINTENANCE)
        return session, file, registry.order_of(connection, message.order)

    session, file, known = city.read(look)
    for _ in range(NUMBERS):
        if known is not None:
            return _again(known, session, asked)
        made = _make(city, session, file, message, asked, now)

        def reserve(connection: Connection, made: registry.Order = made) -> registry.Order | None:
            going_on = (
                registry.session_of(connection, made.session, kiosk, seconds(city.clock()), hold=True) is not None
            )
            require(going_on, RefusalCode.SESSION_UNKNOWN)
            if registry.reserve(connection, made):
                city.log(connection, "reserved", kiosk=kiosk, session=made.session, order=made.order,
                         kind=made.kind, unique_number=made.unique_number, document=made.document_sha256)  # fmt: skip
            return registry.order_of(connection, made.order)  # None: the unique number was taken

        known = city.decide(reserve)
    raise Refused(RefusalCode.BUSY)


def _again(known: registry.Order, session: registry.Session, asked: str) -> m.OrderAnswer:
    """The same order, asked again or just made, has the same answer. Another order under its id is an anomaly."""
    require((known.session, known.request_sha256) == (session.session, asked), RefusalCode.ORDER_REUSED)
    if known.state != "reserved" or known.manifest is None or known.signature is None or known.sealed is None:
        raise Refused(RefusalCode.ORDER_OVER)
    return m.OrderAnswer(
        order=known.order, manifest=known.manifest, manifest_signature=known.signature, sealed=known.sealed
    )


def _make(
    city: City, session: registry.Session, file: File, message: m.OrderRequest, asked: str, now: datetime
) -> registry.Order:
    document, fee = _composed(city, file, message, now)
    try:
        typeset = city.typeset(document)
    except CannotPrint:
        raise Refused(RefusalCode.CHARACTERS) from None
    manifest = _manifest(city, session, file, message, asked, document, typeset, fee)
    body = msgspec.json.encode(manifest)
    info = m.seal_info(session.kiosk, session.session, message.order)
    return registry.Order(
        order=message.order,
        session=session.session,
        kiosk=session.kiosk,
        kind=message.kind,
        request_sha256=asked,
        document_sha256=manifest.document_sha256,
        unique_number=document.unique_number,
        record_version=manifest.record_version,
        fee=fee,
        sheets=manifest.pages * manifest.copies,
        manifest=body,
        signature=signing.sign_manifest(city.issuing, body),
        sealed=sealing.seal(session.document_key, info, typeset.pdf),
    )


def _composed(city: City, file: File, message: m.OrderRequest, now: datetime) -> tuple[Document, int]:
    """The document and the fee for all copies, after asking the rules again. Raises Refused."""
    _require_open(city, now)
    if code := rules.person_refusal(city.data, now, file):
        raise Refused(code)
    today = now.astimezone(JST).date()
    offer = next((o for o in rules.offers(city.data, now, file) if o.kind == message.kind), None)
    certificate = next((c for c in city.data.offered(today) if c.kind == message.kind), None)
    if offer is None or certificate is None:
        raise Refused(RefusalCode.NOT_OFFERED)
    if offer.refusal:
        raise Refused(offer.refusal, rules.opening(city.data, now, certificate.hours).opens_at)
    try:
        chosen = rules.picked(offer, message.choices, message.copies)
    except rules.NotOffered:
        raise Refused(RefusalCode.NOT_OFFERED) from None
    stamp = Stamp(unique_number(), today, message.copies)
    return compose(city.data, certificate, file, chosen, stamp), offer.fee * message.copies


def unique_number() -> str:
    """固有番号. Random; that it is unique is the database's matter."""
    return "".join(secrets.choice(CROCKFORD) for _ in range(NUMBER_LENGTH))


def _manifest(
    city: City, session: registry.Session, file: File, message: m.OrderRequest, asked: str,
    document: Document, typeset: Typeset, fee: int,
) -> m.Manifest:  # fmt: skip
    digest = hashlib.sha256(typeset.pdf)
    codes = (
        m.SheetCode(
            unique_number=document.unique_number,
            page=page,
            pages=typeset.pages,
            issued_days=(document.issued_on - CODE_EPOCH).days,
            text_hash=digest.digest()[:18],
        )
        for page in range(1, typeset.pages + 1)
    )
    return m.Manifest(
        protocol=m.PROTOCOL,
        kiosk=session.kiosk,
        session=session.session,
        order=message.order,
        card_sha256=session.card,
        request_sha256=asked,
        kind=document.kind,
        title=document.title,
        holder=document.holder,
        members=tuple(person.name for person in document.people),
        issued_on=document.issued_era,
        unique_number=document.unique_number,
        record_version=file.version,
        pages=typeset.pages,
        copies=document.copies,
        fee=fee,
        seal_page=1 if document.seal else 0,
        document_sha256=digest.hexdigest(),
        codes=tuple(signing.sign_code(city.issuing, code) for code in codes),
    )


# -- release, cancel, outcome -------------------------------------------------------------------------------------


def release(city: City, kiosk: str, message: m.ReleaseRequest) -> m.ReleaseAnswer:
    now = city.clock()

    def decide(connection: Connection) -> RefusalCode | None:
        session = registry.session_of(connection, message.session, kiosk, seconds(now), hold=True)
        order = registry.order_of(connection, message.order)
        if session is None:
            return RefusalCode.SESSION_UNKNOWN
        if order is None or order.session != session.session:
            return RefusalCode.ORDER_UNKNOWN
        if order.document_sha256 != message.document_sha256:
            return RefusalCode.OTHER_DOCUMENT
        if order.state != "reserved":
            return RefusalCode.ORDER_OVER
        if message.paid < order.fee:
            return RefusalCode.UNDERPAID
        if cases.paused(connection).stops(kiosk, order.kind):
            registry.void(connection, order.order)
            return RefusalCode.MAINTENANCE
        file = registry.file_of(connection, session.card, hold=True)
        if file is None or file.version != order.record_version or rules.person_refusal(city.data, now, file):
            registry.void(connection, order.order)
            return RefusalCode.CHANGED_MEANWHILE
        if not registry.issue(connection, order.order, session.session, message.document_sha256):
            return RefusalCode.ORDER_OVER
        city.log(connection, "issued", kiosk=kiosk, session=session.session, order=order.order, paid=message.paid)
        return None

    code = city.decide(decide)  # returned, not raised: a void must be kept
    if code:
        raise Refused(code)
    return m.ReleaseAnswer(order=message.order, document_sha256=message.document_sha256, released=True)


def cancel(city: City, kiosk: str, message: m.CancelRequest) -> m.Done:
    def end(connection: Connection) -> bool:
        order = registry.reserved_of(connection, message.session, kiosk)
        ours = registry.end_session(connection, message.session, kiosk, seconds(city.clock()))
        if ours and message.rejected:  # the kiosk has stopped itself; whether the kind must stop is for a person to say
            which = {"kind": order.kind, "order": order.order} if order else {}
            cases.open_case(connection, cases.DOCUMENT_REJECTED, seconds(city.clock()), kiosk=kiosk,
                            session=message.session, **which)  # fmt: skip
            city.log(connection, "document-rejected", session=message.session, reason=message.rejected, **which)
        city.log(connection, "ended" if ours else "end-refused", kiosk=kiosk, session=message.session)
        return ours

    require(city.decide(end), RefusalCode.SESSION_UNKNOWN)
    return m.Done(accepted=True)


def outcome(city: City, kiosk: str, message: m.Outcome) -> m.Done:
    body = msgspec.json.encode(message, order="deterministic")

    def settle(connection: Connection) -> None:
        order = registry.order_of(connection, message.order)
        if order is None or (order.kiosk, order.session) != (kiosk, message.session):
            raise Refused(RefusalCode.ORDER_UNKNOWN)
        if not registry.add_outcome(connection, message.outcome, message.order, kiosk, body):
            require(registry.outcome_of(connection, message.outcome) == body, RefusalCode.OUTCOME_REUSED)
            return
        if message.result is not m.Result.PRINTED:
            registry.void(connection, message.order)
        city.log(connection, "outcome", kiosk=kiosk, order=message.order, outcome=message.outcome, state=order.state,
                 result=message.result.value, sheets=message.sheets, kept=message.kept,
                 returned=message.returned, owed=message.owed)  # fmt: skip
        for code in _amiss(order, message):
            cases.open_case(connection, code, seconds(city.clock()), kiosk=kiosk, session=message.session,
                            order=message.order, outcome=message.outcome)  # fmt: skip

    city.decide(settle)
    return m.Done(accepted=True)


def _amiss(order: registry.Order, told: m.Outcome) -> Iterator[str]:
    """What a kiosk reports of an order that does not fit what the city knows of it: codes of cases."""
    printed = told.result is m.Result.PRINTED
    if printed and order.state != "issued":
        yield cases.PRINTED_UNISSUED
    if told.sheets != order.sheets if printed else told.sheets > order.sheets:
        yield "sheets-mismatch"
    if told.kept != (order.fee if printed else 0):
        yield "money-mismatch"
    if told.result is m.Result.UNKNOWN:
        yield "outcome-unknown"


def note_refusal(city: City, kiosk: str, name: str, message: m.Message, code: RefusalCode) -> None:
    """Every refusal leaves a trace, and an anomaly a case: one looked at late is one repeated.

    BUSY leaves none: it comes of load or of the database itself, which another transaction would not help.
    """
    if code is RefusalCode.BUSY:
        return
    ids = {key: str(getattr(message, key)) for key in ("session", "order", "outcome") if hasattr(message, key)}

    def note(connection: Connection) -> None:
        city.log(connection, f"{name}-refused", kiosk=kiosk, code=code.value, **ids)
        order = registry.order_of(connection, ids["order"]) if "order" in ids else None
        owners = {registry.kiosk_of(connection, ids.get("session", "")), order.kiosk if order else ""}
        case = cases.MIX_UP if owners - {"", kiosk} else cases.OF_REFUSAL.get((name, code))
        if code is RefusalCode.INTERNAL:  # one for a defect, however many meet it: the log has the others
            cases.open_case(connection, cases.INTERNAL, seconds(city.clock()), kiosk=kiosk)
        elif case:
            cases.open_case(connection, case, seconds(city.clock()), kiosk=kiosk, **ids)

    with suppress(Refused):  # the first refusal is the answer, whatever becomes of its trace
        city.decide(note)
