"""What the gateway does with each message. Synchronous, in worker threads; every truth is in the
database.

A handler returns its answer or raises `Refused`. Slow work (chain checks, typesetting, sealing) is
done between transactions, and what it relied on is checked again inside the one that decides.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from sqlalchemy import Connection, Engine

from city import audit, builds, cards, cases, fleet, journals, registry, rollouts, rules
from city.clock import JST, Clock
from city.commitments import SEED_SIZE, commit, pseudonym
from city.composition import (
    ADDRESS,
    BIRTH,
    holder_id,
    session_records,
)
from city.database import Mode, Unavailable, transact
from city.document import Paginator, Typesetter
from city.entry_rules import entries_told
from city.family_rules import family_people
from city.municipality import Municipality
from city.opening import Opening, hours_of, opening
from city.records import File
from city.revocation import Revocation
from city.terms import SignedTerms
from firmware.link import messages, sealing, signing
from firmware.link.messages import RefusalCode
from firmware.link.refusals import OLDER

if TYPE_CHECKING:
    from city.renewal import Renewal


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
    paginate: Paginator
    terms: SignedTerms
    renewal: Renewal | None = None
    phone_policies: tuple[str, ...] = ()

    def seen_by(self, kiosk: str) -> Municipality:
        """What holds at this kiosk's site. Raises Refused for one that the city names at none."""
        data = self.data.seen_by(kiosk)
        if data is None:
            raise Refused(RefusalCode.MAINTENANCE)
        return data

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


# -- hello -----------------------------------------------------------------------------------------


def hello(city: City, kiosk: str, message: messages.Hello) -> messages.Terms:
    """A kiosk of a build that is not taken is told of maintenance, and why if it understands; of
    maintenance too when the city has sites and names it at none.
    """
    require(message.protocol == messages.PROTOCOL, RefusalCode.VERSION)
    now = city.clock()
    here = city.data.seen_by(kiosk)
    data = here or city.data
    challenge = secrets.token_bytes(32)
    update = message.status.update if message.status else None
    board = update.board if update and messages.UPDATES in message.understands else ""

    def note_behind(connection: Connection) -> None:
        if journals.head_of(connection, kiosk):  # a person may have let it have a new one meanwhile
            cases.open_case(connection, cases.JOURNAL_BEHIND, seconds(now), kiosk=kiosk)

    if message.journal_behind:
        city.decide(note_behind)

    def remember(
        connection: Connection,
    ) -> tuple[cases.Paused, messages.JournalHead | None, bool, tuple[str, bool]]:
        registry.sweep(connection, seconds(now))
        registry.add_challenge(connection, challenge, kiosk, seconds(now) + data.challenge_s)
        fleet.note(connection, kiosk, message, seconds(now))
        kept = journals.head_of(connection, kiosk)
        if message.journal and message.journal != kept:
            journals.keep(connection, kiosk, message.journal)
        wanted = rollouts.told(connection, kiosk, board, seconds(now)) if board else ("", False)
        return cases.paused(connection), kept, builds.serves(connection, kiosk), wanted

    paused, journal, build_taken, (wanted, to_move) = city.mark(remember)
    if to_move:
        city.decide(lambda connection: rollouts.move(connection, board, seconds(now)))
    when = opening(data, now)
    serves = build_taken and here is not None and not paused.stops(kiosk)
    if not serves:
        when = Opening(RefusalCode.MAINTENANCE)
    return messages.Terms(
        protocol=messages.PROTOCOL,
        city=data.code,
        city_name=data.name,
        now=now.isoformat(timespec="seconds"),
        open=when.refusal is None,
        refusal=rules.refusal(data, when.refusal, now, when.opens_at) if when.refusal else None,
        closes_in_s=int((when.closes_at - now).total_seconds()) if when.closes_at else None,
        certificates=tuple(
            _announced(n, paused.stops(kiosk, n.kind), message.understands)
            for n in rules.notices(data, now)
        ),
        contacts=data.contacts_on(now.astimezone(JST).date()),
        refusal_contacts=data.places,
        form_terms=city.terms.body,
        form_terms_signature=city.terms.signature,
        challenge=challenge,
        challenge_expires_s=data.challenge_s,
        journal=journal,
        today=hours_of(data, now) if serves and messages.TODAY in message.understands else None,
        build_refused=not build_taken and messages.BUILDS in message.understands,
        phones=message.phones and bool(city.phone_policies) and data.takes_phones(day_of(now)),
        issuing=signing.reference(city.issuing.public_key()).hex()
        if messages.ISSUING in message.understands
        else "",
        update=wanted,
    )


