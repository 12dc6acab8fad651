"""An order: what was chosen becomes a signed manifest, signed codes and a sealed document, reserved
for one session.

Typesetting is done between transactions, and what it relied on is checked again inside the one that
decides.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

import msgspec
from sqlalchemy import Connection

from city import cases, files, registry, rules
from city.clock import JST
from city.commitments import SALT_SIZE, openings
from city.composition import Composed, Stamp, compose, on_sheets, session_records
from city.document import CannotPrint, Layout, Unprintable
from city.handlers import City, Refused, day_of, require, require_open, seconds
from city.municipality import Municipality
from city.records import File
from firmware.link import messages, sealing, signing
from firmware.link.content import Content, sheet_digest
from firmware.link.messages import RefusalCode
from firmware.link.sheet_code import MAX_PAYLOAD, CodeError, SheetCode

CROCKFORD: Final = (
    "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: read aloud and typed without mistakes
)
NUMBER_LENGTH: Final = 12  # 60 bits
UNPRINTABLE: Final[Mapping[Unprintable, RefusalCode]] = {
    Unprintable.MISSING_GLYPH: RefusalCode.CHARACTERS,
    Unprintable.UNKNOWN_VARIATION: RefusalCode.CHARACTERS,
    Unprintable.PRIVATE_USE: RefusalCode.CHARACTERS,
    Unprintable.PENDING: RefusalCode.CHARACTER_PENDING,
    Unprintable.TOO_LONG: RefusalCode.TEXT_TOO_LONG,
    Unprintable.TOO_MANY: RefusalCode.TOO_MANY_SHEETS,
}
NUMBERS: Final = 4  # how many unique numbers are tried


def order(city: City, kiosk: str, message: messages.OrderRequest) -> messages.OrderAnswer:
    now = city.clock()
    asked = messages.request_sha256(message)

    def look(connection: Connection) -> tuple[registry.Session, File, registry.Order | None]:
        session = registry.session_of(connection, message.session, kiosk, seconds(now))
        if session is None:
            raise Refused(RefusalCode.SESSION_UNKNOWN)
        file = files.file_of(connection, session.card)
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
                registry.session_of(
                    connection, made.session, kiosk, seconds(city.clock()), hold=True
                )
                is not None
            )
            require(going_on, RefusalCode.SESSION_UNKNOWN)
            if not registry.reserve(connection, made):
                return registry.order_of(connection, made.order)  # None: the number was taken
            city.log(
                connection,
                "reserved",
                kiosk=kiosk,
                session=made.session,
                order=made.order,
                kind=made.kind,
                unique_number=made.unique_number,
                document=made.document_sha256,
            )
            return made

        known = city.step(reserve)
    raise Refused(RefusalCode.BUSY)


def _again(known: registry.Order, session: registry.Session, asked: str) -> messages.OrderAnswer:
    """The same order, asked again or just made, has the same answer. Another order under its id is
    an anomaly.
    """
    require(
        (known.session, known.request_sha256) == (session.session, asked), RefusalCode.ORDER_REUSED
    )
    if (
        known.state != "reserved"
        or known.manifest is None
        or known.signature is None
        or known.sealed is None
    ):
        raise Refused(RefusalCode.ORDER_OVER)
    return messages.OrderAnswer(
        order=known.order,
        manifest=known.manifest,
        manifest_signature=known.signature,
        sealed=known.sealed,
    )


def _make(
    city: City,
    session: registry.Session,
    file: File,
    message: messages.OrderRequest,
    asked: str,
    now: datetime,
) -> registry.Order:
    require(file.version == session.record_version, RefusalCode.CHANGED_MEANWHILE)
    data = city.seen_by(session.kiosk)
    opened = datetime.fromtimestamp(session.ends - data.session_s, JST)
    composed, layout, fee = _composed(data, file, message, opened, now)
    try:
        sizes = city.paginate(composed.content, layout)
        content = on_sheets(composed, sizes)
        typeset = city.typeset(content, layout)
        salt = secrets.token_bytes(SALT_SIZE)
        codes = _codes(city, composed, content, message.kind, salt, day_of(now))
    except CannotPrint as error:
        raise Refused(UNPRINTABLE[error.reason]) from None
    records = session_records(city.seen_by(session.kiosk), day_of(now), file)
    manifest = messages.Manifest(
        protocol=messages.PROTOCOL,
        kiosk=session.kiosk,
        session=session.session,
        order=message.order,
        card_sha256=session.card,
        request_sha256=asked,
        kind=message.kind,
        record_version=file.version,
        copies=message.copies,
        fee=fee,
        content=content,
        salt=salt,
        openings=openings(session.commitment_seed, records, composed.open),
        document_sha256=hashlib.sha256(typeset.pdf).hexdigest(),
        codes=codes,
    )
    body = _encoded(manifest)
    info = messages.seal_info(session.kiosk, session.session, message.order)
    return registry.Order(
        order=message.order,
        session=session.session,
        kiosk=session.kiosk,
        kind=message.kind,
        request_sha256=asked,
        document_sha256=manifest.document_sha256,
        unique_number=content.unique_number,
        record_version=manifest.record_version,
        fee=fee,
        sheets=content.pages * manifest.copies,
        manifest=body,
        signature=signing.sign_manifest(city.issuing, body),
        sealed=sealing.seal(session.document_key, info, typeset.pdf),
    )


def _encoded(manifest: messages.Manifest) -> bytes:
    """As a kiosk will read it. Raises Refused when a value is longer than the line carries."""
    body = msgspec.json.encode(manifest)
    try:
        msgspec.json.decode(body, type=messages.Manifest)
    except msgspec.ValidationError:
        raise Refused(RefusalCode.TEXT_TOO_LONG) from None
    return body


def _composed(
    data: Municipality,
    file: File,
    message: messages.OrderRequest,
    opened: datetime,
    now: datetime,
) -> tuple[Composed, Layout, int]:
    """The content, how it is set, and the fee for all copies, after asking the rules again. Raises
    Refused. `opened`: when the session was.
    """
    require_open(data, now)
    if code := rules.person_refusal(data, now, file):
        raise Refused(code, rules.person_opens_at(data, code, file))
    offer = _offer(data, file, message.kind, now)
    if offer is not None and offer.refusal:
        ends = datetime.fromisoformat(offer.opens_at) if offer.opens_at else None
        raise Refused(offer.refusal, ends)
    # What was confirmed is what was offered; at midnight a fee, a title or a year may have changed.
    if day_of(opened) != day_of(now) and _offer(data, file, message.kind, opened) != offer:
        raise Refused(RefusalCode.DAY_CHANGED)
    certificate = data.certificate_on(message.kind, day_of(now))
    if offer is None or certificate is None:
        raise Refused(RefusalCode.NOT_OFFERED)
    try:
        chosen = rules.picked(offer, message.choices, message.copies)
    except rules.NotOffered:
        raise Refused(RefusalCode.NOT_OFFERED) from None
    composed = compose(data, certificate, file, chosen, Stamp(unique_number(), day_of(now)))
    return composed, Layout(certificate.form, certificate.seal_mm), offer.fee * message.copies


def _offer(data: Municipality, file: File, kind: str, at: datetime) -> messages.Offer | None:
    return next((offer for offer in rules.offers(data, at, file) if offer.kind == kind), None)


def unique_number() -> str:
    """固有番号. Random; that it is unique is the database's matter."""
    return "".join(secrets.choice(CROCKFORD) for _ in range(NUMBER_LENGTH))


def _codes(
    city: City, composed: Composed, content: Content, kind: str, salt: bytes, day: date
) -> tuple[bytes, ...]:
    """The signed code of each sheet. Raises CannotPrint when the holder's name is too long
    for one.
    """
    key = signing.reference(city.issuing.public_key())
    codes = (
        SheetCode(
            key=key,
            city=city.data.code,
            day=day,
            kind=kind,
            unique_number=content.unique_number,
            page=page,
            pages=content.pages,
            holder=composed.holder,
            year=composed.year,
            people=composed.people,
            whole=composed.whole,
            digest=sheet_digest(content, page, salt),
        )
        for page in range(1, content.pages + 1)
    )
    try:
        payloads = tuple(signing.sign_code(city.issuing, code) for code in codes)
    except CodeError:
        raise CannotPrint(Unprintable.TOO_LONG) from None
    if max(map(len, payloads)) > MAX_PAYLOAD:
        raise CannotPrint(Unprintable.TOO_LONG)
    return payloads
