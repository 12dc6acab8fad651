"""A session: who holds this card, and what they can have. The card is checked before the one
transaction that decides.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace
from sqlalchemy import Connection

from city import cards, files, registry, rules
from city.commitments import SEED_SIZE, commit, pseudonym
from city.composition import (
    ADDRESS,
    BIRTH,
    holder_id,
    session_records,
)
from city.entry_rules import entries_told
from city.family_rules import family_people
from city.handlers import City, Refused, day_of, require, require_open, seconds
from city.permits import permit
from city.records import File
from firmware.link import messages, sealing
from firmware.link.messages import RefusalCode
from firmware.link.refusals import OLDER


def open_session(
    city: City, kiosk: str, message: messages.SessionRequest
) -> messages.SessionAnswer:
    now = city.clock()
    data = city.seen_by(kiosk).told_to(message.understands)
    spend = partial(
        registry.use_challenge, challenge=message.challenge, kiosk=kiosk, now=seconds(now)
    )
    try:
        require_open(data, now)
        card = _checked_card(city, kiosk, message, now)
    except Refused:  # the challenge is spent all the same
        require(city.step(spend), RefusalCode.CHALLENGE)
        raise
    ends = seconds(now) + data.session_s
    seed = secrets.token_bytes(SEED_SIZE)

    def admit(connection: Connection) -> tuple[File, tuple[messages.Offer, ...]] | Refused:
        if not spend(connection):
            return Refused(RefusalCode.CHALLENGE)
        found = permit(connection, kiosk)
        if not found.build_taken or found.paused.stops(kiosk):
            return Refused(RefusalCode.MAINTENANCE)
        file = files.file_of(connection, card.fingerprint)
        if file is None:
            return Refused(rules.unknown_card(data, now))
        if code := rules.person_refusal(data, now, file):
            return Refused(code, rules.person_opens_at(data, code, file))
        session = registry.Session(
            session=message.session,
            kiosk=kiosk,
            card=card.fingerprint,
            document_key=message.document_key,
            commitment_seed=seed,
            record_version=file.version,
            ends=ends,
        )
        if not registry.open_session(connection, session):
            return Refused(RefusalCode.SESSION_REUSED)
        card_here = pseudonym(seed, card.fingerprint)
        offers = tuple(
            _paused_offer(offer) if found.paused.stops(kiosk, offer.kind) else offer
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

    admitted = city.step(admit)  # returned, not raised: a spent challenge must be kept
    if isinstance(admitted, Refused):
        raise admitted
    file, known = admitted
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