def _announced(
    notice: messages.CertificateNotice, paused: bool, understands: Sequence[str]
) -> messages.CertificateNotice:
    """`paused`: until a person has looked, which nobody knows when."""
    if paused:
        notice = replace(notice, open=False, opens_at=None, refusal=RefusalCode.MAINTENANCE)
    if messages.CAUSES not in understands:
        notice = replace(notice, refusal=None)
    return notice if messages.WORDS in understands else replace(notice, discount=None, not_for={})


# -- sessions --------------------------------------------------------------------------------------


def open_session(
    city: City, kiosk: str, message: messages.SessionRequest
) -> messages.SessionAnswer:
    now = city.clock()
    data = city.seen_by(kiosk).told_to(message.understands)
    fresh = city.mark(lambda c: registry.use_challenge(c, message.challenge, kiosk, seconds(now)))
    require(fresh, RefusalCode.CHALLENGE)
    require_open(data, now)
    card = _checked_card(city, kiosk, message, now)
    ends = seconds(now) + data.session_s
    seed = secrets.token_bytes(SEED_SIZE)

    def admit(connection: Connection) -> tuple[File, tuple[messages.Offer, ...]]:
        paused = cases.paused(connection)
        serves = builds.serves(connection, kiosk) and not paused.stops(kiosk)
        require(serves, RefusalCode.MAINTENANCE)
        file = registry.file_of(connection, card.fingerprint)
        if file is None:
            raise Refused(rules.unknown_card(data, now))
        if code := rules.person_refusal(data, now, file):
            raise Refused(code, rules.person_opens_at(data, code, file))
        session = registry.Session(
            session=message.session,
            kiosk=kiosk,
            card=card.fingerprint,
            document_key=message.document_key,
            commitment_seed=seed,
            record_version=file.version,
            ends=ends,
        )
        require(registry.open_session(connection, session), RefusalCode.SESSION_REUSED)
        card_here = pseudonym(seed, card.fingerprint)
        offers = tuple(
            _paused_offer(offer) if paused.stops(kiosk, offer.kind) else offer
            for offer in rules.offers(data, now, file)
        )
        city.log(
            connection,
            "session",
            kiosk=kiosk,
            session=session.session,
            card=card_here,
            **_not_offered(offers),
        )
        return file, offers

    file, known = city.decide(admit)
    records = session_records(data, day_of(now), file)
    holder = records[holder_id(file)]
    offers = tuple(_told(offer, message.understands) for offer in known)
    return messages.SessionAnswer(
        session=message.session,
        holder=holder_id(file),
        holder_birth=holder[BIRTH],
        holder_address=holder[ADDRESS],
        members={key: person.name for key, person in rules.members(file).items()},
        records=commit(message.session, file.version, seed, records),
        record_version=file.version,
        offers=offers,
        card_expires_in_days=card.expires_in_days,
        ends_in_s=data.session_s,
        readings=_readings(file) if messages.READINGS in message.understands else {},
        family=family_people(file) if any(offer.family for offer in offers) else None,
        entries=entries_told(offers),
    )


def _not_offered(offers: Iterable[messages.Offer]) -> dict[str, str]:
    """For the log: the causes for which this person cannot have a certificate, each once, and not
    which certificate it is.
    """
    causes = sorted({offer.refusal.value for offer in offers if offer.refusal})
    return {"refused": ",".join(causes)} if causes else {}


def day_of(now: datetime) -> date:
    return now.astimezone(JST).date()


def _told(offer: messages.Offer, understands: Sequence[str]) -> messages.Offer:
    if messages.CAUSES not in understands and offer.refusal:
        offer = replace(offer, refusal=OLDER.get(offer.refusal, offer.refusal))
    if messages.WORDS not in understands:
        offer = replace(offer, discount=None, not_for={})
    return offer if messages.OPENINGS in understands else replace(offer, opens_at=None)


def _readings(file: File) -> dict[str, str]:
    """How the names of those who can be certified are read, where the city has it."""
    return {key: person.kana for key, person in rules.members(file).items() if person.kana}


def _paused_offer(offer: messages.Offer) -> messages.Offer:
    """Until a person has looked, which nobody knows when."""
    return replace(offer, refusal=RefusalCode.MAINTENANCE, opens_at=None, options=(), family=False)


def require_open(data: Municipality, now: datetime) -> None:
    when = opening(data, now)
    if when.refusal:
        raise Refused(when.refusal, when.opens_at)


def _checked_card(
    city: City, kiosk: str, message: messages.SessionRequest, now: datetime
) -> cards.CardCertificate:
    try:
        # A key nothing can be sealed to is noticed now, not at the order.
        sealing.seal(message.document_key, b"", b"")
    except sealing.SealError:
        raise Refused(RefusalCode.DOCUMENT_KEY) from None
    try:
        card = cards.check_certificate(
            city.authorities, message.card_certificate, now, city.phone_policies
        )
        digest = messages.transcript_digest(
            kiosk,
            message.session,
            message.challenge,
            message.card_certificate,
            message.document_key,
        )
        cards.check_signature(card, digest, message.signature)
        city.revocation.check(card, now)
    except cards.CardRefused as error:
        raise Refused(error.code) from None
    require(
        not card.on_phone or city.seen_by(kiosk).takes_phones(day_of(now)),
        RefusalCode.PHONE_NOT_ACCEPTED,
    )
    return card


# -- release, cancel ----------------------------------------------------------------------


def release(city: City, kiosk: str, message: messages.ReleaseRequest) -> messages.ReleaseAnswer:
    now = city.clock()
    # An order that exists is finished also when the kiosk was taken from its site meanwhile.
    data = city.data.seen_by(kiosk) or city.data

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
        if (
            file is None
            or file.version != order.record_version
            or rules.person_refusal(data, now, file)
        ):
            registry.void(connection, order.order)
            return RefusalCode.CHANGED_MEANWHILE
        if not registry.issue(connection, order.order, session.session, message.document_sha256):
            return RefusalCode.ORDER_OVER
        city.log(
            connection,
            "issued",
            kiosk=kiosk,
            session=session.session,
            order=order.order,
            paid=message.paid,
        )
        return None

    code = city.decide(decide)  # returned, not raised: a void must be kept
    if code:
        raise Refused(code)
    return messages.ReleaseAnswer(
        order=message.order, document_sha256=message.document_sha256, released=True
    )


def cancel(city: City, kiosk: str, message: messages.CancelRequest) -> messages.Done:
    def end(connection: Connection) -> bool:
        order = registry.reserved_of(connection, message.session, kiosk)
        ours = registry.end_session(connection, message.session, kiosk, seconds(city.clock()))
        # The kiosk has stopped itself; whether the kind must stop is for a person to say.
        if ours and message.rejected:
            which = {"kind": order.kind, "order": order.order} if order else {}
            cases.open_case(
                connection,
                cases.DOCUMENT_REJECTED,
                seconds(city.clock()),
                kiosk=kiosk,
                session=message.session,
                **which,
            )
            city.log(
                connection,
                "document-rejected",
                session=message.session,
                reason=message.rejected,
                **which,
            )
        city.log(
            connection, "ended" if ours else "end-refused", kiosk=kiosk, session=message.session
        )
        return ours

    require(city.decide(end), RefusalCode.SESSION_UNKNOWN)
    return messages.Done(accepted=True)


def told(code: RefusalCode, message: messages.Message) -> RefusalCode:
    """The code in words that the kiosk which sent this has."""
    knows = messages.CAUSES in getattr(message, "understands", ())
    return code if knows else OLDER.get(code, code)


def note_refusal(
    city: City, kiosk: str, name: str, message: messages.Message, code: RefusalCode
) -> None:
    """Every refusal leaves a trace, and an anomaly a case: one looked at late is one repeated.

    BUSY leaves none: it comes of load or of the database itself, which another transaction would
    not help.
    """
    if code is RefusalCode.BUSY:
        return
    ids = {
        key: str(getattr(message, key))
        for key in ("session", "order", "outcome")
        if hasattr(message, key)
    }

    def note(connection: Connection) -> None:
        city.log(connection, f"{name}-refused", kiosk=kiosk, code=code.value, **ids)
        order = registry.order_of(connection, ids["order"]) if "order" in ids else None
        owners = {
            registry.kiosk_of(connection, ids.get("session", "")),
            order.kiosk if order else "",
        }
        case = cases.MIX_UP if owners - {"", kiosk} else cases.OF_REFUSAL.get((name, code))
        # One case for a defect, however many meet it: the log has the others.
        if code is RefusalCode.INTERNAL:
            cases.open_case(connection, cases.INTERNAL, seconds(city.clock()), kiosk=kiosk)
        elif case:
            cases.open_case(connection, case, seconds(city.clock()), kiosk=kiosk, **ids)

    with suppress(Refused):  # the first refusal is the answer, whatever becomes of its trace
        city.decide(note)
